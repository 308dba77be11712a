"""Runs SOQL: which rows, in which order, shown how; and the cursors behind ``nextRecordsUrl``.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query.htm
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sandbox.salesforce import errors
from sandbox.salesforce.presenting import attributes
from sandbox.salesforce.rows import Row, Rows
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.soql_conditions import Column, Scope
from sandbox.salesforce.soql_syntax import Path, Query, parse
from sandbox.salesforce.values import Value

MAX_PAGE = 2000
MIN_PAGE = 200
_LARGEST_OFFSET = 2000
_MOST_CHILDREN = 20
_CURSOR_LIFE = timedelta(days=2)

Show = Callable[[Row], dict[str, Any]]


@dataclass(frozen=True)
class _Cursor:
    sobject: str
    ids: tuple[str, ...]
    show: Show
    total: int
    page: int
    opened: datetime
    deleted: bool


class Queries:
    """``page_size``: the most rows of one page, whatever the client asks for; 2,000 or less."""

    def __init__(self, rows: Rows, *, page_size: int, order_seed: int) -> None:
        self._rows = rows
        self._page_size = page_size
        self._random = Random(order_seed)
        self._cursors: dict[str, _Cursor] = {}

    def answer(self, text: str, version: str, *, deleted: bool, batch_size: int = MAX_PAGE) -> dict[str, Any]:
        """The first page. ``deleted``: rows of the recycle bin too (``queryAll``)."""
        query = parse(text)
        sobject = self._sobject(query)
        if query.counts:
            if query.order:
                raise errors.malformed_query("ORDER BY is not allowed with COUNT().")
            return {"totalSize": len(self._found(query, sobject, text, deleted)), "done": True, "records": []}
        show = self._shown(query, sobject, text, version)
        found = self._found(query, sobject, text, deleted)
        size = min(max(batch_size, MIN_PAGE), MAX_PAGE, self._page_size)
        ids = tuple(row.id for row in found)
        cursor = _Cursor(sobject.name, ids, show, len(found), size, self._rows.clock(), deleted)
        locator = f"01gHs{secrets.token_hex(6)}AAA"
        if len(found) > size:
            self._cursors[locator] = cursor
        return self._page(cursor, locator, 0, version)

    def more(self, locator: str, version: str) -> dict[str, Any]:
        """The page that a ``nextRecordsUrl`` names: the rows chosen at first, with the values they have now."""
        name, _, start = locator.rpartition("-")
        cursor = self._cursors.get(name)
        if cursor is None or not start.isdigit() or cursor.opened + _CURSOR_LIFE < self._rows.clock():
            raise errors.bad_locator()
        return self._page(cursor, name, int(start), version)

    def _page(self, cursor: _Cursor, locator: str, start: int, version: str) -> dict[str, Any]:
        end = start + cursor.page
        rows = [self._rows.find(cursor.sobject, row_id) for row_id in cursor.ids[start:end]]
        records = [cursor.show(row) for row in rows if row and (cursor.deleted or not row.is_deleted)]
        answer: dict[str, Any] = {"totalSize": cursor.total, "done": end >= cursor.total}
        if not answer["done"]:
            answer["nextRecordsUrl"] = f"/services/data/v{version}/query/{locator}-{end}"
        return {**answer, "records": records}

    def _sobject(self, query: Query) -> SObject:
        sobject = self._rows.schema.find(query.sobject)
        if sobject is None:
            raise errors.no_such_object(query.sobject)
        return sobject

    def _found(self, query: Query, sobject: SObject, text: str, deleted: bool) -> list[Row]:
        scope = Scope(self._rows, sobject, text)
        holds = scope.predicate(query.where, self._semi_join)
        order = [(scope.column(part.path), part) for part in query.order]
        for column, part in order:
            if column.field.is_long_text:
                raise errors.cannot_sort(part.path.text)
        if query.offset > _LARGEST_OFFSET:
            raise errors.offset_too_large()
        rows = [row for row in self._rows.of(sobject.name, deleted=deleted) if holds(row)]
        # Nothing is promised about the order of ties, so that nobody may rely on it.
        self._random.shuffle(rows)
        for column, part in reversed(order):
            rows = self._sorted(rows, column, descending=part.descending, nulls_last=part.nulls_last)
        return rows[query.offset :][: query.limit]

    def _sorted(self, rows: list[Row], column: Column, *, descending: bool, nulls_last: bool) -> list[Row]:
        keyed = [(column.sort_key(self._rows, row), row) for row in rows]
        null = [row for (is_set, _), row in keyed if not is_set]
        filled = sorted((pair for pair in keyed if pair[0][0]), key=lambda pair: pair[0], reverse=descending)
        rest = [row for _, row in filled]
        return rest + null if nulls_last else null + rest

    def _semi_join(self, query: Query, text: str) -> list[Value]:
        sobject = self._sobject(query)
        if len(query.paths) != 1 or query.order or query.limit is not None:
            raise errors.malformed_query("A semi-join selects one field, without ORDER BY or LIMIT.")
        column = Scope(self._rows, sobject, text).column(query.paths[0])
        if column.field.type not in {"id", "reference"}:
            raise errors.malformed_query(f"The inner select field '{column.field.name}' must be an ID.")
        return [column.value(self._rows, row) for row in self._found(query, sobject, text, deleted=False)]

    def _shown(self, query: Query, sobject: SObject, text: str, version: str) -> Show:
        if len(query.children) > _MOST_CHILDREN:
            raise errors.malformed_query("Only 20 parent-to-child subqueries can be specified.")
        names = [path.text.casefold() for path in query.paths]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise errors.malformed_query(f"duplicate field selected: {twice}")
        scope = Scope(self._rows, sobject, text)
        columns = [scope.column(path) for path in query.paths]
        children = [self._child(child, sobject, text, version) for child in query.children]

        def show(row: Row) -> dict[str, Any]:
            shown: dict[str, Any] = {"attributes": attributes(row, version)}
            for column in columns:
                self._place(shown, row, column, version)
            return shown | {name: show_child(row) for name, show_child in children}

        return show

    def _place(self, shown: dict[str, Any], row: Row, column: Column, version: str) -> None:
        """A parent is an object of its own in the answer, or null."""
        for parent in column.parents:
            found = self._rows.live(parent.to, row.values.get(parent.name))
            if found is None:
                shown[parent.relationship] = None
                return
            inner = shown.get(parent.relationship) or {"attributes": attributes(found, version)}
            shown[parent.relationship] = inner
            shown, row = inner, found
        shown[column.field.name] = row.values.get(column.field.name)

    def _child(
        self, query: Query, parent: SObject, text: str, version: str
    ) -> tuple[str, Callable[[Row], dict[str, Any] | None]]:
        found = self._rows.schema.child(parent.name, query.sobject)
        if found is None or query.counts:
            raise errors.no_such_object(query.sobject)
        sobject, reference = found
        show = self._shown(query, sobject, text, version)

        def show_child(row: Row) -> dict[str, Any] | None:
            rows = self._found(_of_parent(query, reference.name), sobject, text, deleted=False)
            mine: Sequence[Row] = [child for child in rows if child.values.get(reference.name) == row.id]
            mine = mine[query.offset :][: query.limit]
            records = [show(child) for child in mine]
            return {"totalSize": len(records), "done": True, "records": records} if records else None

        self._found(query, sobject, text, deleted=False)  # what is wrong is refused though no parent is found
        return reference.children, show_child


def _of_parent(query: Query, reference: str) -> Query:
    """The child query without its own cut, which counts per parent."""
    return Query(query.sobject, query.position, (Path((reference,), 0),), where=query.where, order=query.order)
