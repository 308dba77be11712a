"""A referral as Partner Center gives it, checked once at the edge.

Shapes and states: learn.microsoft.com/partner-center/developer/referral-resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from shared.domain.errors import Rejected
from shared.domain.record import CrmStage, RecordKind

MICROSOFT = "msft"
"""``organizationId`` of Microsoft's side of an engagement, and the target that invites it."""

LINK_TEMPLATE = "https://partner.microsoft.com/referrals/v2/inbox?id={id}"
"""Where a person opens a referral."""


class ReferralStage(StrEnum):
    """Status and substatus as one word; they only make sense together."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    WON = "won"
    LOST = "lost"
    DECLINED = "declined"
    EXPIRED = "expired"
    ERROR = "error"

    @property
    def is_closed(self) -> bool:
        return self not in (ReferralStage.RECEIVED, ReferralStage.ACCEPTED)

    @property
    def crm_stage(self) -> CrmStage:
        """The CRM stage that says the same."""
        return _CRM_STAGES.get(self, CrmStage.LOST)

    @property
    def status(self) -> str:
        return {ReferralStage.RECEIVED: "New", ReferralStage.ACCEPTED: "Active"}.get(self, "Closed")

    @property
    def substatus(self) -> str:
        return self.value.capitalize()


_CRM_STAGES = {
    ReferralStage.RECEIVED: CrmStage.ON_HOLD,
    ReferralStage.ACCEPTED: CrmStage.ACTIVE,
    ReferralStage.WON: CrmStage.WON,
}


@dataclass(frozen=True)
class Referral:
    """``document`` is the whole answer, fields we do not know included; the rest is read from it."""

    document: Mapping[str, Any]
    id: str
    engagement_id: str | None
    organization_id: str | None
    etag: str | None
    stage: ReferralStage
    updated_at: datetime

    @property
    def is_microsofts(self) -> bool:
        """Microsoft's side of the deal, which is never written to."""
        return self.organization_id == MICROSOFT

    @property
    def external_reference(self) -> str | None:
        """The CRM record's id, once a connector has written it."""
        return self.document.get("externalReferenceId") or None

    @property
    def status_reason(self) -> str | None:
        return self.document.get("statusReason") or None

    @property
    def link(self) -> str:
        return LINK_TEMPLATE.format(id=self.id)

    @property
    def kind(self) -> RecordKind:
        """What the CRM should hold for it, by the table in Microsoft's introduction to the referrals API.

        Shared deals are opportunities; so are a partner's own deals; what Microsoft hands over unshared is a lead.
        """
        if self.document.get("type") == "Shared":
            return RecordKind.OPPORTUNITY
        if self.document.get("qualification") in ("Direct", "MarketingQualified"):
            return RecordKind.LEAD
        invited_by = read_path(self.document, "inviteContext.invitedBy.organizationId")
        return RecordKind.LEAD if invited_by == MICROSOFT else RecordKind.OPPORTUNITY

    @property
    def record_kinds(self) -> tuple[RecordKind, ...]:
        """What the CRM may hold for it, what to make of it first: a lead that was accepted is made an opportunity."""
        if self.kind is RecordKind.OPPORTUNITY:
            return (RecordKind.OPPORTUNITY,)
        kinds = (RecordKind.LEAD, RecordKind.OPPORTUNITY)
        return kinds if self.stage is ReferralStage.RECEIVED else kinds[::-1]


def read_path(document: Any, path: str) -> Any:
    """The value at a dotted path, or ``None`` where any step is missing."""
    for step in path.split("."):
        if not isinstance(document, Mapping):
            return None
        document = document.get(step)
    return document


def parse_referral(document: Any) -> Referral:
    """Raises ``Rejected`` that names the field which a referral must have and this document has not."""
    if not isinstance(document, Mapping):
        raise Rejected("Partner Center answered with something that is no referral", field="referral", code="shape")
    identifier = document.get("id")
    if not isinstance(identifier, str) or not identifier:
        raise Rejected("The referral has no id", field="id", code="shape")
    for name in ("externalReferenceId", "statusReason"):
        _optional_text(document, name)
    return Referral(
        document=document,
        id=identifier,
        engagement_id=_optional_text(document, "engagementId"),
        organization_id=_optional_text(document, "organizationId"),
        etag=_optional_text(document, "eTag"),
        stage=_stage(document),
        updated_at=_moment(document, "updatedDateTime"),
    )


def _stage(document: Mapping[str, Any]) -> ReferralStage:
    status, substatus = document.get("status"), document.get("substatus")
    if status == "New":
        return ReferralStage.RECEIVED
    if status == "Active":
        return ReferralStage.ACCEPTED
    if status == "Closed":
        for stage in ReferralStage:
            if stage.is_closed and stage.substatus == substatus:
                return stage
    raise Rejected(
        f"Status {_shown(status)} with substatus {_shown(substatus)} is not one that the connector knows",
        field="status",
        code="unknown_stage",
        remedy="Correct the referral in Partner Center, or report it to the makers of the connector.",
    )


def _shown(value: Any) -> str:
    """Enough of it to be known again; it may be anything, of any length."""
    return repr(value)[:60]


def _optional_text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected(f"{name} is not text", field=name, code="shape")
    return value or None


def _moment(document: Mapping[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(document[name])
    except (KeyError, TypeError, ValueError):
        raise Rejected(f"{name} is missing or no timestamp", field=name, code="shape") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
