"""A link under its lock, and the aliases by which it is found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from shared.domain.errors import ConnectorError, LockTaken, Rejected
from shared.domain.link import Link
from shared.state.clock import Clock
from shared.state.connection import SERVICE
from shared.state.link_rows import ROW_VERSION, Lock, aliases, link_of, link_properties, lock_of, own_alias
from shared.state.tables import Row, Table

LOCK_TIME = timedelta(minutes=5)
CLOCK_SKEW = timedelta(minutes=2)
"""By how much the clocks of two workers may differ: a lock counts as left behind only this long after its end."""

log = logging.getLogger(__name__)


class LinkTable:
    """What the store of links and each locked link write with. ``jitter`` gives 0 to 1."""

    def __init__(self, rows: Table, clock: Clock, jitter: Callable[[], float]):
        self.rows = rows
        self.clock = clock
        self._jitter = jitter

    def taken(self, link_id: str) -> LockTaken:
        """Workers that wait for one lock come back at different times, after 2 to 6 seconds."""
        return LockTaken(
            f"The deal is being synced by another worker right now (link {link_id})",
            remedy="It is looked at again in a few seconds.",
            after_s=2 + 4 * self._jitter(),
            service=SERVICE,
        )

    def claim(self, link: Link, names: Iterable[str]) -> None:
        """The aliases ``names`` point to the link. ``Rejected`` (``link_clash``) if one belongs to another link."""
        for alias in names:
            pointer = {"version": ROW_VERSION, "link_id": link.id, "written_at": self.clock()}
            while self.rows.insert(alias, "alias", pointer) is None:
                row = self.rows.get(alias, "alias")
                if row is not None and row.properties["link_id"] == link.id:
                    break
                if row is not None and self._take_over(link, alias, row, pointer):
                    break

    def _take_over(self, link: Link, alias: str, row: Row, pointer: dict[str, object]) -> bool:
        """An alias of another link is free if that link was never made and nobody can be making it now."""
        other = row.properties["link_id"]
        if self.rows.get(other, "link") is not None:
            if alias == own_alias(link):  # made since the caller looked: another look-up finds it
                raise self.taken(other)
            raise Rejected(
                f"Link {link.id} cannot have {alias}, which belongs to link {other}",
                code="link_clash",
                remedy="Two referrals or two CRM records claim to be one deal: correct the referral id in the CRM.",
            )
        if self.clock() < row.properties["written_at"] + LOCK_TIME + CLOCK_SKEW:
            raise self.taken(other)
        return self.rows.replace(alias, "alias", pointer, row.etag) is not None


class LockedLink:
    """A link that no other worker writes until the lock ends."""

    def __init__(self, table: LinkTable, link: Link, lock: Lock, etag: str):
        self._table = table
        self._link = link
        self._lock = lock
        self._etag = etag
        self._is_released = False

    @property
    def link(self) -> Link:
        """As last read or saved."""
        return self._link

    def save(self, link: Link, *, release: bool = False) -> None:
        """``link`` is stored, and the lock lasts anew or, with ``release``, is given up in the same write.

        New aliases are written first. Raises ``LockTaken`` if the lock has gone to another worker, ``Rejected`` for
        an id that belongs to another link or a base too large to store; :attr:`link` is then what it was.
        """
        if self._is_released:
            raise self._table.taken(link.id)
        saved = replace(link, id=self._link.id, updated_at=self._table.clock())
        lock = Lock() if release else Lock(self._lock.owner, self._table.clock() + LOCK_TIME)
        properties = {**link_properties(saved), **lock.properties()}
        known = aliases(self._link)
        self._table.claim(saved, [alias for alias in aliases(saved) if alias not in known])
        etag = self._table.rows.replace(saved.id, "link", properties, self._etag)
        self._etag = etag if etag is not None else self._etag_if_written(saved, lock)
        self._link = saved
        self._is_released = release

    def release(self) -> None:
        """The lock is free. Never fails: a lock that cannot be given back ends by itself."""
        if self._is_released:
            return
        self._is_released = True
        try:
            self._table.rows.merge(self._link.id, "link", Lock().properties(), self._etag)
        except ConnectorError as error:
            log.warning("The lock of link %s was not given back and ends by itself: %s", self._link.id, error.code)

    def _etag_if_written(self, saved: Link, lock: Lock) -> str:
        """After a refused write: it may have been our own, whose answer was lost and which the SDK repeated."""
        row = self._table.rows.get(saved.id, "link")
        if row is None or lock_of(row.properties) != lock or link_of(row.properties) != saved:
            raise self._table.taken(saved.id)
        return row.etag
