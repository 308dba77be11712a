"""A link as properties of its row, and the aliases by which it is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.domain.errors import RetryLater
from shared.domain.link import Failure, Intent, Link, LinkStatus, link_id_for_record, link_id_for_referral
from shared.domain.record import RecordKind
from shared.domain.referral import MICROSOFT
from shared.state.connection import SERVICE
from shared.state.entities import Entity, cut, pack, unpack

ROW_VERSION = 1
REASON_LIMIT_CHARS = 4_000
UNLOCKED_SINCE = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Lock:
    """Who may write the link until when. No ``owner`` is no lock."""

    owner: str = ""
    until: datetime = UNLOCKED_SINCE

    def properties(self) -> Entity:
        return {"lock_owner": self.owner, "lock_until": self.until}


def referral_alias(referral_id: str) -> str:
    return f"referral-{referral_id.lower()}"


def record_alias(kind: RecordKind, record_id: str) -> str:
    return f"{kind.value}-{record_id}"


def aliases(link: Link) -> tuple[str, ...]:
    """Every name by which the link must be found: our referral, Microsoft's and the CRM record."""
    names = []
    if link.referral_id is not None:
        names.append(referral_alias(link.referral_id))
    # Where Partner Center does not show us Microsoft's side, its id is not known, only whose it is.
    if link.microsoft_referral_id not in {None, MICROSOFT, link.referral_id}:
        names.append(referral_alias(str(link.microsoft_referral_id)))
    if link.record_id is not None:
        names.append(record_alias(link.kind, link.record_id))
    return tuple(names)


def own_alias(link: Link) -> str | None:
    """The alias of the id that the link is named after."""
    if link.referral_id is not None and link.id == link_id_for_referral(link.referral_id):
        return referral_alias(link.referral_id)
    if link.record_id is not None and link.id == link_id_for_record(link.kind, link.record_id):
        return record_alias(link.kind, link.record_id)
    return None


def link_properties(link: Link) -> Entity:
    """Raises ``Rejected`` if the base is too large to be stored."""
    entity: Entity = {
        "version": ROW_VERSION,
        "link_id": link.id,
        "kind": link.kind.value,
        "referral_id": link.referral_id,
        "engagement_id": link.engagement_id,
        "microsoft_referral_id": link.microsoft_referral_id,
        "record_id": link.record_id,
        "status": link.status.value,
        "status_reason": cut(link.status_reason, REASON_LIMIT_CHARS),
        "updated_at": link.updated_at,
    }
    if link.failure is not None:
        entity["failure_code"] = link.failure.code
        entity["failure_etag"] = link.failure.etag
        entity["failure_record_version"] = link.failure.record_version
    if link.intent is not None:
        entity["intent_action"] = link.intent.action
        entity["intent_since"] = link.intent.since
        entity["intent_external_reference"] = link.intent.external_reference
    if link.base is not None:
        entity.update(pack("base", dict(link.base)))
    return entity


def link_of(properties: Mapping[str, Any]) -> Link:
    """Raises ``RetryLater`` for a row of a newer release: while Azure rolls one out, both are at work."""
    require_known_version(properties)
    intent = None
    if "intent_action" in properties:
        intent = Intent(
            properties["intent_action"], properties["intent_since"], properties["intent_external_reference"]
        )
    return Link(
        id=properties["link_id"],
        kind=RecordKind(properties["kind"]),
        referral_id=properties.get("referral_id"),
        engagement_id=properties.get("engagement_id"),
        microsoft_referral_id=properties.get("microsoft_referral_id"),
        record_id=properties.get("record_id"),
        base=unpack("base", properties),
        intent=intent,
        failure=_failure(properties),
        status=LinkStatus(properties["status"]),
        status_reason=properties["status_reason"],
        updated_at=properties.get("updated_at"),
    )


def require_known_version(properties: Mapping[str, Any]) -> None:
    if properties["version"] > ROW_VERSION:
        raise RetryLater(
            f"A row of version {properties['version']} was written by a newer release of the connector",
            code="newer_state",
            remedy="If the connector was set back to an older release, install the newer one again.",
            service=SERVICE,
        )


def lock_of(properties: Mapping[str, Any]) -> Lock:
    return Lock(properties["lock_owner"], properties["lock_until"])


def _failure(properties: Mapping[str, Any]) -> Failure | None:
    if "failure_code" not in properties:
        return None
    return Failure(properties["failure_code"], properties.get("failure_etag"), properties.get("failure_record_version"))
