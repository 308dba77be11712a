"""The store of links: found by either side's id, written under a lock that lives in the link's own row.

Table ``links``. A link is the row (link id, ``link``). An alias row (``referral-<id>`` or ``<kind>-<id>``, ``alias``)
says which link an id belongs to; as a row that can be inserted once only, it also forbids a second link for one deal.
Aliases are written before the link: a crash in between leaves an alias that points nowhere, never a link not found.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from shared.domain.errors import NotFound
from shared.domain.link import Link, LinkStatus, link_id_for_record, link_id_for_referral
from shared.domain.record import RecordKind
from shared.state.clock import Clock, utc_now
from shared.state.connection import SERVICE
from shared.state.link_rows import Lock, aliases, link_of, link_properties, lock_of, record_alias, referral_alias
from shared.state.locked_link import CLOCK_SKEW, LOCK_TIME, LinkTable, LockedLink
from shared.state.tables import Row, Tables


class LinkStore:
    """Safe for threads and for any number of workers. ``jitter`` gives 0 to 1, to spread those who wait for a lock."""

    def __init__(self, tables: Tables, *, clock: Clock = utc_now, jitter: Callable[[], float] = random.random):
        self._rows = tables.table("links")
        self._clock = clock
        self._table = LinkTable(self._rows, clock, jitter)

    def get(self, link_id: str) -> Link | None:
        row = self._rows.get(link_id, "link")
        return None if row is None else link_of(row.properties)

    def find_by_referral(self, referral_id: str) -> Link | None:
        """The link of our own referral, or of Microsoft's side of it."""
        return self._find(referral_alias(referral_id), link_id_for_referral(referral_id))

    def find_by_record(self, kind: RecordKind, record_id: str) -> Link | None:
        """The link of the record; of a lead that became an opportunity, the link that went on with it."""
        return self._find(record_alias(kind, record_id), link_id_for_record(kind, record_id))

    def all(self, status: LinkStatus | None = None) -> Iterator[Link]:
        """Every link, or those of one status, read page by page: a scan of the table, for timers and not for events."""
        if status is None:
            rows = self._rows.query("RowKey eq 'link'")
        else:
            rows = self._rows.query("RowKey eq 'link' and status eq @status", status=status.value)
        for row in rows:
            yield link_of(row.properties)

    def waiting(self) -> Iterator[Link]:
        """Links that wait for a person."""
        return self.all(LinkStatus.WAITING)

    @contextmanager
    def lock(self, link_id: str, *, new: Link | None = None, owner: str = "worker") -> Iterator[LockedLink]:
        """The link as stored now, for this worker alone until the block ends, or ``LOCK_TIME`` after its last save.

        ``new`` is stored first if there is no such link yet. Raises ``NotFound`` without one, ``LockTaken`` while
        another worker has it, ``Rejected`` (``link_clash``) if an id of ``new`` belongs to another link.
        """
        locked = self._take(link_id, new, Lock(f"{owner}/{uuid.uuid4().hex}", self._clock() + LOCK_TIME))
        try:
            yield locked
        finally:
            locked.release()

    def _find(self, alias: str, own_id: str) -> Link | None:
        row = self._rows.get(alias, "alias")
        if row is not None:
            link = self.get(row.properties["link_id"])
            if link is not None:
                return link
        return self.get(own_id)

    def _take(self, link_id: str, new: Link | None, lock: Lock) -> LockedLink:
        row = self._rows.get(link_id, "link")
        if row is None:
            if new is None:
                raise NotFound(f"There is no link {link_id}", service=SERVICE)
            new = replace(new, id=link_id, updated_at=self._clock())
            properties = {**link_properties(new), **lock.properties()}
            self._table.claim(new, aliases(new))
            etag = self._rows.insert(link_id, "link", properties)
            if etag is not None:
                return LockedLink(self._table, new, lock, etag)
            row = self._rows.get(link_id, "link")
            if row is None:
                raise self._table.taken(link_id)
        return self._take_stored(link_id, row, lock)

    def _take_stored(self, link_id: str, row: Row, lock: Lock) -> LockedLink:
        link, held = link_of(row.properties), lock_of(row.properties)
        if held.owner == lock.owner:  # our own insert, whose answer was lost and which the SDK repeated
            return LockedLink(self._table, link, lock, row.etag)
        if held.owner and self._clock() < held.until + CLOCK_SKEW:
            raise self._table.taken(link_id)
        etag = self._rows.merge(link_id, "link", lock.properties(), row.etag)
        if etag is None:
            raise self._table.taken(link_id)
        return LockedLink(self._table, link, lock, etag)
