"""Table Storage in memory, for tests in which days pass in a second: the real stores keep their rows here."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.state.connection import StorageConnection
from shared.state.tables import Row, Table, Tables

Rows = dict[tuple[str, str], Row]
_CONDITION = re.compile(r"(\w+) eq (?:@(\w+)|'([^']*)')")
_KEYS = {"PartitionKey": "partition", "RowKey": "key"}


class MemoryTables(Tables):
    """``on_use`` is called before every use of a table, and may raise: storage is away."""

    def __init__(self, on_use: Callable[[], None] = lambda: None) -> None:
        super().__init__(StorageConnection(""))
        self.on_use = on_use
        self.rows: dict[str, Rows] = {}
        self.lock = threading.RLock()
        self.versions = itertools.count(1)

    def table(self, name: str) -> Table:
        return MemoryTable(self, name)


class MemoryTable(Table):
    """What the stores use of a table: ETags, inserts that happen once, and the few filters they ask for."""

    def __init__(self, tables: MemoryTables, name: str) -> None:
        super().__init__(tables, name)
        self._store = tables
        self._rows = tables.rows.setdefault(name, {})

    def get(self, partition: str, key: str) -> Row | None:
        with self._used():
            return self._rows.get((partition, key))

    def insert(self, partition: str, key: str, properties: Mapping[str, Any]) -> str | None:
        with self._used():
            return None if (partition, key) in self._rows else self._write(partition, key, properties)

    def replace(self, partition: str, key: str, properties: Mapping[str, Any], etag: str) -> str | None:
        with self._used():
            return self._write(partition, key, properties) if self._is_current(partition, key, etag) else None

    def merge(self, partition: str, key: str, properties: Mapping[str, Any], etag: str) -> str | None:
        with self._used():
            if not self._is_current(partition, key, etag):
                return None
            return self._write(partition, key, {**self._rows[partition, key].properties, **properties})

    def put(self, partition: str, key: str, properties: Mapping[str, Any]) -> None:
        with self._used():
            self._write(partition, key, properties)

    def delete(self, partition: str, key: str, etag: str | None = None) -> None:
        with self._used():
            if etag is None or self._is_current(partition, key, etag):
                self._rows.pop((partition, key), None)

    def partition(self, partition: str, where: str = "", limit: int | None = None, **values: Any) -> Iterator[Row]:
        clause = "PartitionKey eq @partition" + (f" and {where}" if where else "")
        return self.query(clause, limit, partition=partition, **values)

    def query(self, where: str, limit: int | None = None, **values: Any) -> Iterator[Row]:
        conditions = [(name, values[value] if value else text) for name, value, text in _CONDITION.findall(where)]
        with self._used():
            found = [
                row for row in self._rows.values() if all(_value(row, name) == wanted for name, wanted in conditions)
            ]
        found.sort(key=lambda row: (row.partition, row.key))
        yield from found[:limit]

    def _used(self) -> threading.RLock:  # type: ignore[valid-type]
        self._store.on_use()
        return self._store.lock

    def _is_current(self, partition: str, key: str, etag: str) -> bool:
        row = self._rows.get((partition, key))
        return row is not None and row.etag == etag

    def _write(self, partition: str, key: str, properties: Mapping[str, Any]) -> str:
        etag = f'W/"{next(self._store.versions)}"'
        kept = {name: value for name, value in properties.items() if value is not None}
        self._rows[partition, key] = Row(partition, key, kept, etag)
        return etag


def _value(row: Row, name: str) -> Any:
    return getattr(row, _KEYS[name]) if name in _KEYS else row.properties.get(name)
