"""``$select``, ``$filter``, ``$orderby``, ``$top``, ``$count`` and ``$expand``: parsed, and checked against the schema.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/overview
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from sandbox.dataverse import errors
from sandbox.dataverse.filters import Comparison, Filter, parse_filter
from sandbox.dataverse.rows import Row, Rows
from sandbox.dataverse.schema import CHOICES, TEXTS, Column, Schema, Table
from sandbox.dataverse.values import Reference, Value, is_guid

_KNOWN = frozenset({"$select", "$filter", "$orderby", "$top", "$count", "$expand", "$skiptoken", "$deltatoken"})
_OPERANDS = {
    **dict.fromkeys(TEXTS, "string"),
    **dict.fromkeys([*CHOICES, "Integer", "BigInt", "Money", "Decimal", "Double"], "number"),
    "Boolean": "boolean",
    "DateTime": "moment",
    "DateOnly": "moment",
}


@dataclass(frozen=True)
class Expand:
    """One expanded navigation property; ``lookup`` belongs to this table, or, for a collection, to ``table``."""

    navigation: str
    table: Table
    lookup: Column
    is_collection: bool
    query: Query


@dataclass(frozen=True)
class Query:
    select: tuple[str, ...] | None = None
    filter: Filter | None = None
    order: tuple[tuple[str, bool], ...] = ()  # path, descending
    top: int | None = None
    count: bool = False
    expand: tuple[Expand, ...] = field(default=())

    @property
    def context(self) -> str:
        """What follows the set's name in ``@odata.context``."""
        names = [*(self.select or ()), *(f"{e.navigation}{e.query.context or '()'}" for e in self.expand)]
        return f"({','.join(names)})" if names else ""


def parse_query(schema: Schema, table: Table, parameters: Mapping[str, str]) -> Query:
    """Raises the service's 400 for options, columns and navigation properties that it does not have."""
    unknown = [name for name in parameters if name.startswith("$") and name not in _KNOWN]
    if unknown:
        raise errors.bad_query(f"The query parameter {unknown[0]} is not supported.")
    query = Query()
    if "$select" in parameters:
        query = replace(query, select=_select(table, parameters["$select"]))
    if "$filter" in parameters:
        found = parse_filter(parameters["$filter"])
        for comparison in found.comparisons:
            _check_comparison(schema, table, comparison)
        query = replace(query, filter=found)
    if "$orderby" in parameters:
        query = replace(query, order=_order(schema, table, parameters["$orderby"]))
    if "$top" in parameters:
        if not parameters["$top"].isdigit():
            raise errors.bad_query(f"Invalid value '{parameters['$top']}' for $top query option found.")
        query = replace(query, top=int(parameters["$top"]))
    if "$expand" in parameters:
        expand = tuple(_expand(schema, table, item) for item in split_outside(parameters["$expand"], ","))
        query = replace(query, expand=expand)
    return replace(query, count=parameters.get("$count") == "true")


def split_outside(text: str, separator: str) -> list[str]:
    """Splits where ``separator`` stands outside of parentheses and quotes."""
    pieces, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == "'"
        depth += 0 if quoted else {"(": 1, ")": -1}.get(character, 0)
        if character == separator and depth == 0 and not quoted:
            pieces.append("")
        else:
            pieces[-1] += character
    return [piece.strip() for piece in pieces]


def resolve(schema: Schema, table: Table, path: str) -> Column:
    """The column at the end of ``path``; ``navigation/column`` goes through single-valued navigation properties."""
    *steps, name = path.split("/")
    for step in steps:
        found = table.by_navigation(step)
        if found is None:
            raise errors.unknown_column(step, table.type_name)
        table = schema.tables[found[1]]
    column = table.by_property(name)
    if column is None:
        raise errors.unknown_column(name, table.type_name)
    return column


def read_path(rows: Rows, row: Row | None, path: str) -> Value:
    *steps, name = path.split("/")
    for step in steps:
        if row is None:
            return None
        found = rows.schema.tables[row.table].by_navigation(step)
        reference = row.reference(found[0].name) if found else None
        row = rows.follow(reference) if reference and found and reference.table == found[1] else None
    if row is None:
        return None
    column = rows.schema.tables[row.table].by_property(name)
    value = row.values.get(column.name) if column else None
    return value.id if isinstance(value, Reference) else value


def matching(rows: Rows, candidates: list[Row], query: Query) -> list[Row]:
    """The candidates that pass the filter, in the order asked for, or else in the order in which they were made."""
    found = list(candidates)
    if query.filter is not None:
        found = [row for row in found if query.filter.matches(partial(read_path, rows, row))]
    for path, descending in reversed(query.order):
        found.sort(key=lambda row: _order_key(read_path(rows, row, path)), reverse=descending)
    return found


def _order_key(value: Value) -> tuple[bool, Value | str]:
    return value is not None, value.casefold() if isinstance(value, str) else (value if value is not None else 0)


def _select(table: Table, text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if table.by_property(name) is None:
            raise errors.unknown_column(name, table.type_name)
    return names


def _order(schema: Schema, table: Table, text: str) -> tuple[tuple[str, bool], ...]:
    order = []
    for item in split_outside(text, ","):
        path, _, direction = item.partition(" ")
        if direction.strip() not in {"", "asc", "desc"}:
            raise errors.bad_query(f"Syntax error in $orderby: '{item}'.")
        resolve(schema, table, path)
        order.append((path, direction.strip() == "desc"))
    return tuple(order)


def _check_comparison(schema: Schema, table: Table, comparison: Comparison) -> None:
    column = resolve(schema, table, comparison.path)
    if comparison.kind == "null":
        return
    operand = _OPERANDS.get(column.type)
    if operand is None:
        # A GUID may be quoted.
        fits = comparison.kind == "guid" or (comparison.kind == "string" and is_guid(str(comparison.literal)))
    else:
        fits = comparison.kind == operand
    if not fits:
        raise errors.bad_query(
            "A binary operator with incompatible types was detected. "
            f"Found a {comparison.kind} for '{comparison.path}', which is a {column.type}."
        )


def _expand(schema: Schema, table: Table, item: str) -> Expand:
    navigation, parenthesis, rest = item.partition("(")
    options = rest.removesuffix(")") if parenthesis else ""
    nested = dict(option.partition("=")[::2] for option in split_outside(options, ";") if option)
    single, collection = table.by_navigation(navigation), schema.collection(table.name, navigation)
    if single:
        lookup, target = single
        return Expand(
            navigation, schema.tables[target], lookup, False, parse_query(schema, schema.tables[target], nested)
        )
    if collection:
        child, lookup = collection
        return Expand(navigation, child, lookup, True, parse_query(schema, child, nested))
    raise errors.unknown_column(navigation, table.type_name)
