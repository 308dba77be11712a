"""Orgs for the tests of this package, each with the options that its test asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sandbox.certificates import Certificates, make_certificates
from tests.contract.rigs import SalesforceRig, salesforce_rig

OrgMaker = Callable[..., SalesforceRig]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def org(certificates: Certificates) -> Iterator[OrgMaker]:
    """Makes an org with the simulator's options, and an adapter on it."""
    with ExitStack() as running:
        yield lambda **options: running.enter_context(salesforce_rig(certificates, **options))
