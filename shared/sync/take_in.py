"""Creates the CRM record of a referral, once."""

from __future__ import annotations

from dataclasses import replace

from shared.crm.port import AccountCandidate
from shared.domain.audit import TO_CRM, prepend, success
from shared.domain.base import dump_base, view_referral
from shared.domain.errors import NotFound, Rejected, RetryLater, VersionConflict
from shared.domain.intake import build_record
from shared.domain.link import LinkStatus
from shared.domain.mapping import NO_LIMITS, AccountPolicy, RecordMapping
from shared.domain.record import NewRecord, Record
from shared.domain.referral import Referral
from shared.domain.settle import agreed_as_they_are
from shared.sync.outcome import Outcome, Result
from shared.sync.reconcile import reconcile
from shared.sync.sides import LockedLink, Sides


def take_in(sides: Sides, locked: LockedLink, referral: Referral) -> Outcome:
    """The referral has its record, and both name each other. A record that is already there is used as it is.

    The referral id is the record's key, so a repeat after an unknown outcome finds what the first try made.
    """
    mapping = sides.mapping(referral.kind)
    if referral.external_reference:
        return _use_named_record(sides, locked, referral)
    new = build_record(referral, view_referral(referral, mapping), mapping, sides.rules(), _audit(sides, mapping))
    prepared = sides.crm.prepare(new)
    record = prepared.existing
    if record is None:
        account_id = choose_account(prepared.accounts, mapping.account.several)
        try:
            record = sides.crm.create(new, prepared, account_id)
        except VersionConflict:
            record = _made_meanwhile(sides, new)
        else:
            return _created(sides, locked, referral, record)
    locked.save(replace(locked.link, record_id=record.id))
    return reconcile(sides, locked, referral=referral, record=record)


def choose_account(candidates: tuple[AccountCandidate, ...], policy: AccountPolicy) -> str | None:
    """The account to use, or ``None`` to create one. Raises ``Rejected`` when a person has to choose."""
    if not candidates or (len(candidates) > 1 and policy is AccountPolicy.CREATE):
        return None
    if len(candidates) > 1 and policy is AccountPolicy.HOLD:
        raise Rejected(
            f"{len(candidates)} accounts match the customer ({', '.join(candidate.id for candidate in candidates)})",
            field="Account name",
            code="several_accounts",
            remedy="Merge them in the CRM and resubmit, or set account.several in customize.toml.",
        )
    return min(candidates, key=lambda candidate: (candidate.created_at, candidate.id)).id


def _created(sides: Sides, locked: LockedLink, referral: Referral, record: Record) -> Outcome:
    """The record's id is stored before anything else happens: a later failure must never make a second one."""
    mapping = sides.mapping(record.kind)
    base = agreed_as_they_are(referral, record, mapping, sides.rules())
    locked.save(replace(locked.link, record_id=record.id, base=dump_base(base, mapping), status=LinkStatus.SYNCED))
    outcome = reconcile(sides, locked, referral=referral, record=record)
    return replace(outcome, result=Result.CREATED, message=success(TO_CRM))


def _made_meanwhile(sides: Sides, new: NewRecord) -> Record:
    existing = sides.crm.prepare(new).existing
    if existing is None:
        raise RetryLater("The CRM refused the record as a duplicate, yet does not find it", code="duplicate_unseen")
    return existing


def _use_named_record(sides: Sides, locked: LockedLink, referral: Referral) -> Outcome:
    """A referral that names a CRM id is that record's, or nobody's: nothing is created for it."""
    reference = str(referral.external_reference)
    try:
        record = sides.crm.get(referral.kind, reference)
    except (NotFound, Rejected):
        return Outcome(
            Result.IGNORED,
            f"The referral names the CRM id {reference[:60]!r}, which the CRM does not have; it was left alone.",
            locked.link,
        )
    locked.save(replace(locked.link, record_id=record.id))
    return reconcile(sides, locked, referral=referral, record=record)


def _audit(sides: Sides, mapping: RecordMapping) -> str:
    limit = sides.rules().limits.get(mapping.columns.audit, NO_LIMITS).max_length
    return prepend("", [success(TO_CRM)], sides.clock(), limit)
