"""Every pair of stages against every base, judged by Microsoft's table of transitions and not by the code's."""

from __future__ import annotations

from itertools import product

import pytest

from shared.domain.record import CrmStage, StageChange
from shared.domain.referral import ReferralStage
from shared.domain.stages import StageDecision, Stages, first_stage, plan_stages

PAIRS = [Stages(there, here) for there, here in product(ReferralStage, CrmStage)]
BASES: list[Stages | None] = [None, *PAIRS]

MAY_FOLLOW = {
    "received": {"accepted", "declined"},
    "accepted": {"won", "lost"},
    "won": set(),
    "lost": set(),
    "declined": set(),
    "expired": set(),
    "error": set(),
}
"""learn.microsoft.com/partner-center/developer/create-a-referral, and what the portal lets a partner do of it."""

SAME = {
    ("received", "on_hold"),
    ("accepted", "active"),
    ("won", "won"),
    *((closed, "lost") for closed in ("lost", "declined", "expired", "error")),
}
"""The pairs that say the same on both sides."""

RECEIVED, ACCEPTED = ReferralStage.RECEIVED, ReferralStage.ACCEPTED
WON, LOST, DECLINED, EXPIRED = ReferralStage.WON, ReferralStage.LOST, ReferralStage.DECLINED, ReferralStage.EXPIRED
HELD, ACTIVE = CrmStage.ON_HOLD, CrmStage.ACTIVE


def says_the_same(stages: Stages) -> bool:
    return (stages.referral.value, stages.record.value) in SAME


def after(now: Stages, decision: StageDecision) -> Stages:
    """Where both sides stand once the decision is carried out."""
    there = decision.referral_steps[-1] if decision.referral_steps else now.referral
    return Stages(there, decision.record_change.stage if decision.record_change else now.record)


@pytest.mark.parametrize("now", PAIRS, ids=str)
def test_every_decision_is_legal_and_leads_where_it_says(now: Stages) -> None:
    for base in BASES:
        decision = plan_stages(now, base)
        stage = now.referral.value
        for step in decision.referral_steps:
            assert step.value in MAY_FOLLOW[stage], (base, decision)
            stage = step.value
        assert decision.agreed == after(now, decision), (base, decision)
        assert not (decision.referral_steps and decision.record_change), "both sides would move at once"
        if now.record is HELD:
            assert not decision.referral_steps, "nothing travels to Partner Center while on hold"


@pytest.mark.parametrize("now", PAIRS, ids=str)
def test_what_was_decided_is_at_rest(now: Stages) -> None:
    for base in BASES:
        agreed = plan_stages(now, base).agreed
        assert plan_stages(agreed, agreed) == StageDecision(agreed), base


@pytest.mark.parametrize("now", PAIRS, ids=str)
def test_both_sides_end_equal_or_a_note_says_why_not(now: Stages) -> None:
    for base in BASES:
        decision = plan_stages(now, base)
        moved = base is None or base.referral is not now.referral or base.record is not now.record
        put_back_on_hold = now == Stages(ACCEPTED, HELD) and base is not None and base.referral is ACCEPTED
        if says_the_same(decision.agreed):
            assert not decision.note, "no reason was given"
        elif not put_back_on_hold:
            assert now.referral.is_closed
            assert bool(decision.note) is moved, (base, decision)


@pytest.mark.parametrize("now", [pair for pair in PAIRS if says_the_same(pair)], ids=str)
def test_sides_that_say_the_same_are_left_alone_whatever_the_base(now: Stages) -> None:
    for base in BASES:
        assert plan_stages(now, base, "Price") == StageDecision(now)


