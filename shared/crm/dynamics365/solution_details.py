"""Fills *Microsoft Solution Details*: reads the whole table, and writes the rows that differ.

The table has no alternate key in Microsoft's package, so rows are found by their identifier, read beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.crm.dynamics365.batch import ChangeSet, Part
from shared.crm.dynamics365.errors import INSTALL_SCHEMA
from shared.crm.dynamics365.lookups import rows_of
from shared.crm.dynamics365.metadata import Facet, Schema, SchemaQuery, Table
from shared.crm.dynamics365.tables import SolutionDetailsTable
from shared.crm.dynamics365.values import UnknownOption, from_json, to_json
from shared.crm.dynamics365.web_api import SERVICE, WebApi
from shared.crm.port import SavedDetails, SolutionDetail
from shared.domain.errors import ConfigurationError, Rejected

ROWS_IN_BATCH = 100
"""One change set: few enough that a batch stays well below the two minutes that Dataverse gives it."""
PAGE_ROWS = 500
_PARTS = ("id", "name", "type", "publisher")
Row = Mapping[str, Any]


def save_solution_details(
    api: WebApi,
    definition: SolutionDetailsTable | None,
    details: Sequence[SolutionDetail],
    *,
    dry_run: bool,
    progress: Callable[[int], None] | None,
) -> SavedDetails:
    """As :meth:`shared.crm.port.CrmPort.save_solution_details`. One call for the metadata, one for each page of rows
    that are there, and one for each ``ROWS_IN_BATCH`` rows written."""
    if definition is None:
        raise ConfigurationError(
            "The field mapping does not say where Dynamics 365 has Microsoft Solution Details",
            code="mapping",
            remedy="Add [adapter.solution_details] to customize.toml, as in the mapping file.",
            service=SERVICE,
        )
    place = _Place.of(definition, _read_schema(api, definition))
    draft = draft_details(place, _read_rows(api, place), details)
    for start in range(0, 0 if dry_run else len(draft.parts), ROWS_IN_BATCH):
        chosen = tuple(draft.parts[start : start + ROWS_IN_BATCH])
        api.batch("solution_detail.save", [ChangeSet(chosen)])
        if progress:
            progress(start + len(chosen))
    return draft.saved


@dataclass(frozen=True)
class DetailsDraft:
    parts: tuple[Part, ...]
    saved: SavedDetails


@dataclass(frozen=True)
class _Place:
    """``columns``: which column holds which part of a detail."""

    table: Table
    columns: Mapping[str, str]

    @classmethod
    def of(cls, definition: SolutionDetailsTable, schema: Schema) -> _Place:
        table = schema.tables.get(definition.table)
        columns = {part: getattr(definition, part) for part in _PARTS if getattr(definition, part)}
        if table is None:
            missing = [f"table {definition.table}"]
        else:
            missing = [f"column {name} of {table.name}" for name in columns.values() if name not in table.columns]
        if table is None or missing:
            raise ConfigurationError(
                f"The Dynamics 365 environment does not have: {'; '.join(missing)}",
                code="schema",
                remedy=INSTALL_SCHEMA,
                service=SERVICE,
            )
        return cls(table, columns)

    def body(self, detail: SolutionDetail) -> dict[str, Any]:
        """Raises ``Rejected`` for what a column cannot hold."""
        body = {}
        for part, name in self.columns.items():
            value, column = getattr(detail, part), self.table.columns[name]
            if not value:
                continue
            if column.max_length is not None and len(value.encode("utf-16-le")) // 2 > column.max_length:
                raise Rejected(f"its {part} is {len(value)} characters long, and {name} holds {column.max_length}")
            body[name] = to_json(column, value)
        return body

    def holds(self, row: Row, body: Row) -> bool:
        """Whether ``row`` is as ``body`` already. The identifier stays as it is written there: case does not count."""
        id_column = self.columns["id"]
        return all(
            name == id_column or self._text(name, row.get(name)) == self._text(name, value)
            for name, value in body.items()
        )

    def _text(self, name: str, raw: Any) -> Any:
        try:
            return from_json(self.table.columns[name], raw, None)
        except UnknownOption:
            return raw


def draft_details(place: _Place, rows: Sequence[Row], details: Sequence[SolutionDetail]) -> DetailsDraft:
    """What to write so that ``rows`` become ``details``. Of several rows with one identifier the first counts."""
    table, id_column = place.table, place.columns["id"]
    present: dict[str, Row] = {}
    for row in rows:
        present.setdefault(str(row.get(id_column) or "").strip().casefold(), row)
    parts: list[Part] = []
    refused: dict[str, str] = {}
    created = unchanged = 0
    for detail in {detail.key: detail for detail in details}.values():
        try:
            body = place.body(detail)
        except Rejected as error:
            refused[detail.key] = error.message
            continue
        known = present.get(detail.key)
        if known is None:
            created += 1
            parts.append(Part("POST", table.entity_set, "solution_detail.create", body))
        elif place.holds(known, body):
            unchanged += 1
        else:
            del body[id_column]
            path = table.path(str(known[table.primary_id]))
            parts.append(Part("PATCH", path, "solution_detail.update", body, {"If-Match": "*"}))
    return DetailsDraft(tuple(parts), SavedDetails(created, len(parts) - created, unchanged, refused))


def _read_schema(api: WebApi, definition: SolutionDetailsTable) -> Schema:
    query = SchemaQuery({definition.table: (Facet.DEFINITION, Facet.COLUMNS, Facet.TEXT, Facet.CHOICES)})
    return query.parse(api.batch("metadata.read", query.parts(), tolerate=(404,)))


def _read_rows(api: WebApi, place: _Place) -> list[Row]:
    """Oldest first."""
    entity_set = place.table.entity_set
    select = ",".join((place.table.primary_id, *place.columns.values()))
    query: str | None = f"$select={select}&$orderby=createdon%20asc"
    rows: list[Row] = []
    seen: set[str] = set()
    while query is not None:
        seen.add(query)
        headers = {"Prefer": f"odata.maxpagesize={PAGE_ROWS}"}
        answer = api.send("GET", f"{entity_set}?{query}", "solution_detail.list", headers=headers)
        rows += rows_of(answer)
        # Of the link only the query counts: host and path stay our own, and so does the token.
        link = answer.json_object().get("@odata.nextLink")
        query = urlsplit(str(link)).query if link else None
        if query in seen:
            raise answer.unreadable("a next page that was read already")
    return rows
