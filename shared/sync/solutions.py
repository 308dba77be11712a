"""Finds solution rows that were added, changed or removed under an opportunity, of which its own version shows nothing.

Finding only, as in :mod:`shared.sync.polls`: the opportunity is queued, and its sync compares the whole set.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from shared.crm.port import SolutionChange
from shared.domain.link import Link
from shared.domain.record import RecordKind
from shared.state.queues import CRM_CHANGES
from shared.state.solution_rows import KnownRow
from shared.sync.polls import Watch
from shared.sync.sides import LockedLink

_log = logging.getLogger(__name__)

CURSOR = "solutions"


class Rows(Protocol):
    """Which record each row was last seen under."""

    def get(self, row_id: str) -> KnownRow | None: ...
    def all(self) -> Iterator[KnownRow]: ...
    def put(self, row: KnownRow) -> None: ...
    def forget(self, row_id: str) -> None: ...


class Locks(Protocol):
    def lock(self, link_id: str, *, new: Link | None = None) -> AbstractContextManager[LockedLink]: ...


def poll_solutions(watch: Watch, rows: Rows, locks: Locks) -> int:
    """Every linked opportunity with a row that changed since the cursor is queued, once; how many those were.

    One call to the CRM when nothing changed. Rows that the connector wrote itself are found too: that costs one read
    of the record, whose plan is empty. Deleted rows, of which the CRM tells the id alone, are found by ``rows``; after
    a full read those that are gone are. What is queued is queued again if the tick fails before its end.
    """
    cursor: str | None = None
    is_full = False
    changes: list[SolutionChange] = []
    for page in watch.crm.solution_changes(watch.cursors.get(CURSOR)):
        changes += page.changes
        cursor, is_full = page.cursor, page.full
    if cursor is None:
        return 0
    known = _known(rows, changes, is_full=is_full)
    if is_full:
        changes += _gone(known, changes)
    news = [change for change in changes if _is_news(change, known.get(change.id))]
    queued = 0
    for record_id in _records(news, known):
        queued += _queue(watch, locks, record_id)
    _remember(rows, news, known)
    watch.cursors.set(CURSOR, cursor)
    return queued


def _known(rows: Rows, changes: Iterable[SolutionChange], *, is_full: bool) -> Mapping[str, KnownRow]:
    """By row id, where the rows were before: all of them for a full read, else those that changed."""
    if is_full:
        return {row.id: row for row in rows.all()}
    found = (rows.get(change.id) for change in changes)
    return {row.id: row for row in found if row is not None}


def _gone(known: Mapping[str, KnownRow], changes: Iterable[SolutionChange]) -> list[SolutionChange]:
    """A full read tells of no deletion: what it does not have is deleted."""
    return [SolutionChange(row_id, deleted=True) for row_id in known.keys() - {change.id for change in changes}]


def _is_news(change: SolutionChange, known: KnownRow | None) -> bool:
    if change.deleted:
        if known is None and change.record_id is None:
            _log.info("Solution row %s was deleted; it was never seen under a record", change.id)
            return False
        return True
    return known is None or change.version is None or known != _row(change)


def _row(change: SolutionChange) -> KnownRow | None:
    return None if change.record_id is None else KnownRow(change.id, change.record_id, change.version)


def _records(news: Iterable[SolutionChange], known: Mapping[str, KnownRow]) -> list[str]:
    """Where the rows are, and where those that were moved have been."""
    before = {change.id: known[change.id].record_id for change in news if change.id in known}
    ids = (record_id for change in news for record_id in (before.get(change.id), change.record_id))
    return list(dict.fromkeys(record_id for record_id in ids if record_id is not None))


def _queue(watch: Watch, locks: Locks, record_id: str) -> bool:
    """``False`` for an opportunity that is not shared: its own changes say when it is to be."""
    link = watch.links.find_by_record(RecordKind.OPPORTUNITY, record_id)
    if link is None:
        return False
    if link.failure is not None and link.failure.record_version is not None:
        _look_again(locks, link)
    watch.queue(CRM_CHANGES, RecordKind.OPPORTUNITY.value, record_id)
    return True


def _look_again(locks: Locks, link: Link) -> None:
    """The failure told on the record is no longer the last word on its version: a row may have mended it."""
    with locks.lock(link.id) as locked:
        failure = locked.link.failure
        if failure is not None:
            locked.save(replace(locked.link, failure=replace(failure, record_version=None)), release=True)


def _remember(rows: Rows, news: Iterable[SolutionChange], known: Mapping[str, KnownRow]) -> None:
    for change in news:
        row = None if change.deleted else _row(change)
        if row is not None:
            rows.put(row)
        elif change.id in known:
            rows.forget(change.id)
