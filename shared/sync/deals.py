"""The entry for every trigger: bring one referral, or one CRM record, up to date. Only its id is needed.

A webhook, a poll, auto-heal and a person's *resubmit* all end here; what they carry is a hint, never a value.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.base import load_base
from shared.domain.errors import NotFound
from shared.domain.link import Link, link_id_for_record, link_id_for_referral
from shared.domain.microsofts_side import view_microsofts
from shared.domain.record import Record, RecordKind
from shared.domain.referral import MICROSOFT, Referral, read_path
from shared.sync.leads import keep_in_step
from shared.sync.outcome import Outcome, Result
from shared.sync.share import rehearse, share, why_not_shared
from shared.sync.sides import LockedLink, Sides
from shared.sync.take_in import take_in

LEAD_NOT_SHARED = (
    "A lead that did not come from Microsoft; leads are not shared. Once it is qualified, its opportunity is shared "
    "like any other."
)


def bring_referral(sides: Sides, referral_id: str, microsofts: Referral | None = None) -> Outcome:
    """The referral and its CRM record are in step after this; a referral new to the CRM has a record.

    ``microsofts`` is Microsoft's side of the deal, where it was read: a record that is there is told of it.

    Raises ``ConnectorError``: ``RetryLater`` when a repeat may succeed, ``Rejected`` when a person must act.
    """
    link = sides.links.find_by_referral(referral_id)
    if link is not None:
        with sides.links.lock(link.id) as locked:
            # The link is also known by the id of Microsoft's side, which is not ours to sync.
            own = sides.referral(link.referral_id or referral_id)
            return _referral_of(sides, locked, own, microsofts)
    referral = sides.referral(referral_id)
    if referral.is_microsofts:
        return Outcome(Result.IGNORED, "Microsoft's side of a deal; the partner's own side is what is synced.")
    link = _link_by_reference(sides, referral)
    if link is not None:
        with sides.links.lock(link.id) as locked:
            return _referral_of(sides, locked, _not_older(sides, locked, referral), microsofts)
    if reason := why_not_taken_in(sides, referral):
        return Outcome(Result.IGNORED, reason)
    if sides.dry_run:
        return Outcome(Result.DRY_RUN, "Dry run: would create the record in the CRM.")
    with sides.links.lock(link_id_for_referral(referral_id), new=_link_for(sides, referral)) as locked:
        return _referral_of(sides, locked, _not_older(sides, locked, referral), microsofts)


def bring_record(sides: Sides, kind: RecordKind, record_id: str) -> Outcome:
    """The CRM record and its referral are in step after this; a record that is to be shared has a referral.

    Raises ``ConnectorError`` as :func:`bring_referral` does.
    """
    link = sides.links.find_by_record(kind, record_id)
    if link is not None:
        with sides.links.lock(link.id) as locked:
            return _record_of(sides, locked, *_followed(locked.link, kind, record_id))
    record = sides.crm.get(kind, record_id)
    mapping = sides.mapping(kind)
    known = record.values.get(mapping.columns.referral_id)
    if known:
        return _adopt(sides, record, str(known))
    if kind is RecordKind.LEAD:
        return Outcome(Result.IGNORED, LEAD_NOT_SHARED)
    if link := _link_of_lead(sides, record.lead_id):
        return _follow_lead(sides, link, record)
    if reason := why_not_shared(record, mapping):
        return Outcome(Result.IGNORED, reason)
    # Asked last, because it may cost a call; not asked, a lead's opportunity would be shared as a second deal.
    if record.lead_id is None and (link := _link_of_lead(sides, sides.crm.lead_of(record))):
        return _follow_lead(sides, link, record)
    new = Link(link_id_for_record(kind, record_id), kind, record_id=record_id, updated_at=sides.clock())
    if sides.dry_run:
        return Outcome(Result.DRY_RUN, rehearse(record, mapping))
    with sides.links.lock(new.id, new=new) as locked:
        return _record_of(sides, locked, kind, record_id, record if _is_untouched(locked.link) else None)


def _referral_of(sides: Sides, locked: LockedLink, referral: Referral, microsofts: Referral | None = None) -> Outcome:
    """The link is locked and the referral was read under the lock, or is at least as new as the base."""
    if locked.link.referral_id is None:
        locked.save(replace(locked.link, referral_id=referral.id, engagement_id=referral.engagement_id))
    if microsofts is not None:
        _know(sides, locked, microsofts)
    if locked.link.record_id is None:
        if sides.dry_run:
            return Outcome(Result.DRY_RUN, "Dry run: would create the record in the CRM.", locked.link)
        return take_in(sides, locked, referral)
    theirs = None if microsofts is None else view_microsofts(microsofts)
    return keep_in_step(sides, locked, referral=referral, microsofts=theirs)


def _know(sides: Sides, locked: LockedLink, microsofts: Referral) -> None:
    """The link is found by Microsoft's referral too, unless another link of the same engagement already is."""
    is_unknown = locked.link.microsoft_referral_id in (None, MICROSOFT)
    if is_unknown and sides.links.find_by_referral(microsofts.id) is None:
        locked.save(replace(locked.link, microsoft_referral_id=microsofts.id))


