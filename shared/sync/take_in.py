"""Creates the CRM record of a referral, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.domain.audit import TO_CRM, prepend, success
from shared.domain.base import dump_base, view_referral
from shared.domain.errors import NotFound, Rejected, RetryLater, VersionConflict
from shared.domain.intake import build_record, foresee_record
from shared.domain.link import Failure, LinkStatus
from shared.domain.mapping import NO_LIMITS
from shared.domain.record import NewRecord, Record, RecordKind
from shared.domain.referral import Referral
from shared.domain.settle import agreed_as_they_are
from shared.sync.accounts import choose_account, hold_customer
from shared.sync.leads import keep_in_step
from shared.sync.outcome import Outcome, Result
from shared.sync.sides import LockedLink, Sides


def take_in(sides: Sides, locked: LockedLink, referral: Referral) -> Outcome:
    """The referral has its record, and both name each other. A record that is already there is used as it is.

    The referral id is the record's key, so a repeat after an unknown outcome finds what the first try made.
    """
    if referral.external_reference:
        return _use_named_record(sides, locked, referral)
    kind = locked.link.kind
    mapping, rules = sides.mapping(kind), sides.rules(kind)
    view = view_referral(referral, mapping)
    new = build_record(referral, view, mapping, rules, _audit(sides, kind), kind)
    # A lead without a base is one that has not been looked at yet.
    is_deal = kind is RecordKind.OPPORTUNITY
    expected = dump_base(foresee_record(referral, view, mapping, rules), mapping) if is_deal else None
    with hold_customer(sides, new):
        record, is_new = _find_or_create(sides, locked, new, expected)
        if is_new:
            # Stored before anything else happens: a later failure must never make a second one.
            document = dump_base(agreed_as_they_are(referral, record, mapping, rules), mapping)
            locked.save(replace(locked.link, record_id=record.id, base=document, status=LinkStatus.SYNCED))
        else:
            locked.save(replace(locked.link, record_id=record.id))
    outcome = keep_in_step(sides, locked, referral=referral, record=record)
    return replace(outcome, result=Result.CREATED, message=success(TO_CRM)) if is_new else outcome


def _find_or_create(
    sides: Sides, locked: LockedLink, new: NewRecord, expected: Mapping[str, Any] | None
) -> tuple[Record, bool]:
    """The record of the referral, and whether it was made now. The link has the ``expected`` base before it is."""
    prepared = sides.crm.prepare(new)
    if prepared.existing is not None:
        return prepared.existing, False
    account_id = choose_account(prepared.accounts, sides.mapping(new.kind).account)
    if expected is not None:
        locked.save(replace(locked.link, base=expected))
    try:
        return sides.crm.create(new, prepared, account_id), True
    except VersionConflict:
        return _made_meanwhile(sides, new), False


def _made_meanwhile(sides: Sides, new: NewRecord) -> Record:
    existing = sides.crm.prepare(new).existing
    if existing is None:
        raise RetryLater("The CRM refused the record as a duplicate, yet does not find it", code="duplicate_unseen")
    return existing


def _use_named_record(sides: Sides, locked: LockedLink, referral: Referral) -> Outcome:
    """A referral that names a CRM id is that record's, or nobody's: nothing is created for it."""
    reference = str(referral.external_reference)
    for kind in referral.record_kinds:
        try:
            record = sides.crm.get(kind, reference)
        except (NotFound, Rejected):
            continue
        locked.save(replace(locked.link, kind=kind, record_id=record.id))
        return keep_in_step(sides, locked, referral=referral, record=record)
    message = (
        f"The referral names the CRM id {reference[:60]!r}, which the CRM does not have; it was left alone. "
        "Restore that record and resubmit the referral, or work on the deal in Partner Center."
    )
    known = Failure("unknown_crm_id", etag=referral.etag)
    locked.save(replace(locked.link, status=LinkStatus.WAITING, status_reason=message, failure=known))
    return Outcome(Result.IGNORED, message, locked.link)


def _audit(sides: Sides, kind: RecordKind) -> str:
    limit = sides.rules(kind).limits.get(sides.mapping(kind).columns.audit, NO_LIMITS).max_length
    return prepend("", [success(TO_CRM)], sides.clock(), limit)
