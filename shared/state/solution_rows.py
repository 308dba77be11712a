"""Which record each solution row was last seen under, in table ``solutionrows``.

A CRM tells of a deleted row by its id alone (Dataverse's change tracking does); only what was kept here says whose it
was. One entity for each row, with the row's id as its partition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.state.tables import Row, Tables

ROW_VERSION = 1
_KEY = "row"


@dataclass(frozen=True)
class KnownRow:
    """``version`` is the row's own, as the CRM last told it."""

    id: str
    record_id: str
    version: str | None = None


class SolutionRows:
    """Safe for threads and workers: each row is written whole, and the last write counts."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.table("solutionrows")

    def get(self, row_id: str) -> KnownRow | None:
        row = self._rows.get(row_id, _KEY)
        return None if row is None else _known(row)

    def all(self) -> Iterator[KnownRow]:
        """A scan of the table, page by page."""
        for row in self._rows.query("RowKey eq @key", key=_KEY):
            yield _known(row)

    def put(self, row: KnownRow) -> None:
        self._rows.put(row.id, _KEY, {"version": ROW_VERSION, "record_id": row.record_id, "row_version": row.version})

    def forget(self, row_id: str) -> None:
        """The row is not known after this, if it ever was."""
        self._rows.delete(row_id, _KEY)


def _known(row: Row) -> KnownRow:
    return KnownRow(row.partition, row.properties["record_id"], row.properties.get("row_version"))
