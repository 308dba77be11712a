"""Which row an address means: ``accounts(<guid>)`` or ``accounts(<alternate key>='...')``.

https://learn.microsoft.com/power-apps/developer/data-platform/use-alternate-key-reference-record
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sandbox.dataverse import errors
from sandbox.dataverse.messages import split_url
from sandbox.dataverse.queries import split_outside
from sandbox.dataverse.rows import Row, Rows
from sandbox.dataverse.schema import Schema, Table
from sandbox.dataverse.values import Reference, Value, from_json, is_guid

_SEGMENT = re.compile(r"([A-Za-z_]\w*)\((.*)\)", re.DOTALL)
# Such values keep a key unique, but cannot stand in an address.
_UNADDRESSABLE = re.compile(r"[/<>*%&:\\?+]")


@dataclass(frozen=True)
class RowAddress:
    """One row, by id, or by the values of an alternate key; ``text`` is the address as it was written."""

    table: Table
    text: str
    id: str | None = None
    key: Mapping[str, Value] = field(default_factory=dict)

    def missing(self) -> errors.DataverseError:
        return errors.row_missing(self.table.name, self.id) if self.id else errors.row_by_key_missing(self.table.name)


def parse_row_address(schema: Schema, segment: str) -> RowAddress | None:
    """None where ``segment`` has no parentheses; raises the service's 404 and 400 for what it does not know."""
    match = _SEGMENT.fullmatch(segment)
    if match is None:
        return None
    table = schema.by_set(match.group(1))
    if table is None:
        raise errors.unknown_segment(match.group(1))
    predicate = match.group(2).strip()
    if is_guid(predicate):
        return RowAddress(table, segment, predicate.lower())
    pairs = dict(piece.partition("=")[::2] for piece in split_outside(predicate, ","))
    # The OData key of users is called ownerid.
    primary = pairs.get(table.primary_id) or (pairs.get("ownerid") if table.name == "systemuser" else None)
    if len(pairs) == 1 and primary and is_guid(primary):
        return RowAddress(table, segment, primary.lower())
    columns = {name: table.by_property(name) for name in pairs}
    known = {column.name for column in columns.values() if column}
    if None in columns.values() or known not in [set(members) for members in table.keys.values()]:
        raise errors.invalid_key(table.type_name)
    key = {column.name: _key_value(table, column.name, pairs[name]) for name, column in columns.items() if column}
    return RowAddress(table, segment, key=key)


def _key_value(table: Table, name: str, text: str) -> Value:
    column = table.columns[name]
    if text.startswith("'") and text.endswith("'") and len(text) > 1:
        value = text[1:-1].replace("''", "'")
        if _UNADDRESSABLE.search(value):
            raise errors.bad_query("A potentially dangerous Request.Path value was detected from the client.")
        return from_json(table, column, value)
    if is_guid(text):
        return Reference(next(iter(column.navigation), ""), text.lower()) if column.is_lookup else text.lower()
    try:
        return from_json(table, column, int(text) if text.lstrip("-").isdigit() else Decimal(text))
    except ArithmeticError:
        raise errors.invalid_key(table.type_name) from None


def find_row(rows: Rows, address: RowAddress) -> Row | None:
    if address.id is not None:
        return rows.find(address.table.name, address.id)
    found = [row for row in rows.of(address.table.name) if same_key(row.values, address.key)]
    return found[0] if found else None


def same_key(values: Mapping[str, Value], key: Mapping[str, Value]) -> bool:
    """Text is compared as the database does: without case."""
    return all(_folded(values.get(name)) == _folded(value) for name, value in key.items())


def _folded(value: Value) -> Value:
    return value.casefold() if isinstance(value, str) else value


def existing(rows: Rows, address: RowAddress) -> Row:
    row = find_row(rows, address)
    if row is None:
        raise address.missing()
    return row


def referenced(rows: Rows, link: object, root: str, entity_set: str) -> Row:
    """The row behind the value of an ``@odata.bind`` or ``@odata.id``: relative, rooted or absolute."""
    if not isinstance(link, str):
        raise errors.payload(entity_set, "The value of an odata.bind annotation must be a string.")
    address = parse_row_address(rows.schema, split_url(link, root)[0])
    if address is None:
        raise errors.payload(entity_set, f"Invalid URI '{link}': a reference to one row is expected.")
    return existing(rows, address)
