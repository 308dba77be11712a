"""Accept, decline, win, lose, expire and reopen, from either side."""

from __future__ import annotations

import pytest

from tests.end_to_end.scene import Scene

pytestmark = pytest.mark.crms("dynamics365", "salesforce")


def test_leaving_the_on_hold_stage_accepts_the_referral(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in()
    scene.edit_crm(record_id, stage="active")
    scene.settle()
    assert scene.stage_of(referral_id) == "Active/Accepted"
    assert scene.audit(record_id)[0] == "CRM to Partner Center Referral sync success (Stage: Accepted)."


def test_nothing_travels_to_partner_center_while_on_hold_and_all_of_it_on_acceptance(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in()
    before = scene.referral(referral_id)
    scene.edit_crm(record_id, notes="We should take this one.", deal_value=300000)
    scene.settle()
    assert scene.referral(referral_id) == before
    assert "leaves the on-hold stage" in scene.runs_of(record_id)[0].message
    scene.edit_crm(record_id, stage="active")
    scene.settle()
    details = scene.referral(referral_id)["details"]
    assert (details["notes"], details["dealValue"]) == ("We should take this one.", 300000)
    assert scene.stage_of(referral_id) == "Active/Accepted"


def test_accepting_in_partner_center_takes_the_opportunity_off_hold(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in()
    scene.people.accept(referral_id)
    scene.settle()
    assert scene.stage(record_id) == scene.seller.stages.active


def test_losing_it_while_on_hold_declines_the_referral_with_the_status_reason(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in()
    scene.seller.lose(record_id, scene.seller.stages.lost)
    scene.settle()
    assert scene.stage_of(referral_id) == "Closed/Declined"
    assert scene.referral(referral_id)["statusReason"] == scene.seller.stages.lost
    assert scene.stage(record_id) == scene.seller.stages.lost


@pytest.mark.usefixtures("callbacks_apart")
def test_winning_it_while_on_hold_accepts_first(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in()
    scene.seller.win(record_id)
    scene.settle()
    assert scene.stage_of(referral_id) == "Closed/Won"


def test_won_in_the_crm_is_won_in_partner_center(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.seller.win(record_id)
    scene.settle()
    assert scene.stage_of(referral_id) == "Closed/Won"
    assert scene.stage(record_id) == scene.seller.stages.won


def test_lost_in_the_crm_is_lost_in_partner_center_with_the_status_reason(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.seller.lose(record_id, scene.seller.stages.declined)
    scene.settle()
    assert scene.stage_of(referral_id) == "Closed/Lost"
    assert scene.referral(referral_id)["statusReason"] == scene.seller.stages.declined


def test_an_edit_and_a_closing_in_the_crm_travel_together(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, deal_value=777)
    scene.seller.win(record_id)
    scene.settle()
    assert scene.stage_of(referral_id) == "Closed/Won"
    assert scene.referral(referral_id)["details"]["dealValue"] == 777


@pytest.mark.parametrize(("substatus", "expected"), [("Won", "won"), ("Lost", "lost"), ("Error", "declined")])
def test_closed_in_partner_center_closes_the_opportunity(scene: Scene, substatus: str, expected: str) -> None:
    referral_id, record_id = scene.accepted()
    scene.people.close(referral_id, substatus, reason="Budget was moved")
    scene.settle()
    assert scene.stage(record_id) == getattr(scene.seller.stages, expected)
    assert scene.seller.words_of_closing(substatus, "Budget was moved") in scene.seller.why_closed(record_id)


def test_declined_in_partner_center_closes_the_opportunity_as_lost_with_the_reason(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in()
    scene.people.decline(referral_id, "Customer timeline too short")
    scene.settle()
    assert scene.stage(record_id) == scene.seller.stages.declined
    assert scene.seller.words_of_closing("Declined", "Customer timeline too short") in scene.seller.why_closed(
        record_id
    )


def test_an_expired_referral_closes_the_opportunity_as_lost_with_the_reason(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in()
    scene.people.expire(referral_id)
    scene.settle()
    assert scene.stage(record_id) == scene.seller.stages.declined
    assert scene.seller.words_of_closing("Expired") in scene.seller.why_closed(record_id)
    assert scene.stage_of(referral_id) == "Closed/Expired"


def test_reopening_a_closed_deal_in_the_crm_explains_itself_and_leaves_the_referral_alone(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.seller.lose(record_id, scene.seller.stages.declined)
    scene.settle()
    closed = scene.referral(referral_id)
    scene.forget_calls()
    scene.seller.reopen(record_id)
    scene.settle()
    assert scene.referral(referral_id) == closed
    assert "PATCH" not in " ".join(scene.calls()[0])
    assert "never reopens one" in scene.audit(record_id)[0]
    assert scene.stage(record_id) == scene.seller.stages.active
    scene.edit_crm(record_id, notes="Going on without Microsoft.")
    scene.settle()
    assert scene.referral(referral_id) == closed
    assert "a closed referral cannot be changed" in scene.audit(record_id)[0]


def test_a_deal_that_goes_on_hold_again_stays_accepted(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in()
    scene.edit_crm(record_id, stage="active")
    scene.settle()
    scene.edit_crm(record_id, stage="on_hold")
    scene.settle()
    assert scene.stage_of(referral_id) == "Active/Accepted"
    assert scene.stage(record_id) == scene.seller.stages.on_hold
