"""Reads what changed in a table since a cursor, or all of it, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.crm.dynamics365.delta import DeltaPage, DeltaQuery
from shared.crm.dynamics365.errors import CURSOR_EXPIRED, RULES
from shared.crm.dynamics365.layout import Layout
from shared.crm.dynamics365.metadata import Table
from shared.crm.dynamics365.web_api import SERVICE, WebApi
from shared.crm.port import SolutionChange, SolutionChangePage
from shared.domain.errors import ConfigurationError, ConnectorError


@dataclass(frozen=True)
class TrackedTable:
    """``columns`` come with every changed row; of deleted ones there is the id alone."""

    api: WebApi
    table: Table
    columns: Sequence[str]
    page_size: int

    def read(self, cursor: str | None, operation: str) -> Iterator[tuple[DeltaPage, bool]]:
        """Pages, each with whether it is of a full read: without a cursor, or with one that is no longer known.

        Raises ``ConfigurationError`` for a table that does not track changes.
        """
        if not self.table.tracks_changes:
            rule = RULES["0x80072491"]
            raise ConfigurationError(
                f"The table {self.table.name} of Dynamics 365 does not track changes",
                code=rule.code,
                remedy=rule.remedy,
                service=SERVICE,
            )
        query = DeltaQuery(self.table.entity_set, tuple(self.columns), self.page_size)
        start = query.resume_path(cursor) if cursor else None
        if start is not None:
            try:
                yield from ((page, False) for page in self._pages(query, start, operation))
            except ConnectorError as problem:
                if problem.code != CURSOR_EXPIRED:
                    raise
            else:
                return
        yield from ((page, True) for page in self._pages(query, query.first_path, operation))

    def _pages(self, query: DeltaQuery, start: str, operation: str) -> Iterator[DeltaPage]:
        path: str | None = start
        seen: set[str] = set()
        while path is not None:
            seen.add(path)
            answer = self.api.send("GET", path, operation, headers=query.headers)
            page = query.parse(answer)
            if page.next_path in seen:
                raise answer.unreadable("a next page that was read already")
            yield page
            path = page.next_path


def solution_changes(api: WebApi, layout: Layout, cursor: str | None, page_size: int) -> Iterator[SolutionChangePage]:
    """As :meth:`shared.crm.port.CrmPort.solution_changes`, for the solution rows under records of ``layout``."""
    definition = layout.tables.solutions
    table = layout.schema.tables.get(definition.table) if definition else None
    parent = table.lookup(definition.parent) if definition and table else None
    if table is None or parent is None:
        return
    tracked = TrackedTable(api, table, (parent.id_property,), page_size)
    for page, is_full in tracked.read(cursor, "solution.changes"):
        changed = [
            SolutionChange(
                id=str(row[table.primary_id]).lower(),
                version=row.get("@odata.etag"),
                record_id=str(row[parent.id_property]).lower() if row.get(parent.id_property) else None,
            )
            for row in page.rows
        ]
        deleted = [SolutionChange(row_id, deleted=True) for row_id in page.deleted_ids]
        yield SolutionChangePage((*changed, *deleted), page.cursor, is_full)
