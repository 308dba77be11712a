"""The rows of every table, under one version counter, as ETags, ``versionnumber`` and delta reads need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sandbox.dataverse.schema import Schema
from sandbox.dataverse.values import Reference, Value

_FIRST_VERSION = 919_000


@dataclass(frozen=True)
class Row:
    """One row as of one version; a write replaces it, so that a snapshot is a copy of dictionaries."""

    table: str
    id: str
    version: int
    values: Mapping[str, Value]

    @property
    def etag(self) -> str:
        return f'W/"{self.version}"'

    def reference(self, column: str) -> Reference | None:
        value = self.values.get(column)
        return value if isinstance(value, Reference) else None


@dataclass(frozen=True)
class Deletion:
    id: str
    version: int


@dataclass
class _State:
    version: int = _FIRST_VERSION
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    deletions: dict[str, list[Deletion]] = field(default_factory=dict)


class Rows:
    """All rows. Not locked: who uses it from several threads holds the simulator's lock."""

    def __init__(self, schema: Schema, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.schema = schema
        self.clock = clock
        self._state = _State(rows={t: {} for t in schema.tables}, deletions={t: [] for t in schema.tables})

    @property
    def version(self) -> int:
        """The version of the newest write."""
        return self._state.version

    def next_version(self) -> int:
        self._state.version += 1
        return self._state.version

    def find(self, table: str, row_id: str) -> Row | None:
        return self._state.rows[table].get(row_id.lower())

    def of(self, table: str) -> list[Row]:
        return list(self._state.rows[table].values())

    def follow(self, reference: Reference | None) -> Row | None:
        return self.find(reference.table, reference.id) if reference else None

    def deletions(self, table: str) -> list[Deletion]:
        return list(self._state.deletions[table])

    def add_table(self, table: str) -> None:
        """For a table that was just defined."""
        self._state.rows.setdefault(table, {})
        self._state.deletions.setdefault(table, [])

    def put(self, table: str, row_id: str, values: Mapping[str, Value]) -> Row:
        """The row with exactly ``values``, under a new version."""
        version = self.next_version()
        row = Row(table, row_id, version, {**values, "versionnumber": version})
        self._state.rows[table][row_id] = row
        return row

    def delete(self, row: Row) -> None:
        del self._state.rows[row.table][row.id]
        self._state.deletions[row.table].append(Deletion(row.id, self.next_version()))

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """An error in the block takes back every write of the block, versions included."""
        before = replace(
            self._state,
            rows={table: dict(rows) for table, rows in self._state.rows.items()},
            deletions={table: list(gone) for table, gone in self._state.deletions.items()},
        )
        try:
            yield
        except BaseException:
            self._state = before
            raise
