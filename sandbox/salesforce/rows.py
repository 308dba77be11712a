"""The rows of every object, the recycle bin, and transactions that can be taken back.

A transaction gives all its rows one SystemModstamp, the time it began. With a commit delay it began that long before
its rows could be seen: that is how a row turns up with a stamp that a reader has already passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sandbox.salesforce.ids import IdMint
from sandbox.salesforce.schema import Schema, SObject
from sandbox.salesforce.values import Value, moment_text


@dataclass(frozen=True)
class Row:
    """One row as of one write. ``deletion`` numbers the act that put it into the recycle bin."""

    sobject: str
    id: str
    values: Mapping[str, Value]
    deletion: int | None = None

    @property
    def is_deleted(self) -> bool:
        return self.deletion is not None

    def text(self, name: str) -> str:
        """A text value; empty where there is none."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class Deletion:
    sobject: str
    id: str
    at: datetime


@dataclass
class _Transaction:
    began: datetime
    # Once per row write: the row, and what it was before.
    journal: list[tuple[str, str, Row | None]] = field(default_factory=list)


class Rows:
    """All rows. Not locked: who uses it from several threads holds the simulator's lock."""

    def __init__(self, schema: Schema, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.schema = schema
        self.clock = clock
        self.commit_delay_s = 0.0
        self.mint = IdMint()
        self._rows: dict[str, dict[str, Row]] = {}
        self._deletions: list[Deletion] = []
        self._transaction: _Transaction | None = None
        self._acts_of_deletion = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """An error in the block takes back every write of it. Nested blocks share the outer one's stamp."""
        if self._transaction is not None:
            with self.savepoint():
                yield
            return
        self._transaction = _Transaction(self.clock() - timedelta(seconds=self.commit_delay_s))
        try:
            with self.savepoint():
                yield
        finally:
            self._transaction = None

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction: an error in the block takes back what the block wrote."""
        journal, deletions = self._open.journal, list(self._deletions)
        mark = len(journal)
        try:
            yield
        except BaseException:
            while len(journal) > mark:
                sobject, row_id, before = journal.pop()
                if before is None:
                    del self._rows[sobject][row_id]
                else:
                    self._rows[sobject][row_id] = before
            self._deletions = deletions
            raise

    @property
    def _open(self) -> _Transaction:
        if self._transaction is None:
            raise RuntimeError("rows are written inside a transaction")
        return self._transaction

    @property
    def stamp(self) -> str:
        """The time that this transaction's rows are stamped with."""
        return moment_text(self._open.began)

    def find(self, sobject: str, row_id: str) -> Row | None:
        """The row, from the recycle bin too."""
        return self._rows.get(sobject, {}).get(row_id)

    def live(self, sobject: str, row_id: Value) -> Row | None:
        row = self.find(sobject, row_id) if isinstance(row_id, str) else None
        return None if row is None or row.is_deleted else row

    def of(self, sobject: str, *, deleted: bool = False) -> list[Row]:
        """In the order of their making; with ``deleted``, those of the recycle bin among them."""
        rows = self._rows.get(sobject, {}).values()
        return [row for row in rows if deleted or not row.is_deleted]

    def put(self, sobject: str, row_id: str, values: Mapping[str, Value]) -> Row:
        """The row with exactly ``values``, stamped; a stamp never goes back, since the earlier write held the lock."""
        before = self.find(sobject, row_id)
        stamp = max(self.stamp, before.text("SystemModstamp") if before else "")
        row = Row(sobject, row_id, {**values, "SystemModstamp": stamp, "IsDeleted": False})
        return self._keep(row, before)

    def _keep(self, row: Row, before: Row | None) -> Row:
        self._open.journal.append((row.sobject, row.id, before))
        self._rows.setdefault(row.sobject, {})[row.id] = row
        return row

    def derive(self, row: Row, values: Mapping[str, Value]) -> Row:
        """The row with ``values`` that follow from other rows: that is no write, and changes no stamp."""
        return self._keep(Row(row.sobject, row.id, {**row.values, **values}), row)

    def add_field(self, sobject: str, name: str) -> None:
        """Every row has a blank field ``name``; that is no write, and changes no stamp."""
        rows = self._rows.get(sobject, {})
        for row_id, row in rows.items():
            rows[row_id] = replace(row, values={name: None, **row.values})

    def next_deletion(self) -> int:
        """The number of one act of deletion: what it takes along comes back with it."""
        self._acts_of_deletion += 1
        return self._acts_of_deletion

    def delete(self, sobject: SObject, row: Row, deletion: int) -> None:
        """Into the recycle bin, or, for objects that skip it, out of the world; the deletion is remembered."""
        stamp = max(self.stamp, row.text("SystemModstamp"))
        values = {**row.values, "SystemModstamp": stamp, "IsDeleted": True}
        self._keep(Row(row.sobject, row.id, values, deletion), row)
        if not sobject.recycle:
            del self._rows[row.sobject][row.id]
        self._deletions.append(Deletion(row.sobject, row.id, self._open.began))

    def undelete(self, row: Row) -> list[Row]:
        """The row and all that went with it are back; those rows."""
        back = [other for rows in self._rows.values() for other in rows.values() if other.deletion == row.deletion]
        for other in back:
            self._deletions = [gone for gone in self._deletions if gone.id != other.id]
            values = {**other.values, "SystemModstamp": self.stamp, "IsDeleted": False}
            self._keep(Row(other.sobject, other.id, values), other)
        return back

    def deletions(self, sobject: str) -> list[Deletion]:
        return [gone for gone in self._deletions if gone.sobject == sobject]
