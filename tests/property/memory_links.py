"""The store of links in memory: one worker, so a lock is only ever taken twice by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.domain.errors import LockTaken, NotFound
from shared.domain.link import Link
from shared.domain.record import RecordKind


class MemoryLinks:
    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self.former_records: dict[tuple[RecordKind, str], str] = {}
        self._locked: set[str] = set()

    def find_by_referral(self, referral_id: str) -> Link | None:
        links = self.links.values()
        return next((link for link in links if referral_id in (link.referral_id, link.microsoft_referral_id)), None)

    def find_by_record(self, kind: RecordKind, record_id: str) -> Link | None:
        """The link of the record; of a lead that became an opportunity, the link that went on with it."""
        now = next((link for link in self.links.values() if (link.kind, link.record_id) == (kind, record_id)), None)
        return now or self.links.get(self.former_records.get((kind, record_id), ""))

    @contextmanager
    def lock(self, link_id: str, *, new: Link | None = None) -> Iterator[_Locked]:
        if link_id in self._locked:
            raise LockTaken(f"Link {link_id} is locked")
        if link_id not in self.links:
            if new is None:
                raise NotFound(f"There is no link {link_id}")
            self.links[link_id] = new
        self._locked.add(link_id)
        try:
            yield _Locked(self, link_id)
        finally:
            self._locked.discard(link_id)


@dataclass
class _Locked:
    store: MemoryLinks
    link_id: str

    @property
    def link(self) -> Link:
        return self.store.links[self.link_id]

    def save(self, link: Link, *, release: bool = False) -> None:
        assert link.id == self.link_id
        before = self.store.links[self.link_id]
        if before.record_id is not None and before.record_id != link.record_id:
            self.store.former_records[before.kind, before.record_id] = link.id
        self.store.links[self.link_id] = link


class MemoryLocks:
    """Locks by name in memory: one worker, so none is ever taken."""

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        yield