def _record_of(
    sides: Sides, locked: LockedLink, kind: RecordKind, record_id: str, record: Record | None = None
) -> Outcome:
    record = record or _read_record(sides, locked, kind, record_id)
    if record is None:
        return Outcome(
            Result.IGNORED,
            "The record was deleted in the CRM, or is hidden from the connector; its referral was left as it is. Close "
            "it in Partner Center, or give the connector's user access to the record and resubmit it.",
            locked.link,
        )
    if _is_told_of(locked.link, record):
        return Outcome(Result.UNCHANGED, "Unchanged since its failure was told on the record.", locked.link)
    if locked.link.referral_id is None:
        if reason := why_not_shared(record, sides.mapping(kind)):
            return Outcome(Result.IGNORED, reason, locked.link)
        if sides.dry_run:
            return Outcome(Result.DRY_RUN, rehearse(record, sides.mapping(kind)), locked.link)
        return share(sides, locked, record)
    return keep_in_step(sides, locked, record=record)


def _followed(link: Link, kind: RecordKind, record_id: str) -> tuple[RecordKind, str]:
    """The record to look at: of a lead that became an opportunity, that opportunity."""
    return (kind, record_id) if link.kind is kind or link.record_id is None else (link.kind, link.record_id)


def _link_of_lead(sides: Sides, lead_id: str | None) -> Link | None:
    link = sides.links.find_by_record(RecordKind.LEAD, lead_id) if lead_id else None
    return link if link is not None and link.kind is RecordKind.LEAD else None


def _follow_lead(sides: Sides, link: Link, opportunity: Record) -> Outcome:
    """An opportunity was made of a lead that has a referral: it is no deal of its own, but the referral's from now."""
    with sides.links.lock(link.id) as locked:
        return keep_in_step(sides, locked, opportunity=opportunity)


def _is_told_of(link: Link, record: Record) -> bool:
    """The change that brought us here is our own news of a failure."""
    failure = link.failure
    return failure is not None and failure.record_version is not None and failure.record_version == record.version


def _read_record(sides: Sides, locked: LockedLink, kind: RecordKind, record_id: str) -> Record | None:
    try:
        return sides.crm.get(kind, record_id)
    except NotFound:
        return None


def _adopt(sides: Sides, record: Record, referral_id: str) -> Outcome:
    """A record that names its referral, but has no link yet: Microsoft's connector, or a worker that died."""
    link = sides.links.find_by_referral(referral_id)
    new = None
    if link is None:
        new = Link(
            link_id_for_referral(referral_id),
            record.kind,
            referral_id=referral_id,
            record_id=record.id,
            updated_at=sides.clock(),
        )
    with sides.links.lock(link.id if link else link_id_for_referral(referral_id), new=new) as locked:
        if locked.link.record_id is None:
            locked.save(replace(locked.link, kind=record.kind, record_id=record.id))
        if locked.link.kind is RecordKind.LEAD and record.kind is RecordKind.OPPORTUNITY and _came_of(record, locked):
            return keep_in_step(sides, locked, opportunity=record)
        if locked.link.record_id != record.id:
            return Outcome(
                Result.IGNORED,
                f"The record names the referral of the record {locked.link.record_id}, which alone is synced with it. "
                "If this one is a copy, clear its referral identifier, and it is shared as a deal of its own.",
            )
        return keep_in_step(sides, locked, record=record if _is_untouched(locked.link) else None)


def _came_of(opportunity: Record, locked: LockedLink) -> bool:
    """Whether the opportunity may be what the link's lead became; not every CRM tells."""
    return opportunity.lead_id in (None, locked.link.record_id)


def _is_untouched(link: Link) -> bool:
    """Nobody synced the deal yet, so what was read before the lock cannot be older than what is written down."""
    return link.base is None and link.intent is None


def _link_by_reference(sides: Sides, referral: Referral) -> Link | None:
    """The link of the CRM record that the referral names: one that this connector shared moments ago, perhaps."""
    if not referral.external_reference:
        return None
    found = (sides.links.find_by_record(kind, referral.external_reference) for kind in referral.record_kinds)
    return next((link for link in found if link is not None), None)


def _link_for(sides: Sides, referral: Referral) -> Link:
    invited_by = read_path(referral.document, "inviteContext.invitedBy.organizationId")
    return Link(
        link_id_for_referral(referral.id),
        referral.record_kinds[0],
        referral_id=referral.id,
        engagement_id=referral.engagement_id,
        microsoft_referral_id=MICROSOFT if invited_by == MICROSOFT else None,
        updated_at=sides.clock(),
    )


def _not_older(sides: Sides, locked: LockedLink, referral: Referral) -> Referral:
    """What was read before the lock may be out of date: an older state must never look like a change back."""
    link = locked.link
    base = load_base(link.base, sides.mapping(link.kind)) if link.base else None
    if base is not None and referral.updated_at < base.referral_updated_at:
        return sides.referral(referral.id)
    return referral


def why_not_taken_in(sides: Sides, referral: Referral) -> str:
    """Why a referral that has no record is not to get one; empty when it is."""
    if referral.kind is RecordKind.LEAD and sides.cosell_only:
        return "A lead; SYNC_COSELL_OPPORTUNITIES_ONLY keeps leads out of the CRM."
    if referral.kind not in sides.crm_mapping.records:
        return f"The mapping has no rows for a {referral.kind.value}."
    if referral.stage.is_closed and referral.stage.substatus != "Won":
        return f"Closed as {referral.stage.substatus} before it ever reached the CRM."
    return ""
