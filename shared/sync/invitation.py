"""Asks Microsoft in: creates Microsoft's side of a deal, once."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.base import RecordView
from shared.domain.link import Intent, Link
from shared.domain.record import CrmStage
from shared.domain.referral import MICROSOFT, Referral
from shared.domain.sharing import build_invitation
from shared.sync.sides import LockedLink, Sides

INVITE = "invite_microsoft"


def should_invite(link: Link, record: RecordView) -> bool:
    """Help is asked for in the CRM, the deal is under way and shared, and Microsoft is not in it yet."""
    return bool(
        record.values.get("help")
        and record.sync
        and record.stage is CrmStage.ACTIVE
        and link.microsoft_referral_id is None
    )


def invite_microsoft(
    sides: Sides, locked: LockedLink, own: Referral, record: RecordView, *, newborn_engagement: bool
) -> bool:
    """Microsoft's side exists after this and its id is in the link; ``True`` if it was created now.

    There is no idempotency key: the engagement is looked up first, unless this very run created it
    (``newborn_engagement``), so that a repeat after an unknown outcome never invites twice.
    """
    link = locked.link
    if not newborn_engagement and own.engagement_id:
        for side in sides.referrals.of_engagement(own.engagement_id):
            if side.get("organizationId") == MICROSOFT:
                locked.save(replace(link, microsoft_referral_id=side.get("id") or MICROSOFT, intent=None))
                return False
    if own.stage.is_closed:
        return False
    locked.save(replace(link, intent=Intent(INVITE, sides.clock(), own.id)))
    created = sides.referrals.create(build_invitation(own.document, record, sides.mapping(link.kind)))
    locked.save(replace(locked.link, microsoft_referral_id=created.get("id") or MICROSOFT, intent=None))
    return True
