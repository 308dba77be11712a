"""A row as the JSON of an answer: columns, ETag, annotations, expanded rows.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/select-columns
"""

from __future__ import annotations

from typing import Any

from sandbox.dataverse.messages import Preferences
from sandbox.dataverse.queries import Expand, Query, matching
from sandbox.dataverse.rows import Row, Rows
from sandbox.dataverse.schema import Column, Table
from sandbox.dataverse.values import Reference, formatted, to_json

_FORMATTED = "OData.Community.Display.V1.FormattedValue"
_LOOKUP_TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
_NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"


def present(rows: Rows, row: Row, query: Query, preferences: Preferences) -> dict[str, Any]:
    table = rows.schema.tables[row.table]
    shown: dict[str, Any] = {"@odata.etag": row.etag}
    for column in _columns(table, query):
        shown[column.property_name] = to_json(column, row.values.get(column.name))
        shown |= _annotations(rows, row, column, preferences)
    for expand in query.expand:
        shown[expand.navigation] = _expanded(rows, row, expand, preferences)
    return shown


def name_of(rows: Rows, row: Row) -> str | None:
    value = row.values.get(rows.schema.tables[row.table].primary_name)
    return value if isinstance(value, str) else None


def _columns(table: Table, query: Query) -> list[Column]:
    if query.select is None:
        return list(table.columns.values())
    selected = [column for name in query.select if (column := table.by_property(name))]
    # Money is nothing without its currency, and the primary key always comes along.
    if any(column.type == "Money" for column in selected):
        selected.append(table.columns["transactioncurrencyid"])
    selected.append(table.columns[table.primary_id])
    return list({column.name: column for column in selected}.values())


def _annotations(rows: Rows, row: Row, column: Column, preferences: Preferences) -> dict[str, Any]:
    value = row.values.get(column.name)
    made: dict[str, Any] = {}
    if isinstance(value, Reference):
        made[_NAVIGATION] = column.navigation.get(value.table)
        made[_LOOKUP_TABLE] = value.table
        target = rows.follow(value)
        made[_FORMATTED] = name_of(rows, target) if target else None
    else:
        currency = rows.follow(row.reference("transactioncurrencyid"))
        symbol = str(currency.values.get("currencysymbol", "")) if currency else ""
        made[_FORMATTED] = formatted(column, value, symbol)
    return {
        f"{column.property_name}@{name}": text
        for name, text in made.items()
        if text is not None and preferences.wants_annotation(name)
    }


def _expanded(rows: Rows, row: Row, expand: Expand, preferences: Preferences) -> Any:
    if not expand.is_collection:
        reference = row.reference(expand.lookup.name)
        target = rows.follow(reference) if reference and reference.table == expand.table.name else None
        return present(rows, target, expand.query, preferences) if target else None
    found = matching(rows, children(rows, row, expand.table, expand.lookup), expand.query)
    return [present(rows, child, expand.query, preferences) for child in found[: expand.query.top]]


def children(rows: Rows, row: Row, child: Table, lookup: Column) -> list[Row]:
    """The rows of ``child`` whose ``lookup`` leads to ``row``."""
    wanted = Reference(row.table, row.id)
    return [other for other in rows.of(child.name) if other.values.get(lookup.name) == wanted]
