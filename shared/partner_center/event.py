"""What a webhook tells: that a referral changed, and which. Pure.

The event carries no field values, so it is only ever a reason to read the referral.
https://learn.microsoft.com/partner-center/developer/partner-center-webhook-events
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from shared.domain.errors import Rejected
from shared.partner_center.odata import guid

BODY_LIMIT_BYTES = 64 * 1024
"""Longer bodies are no events: real ones are a few hundred bytes."""

OWN_EVENTS = ("referral-created", "referral-updated")
RELATED_EVENTS = ("related-referral-created", "related-referral-updated")
REFERRAL_EVENTS = OWN_EVENTS + RELATED_EVENTS
"""What the connector registers for and handles."""
TEST_EVENT = "test-created"
"""Sent on request only, to try a registration that names it."""


@dataclass(frozen=True)
class ReferralEvent:
    """``referral_id`` is a lower-case GUID; of a ``related`` event it is another organisation's side of the deal."""

    name: str
    referral_id: str
    changed_at: datetime

    @property
    def related(self) -> bool:
        return self.name in RELATED_EVENTS


def parse_event(body: bytes) -> ReferralEvent | None:
    """The event in ``body``; ``None`` for a well-formed event that is not about referrals.

    Raises ``Rejected`` for a body that is not a Partner Center event.
    """
    if len(body) > BODY_LIMIT_BYTES:
        raise _malformed(f"is longer than {BODY_LIMIT_BYTES} bytes")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise _malformed("is not JSON") from None
    if not isinstance(document, dict):
        raise _malformed("is not a JSON object")
    fields = {name.lower(): value for name, value in document.items()}
    name = _text(fields, "EventName").lower()
    if name not in REFERRAL_EVENTS:
        return None
    # The address in ResourceUri is on another host and path than the Referrals API: only its last segment counts.
    try:
        segment = urlsplit(_text(fields, "ResourceUri")).path.rstrip("/").rpartition("/")[2]
    except ValueError:
        raise _malformed("has a ResourceUri that is no address") from None
    return ReferralEvent(name, guid(segment, "referral id of the event"), _changed_at(fields))


def _changed_at(fields: dict[str, Any]) -> datetime:
    try:
        changed_at = datetime.fromisoformat(_text(fields, "ResourceChangeUtcDate"))
        return changed_at.replace(tzinfo=UTC) if changed_at.tzinfo is None else changed_at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _malformed("has no readable ResourceChangeUtcDate") from None


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name.lower())
    if not isinstance(value, str) or not value:
        raise _malformed(f"has no {name}")
    return value


def _malformed(what: str) -> Rejected:
    return Rejected(f"The webhook body {what}", code="malformed_event", service="Partner Center")
