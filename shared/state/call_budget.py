"""How many calls each service has had today, over all workers, against the budgets that the settings name.

Table ``calls``: one partition per UTC day, one row per service and worker, so that no two workers write one row.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from shared.domain.errors import ConnectorError
from shared.state.clock import Clock, utc_now
from shared.state.tables import Tables

ROW_VERSION = 1
TIGHT_FROM = 0.8
"""From this share of a budget on, only webhooks and sellers' changes go on; what can wait does."""
FLUSH_AFTER = timedelta(seconds=30)
FLUSH_CALLS = 25
_log = logging.getLogger(__name__)


class CallBudget:
    """Counts per worker and adds up over all. A worker that dies takes at most ``FLUSH_CALLS`` uncounted calls along.

    ``limits`` are calls a day by service; services without one are counted and never tight.
    """

    def __init__(self, tables: Tables, limits: Mapping[str, int], *, clock: Clock = utc_now) -> None:
        self._rows = tables.table("calls")
        self._limits = dict(limits)
        self._clock = clock
        self._worker = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._day = ""
        self._mine: Counter[str] = Counter()
        self._unsaved: Counter[str] = Counter()
        self._saved_at = datetime.min.replace(tzinfo=UTC)

    def add(self, calls: Mapping[str, int]) -> None:
        """Counted; stored now and then. Storage that is away costs accuracy, never the work."""
        with self._lock:
            self._turn_the_day()
            self._mine.update(calls)
            self._unsaved.update(calls)
            due = self._clock() - self._saved_at >= FLUSH_AFTER or self._unsaved.total() >= FLUSH_CALLS
            if not self._unsaved or not due:
                return
            try:
                for service in self._unsaved:
                    row = {"version": ROW_VERSION, "service": service, "calls": self._mine[service]}
                    self._rows.put(self._day, f"{service}-{self._worker}", row)
            except ConnectorError as error:
                _log.warning("Today's call counts were not stored: %s", error)
                return
            self._unsaved.clear()
            self._saved_at = self._clock()

    def spent(self) -> dict[str, int]:
        """Calls of this UTC day by service, by all workers as far as they have stored theirs."""
        with self._lock:
            self._turn_the_day()
            day, total = self._day, Counter(self._mine)
        for row in self._rows.partition(day):
            if not row.key.endswith(self._worker):
                total[row.properties["service"]] += row.properties["calls"]
        return dict(total)

    def tight(self) -> tuple[str, ...]:
        """The services whose budget for today is nearly spent; nothing is read where no budget is set."""
        if not self._limits:
            return ()
        spent = self.spent()
        return tuple(service for service, limit in self._limits.items() if spent.get(service, 0) >= TIGHT_FROM * limit)

    def _turn_the_day(self) -> None:
        today = self._clock().astimezone(UTC).date().isoformat()
        if today != self._day:
            self._day = today
            self._mine.clear()
            self._unsaved.clear()
