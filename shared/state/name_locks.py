"""Locks by name, for what no single link covers: two deals of one new customer must not both make its account.

Table ``locks``: one row per name while it is held.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from shared.domain.errors import ConnectorError, LockTaken
from shared.state.clock import Clock, utc_now
from shared.state.connection import SERVICE
from shared.state.locked_link import CLOCK_SKEW
from shared.state.tables import Tables

ROW_VERSION = 1
HELD_FOR = timedelta(minutes=5)
_log = logging.getLogger(__name__)


class NameLocks:
    """Safe for threads and for any number of workers."""

    def __init__(self, tables: Tables, *, clock: Clock = utc_now, jitter: Callable[[], float] = random.random) -> None:
        self._rows = tables.table("locks")
        self._clock = clock
        self._jitter = jitter

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Nobody else holds ``name`` until the block ends. Raises ``LockTaken`` while somebody does.

        A lock that its worker took to the grave ends by itself after ``HELD_FOR``, and the clocks' difference.
        """
        owner = uuid.uuid4().hex
        row = {"version": ROW_VERSION, "owner": owner, "until": self._clock() + HELD_FOR}
        if self._rows.insert(name, "lock", row) is None and not self._take_over(name, row):
            after_s = 1 + 3 * self._jitter()
            raise LockTaken("Another worker is making the same customer's account", after_s=after_s, service=SERVICE)
        try:
            yield
        finally:
            self._give_back(name, owner)

    def _take_over(self, name: str, row: dict[str, object]) -> bool:
        held = self._rows.get(name, "lock")
        if held is None:
            return self._rows.insert(name, "lock", row) is not None
        if held.properties["owner"] == row["owner"]:  # our own insert, whose answer was lost
            return True
        if self._clock() < held.properties["until"] + CLOCK_SKEW:
            return False
        return self._rows.replace(name, "lock", row, held.etag) is not None

    def _give_back(self, name: str, owner: str) -> None:
        try:
            held = self._rows.get(name, "lock")
            if held is not None and held.properties["owner"] == owner:
                self._rows.delete(name, "lock", held.etag)
        except ConnectorError as error:
            _log.warning("A lock was not given back and ends by itself: %s", error.code)
