"""Locks that a killed worker took to its grave end after minutes. Here those minutes pass for such a lock at once."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.domain.errors import ConnectorError
from shared.state.connection import StorageConnection
from shared.state.locked_link import CLOCK_SKEW, LOCK_TIME
from shared.state.tables import Tables

LOOK_EVERY_S = 0.25


@dataclass(frozen=True)
class _Held:
    """One taking of a lock: ``etag`` changes with every save of its owner."""

    name: str
    etag: str


class LocksInTime:
    """Looks at every lock of links and names until stopped. One whose owner has not moved for ``dead_after_s`` ends.

    ``too_long`` are locks that promise to last longer than they may; ``ended`` counts those that were left behind.
    """

    def __init__(self, storage: str, *, dead_after_s: float) -> None:
        self.too_long: list[str] = []
        self.ended = 0
        self._tables = Tables(StorageConnection(storage))
        self._dead_after_s = dead_after_s
        self._first_seen: dict[_Held, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="locks in time", daemon=True)

    def held(self) -> list[str]:
        """The ids of links, and the names, that are locked now."""
        links = self._tables.table("links").query("RowKey eq 'link'")
        names = self._tables.table("locks").query("RowKey eq 'lock'")
        return [row.partition for row in links if row.properties["lock_owner"]] + [row.partition for row in names]

    def __enter__(self) -> LocksInTime:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=30)
        self._tables.close()

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                self._look("links", "link", "lock_until", "lock_owner")
                self._look("locks", "lock", "until", "owner")
            except ConnectorError:
                continue  # a table that is just being made

    def _look(self, table: str, key: str, until: str, owner: str) -> None:
        rows = self._tables.table(table)
        now = datetime.now(UTC)
        for row in rows.query("RowKey eq @key", key=key):
            if not row.properties[owner] or row.properties[until] < now - CLOCK_SKEW:
                continue
            if row.properties[until] > now + LOCK_TIME + timedelta(seconds=5):
                self.too_long.append(row.partition)
            held = _Held(row.partition, row.etag)
            since = self._first_seen.setdefault(held, time.monotonic())
            ended = {until: now - CLOCK_SKEW - timedelta(seconds=1)}
            if time.monotonic() - since > self._dead_after_s and rows.merge(row.partition, key, ended, row.etag):
                self.ended += 1
