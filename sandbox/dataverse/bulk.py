"""CreateMultiple, UpdateMultiple, UpsertMultiple: one transaction each.

https://learn.microsoft.com/power-apps/developer/data-platform/bulk-operations
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.dataverse import errors
from sandbox.dataverse.addresses import RowAddress, existing, find_row, parse_row_address
from sandbox.dataverse.messages import Answer, Request, split_url
from sandbox.dataverse.schema import Table
from sandbox.dataverse.writes import Writer


def run(writer: Writer, table: Table, action: str, request: Request) -> Answer:
    if action not in {"CreateMultiple", "UpdateMultiple", "UpsertMultiple"}:
        raise errors.no_such_resource(request.url)
    targets = request.json().get("Targets")
    if not isinstance(targets, list) or not all(isinstance(target, dict) for target in targets):
        raise errors.bad_argument("Required members missing for operation: Targets.")
    for target in targets:
        if str(target.get("@odata.type", "")).lstrip("#") != table.type_name:
            raise errors.payload(table.entity_set, f"Every target needs '@odata.type': '{table.type_name}'.")
    if action == "CreateMultiple":
        context = f"{request.root}$metadata#{table.type_name}.CreateMultipleResponse"
        return Answer(200, {"@odata.context": context, "Ids": [writer.create(table, target).id for target in targets]})
    for target in targets:
        address = _address(writer, table, target)
        if action == "UpdateMultiple":
            writer.update(existing(writer.rows, address), target)
            continue
        if address.key.keys() & target.keys() and find_row(writer.rows, address) is None:
            raise errors.DataverseError(400, "0x80040216", "An item with the same key has already been added.")
        writer.upsert(address, target)
    return Answer(204)


def _address(writer: Writer, table: Table, target: Mapping[str, Any]) -> RowAddress:
    if isinstance(target.get(table.primary_id), str):
        row_id = target[table.primary_id].lower()
        return RowAddress(table, f"{table.entity_set}({row_id})", row_id)
    link = target.get("@odata.id")
    address = parse_row_address(writer.rows.schema, split_url(link, writer.root)[0]) if isinstance(link, str) else None
    if address is None or address.table.name != table.name:
        raise errors.bad_argument("Every target needs its primary key, or an '@odata.id' that names it.")
    return address
