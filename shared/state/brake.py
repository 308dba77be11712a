"""The brake: stops a run that would close or clear an improbable share of all deals, and waits for a person.

Table ``brake``: one row per deal that was closed or cleared because of the other side, by hour, and the row that a
person's *resubmit* writes to let the rest go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from shared.domain.errors import Rejected
from shared.state.clock import Clock, utc_now
from shared.state.locked_link import CLOCK_SKEW
from shared.state.tables import Tables

ROW_VERSION = 1
WINDOW = timedelta(hours=1)
FEW_DEALS = 10
"""So many deals in an hour are never too many, whatever share they are."""
COUNT_KEPT_FOR = timedelta(minutes=10)
RELEASED_FOR = timedelta(hours=1)


class Brake:
    """Safe for threads and workers. ``count_links`` scans all links: it is asked only when many deals are at stake."""

    def __init__(self, tables: Tables, percent: int, count_links: Callable[[], int], *, clock: Clock = utc_now) -> None:
        self._rows = tables.table("brake")
        self._percent = percent
        self._count_links = count_links
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._counted_at = datetime.min.replace(tzinfo=UTC)

    def check(self, link_id: str) -> None:
        """The deal may be closed or cleared, and counts as one that was. Raises ``Rejected`` (``brake``) otherwise."""
        now = self._clock()
        is_new = link_id not in self._recent(now)
        # Counted before it is weighed: workers that come at once must all see each other.
        self._rows.put(_hour(now), link_id, {"version": ROW_VERSION, "at": now})
        others = self._recent(now) - {link_id}
        if is_new and len(others) >= FEW_DEALS and not self._is_released(now):
            links = self._links(now)
            if (len(others) + 1) * 100 > self._percent * links:
                self._rows.delete(_hour(now), link_id)
                raise Rejected(
                    f"{len(others)} of {links} deals were closed or cleared within an hour, and BRAKE_PERCENT is "
                    f"{self._percent}; this one waits for a person",
                    code="brake",
                    remedy="Check whether one side lost its data. If all is right, resubmit what failed: that lets "
                    "the rest go on for an hour.",
                )

    def release(self) -> None:
        """A person has looked: for an hour nothing is stopped."""
        self._rows.put("released", "released", {"version": ROW_VERSION, "until": self._clock() + RELEASED_FOR})

    def _recent(self, now: datetime) -> set[str]:
        # A worker whose clock is ahead writes under the next hour already.
        hours = dict.fromkeys(map(_hour, (now - WINDOW, now, now + CLOCK_SKEW)))
        rows = (row for hour in hours for row in self._rows.partition(hour))
        return {row.key for row in rows if row.properties["at"] >= now - WINDOW}

    def _is_released(self, now: datetime) -> bool:
        row = self._rows.get("released", "released")
        return row is not None and bool(now < row.properties["until"])

    def _links(self, now: datetime) -> int:
        with self._lock:
            if now - self._counted_at > COUNT_KEPT_FOR:
                self._count = self._count_links()
                self._counted_at = now
            return self._count


def _hour(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H")
