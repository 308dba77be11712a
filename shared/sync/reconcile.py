"""Brings one linked pair into step: plan, apply, remember."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.domain.audit import TO_CRM, TO_PARTNER_CENTER, conflict_line, landed_line, report_values, success
from shared.domain.base import Begun, dump_base
from shared.domain.begun import dated, still_begun
from shared.domain.errors import RetryLater, VersionConflict
from shared.domain.link import Link, LinkStatus
from shared.domain.mapping import RecordMapping
from shared.domain.microsofts_side import MicrosoftsSide
from shared.domain.patch import PatchOperation
from shared.domain.plan import Plan, plan
from shared.domain.record import CrmStage, Record, RecordChange, RecordKind
from shared.domain.referral import Referral, parse_referral
from shared.domain.settle import RecordAfter, presumed_record, settle
from shared.sync.invitation import invite_microsoft, should_invite
from shared.sync.outcome import Outcome, Result
from shared.sync.pair import Pair, read_pair, record_id_of, referral_id_of
from shared.sync.room import require_room
from shared.sync.sides import LockedLink, Sides

REPLACE_REFERENCE = "replace_reference"
"""The intent of a link that has gone on with another record: the referral still names the old one."""
MAX_ATTEMPTS = 5
"""Times a plan is made anew because a side changed while it was being applied."""


@dataclass
class Told:
    """What earlier steps of this run already did, to be told with the rest: audit lines, fields sent.

    ``goes_on``: later steps of this run write to the link too, so it stays locked.
    """

    lines: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    newborn_engagement: bool = False
    goes_on: bool = False


def reconcile(
    sides: Sides,
    locked: LockedLink,
    *,
    referral: Referral | None = None,
    record: Record | None = None,
    told: Told | None = None,
    microsofts: MicrosoftsSide | None = None,
) -> Outcome:
    """Both sides agree after this, or an error says why not; the link's base is what they agreed on.

    Give what was just read; the other side is presumed unchanged since the base, and read only when that turns out
    wrong (HTTP 412) or the CRM cannot refuse a stale write. ``microsofts`` is Microsoft's side, where it was read.
    A lead that changed meanwhile may be an opportunity by now: its ``VersionConflict`` is for the caller.
    """
    told = told or Told()
    for _ in range(MAX_ATTEMPTS):
        pair = read_pair(sides, locked, referral, record, microsofts)
        if pair.is_echo and not told.lines and not _lacks_reference(pair, locked.link):
            return Outcome(Result.UNCHANGED, "Nothing changed since the last sync.", locked.link)
        if pair.record is None and not sides.crm.capabilities.optimistic_lock:
            record = sides.crm.get(locked.link.kind, record_id_of(locked))
            continue
        planned = plan(pair.referral_view, pair.record_view, pair.base, pair.mapping, sides.rules(locked.link.kind))
        if pair.referral is None and (planned.needs_referral or should_invite(locked.link, pair.record_view)):
            referral = sides.referral(referral_id_of(locked))
            continue
        if sides.dry_run:
            return _rehearsed(locked, planned)
        if planned.closes_or_clears:
            sides.brake.check(locked.link.id)
        try:
            return _apply(sides, locked, pair, planned, told)
        except VersionConflict:
            if locked.link.kind is RecordKind.LEAD:
                raise
            referral = sides.referral(referral_id_of(locked))
            record = sides.crm.get(locked.link.kind, record_id_of(locked))
    raise RetryLater(f"The deal changed {MAX_ATTEMPTS} times while it was being synced; it is tried again", code="busy")


def _apply(sides: Sides, locked: LockedLink, pair: Pair, planned: Plan, told: Told) -> Outcome:
    """Partner Center first, then the record with the news of it, then the base: each step can be repeated."""
    since = sides.clock()
    _begin(locked, pair, planned, dated(planned.begun, since, None))
    planned = replace(planned, conflicts=(*pair.untold, *planned.conflicts))
    after = _write_referral(sides, locked, pair, planned, told)
    lines = _lines(planned, told, pair.mapping) or _recovery(locked.link, pair, planned, told)
    rules = sides.rules(locked.link.kind)
    news = report_values(pair.record_view, pair.mapping, rules, lines, sides.clock(), failed=False)
    change = RecordChange({**news, **planned.to_crm.values}, planned.to_crm.stage)
    if any(begun.to_crm for begun in planned.begun.values()):
        audit = change.values.get(pair.mapping.columns.audit)
        _remember(locked, pair, dated(planned.begun, since, audit))
    record_after, landed = _write_record(sides, locked, pair, change)
    base = settle(
        planned,
        (pair.referral_view, pair.record_view),
        pair.versions,
        pair.mapping,
        referral_after=after,
        change=change,
        record_after=record_after,
    )
    link = replace(
        locked.link,
        base=dump_base(base, pair.mapping),
        engagement_id=after.engagement_id if after else locked.link.engagement_id,
        intent=None,
        **_standing(locked.link, pair, planned, told),
    )
    if link != locked.link:
        locked.save(link, release=not told.goes_on)
    return _outcome(locked, pair, planned, told, [*lines, *landed], wrote=bool(change) or bool(told.sent))


def _outcome(
    locked: LockedLink, pair: Pair, planned: Plan, told: Told, lines: Sequence[str], *, wrote: bool
) -> Outcome:
    waits = Result.WAITING if planned.waiting or planned.held else Result.UNCHANGED
    return Outcome(
        Result.SYNCED if wrote else waits,
        " ".join(lines) or _waiting_for(planned, pair) or "Both sides agree.",
        locked.link,
        tuple(told.sent),
        planned.received,
        planned.conflicts,
    )


def _begin(locked: LockedLink, pair: Pair, planned: Plan, begun: Mapping[str, Begun]) -> None:
    """Whoever finds this sync cut off knows what of it to look for; what could not be remembered is not begun."""
    views, unwritten = (pair.referral_view, pair.record_view), RecordChange({})
    agreed = settle(
        planned, views, pair.versions, pair.mapping, referral_after=None, change=unwritten, record_after=None
    )
    require_room(agreed, pair.mapping)
    if any(one.to_partner_center for one in begun.values()):
        _remember(locked, pair, begun)


def _remember(locked: LockedLink, pair: Pair, begun: Mapping[str, Begun]) -> None:
    if pair.base is not None:
        both = still_begun(pair.base, pair.untold, begun)
        locked.save(replace(locked.link, base=dump_base(replace(pair.base, begun=both), pair.mapping)))


def _recovery(link: Link, pair: Pair, planned: Plan, told: Told) -> list[str]:
    """What failed was mended without anything left to send: the record says so, and loses its cross mark."""
    is_known = pair.referral is not None and pair.record is not None and not told.goes_on
    if link.failure is None or not is_known or _waiting_for(planned, pair):
        return []
    return [success(TO_PARTNER_CENTER)]


def _standing(link: Link, pair: Pair, planned: Plan, told: Told) -> dict[str, Any]:
    """The link's status. A failure on Partner Center's side is only over once that side was read again."""
    if told.goes_on:
        return {}
    if link.failure is not None and pair.referral is None and not planned.to_partner_center:
        return {"failure": replace(link.failure, record_version=None)}
    closed = planned.stages.referral.is_closed
    waiting = _waiting_for(planned, pair)
    status = LinkStatus.WAITING if waiting else LinkStatus.CLOSED if closed else LinkStatus.SYNCED
    return {"status": status, "status_reason": waiting, "failure": None}


def _write_referral(sides: Sides, locked: LockedLink, pair: Pair, planned: Plan, told: Told) -> Referral | None:
    """The referral as last answered, or as read; ``None`` when it was neither. What was sent is in ``told``."""
    etag, after = pair.versions.etag, pair.referral
    for operations in _with_reference(planned, pair, locked):
        after = parse_referral(sides.referrals.patch(referral_id_of(locked), operations, etag))
        etag = after.etag
    told.sent += planned.sent
    if after is not None and should_invite(locked.link, pair.record_view):
        created = invite_microsoft(sides, locked, after, pair.record_view, newborn_engagement=told.newborn_engagement)
        if created:
            told.sent.append(pair.mapping.field("help").label)
    return after


def _write_record(
    sides: Sides, locked: LockedLink, pair: Pair, change: RecordChange
) -> tuple[RecordAfter | None, list[str]]:
    """What the CRM answered; and a line, too late for the record itself, where somebody wrote at the same time."""
    if not change:
        return None, []
    record = pair.record or presumed_record(locked.link.kind, record_id_of(locked), pair.agreed_base, pair.mapping)
    written = sides.crm.update(record, change)
    lines = [landed_line(record, written.landed, pair.mapping)] if written.landed else []
    return RecordAfter(written.version, written.modified_at, written.values), lines


def _with_reference(planned: Plan, pair: Pair, locked: LockedLink) -> tuple[tuple[PatchOperation, ...], ...]:
    """The plan's PATCHes, with the CRM record's id where the referral does not carry it yet."""
    if not _lacks_reference(pair, locked.link):
        return planned.to_partner_center
    reference = PatchOperation("replace", "/externalReferenceId", record_id_of(locked))
    first, *rest = planned.to_partner_center or ((),)
    return ((reference, *first), *rest)


def _lacks_reference(pair: Pair, link: Link) -> bool:
    """Whether the referral is to be told its record: not when it is closed, nor by a record that does not sync."""
    referral = pair.referral
    if referral is None or referral.stage.is_closed or not pair.record_view.sync:
        return False
    has_moved = link.intent is not None and link.intent.action == REPLACE_REFERENCE
    return not referral.external_reference or (has_moved and referral.external_reference != link.record_id)


def _lines(planned: Plan, told: Told, mapping: RecordMapping) -> list[str]:
    # That it was sent, and what of it, is one line.
    lines = [line for line in told.lines if not (told.sent and line == success(TO_PARTNER_CENTER))]
    if planned.received and not told.lines:
        lines.append(success(TO_CRM, planned.received))
    if told.sent:
        lines.append(success(TO_PARTNER_CENTER, told.sent))
    lines += [conflict_line(conflict, mapping) for conflict in planned.conflicts]
    return [*lines, *planned.notes]


def _waiting_for(planned: Plan, pair: Pair) -> str:
    if planned.emptied:
        return f"Waits for a person: a referral cannot be without {', '.join(planned.emptied)}."
    if planned.held:
        return f"Waits for a person: {', '.join(sorted(planned.held))} differ on both sides."
    if planned.waiting:
        holds = "leaves the on-hold stage" if pair.record_view.kind is RecordKind.OPPORTUNITY else "is qualified"
        until = holds if planned.stages.record is CrmStage.ON_HOLD else "is switched to sync"
        return f"{', '.join(planned.waiting)} will travel once the record {until}."
    return ""


def _rehearsed(locked: LockedLink, planned: Plan) -> Outcome:
    would = []
    if planned.received:
        would.append(f"would write to the CRM: {', '.join(planned.received)}")
    if planned.sent:
        would.append(f"would write to Partner Center: {', '.join(planned.sent)}")
    message = f"Dry run: {'; '.join([*would, *planned.notes]) or 'nothing to write'}."
    return Outcome(Result.DRY_RUN, message, locked.link, planned.sent, planned.received, planned.conflicts)
