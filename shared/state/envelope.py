"""The queue message: which deal to look at, never what changed. Compact JSON, at most 48 KiB."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shared.domain.errors import Rejected, RetryLater
from shared.state.entities import cut

VERSION = 1
SIZE_LIMIT_BYTES = 48 * 1024
"""A message has 64 KiB, and base64 makes four bytes of three."""
REASON_LIMIT_CHARS = 2_000


@dataclass(frozen=True)
class Reason:
    """Why a message was given up: the error's stable code and its text."""

    code: str
    message: str


@dataclass(frozen=True)
class Envelope:
    """``kind`` says what ``id`` is the id of. ``first_seen`` has a time zone and never changes; ``attempt`` counts
    from 1; ``correlation_id`` ties together everything that one event set off."""

    kind: str
    id: str
    first_seen: datetime
    correlation_id: str
    attempt: int = 1
    reason: Reason | None = None

    def next_attempt(self) -> Envelope:
        return replace(self, attempt=self.attempt + 1)

    def failed(self, code: str, message: str) -> Envelope:
        """The same message as it goes to the poison queue."""
        return replace(self, reason=Reason(code, cut(message, REASON_LIMIT_CHARS)))

    def dump(self) -> bytes:
        """Raises ``Rejected`` for a message that does not fit into the queue."""
        document: dict[str, Any] = {
            "version": VERSION,
            "kind": self.kind,
            "id": self.id,
            "first_seen": self.first_seen.astimezone(UTC).isoformat(),
            "attempt": self.attempt,
            "correlation_id": self.correlation_id,
        }
        if self.reason is not None:
            document["reason"] = {"code": self.reason.code, "message": self.reason.message}
        body = json.dumps(document, separators=(",", ":")).encode()
        if len(body) >= SIZE_LIMIT_BYTES:
            raise Rejected(f"A queue message of {len(body):,} bytes is too large", code="too_large")
        return body


def parse(body: bytes | str) -> Envelope:
    """The message in ``body``. Raises ``Rejected`` for anything else, whatever the bytes; unknown keys are ignored.

    One of a newer release raises ``RetryLater``: during an update it is for the workers that know it.
    """
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            raise TypeError("not an object")
        version = _count(document["version"])
        if version > VERSION:
            raise RetryLater(
                "A queue message was written by a newer release of the connector",
                code="newer_message",
                remedy="It waits in its queue until this worker is updated too.",
            )
        if version < VERSION:
            raise ValueError("a version that is not known here")
        envelope = Envelope(
            kind=_text(document, "kind"),
            id=_text(document, "id"),
            first_seen=_time(document["first_seen"]),
            attempt=_count(document["attempt"]),
            correlation_id=_text(document, "correlation_id"),
        )
        reason = document.get("reason")
        return envelope if reason is None else envelope.failed(_text(reason, "code"), _text(reason, "message"))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise Rejected(
            "A queue message is not one of this connector's",
            code="bad_message",
            remedy="Nothing but the connector may write to its queues; sync the deal by hand if one is missing.",
        ) from error


def _text(document: dict[str, Any], name: str) -> str:
    value = document[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value


def _time(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError("no time zone")
    return time.astimezone(UTC)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("not a count")
    return value
