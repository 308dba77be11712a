"""The JSON of a create or an update: columns, ``@odata.bind`` lookups, rows to create along with it.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-entity-web-api
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.dataverse import errors
from sandbox.dataverse.addresses import referenced
from sandbox.dataverse.rows import Rows
from sandbox.dataverse.schema import Column, Table
from sandbox.dataverse.values import Reference, Value, from_json

_BIND = "@odata.bind"


@dataclass
class Payload:
    """``values`` by column; ``parents`` and ``children`` are rows to insert with it (deep insert)."""

    values: dict[str, Value] = field(default_factory=dict)
    parents: list[tuple[Column, Table, dict[str, Any]]] = field(default_factory=list)
    children: list[tuple[Column, Table, dict[str, Any]]] = field(default_factory=list)


def parse_payload(rows: Rows, table: Table, body: Mapping[str, Any], root: str, *, creating: bool) -> Payload:
    """Columns that cannot be written in this way are left out without an error; what does not exist is a 400."""
    payload = Payload()
    for name, raw in body.items():
        if name.endswith(_BIND):
            _bind(payload, rows, table, name.removesuffix(_BIND), raw, root)
        elif "@" not in name:
            _property(payload, rows, table, name, raw)
    if (payload.parents or payload.children) and not creating:
        raise errors.payload(table.entity_set, "Deep update of navigation properties is not allowed.")
    for name in list(payload.values):
        column = table.columns[name]
        if not (column.create if creating else column.update):
            del payload.values[name]
    return payload


def _bind(payload: Payload, rows: Rows, table: Table, navigation: str, raw: Any, root: str) -> None:
    found = table.by_navigation(navigation)
    if found is None:
        raise errors.undeclared_navigation(table.entity_set, navigation)
    lookup, target = found
    if raw is None:
        payload.values[lookup.name] = None
        return
    row = referenced(rows, raw, root, table.entity_set)
    if row.table != target:
        raise errors.payload(table.entity_set, f"The navigation property '{navigation}' does not lead to {row.table}.")
    payload.values[lookup.name] = Reference(row.table, row.id)


def _property(payload: Payload, rows: Rows, table: Table, name: str, raw: Any) -> None:
    column = table.by_property(name)
    if column is not None:
        if column.is_lookup:
            raise errors.direct_lookup_write(name)
        payload.values[column.name] = from_json(table, column, raw)
        return
    single, collection = table.by_navigation(name), rows.schema.collection(table.name, name)
    if single and raw is None:
        payload.values[single[0].name] = None
    elif single and isinstance(raw, dict):
        payload.parents.append((single[0], rows.schema.tables[single[1]], raw))
    elif collection and isinstance(raw, list) and all(isinstance(item, dict) for item in raw):
        payload.children += [(collection[1], collection[0], item) for item in raw]
    elif single or collection:
        raise errors.payload(table.entity_set, f"The value of the navigation property '{name}' has a wrong shape.")
    else:
        raise errors.unknown_property_in_body(name, table.type_name)
