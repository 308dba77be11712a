"""Judges every field of every deal in the end: kept as the last edit left it, explained, or lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.campaign.audit import BOTH_FINAL, conflict_lines, says_closed
from sandbox.campaign.ledger import MERGED, Document, Edit, Ledger, comparable, referral_values
from sandbox.campaign.plan import Field, Side, Stage
from sandbox.campaign.sellers import Shown

SETTLED_STAGES = {"Received": "on hold", "Pending": "on hold", "Accepted": "active", "Won": "won"}
WANTED_STAGES = {Stage.ACCEPTED: "active", Stage.DECLINED: "lost", Stage.WON: "won", Stage.LOST: "lost"}


class Standing(StrEnum):
    """How a field of a deal ended. The last three must not be."""

    KEPT = "as the last edit left it"
    CONFLICT = "an earlier edit won, and the audit names both"
    ON_HOLD = "waits for the record to leave the on-hold stage"
    CLOSED = "came after the deal was closed, which is final"
    LOST = "an edit is lost"
    UNSAID = "an edit was overruled by one that crossed it, and the audit does not say so"
    UNEXPLAINED = "the sides differ, and nothing says why"


@dataclass(frozen=True)
class Verdict:
    deal: int
    field: str
    standing: Standing
    text: str = ""

    @property
    def is_bad(self) -> bool:
        return self.standing in (Standing.LOST, Standing.UNSAID, Standing.UNEXPLAINED)


@dataclass(frozen=True)
class Pair:
    """Both sides of one deal in the end."""

    number: int
    referral: Document
    record: Shown
    solutions: frozenset[str]
    microsoft_crm_id: str | None
    invitations: int

    @property
    def is_closed(self) -> bool:
        return bool(self.referral["status"] == "Closed")

    @property
    def is_on_hold(self) -> bool:
        return self.record.stage == "on hold"


def judge(pair: Pair, ledger: Ledger, labels: dict[Field, str]) -> Iterator[Verdict]:
    """One verdict for each field that anybody edited or that both sides hold."""
    for field in MERGED:
        edits = ledger.of(pair.number, field)
        yield _merged(pair, field, edits, labels[field])
        yield from _unsaid(pair, field, edits, labels[field])
    yield from _name(pair, ledger.of(pair.number, Field.NAME), labels[Field.NAME])
    yield _visibility(pair, ledger.of(pair.number, Field.VISIBILITY))
    yield _stage(pair, ledger.of(pair.number, Field.STAGE))
    yield from _one_way(pair, ledger)


def _merged(pair: Pair, field: Field, edits: list[Edit], label: str) -> Verdict:
    there = comparable(field, referral_values(pair.referral)[field])
    here = comparable(field, pair.record.values[field])
    if there == here:
        return _agreed(pair, field, edits, label, here)
    text = f"Partner Center: {there!r}; CRM: {here!r}; edits: {_told(edits)}"
    last_here, last_there = _last(edits, Side.CRM), _last(edits, Side.PARTNER_CENTER)
    is_typed = last_here is not None and last_here.value == here
    is_known = any(edit.value == there for edit in edits)
    if is_typed and is_known and pair.is_on_hold and last_there and last_there.value == there:
        return Verdict(pair.number, field, Standing.ON_HOLD)
    if is_typed and is_known and pair.is_closed and says_closed(pair.record.audit, label):
        return Verdict(pair.number, field, Standing.CLOSED)
    return Verdict(pair.number, field, Standing.LOST if edits else Standing.UNEXPLAINED, text)


def _agreed(pair: Pair, field: Field, edits: list[Edit], label: str, value: Any) -> Verdict:
    """Both sides hold ``value``: the last edit's, or that of the other side's edit which won a conflict with it."""
    last = edits[-1]
    if last.value == value:
        return Verdict(pair.number, field, Standing.KEPT)
    winner = _last(edits, _other(last.side))
    is_concurrent = winner is not None and winner.value == value and not last.in_step
    told = (line for line in conflict_lines(pair.record.audit) if line.label == label and line.winner is not last.side)
    if is_concurrent and any(line.tells(field, value, last.value) for line in told):
        return Verdict(pair.number, field, Standing.CONFLICT)
    return Verdict(pair.number, field, Standing.LOST, f"both sides: {value!r}; edits: {_told(edits)}")


def _unsaid(pair: Pair, field: Field, edits: list[Edit], label: str) -> Iterator[Verdict]:
    """The last edit of one side, where the other side edited without having it: whoever won, both must be named.

    On hold a conflict is told once it travels; in a closed deal it does not.
    """
    if pair.is_on_hold or pair.is_closed:
        return
    lines = [line for line in conflict_lines(pair.record.audit) if line.label == label]
    for side in Side:
        mine = _last(edits, side)
        later = [edit for edit in edits if mine is not None and edit.order > mine.order]
        if mine is None or not later or any(edit.value == mine.value for edit in later):
            continue
        has_crossed = later[0].across == mine.value and later[0].before != mine.value
        if has_crossed and not any(line.names(field, mine.value) for line in lines):
            yield Verdict(pair.number, field, Standing.UNSAID, f"edits: {_told(edits)}")


def _name(pair: Pair, edits: list[Edit], label: str) -> Iterator[Verdict]:
    """Partner Center has no way to take a new name, so that a rename in the CRM stays there."""
    there = comparable(Field.NAME, pair.referral.get("name"))
    here = comparable(Field.NAME, pair.record.values[Field.NAME])
    last_there = _last(edits, Side.PARTNER_CENTER)
    wanted = {last_there.value} if last_there else {edit.value for edit in edits}
    text = f"Partner Center: {there!r}; CRM: {here!r}; edits: {_told(edits)}"
    yield Verdict(pair.number, Field.NAME, Standing.KEPT if there in wanted else Standing.LOST, text)
    yield _agreed(pair, Field.NAME, edits, label, here)


def _visibility(pair: Pair, edits: list[Edit]) -> Verdict:
    """From no to yes and never back; whatever shares the deal makes it visible, too."""
    there = comparable(Field.VISIBILITY, referral_values(pair.referral)[Field.VISIBILITY])
    here = comparable(Field.VISIBILITY, pair.record.values[Field.VISIBILITY])
    is_wanted = any(edit.value for edit in edits)
    if there == here and (there or not is_wanted):
        return Verdict(pair.number, Field.VISIBILITY, Standing.KEPT)
    if here and not there and (pair.is_on_hold or pair.is_closed):
        return Verdict(pair.number, Field.VISIBILITY, Standing.ON_HOLD if pair.is_on_hold else Standing.CLOSED)
    text = f"Partner Center: {there}; CRM: {here}; edits: {_told(edits)}"
    return Verdict(pair.number, Field.VISIBILITY, Standing.LOST, text)


def _stage(pair: Pair, edits: list[Edit]) -> Verdict:
    """Closed is final: a later move of the other side has come too late, and the audit says so where they differ."""
    there = SETTLED_STAGES.get(pair.referral["substatus"], "lost")
    here = pair.record.stage
    text = f"Partner Center: {pair.referral['substatus']}; CRM: {here}; edits: {_told(edits)}"
    if there != here:
        told = any(BOTH_FINAL in line for line in pair.record.audit)
        return Verdict(pair.number, Field.STAGE, Standing.CLOSED if told else Standing.LOST, text)
    wanted = [WANTED_STAGES[edit.value] for edit in edits]
    if not wanted or wanted[-1] == here:
        return Verdict(pair.number, Field.STAGE, Standing.KEPT)
    was_closed_before = here in ("won", "lost") and here in wanted
    return Verdict(pair.number, Field.STAGE, Standing.CLOSED if was_closed_before else Standing.LOST, text)


def _one_way(pair: Pair, ledger: Ledger) -> Iterator[Verdict]:
    """What travels from one side only: the CRM's solutions, contact and owner, and Microsoft's answer."""
    number, details = pair.number, pair.referral.get("details") or {}
    there = {one["id"] for one in (details.get("requirements") or {}).get("solutions") or []}
    if edits := ledger.of(number, Field.SOLUTION):
        is_kept = set(edits[-1].value) == pair.solutions and there == pair.solutions
        yield _travelled(pair, Field.SOLUTION, is_kept, f"Partner Center: {sorted(there)}; CRM: {_told(edits)}")
    elif there != pair.solutions:
        yield Verdict(number, Field.SOLUTION, Standing.UNEXPLAINED, f"{sorted(there)}; CRM: {sorted(pair.solutions)}")
    profile = pair.referral["customerProfile"]
    for field, members in ((Field.CONTACT, profile.get("team")), (Field.OWNER, pair.referral.get("team"))):
        if edits := ledger.of(number, field):
            addresses = {str(member.get("email", "")).lower() for member in members or []}
            text = f"Partner Center has {len(addresses)} people; {len(edits)} edits"
            yield _travelled(pair, field, edits[-1].value.lower() in addresses, text)
    if edits := ledger.of(number, Field.MICROSOFT):
        is_kept = pair.microsoft_crm_id == edits[-1].value
        text = f"CRM: {pair.microsoft_crm_id}; edits: {_told(edits)}"
        yield Verdict(number, Field.MICROSOFT, Standing.KEPT if is_kept else Standing.LOST, text)
    if ledger.of(number, Field.HELP):
        yield _travelled(pair, Field.HELP, pair.invitations > 0, "Microsoft was never invited")


def _travelled(pair: Pair, field: Field, is_kept: bool, text: str) -> Verdict:
    if is_kept:
        return Verdict(pair.number, field, Standing.KEPT)
    if pair.is_on_hold:
        return Verdict(pair.number, field, Standing.ON_HOLD)
    return Verdict(pair.number, field, Standing.CLOSED if pair.is_closed else Standing.LOST, text)


def _other(side: Side) -> Side:
    return Side.CRM if side is Side.PARTNER_CENTER else Side.PARTNER_CENTER


def _last(edits: list[Edit], side: Side) -> Edit | None:
    return next((edit for edit in reversed(edits) if edit.side is side), None)


def _told(edits: list[Edit]) -> str:
    return ", ".join(
        f"{edit.side} {edit.value!r} at {edit.at:%H:%M:%S.%f}{' in step' if edit.in_step else ''}" for edit in edits
    )
