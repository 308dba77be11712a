"""Every test that asks for ``rig`` runs once per CRM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.certificates import Certificates, make_certificates
from sandbox.dataverse import DataverseSimulator
from tests.contract.rigs import Dynamics365Rig, MemoryRig, Rig, check_token, dynamics365_rig


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def dynamics365(certificates: Certificates) -> Iterator[Dynamics365Rig]:
    with dynamics365_rig(certificates, DataverseSimulator(check_token)) as rig:
        yield rig


@pytest.fixture(params=["memory", "dynamics365"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """The adapter under test, with metadata read, so that calls are those of the work alone."""
    chosen: Rig = MemoryRig() if request.param == "memory" else request.getfixturevalue("dynamics365")
    chosen.crm.catalogue()
    return chosen
