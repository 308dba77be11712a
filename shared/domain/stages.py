"""Stages of a referral and of a CRM record, and what a move on one side means for the other.

Facts: a referral goes New -> Active -> Closed and never back; Closed is terminal
(learn.microsoft.com/partner-center/developer/create-a-referral, "state transitions").
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.record import CrmStage, RecordKind, StageChange
from shared.domain.referral import ReferralStage

REASON_LIMIT_CHARS = 255
"""Of a reason for closing, in the audit: it is a text of any length in Partner Center."""


@dataclass(frozen=True)
class Stages:
    """Where both sides stand."""

    referral: ReferralStage
    record: CrmStage


@dataclass(frozen=True)
class StageDecision:
    """``referral_steps`` are sent one after the other.

    ``note`` tells what the stages alone do not: why a deal was closed, or why a move does not travel.
    """

    agreed: Stages
    referral_steps: tuple[ReferralStage, ...] = ()
    record_change: StageChange | None = None
    note: str = ""


def plan_stages(
    now: Stages,
    base: Stages | None,
    status_reason: str | None = None,
    kind: RecordKind = RecordKind.OPPORTUNITY,
) -> StageDecision:
    """What must move where, given what both sides last agreed on; total over every pair of stages.

    ``status_reason`` is the referral's own reason for being closed, for the CRM. An open lead goes with a referral that
    was accepted, or even won: to become an opportunity is no change of its stage.
    """
    there, here = now.referral, now.record
    if there.crm_stage == here or (kind is RecordKind.LEAD and is_to_be_qualified(now)):
        return StageDecision(now)
    if there.is_closed:
        return _closed_there(now, base, status_reason)
    if here.is_closed:
        return _closed_here(now)
    if here is CrmStage.ACTIVE:
        accepted = ReferralStage.ACCEPTED
        return StageDecision(Stages(accepted, here), referral_steps=(accepted,))
    moved_there = base is None or base.referral is not there
    if moved_there:
        return StageDecision(Stages(there, CrmStage.ACTIVE), record_change=StageChange(CrmStage.ACTIVE))
    return StageDecision(now)


def is_to_be_qualified(now: Stages) -> bool:
    """Whether a lead in this stage is open, although its referral was accepted: it is to become an opportunity."""
    return now.record is CrmStage.ON_HOLD and now.referral in (ReferralStage.ACCEPTED, ReferralStage.WON)


def _closed_here(now: Stages) -> StageDecision:
    """The record was won or lost while the referral is open."""
    won = now.record is CrmStage.WON
    if now.referral is ReferralStage.ACCEPTED:
        steps: tuple[ReferralStage, ...] = (ReferralStage.WON if won else ReferralStage.LOST,)
    elif won:
        steps = (ReferralStage.ACCEPTED, ReferralStage.WON)
    else:
        steps = (ReferralStage.DECLINED,)
    return StageDecision(Stages(steps[-1], now.record), referral_steps=steps)


def _closed_there(now: Stages, base: Stages | None, status_reason: str | None) -> StageDecision:
    """The referral is closed, for good; the record says otherwise."""
    there, here = now.referral, now.record
    moved_there = base is None or base.referral is not there
    if here.is_closed:
        moved = moved_there or base is None or base.record is not here
        note = (
            f"The referral was closed as {there.substatus}, the record as {here.value}; both are final and were left "
            "as they are. If the record is wrong, reopen and close it again."
        )
        return StageDecision(now, note=note if moved else "")
    if moved_there:
        target, reason = there.crm_stage, _closing_reason(there, status_reason)
        # Not every CRM has a place for the reason, so the audit has it for all of them.
        note = f"{reason[:REASON_LIMIT_CHARS].rstrip('.')}." if status_reason else ""
        return StageDecision(Stages(there, target), record_change=StageChange(target, reason), note=note)
    moved_here = base is not None and base.record is not here
    note = (
        f"The record was reopened, but the referral is closed as {there.substatus} and Partner Center never reopens "
        "one. To go on with the deal together, create a new opportunity and share it."
    )
    return StageDecision(now, note=note if moved_here else "")


def first_stage(stage: ReferralStage, status_reason: str | None) -> StageChange:
    """The stage of a record that is made for a referral."""
    reason = _closing_reason(stage, status_reason) if stage.is_closed else None
    return StageChange(stage.crm_stage, reason)


def _closing_reason(stage: ReferralStage, status_reason: str | None) -> str:
    words = f"{stage.substatus} in Partner Center"
    return f"{words}: {status_reason}" if status_reason else words
