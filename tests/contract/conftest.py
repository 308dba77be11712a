"""Every test that asks for ``rig`` runs once per CRM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from sandbox.certificates import Certificates, make_certificates
from sandbox.dataverse import DataverseSimulator
from tests.contract.rigs import (
    Dynamics365Rig,
    MemoryRig,
    Rig,
    SalesforceRig,
    check_token,
    dynamics365_rig,
    salesforce_rig,
)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def dynamics365(certificates: Certificates) -> Iterator[Dynamics365Rig]:
    with dynamics365_rig(certificates, DataverseSimulator(check_token)) as rig:
        yield rig


@pytest.fixture
def salesforce(certificates: Certificates) -> Iterator[SalesforceRig]:
    with salesforce_rig(certificates) as rig:
        yield rig


_NEVER_BLANK = "CloseDate cannot be blank"
_NO_CONVERSION = "only people convert leads in Salesforce"
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "salesforce": {
        "test_every_path_of_the_mapping_is_read_and_blank_ones_are_none": _NEVER_BLANK,
        "test_amounts_and_dates_can_be_blank_and_zero_is_not_blank[salesforce-closing_date]": _NEVER_BLANK,
        "test_a_qualified_lead_is_an_open_opportunity_with_what_it_held": _NO_CONVERSION,
        "test_a_lead_is_qualified_once": _NO_CONVERSION,
        "test_an_account_that_is_known_is_used": _NO_CONVERSION,
    }
}
"""What a CRM does otherwise, by test; tests of its own say how (test_salesforce.py)."""


@pytest.fixture(params=["memory", "dynamics365", "salesforce"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """The adapter under test, with metadata read, so that calls are those of the work alone."""
    differences = DIFFERENCES.get(request.param, {})
    if reason := differences.get(request.node.name) or differences.get(request.node.originalname):
        pytest.skip(reason)
    chosen: Rig = MemoryRig() if request.param == "memory" else request.getfixturevalue(request.param)
    chosen.crm.catalogue()
    return chosen
