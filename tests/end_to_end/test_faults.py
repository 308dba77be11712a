"""What goes wrong between the two sides, and that every deal is whole at the end, once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.control import Fault
from tests.end_to_end.scene import Scene
from tests.end_to_end.seller import PROOF_OF_CONCEPT

pytestmark = pytest.mark.crms("dynamics365", "salesforce")
REFERRALS = "/referrals"
SOON = {"Retry-After": "1"}
ACCEPTED = {"status": "Active", "substatus": "Accepted"}


@pytest.fixture(autouse=True)
def calm(scene: Scene) -> Iterator[None]:
    """No order of one test is left for the next."""
    yield
    scene.world.partner_center.control.forget_faults()
    scene.seller.control.forget_faults()


def written(scene: Scene) -> str:
    """The path of the requests in which records are created, as a regular expression."""
    return f"{scene.seller.operations.write.rpartition('/')[2].lstrip('$')}$"


def assert_in_step(scene: Scene, referral_id: str) -> str:
    """One opportunity, equal to its one referral in everything that travels; its id."""
    referral, record = scene.referral(referral_id), scene.record_of(referral_id)
    details = referral["details"]
    assert record["deal_value"] == details["dealValue"]
    assert record["notes"] == details["notes"]
    assert record["closing_date"] == details["closingDateTime"][:10]
    assert referral["externalReferenceId"] == record["id"]
    assert [one["id"] for one in scene.referrals_of(record["id"])] == [referral_id]
    return str(record["id"])


def test_events_that_never_came_are_healed(scene: Scene) -> None:
    changed, record_id = scene.accepted()
    scene.world.partner_center.deliveries.options.drop_next = 2
    new = scene.incoming(**ACCEPTED)
    scene.edit_referral(changed, details__dealValue=808)
    scene.settle()
    assert scene.records_of(new) == []
    assert scene.record(record_id)["deal_value"] == 250000
    scene.run_timer("auto_heal")
    scene.settle()
    assert_in_step(scene, new)
    assert_in_step(scene, changed)
    assert scene.record(record_id)["deal_value"] == 808


def test_duplicates_and_disorder_converge(scene: Scene) -> None:
    options = scene.world.partner_center.deliveries.options
    options.copies = 2
    try:
        referral_ids = [scene.incoming(details__dealValue=value, **ACCEPTED) for value in (1, 2)]
        for referral_id in referral_ids:
            scene.edit_referral(referral_id, details__dealValue=10)
            scene.edit_referral(referral_id, details__notes="Second thought.")
            scene.edit_referral(referral_id, details__dealValue=20)
        scene.settle()
    finally:
        options.copies = 1
    for referral_id in referral_ids:
        record = scene.record(assert_in_step(scene, referral_id))
        assert (record["deal_value"], record["notes"]) == (20, "Second thought.")


def test_services_that_are_busy_or_away_cost_time_and_nothing_else(scene: Scene) -> None:
    """Each of four deals meets another refusal on its way in."""
    partner_center, crm = scene.world.partner_center.control, scene.seller.control
    partner_center.order(Fault(REFERRALS, "GET", 429, SOON))
    partner_center.order(Fault(REFERRALS, "PATCH", 503, SOON))
    crm.order(scene.seller.busy())
    crm.order(Fault(written(scene), "POST", 503, SOON, skip=2))
    referral_ids = [scene.incoming(**ACCEPTED) for _ in range(4)]
    scene.settle()
    for referral_id in referral_ids:
        assert_in_step(scene, referral_id)
    refused = {call.status for call in (*partner_center.calls, *crm.calls)}
    assert {429, 503} <= refused


def test_writes_whose_answers_are_lost_are_not_made_twice(scene: Scene) -> None:
    """The create of an opportunity, of a referral and of Microsoft's, and an update on either side: all of them
    happened, and the connector never heard of it."""
    partner_center, crm = scene.world.partner_center.control, scene.seller.control
    deal, deal_record = scene.accepted()
    other, other_record = scene.accepted()
    invites = scene.opportunity()
    scene.settle()
    # The second such request of a new referral creates; the first one looks.
    crm.order(Fault(written(scene), "POST", 0, after_commit=True, skip=1))
    crm.order(Fault(*scene.seller.update_request(other_record), 0, after_commit=True))
    partner_center.order(Fault(f"{REFERRALS}$", "POST", 0, after_commit=True, times=2))
    partner_center.order(Fault(deal, "PATCH", 0, after_commit=True))
    new = scene.incoming(**ACCEPTED)
    shared = scene.opportunity()
    scene.edit_crm(invites, help=PROOF_OF_CONCEPT)
    scene.edit_crm(deal_record, deal_value=4711)
    scene.edit_referral(other, details__dealValue=1147)
    scene.run_timer("crm_to_partner_center")  # all of it at once: each waits for its next try
    scene.settle()
    for referral_id in (deal, other, new):
        assert_in_step(scene, referral_id)
    assert scene.referral(deal)["details"]["dealValue"] == 4711
    assert scene.record(other_record)["deal_value"] == 1147
    assert scene.record(shared)["referral_id"] == scene.referral_of(shared)["id"]
    assert len(scene.microsofts(scene.referral_of(invites)["engagementId"])) == 1
    for record_id in (deal_record, other_record):
        told = [line for line in scene.audit(record_id) if "changed on both sides" in line]
        assert told == [], "our own write was taken for somebody else's"


def test_an_expired_cursor_means_a_full_read_and_nothing_twice(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    before = {one["id"]: one["eTag"] for one in scene.world.partner_center.store.all()}
    scene.expire_cursors()
    scene.settle()
    assert {one["id"]: one["eTag"] for one in scene.world.partner_center.store.all()} == before
    scene.edit_crm(record_id, deal_value=606)
    scene.expire_cursors()
    new = scene.opportunity()
    scene.settle()
    assert scene.referral(referral_id)["details"]["dealValue"] == 606
    assert scene.referral_of(new)
    assert len(scene.world.partner_center.store.all()) == len(before) + 1


def test_expired_tokens_are_renewed_without_a_retry(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.world.expire_tokens()
    scene.edit_crm(record_id, deal_value=909)
    scene.settle()
    scene.world.expire_tokens()
    scene.edit_referral(referral_id, details__notes="Fresh tokens.")
    scene.settle()
    assert_in_step(scene, referral_id)
    statuses = {run.status.value for subject in (referral_id, record_id) for run in scene.runs_of(subject)}
    assert statuses == {"succeeded"}


def test_a_worker_that_dies_loses_nothing(scene: Scene) -> None:
    """Killed, not stopped; what was queued is still there for the next one."""
    referral_id, record_id = scene.accepted()
    host = scene.world.host
    assert host is not None
    host.kill()
    scene.edit_crm(record_id, deal_value=515)
    while_down = scene.incoming(**ACCEPTED)
    host.start()
    scene.settle()
    assert_in_step(scene, referral_id)
    assert_in_step(scene, while_down)


def test_a_record_that_was_deleted_leaves_its_referral_alone(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    before = scene.referral(referral_id)
    scene.seller.delete(record_id)
    scene.settle()
    assert scene.referral(referral_id) == before
    assert "deleted in the CRM" in scene.runs_of(record_id)[0].message


def test_a_record_that_is_gone_is_told_of_when_its_referral_changes(scene: Scene) -> None:
    """The CRM may tell nobody: of rows that were deleted for good, or are hidden from the connector since."""
    referral_id, record_id = scene.accepted()
    scene.seller.delete(record_id)
    scene.edit_referral(referral_id, details__dealValue=5)
    scene.wait_quiet()
    failed = next(line for line in scene.audit_rows(referral_id) if line.outcome == "failed")
    assert (failed.error_code, failed.record_id) == ("not_found", record_id)
    assert scene.referral(referral_id)["details"]["dealValue"] == 5
