"""Creates the referral of a CRM record, once, and Microsoft's side of it when help is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.domain.audit import TO_PARTNER_CENTER, success
from shared.domain.base import Agreed, Base, RecordView, dump_base, view_readable
from shared.domain.errors import Rejected
from shared.domain.link import Intent, LinkStatus
from shared.domain.mapping import RecordMapping
from shared.domain.record import CrmStage, Record
from shared.domain.referral import MICROSOFT, ReferralStage, parse_referral
from shared.domain.settle import agreed_as_they_are, foreseen
from shared.domain.sharing import build_referral, missing_to_share
from shared.domain.stages import Stages
from shared.sync.outcome import Outcome, Result
from shared.sync.reconcile import Told, reconcile
from shared.sync.sides import LockedLink, Sides

CREATE_REFERRAL = "create_referral"
CLOCK_TOLERANCE = timedelta(minutes=10)
"""How far Partner Center's clock may be behind ours when looking for what an earlier try created."""


def why_not_shared(record: Record, mapping: RecordMapping) -> str:
    """Why this record, which has no referral, is not to get one; empty when it is. Its other values do not matter."""
    if not record.values.get(mapping.columns.sync):
        return "Sync with Partner Center is No; nothing travels until a seller sets it to Yes."
    if record.stage is CrmStage.ON_HOLD:
        return "On hold; the opportunity is shared once it leaves the on-hold stage."
    if record.stage.is_closed:
        return "Already closed, and never shared."
    return ""


def share(sides: Sides, locked: LockedLink, record: Record) -> Outcome:
    """The record has its referral, and both name each other.

    Raises ``Rejected`` that lists everything the record lacks. Partner Center has no idempotency key: the intent is
    saved before the POST, and a repeat that finds one looks for the referral by the CRM id it carries.
    """
    mapping = sides.mapping(record.kind)
    view = _complete(record, mapping)
    document = _created_before(sides, locked, record)
    newborn = document is None
    if document is None:
        intent = Intent(CREATE_REFERRAL, sides.clock(), record.id)
        locked.save(replace(locked.link, intent=intent, base=dump_base(_foreseen(record, view, mapping), mapping)))
        document = sides.referrals.create(build_referral(view, mapping, record.id))
    referral = parse_referral(document)
    # Of a referral that an earlier try made, the record may have been edited since: then the base is what was foreseen.
    base = locked.link.base
    if newborn or base is None:
        base = dump_base(agreed_as_they_are(referral, record, mapping, sides.rules(record.kind)), mapping)
    linked = replace(locked.link, referral_id=referral.id, engagement_id=referral.engagement_id)
    locked.save(replace(linked, base=base, status=LinkStatus.SYNCED))
    told = Told(lines=[success(TO_PARTNER_CENTER)], newborn_engagement=newborn)
    outcome = reconcile(sides, locked, referral=referral, record=record, told=told)
    return replace(outcome, result=Result.CREATED)


def _foreseen(record: Record, view: RecordView, mapping: RecordMapping) -> Base:
    """What both sides will have agreed on once the referral is made: it comes back accepted."""
    values = {name: Agreed(value, value) for name, value in view.values.items()}
    if "help" in values:  # it is asked for with Microsoft's referral: ours will not show it, and has not lost it
        values["help"] = Agreed(None, view.values["help"])
    stages = Stages(ReferralStage.ACCEPTED, record.stage)
    return foreseen(values, stages, (record.modified_at, record.modified_at), mapping)


def rehearse(record: Record, mapping: RecordMapping) -> str:
    """What :func:`share` would do, in words."""
    try:
        _complete(record, mapping)
    except Rejected as lacking:
        return f"Dry run: would create no referral. {lacking.message}"
    return "Dry run: would create a referral in Partner Center."


def _complete(record: Record, mapping: RecordMapping) -> RecordView:
    view, unreadable = view_readable(record, mapping)
    if lacking := missing_to_share(view, mapping, unreadable):
        raise Rejected(f"The opportunity cannot be shared yet. {' '.join(lacking)}", code="incomplete")
    return view


def _created_before(sides: Sides, locked: LockedLink, record: Record) -> dict[str, Any] | None:
    """What an earlier try posted before it could write down the answer."""
    intent = locked.link.intent
    if intent is None or intent.action != CREATE_REFERRAL:
        return None
    for document in sides.referrals.created_for(record.id, intent.since - CLOCK_TOLERANCE):
        if document.get("organizationId") != MICROSOFT:
            return document
    return None