@pytest.mark.parametrize(
    ("now", "base", "steps"),
    [
        (Stages(RECEIVED, ACTIVE), Stages(RECEIVED, HELD), (ACCEPTED,)),
        (Stages(RECEIVED, CrmStage.LOST), Stages(RECEIVED, HELD), (DECLINED,)),
        (Stages(RECEIVED, CrmStage.WON), Stages(RECEIVED, HELD), (ACCEPTED, WON)),
        (Stages(ACCEPTED, CrmStage.WON), Stages(ACCEPTED, ACTIVE), (WON,)),
        (Stages(ACCEPTED, CrmStage.LOST), Stages(ACCEPTED, ACTIVE), (LOST,)),
        (Stages(ACCEPTED, CrmStage.LOST), Stages(RECEIVED, HELD), (LOST,)),
        (Stages(ACCEPTED, HELD), Stages(ACCEPTED, ACTIVE), ()),
    ],
    ids=str,
)
def test_a_move_in_the_crm(now: Stages, base: Stages, steps: tuple[ReferralStage, ...]) -> None:
    decision = plan_stages(now, base)
    assert decision.referral_steps == steps
    assert decision.record_change is None


@pytest.mark.parametrize(
    ("now", "change"),
    [
        (Stages(ACCEPTED, HELD), StageChange(ACTIVE)),
        (Stages(WON, HELD), StageChange(CrmStage.WON, "Won in Partner Center: Price")),
        (Stages(LOST, ACTIVE), StageChange(CrmStage.LOST, "Lost in Partner Center: Price")),
        (Stages(DECLINED, HELD), StageChange(CrmStage.LOST, "Declined in Partner Center: Price")),
        (Stages(EXPIRED, HELD), StageChange(CrmStage.LOST, "Expired in Partner Center: Price")),
        (Stages(ReferralStage.ERROR, ACTIVE), StageChange(CrmStage.LOST, "Error in Partner Center: Price")),
    ],
    ids=str,
)
@pytest.mark.parametrize("base", [Stages(RECEIVED, HELD), None], ids=str)
def test_a_move_in_partner_center(now: Stages, change: StageChange, base: Stages | None) -> None:
    assert plan_stages(now, base, "Price").record_change == change


def test_the_reason_of_a_closing_is_told_once_and_only_where_there_is_one() -> None:
    open_, base = Stages(LOST, ACTIVE), Stages(ACCEPTED, ACTIVE)
    told = plan_stages(open_, base, "Budget was moved.")
    assert told.note == "Lost in Partner Center: Budget was moved."
    assert plan_stages(told.agreed, told.agreed, "Budget was moved.").note == ""
    assert plan_stages(open_, base).note == ""
    assert len(plan_stages(open_, base, "x" * 5000).note) == 256


def test_a_record_that_was_reopened_is_explained_once() -> None:
    reopened = plan_stages(Stages(WON, ACTIVE), Stages(WON, CrmStage.WON))
    assert "never reopens" in reopened.note
    assert "create a new opportunity" in reopened.note
    assert plan_stages(Stages(WON, ACTIVE), reopened.agreed).note == ""


def test_a_deal_closed_differently_on_both_sides_is_explained_once() -> None:
    apart = plan_stages(Stages(WON, CrmStage.LOST), Stages(ACCEPTED, ACTIVE))
    assert "closed as Won, the record as lost" in apart.note
    assert plan_stages(Stages(WON, CrmStage.LOST), apart.agreed).note == ""


@pytest.mark.parametrize(
    ("stage", "reason", "expected"),
    [
        (RECEIVED, "ignored", StageChange(HELD)),
        (ACCEPTED, None, StageChange(ACTIVE)),
        (WON, None, StageChange(CrmStage.WON, "Won in Partner Center")),
        (LOST, "Price", StageChange(CrmStage.LOST, "Lost in Partner Center: Price")),
    ],
)
def test_the_first_stage_of_a_new_record(stage: ReferralStage, reason: str | None, expected: StageChange) -> None:
    assert first_stage(stage, reason) == expected


@pytest.mark.parametrize(
    ("stage", "status", "substatus"),
    [
        (RECEIVED, "New", "Received"),
        (ACCEPTED, "Active", "Accepted"),
        (WON, "Closed", "Won"),
        (LOST, "Closed", "Lost"),
        (DECLINED, "Closed", "Declined"),
        (EXPIRED, "Closed", "Expired"),
        (ReferralStage.ERROR, "Closed", "Error"),
    ],
)
def test_a_stage_in_partner_centers_words(stage: ReferralStage, status: str, substatus: str) -> None:
    assert (stage.status, stage.substatus) == (status, substatus)
    assert stage.is_closed is (status == "Closed")
