"""The link: a referral and a CRM record that are one deal, and what both last agreed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.record import RecordKind


class LinkStatus(StrEnum):
    """``WAITING`` is for a person; ``FAILED`` was given up; ``PENDING`` has not been in step yet."""

    PENDING = "pending"
    SYNCED = "synced"
    WAITING = "waiting"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True)
class Intent:
    """A create that was begun: whoever finds it looks for its result before creating again.

    ``action`` is ``create_record``, ``create_referral`` or ``invite_microsoft``; ``external_reference`` is the id
    that what was created carries, and ``since`` the time after which it was.
    """

    action: str
    since: datetime
    external_reference: str


@dataclass(frozen=True)
class Failure:
    """A failure that was told, with the versions of both sides it was told for: unchanged, it is no news."""

    code: str
    etag: str | None = None
    record_version: str | None = None


@dataclass(frozen=True)
class Link:
    """One deal. Ids are ``None`` until that side exists; ``base`` is a JSON document, ``None`` before the first sync.

    ``base`` holds a customer's data and stays out of ``repr``. ``updated_at`` is when the store last saved the link,
    ``None`` before that. ``status_reason`` is for the operator and names no person.
    """

    id: str
    kind: RecordKind
    referral_id: str | None = None
    engagement_id: str | None = None
    microsoft_referral_id: str | None = None
    record_id: str | None = None
    base: Mapping[str, Any] | None = field(default=None, repr=False)
    intent: Intent | None = None
    status: LinkStatus = LinkStatus.PENDING
    status_reason: str = ""
    updated_at: datetime | None = None
    failure: Failure | None = None


def link_id_for_referral(referral_id: str) -> str:
    """The id of a link that began with a referral. Ids of Partner Center are GUIDs: their case does not count."""
    return f"r-{referral_id.lower()}"


def link_id_for_record(kind: RecordKind, record_id: str) -> str:
    """The id of a link that began in the CRM. Case counts: Salesforce ids differ by it alone."""
    return f"c-{kind.value}-{record_id}"
