"""What auto-heal has queued already: it looks back over the same time again and again, and what waits is not lost.

While the CRM is away for hours, every look finds the same deals out of step. Each of them is in a queue by then; a
message more at every look would make of a few deals thousands of messages, which all come back once the CRM does.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.link import Link

CURSOR = "auto-heal-queued"
HALF_DONE_AFTER = timedelta(minutes=15)
"""A link that has not been in step for so long lost its worker, not just a race."""
MOST_REMEMBERED = 4_000
"""Referrals whose state is kept: more than change within the time that is looked back over. A cursor has limits."""


class Cursors(Protocol):
    def get(self, name: str) -> str | None: ...
    def set(self, name: str, value: str) -> None: ...


class QueuedBefore:
    """Of one look at ``now``; nothing is remembered until :meth:`save`."""

    def __init__(self, cursors: Cursors, now: datetime) -> None:
        stored = json.loads(cursors.get(CURSOR) or "{}")
        self._cursors = cursors
        self._now = now
        self._last_look = datetime.fromisoformat(stored["at"]) if "at" in stored else None
        self._queued_then: dict[str, str] = stored.get("referrals", {})
        self._queued: dict[str, str] = {}

    def has(self, referral_id: str, state: str) -> bool:
        """Whether the look before queued the referral in this state; it counts as queued now in either case."""
        self._queued[referral_id] = state
        return self._queued_then.get(referral_id) == state

    def is_due(self, link: Link) -> bool:
        """Whether a link that is half done is to be queued: after 15 minutes, 30, an hour, two hours, and so on."""
        if link.updated_at is None:
            return False
        before = 0 if self._last_look is None else _times_due(self._last_look - link.updated_at)
        return _times_due(self._now - link.updated_at) > before

    def save(self) -> None:
        newest = dict(list(self._queued.items())[-MOST_REMEMBERED:])
        self._cursors.set(CURSOR, json.dumps({"at": self._now.isoformat(), "referrals": newest}))


def _times_due(age: timedelta) -> int:
    """How often a link of this age was to be queued; each time the wait doubles."""
    return (age // HALF_DONE_AFTER).bit_length() if age > timedelta() else 0
