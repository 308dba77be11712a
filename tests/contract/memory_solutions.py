"""The solution rows of the CRM in memory: each with an id and a version of its own, under one record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shared.crm.port import SolutionChange, SolutionChangePage
from shared.domain.values import Solution


@dataclass
class _Row:
    id: str
    record_id: str
    solution: Solution
    version: int


class MemorySolutions:
    """``next_version`` and ``now`` are the CRM's own count of versions, ``oldest`` the first that cursors may name."""

    def __init__(self, next_version: Callable[[], int], now: Callable[[], int], oldest: Callable[[], int]) -> None:
        self._next_version = next_version
        self._now = now
        self._oldest = oldest
        self._last_id = 0
        self._rows: dict[str, _Row] = {}
        self._deleted: list[tuple[int, str]] = []

    def replace(self, record_id: str, solutions: Sequence[Solution]) -> None:
        """The record has these rows and no others; a row stays the same row while its solution does."""
        left = [row for row in self._rows.values() if row.record_id == record_id]
        for solution in solutions:
            row = next((row for row in left if row.solution.key == solution.key), None)
            if row is None:
                self._last_id += 1
                row_id = f"00000000-0000-4000-9000-{self._last_id:012d}"
                self._rows[row_id] = _Row(row_id, record_id, solution, self._next_version())
                continue
            left.remove(row)
            if row.solution != solution:
                row.solution, row.version = solution, self._next_version()
        for row in left:
            del self._rows[row.id]
            self._deleted.append((self._next_version(), row.id))

    def ids_under(self, record_id: str) -> tuple[str, ...]:
        return tuple(row.id for row in self._rows.values() if row.record_id == record_id)

    def pages(self, cursor: str | None, page_size: int, count: Callable[[], object]) -> Iterator[SolutionChangePage]:
        """``count`` is called once for each page that a real CRM would have been asked for."""
        count()
        full = cursor is None or int(cursor) < self._oldest()
        since = -1 if full or cursor is None else int(cursor)
        rows = sorted((row for row in self._rows.values() if row.version > since), key=lambda row: row.version)
        found = [SolutionChange(row.id, f'W/"{row.version}"', row.record_id) for row in rows]
        if not full:
            found += [SolutionChange(row_id, deleted=True) for version, row_id in self._deleted if version > since]
        now = str(self._now())
        for start in range(0, max(len(found), 1), page_size):
            if start:
                count()
            last = start + page_size >= len(found)
            yield SolutionChangePage(tuple(found[start : start + page_size]), now if last else None, full)
