"""What a backfill has queued so far, so that one that was interrupted goes on where it stopped.

Table ``backfill``: one partition per source, one row per portion of ids, in the order they were queued.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.state.clock import Clock, utc_now
from shared.state.entities import pack, unpack
from shared.state.tables import Tables

ROW_VERSION = 1


class BackfillStore:
    """For one backfill at a time: a second one at once would queue deals twice, which costs calls and harms nothing."""

    def __init__(self, tables: Tables, *, clock: Clock = utc_now) -> None:
        self._rows = tables.table("backfill")
        self._clock = clock

    def queued(self, source: str) -> list[tuple[str, ...]]:
        """The portions queued so far, oldest first; empty where no backfill of ``source`` is under way."""
        return [tuple(unpack("ids", row.properties) or ()) for row in self._rows.partition(source)]

    def add(self, source: str, number: int, ids: Sequence[str]) -> None:
        """Portion ``number``, counted from 0, is in the queue."""
        properties = {"version": ROW_VERSION, "stored_at": self._clock(), **pack("ids", list(ids))}
        self._rows.put(source, f"{number:08d}", properties)

    def forget(self, source: str) -> None:
        """The backfill of ``source`` is over; the next one begins anew."""
        for row in list(self._rows.partition(source)):
            self._rows.delete(source, row.key)
