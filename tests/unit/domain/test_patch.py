"""What a PATCH may name, by Microsoft's own list."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.link import Link, link_id_for_record, link_id_for_referral
from shared.domain.patch import PATCHABLE_PATHS, PatchOperation, patch_path
from shared.domain.record import CrmStage, RecordChange, RecordKind, StageChange
from shared.domain.values import Person, Solution

MICROSOFTS_LIST = """
/campaignId /consent/consentToShareReferralWithMicrosoftSellers /customerProfile/team /customerProfile/team/-
/details/closingDateTime /details/currency /details/dealValue /details/notes /details/requirements/solutions
/details/requirements/solutions/- /externalReferenceId /referralProgram /salesStage /status /substatus /statusReason
/team /team/-
"""


def test_the_paths_are_microsofts() -> None:
    assert frozenset(MICROSOFTS_LIST.split()) == PATCHABLE_PATHS


def test_an_operation_as_it_is_sent() -> None:
    assert PatchOperation("replace", patch_path("details.dealValue"), 5).document() == {
        "op": "replace",
        "path": "/details/dealValue",
        "value": 5,
    }
    assert PatchOperation("add", "/team/-", {}).document()["op"] == "add"


@pytest.mark.parametrize(
    ("operation", "path"),
    [("replace", "/name"), ("add", "/inviteContext"), ("replace", "/team/-"), ("remove", "/team"), ("test", "/status")],
)
def test_what_partner_center_refuses_is_not_built(operation: Any, path: str) -> None:
    with pytest.raises(ValueError, match=path):
        PatchOperation(operation, path, None)


def test_ids_of_links() -> None:
    assert link_id_for_referral("7D23E5CA") == link_id_for_referral("7d23e5ca")
    assert link_id_for_record(RecordKind.OPPORTUNITY, "006a") != link_id_for_record(RecordKind.OPPORTUNITY, "006A")
    assert link_id_for_record(RecordKind.LEAD, "1") != link_id_for_record(RecordKind.OPPORTUNITY, "1")


def test_a_link_shows_no_customer() -> None:
    assert "Fabrikam" not in repr(Link("r-1", RecordKind.OPPORTUNITY, base={"name": "Fabrikam"}))


def test_a_change_of_nothing_is_false() -> None:
    assert not RecordChange()
    assert RecordChange({"name": None})
    assert RecordChange(stage=StageChange(CrmStage.WON))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Person("A", email="x@y.example "), Person("B", email="X@Y.example"), True),
        (Person("Ada", "Berg"), Person("ada", "BERG"), True),
        (Person("Ada", "Berg", email="x@y.example"), Person("Ada", "Berg"), False),
        (Solution("SOL-1", "a"), Solution("sol-1 ", "b"), True),
        (Solution("SOL-1"), Solution("SOL-2"), False),
    ],
)
def test_who_and_what_is_the_same(one: Any, other: Any, same: bool) -> None:
    assert (one.key == other.key) is same
