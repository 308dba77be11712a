"""Microsoft answers: its status, its people and its CRM identifier reach the opportunity, whatever we may read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.end_to_end.conftest import SceneMaker
from tests.end_to_end.scene import Scene
from tests.end_to_end.seller import PROOF_OF_CONCEPT
from tests.end_to_end.sellers import OWN

pytestmark = pytest.mark.crms("dynamics365", "salesforce")
CUSTOMIZE = """
[records.opportunity.columns]
microsoft_status = "{own.microsoft_status}"
microsoft_team = "{own.microsoft_team}"
"""
EVE = {"firstName": "Eve", "lastName": "Stone", "phoneNumber": "1", "email": "eve.stone@microsoft.example"}
SAM = {"firstName": "Sam", "lastName": "Hill", "phoneNumber": "2", "email": "sam.hill@microsoft.example"}


@pytest.fixture(scope="module")
def scene(make_scene: SceneMaker, crm: str) -> Scene:
    """A partner who shows Microsoft's answer in columns of its own."""
    return make_scene({}, customize=CUSTOMIZE.format(own=OWN[crm]))


def answer_in(record: dict[str, Any], scene: Scene) -> tuple[str | None, str | None]:
    """Microsoft's status and people, as the record shows them."""
    return record[scene.seller.own.microsoft_status], record[scene.seller.own.microsoft_team]


@pytest.fixture
def shared(scene: Scene) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The opportunity, our referral and Microsoft's of a deal that Microsoft was asked to help with."""
    record_id = scene.opportunity({"help": PROOF_OF_CONCEPT})
    scene.settle()
    ours = scene.referral_of(record_id)
    (theirs,) = scene.microsofts(ours["engagementId"])
    return record_id, ours, theirs


@contextmanager
def only(scene: Scene, wanted: Callable[[Any], bool]) -> Iterator[None]:
    """Only these events are delivered."""
    options = scene.world.partner_center.deliveries.options
    options.drop = lambda event: not wanted(event)
    try:
        yield
    finally:
        options.drop = None


def is_related(event: Any) -> bool:
    return bool(event.event_name.startswith("related-"))


def test_an_invitation_alone_says_nothing_of_an_answer(
    scene: Scene, shared: tuple[str, dict[str, Any], dict[str, Any]]
) -> None:
    record_id, _, _ = shared
    assert answer_in(scene.record(record_id), scene)[0] is None
    assert not any(line.startswith("Microsoft ") for line in scene.audit(record_id))


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "not-readable"])
def test_microsofts_answer_people_and_crm_identifier_reach_the_opportunity(
    scene: Scene, shared: tuple[str, dict[str, Any], dict[str, Any]], readable: bool
) -> None:
    record_id, ours, theirs = shared
    store = scene.world.partner_center.store
    store.related_readable = readable
    try:
        with only(scene, is_related):
            scene.people.edit_referral(theirs["id"], {"/team": [*theirs["team"], EVE, SAM]})
            scene.people.microsoft_accepts(ours["engagementId"], "7-3FGH2JKLMN")
            scene.settle()
    finally:
        store.related_readable = True
    record = scene.record(record_id)
    assert record["microsoft_crm_id"] == "7-3FGH2JKLMN"
    assert answer_in(record, scene) == ("Accepted", "Eve Stone; Sam Hill")
    told = [line for line in scene.audit(record_id) if line.startswith("Microsoft accepted")]
    assert told == ["Microsoft accepted; Microsoft's team: 2 people."]
    assert not any("Eve" in line or "Sam" in line for line in scene.audit(record_id))
    assert "Eve" not in str(scene.audit_rows(ours["id"]))
    assert "Eve" not in str(scene.runs_of(theirs["id"]))


def test_microsofts_refusal_is_told_with_its_reason_and_leaves_our_own_side_open(
    scene: Scene, shared: tuple[str, dict[str, Any], dict[str, Any]]
) -> None:
    record_id, ours, theirs = shared
    scene.people.decline(theirs["id"], "Customer timeline too short")
    scene.settle()
    assert scene.audit(record_id).count("Microsoft declined (Customer timeline too short).") == 1
    assert answer_in(scene.record(record_id), scene)[0] == "Declined"
    assert scene.stage_of(ours["id"]) == "Active/Accepted"
    assert scene.stage(record_id) == scene.seller.stages.active


def test_an_event_with_news_costs_two_calls_and_one_write_and_one_without_costs_one(
    scene: Scene, shared: tuple[str, dict[str, Any], dict[str, Any]]
) -> None:
    _, ours, theirs = shared
    with only(scene, is_related):
        scene.forget_calls()
        scene.people.accept(theirs["id"])
        scene.wait_quiet()
        partner_center, crm = scene.calls()
        reads = 0 if scene.seller.refuses_stale_writes else 1
        assert (sum(partner_center.values()), sum(crm.values())) == (2, reads + 1), (partner_center, crm)
        scene.forget_calls()
        scene.people.edit_referral(theirs["id"], {"/details/notes": "Microsoft's own note."})
        scene.wait_quiet()
        partner_center, crm = scene.calls()
        assert (sum(partner_center.values()), sum(crm.values())) == (1, 0), (partner_center, crm)
    assert ours["details"]["notes"] == scene.referral(ours["id"])["details"]["notes"]


def test_an_answer_that_no_event_told_of_is_found_by_auto_heal(
    scene: Scene, shared: tuple[str, dict[str, Any], dict[str, Any]]
) -> None:
    record_id, ours, _ = shared
    with only(scene, lambda event: False):
        scene.people.microsoft_accepts(ours["engagementId"], "7-HEALED")
        scene.wait_quiet()
        assert scene.record(record_id)["microsoft_crm_id"] is None
        scene.run_timer("auto_heal")
        scene.wait_quiet()
    assert scene.record(record_id)["microsoft_crm_id"] == "7-HEALED"


def test_an_incoming_deal_whose_related_event_comes_first_is_taken_in_and_told_of_microsofts_side(
    scene: Scene,
) -> None:
    with only(scene, is_related):
        ours = scene.incoming(status="Active", substatus="Accepted")
        engagement_id = scene.referral(ours)["engagementId"]
        theirs = {**scene.referral(ours), "organizationId": "msft", "team": [EVE]}
        for name in ("id", "eTag", "createdDateTime", "updatedDateTime", "externalReferenceId"):
            theirs.pop(name, None)
        scene.people.add_referral({**theirs, "engagementId": engagement_id})
        scene.settle()
    record = scene.record_of(ours)
    assert answer_in(record, scene) == ("Accepted", "Eve Stone")
    assert "Microsoft accepted; Microsoft's team: 1 person." in scene.audit(record["id"])
