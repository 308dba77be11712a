"""Conditions of SOQL against the schema and the rows: checked first, so that a wrong one fails over no rows too."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sandbox.salesforce import errors
from sandbox.salesforce.ids import long_id
from sandbox.salesforce.rows import Row, Rows
from sandbox.salesforce.schema import NUMBERS, Field, SObject
from sandbox.salesforce.soql_syntax import (
    All,
    AnyOf,
    Comparison,
    Condition,
    Literal,
    Membership,
    Not,
    Path,
    Query,
)
from sandbox.salesforce.values import Value, moment_text

Predicate = Callable[[Row], bool]
_MOST_PARENTS = 5
_ORDERED: dict[str, Callable[[Value, Value], bool]] = {
    "<": lambda left, right: left < right,  # type: ignore[operator]
    ">": lambda left, right: left > right,  # type: ignore[operator]
    "<=": lambda left, right: left <= right,  # type: ignore[operator]
    ">=": lambda left, right: left >= right,  # type: ignore[operator]
}
_EXPECTED = {"boolean": "boolean", "date": "date", "datetime": "dateTime", "id": "ID", "reference": "ID"}


@dataclass(frozen=True)
class Column:
    """A field reached through parents, each the reference that leads to the next object."""

    parents: tuple[Field, ...]
    field: Field

    def value(self, rows: Rows, row: Row | None) -> Value:
        """None where a parent is missing."""
        for parent in self.parents:
            row = rows.live(parent.to, row.values.get(parent.name)) if row else None
        return row.values.get(self.field.name) if row else None

    def folded(self, rows: Rows, row: Row) -> Value:
        return _folded(self.field, self.value(rows, row))

    def sort_key(self, rows: Rows, row: Row) -> tuple[bool, Decimal | str]:
        """Not null, and then the value to compare by: text without case, false before true."""
        value = self.folded(rows, row)
        return value is not None, value if isinstance(value, str) else Decimal(value or 0)


@dataclass(frozen=True)
class Scope:
    """What a query's names mean. ``all_fields`` lifts field-level security, for the org's own rules."""

    rows: Rows
    sobject: SObject
    text: str
    all_fields: bool = False

    def column(self, path: Path) -> Column:
        sobject, parents = self.sobject, []
        names = path.names
        # The object's own name may stand first: Opportunity.Name FROM Opportunity.
        if len(names) > 1 and names[0].casefold() == sobject.name.casefold() and sobject.parent(names[0]) is None:
            names = names[1:]
        if len(names) > _MOST_PARENTS + 1:
            raise errors.malformed_query("Only 5 levels of child-to-parent relationships can be specified.")
        for name in names[:-1]:
            parent = sobject.parent(name)
            target = self.rows.schema.find(parent.to, all_fields=self.all_fields) if parent else None
            if parent is None or target is None:
                raise errors.no_such_relationship(name, sobject.name)
            parents.append(parent)
            sobject = target
        field = sobject.field(names[-1])
        if field is None:
            raise errors.no_such_column(names[-1], sobject.name, self.text, path.position)
        return Column(tuple(parents), field)

    def predicate(self, condition: Condition | None, run: Callable[[Query, str], list[Value]]) -> Predicate:
        """``run`` answers a semi-join with the values of its one column."""
        if condition is None:
            return lambda _: True
        if isinstance(condition, Not):
            inner = self.predicate(condition.condition, run)
            return lambda row: not inner(row)
        if isinstance(condition, All | AnyOf):
            parts = [self.predicate(part, run) for part in condition.conditions]
            return _joined(parts, every=isinstance(condition, All))
        column = self.column(condition.path)
        if column.field.is_long_text:
            raise errors.cannot_filter(column.field.name)
        if isinstance(condition, Membership):
            return self._membership(column, condition, run)
        return self._comparison(column, condition)

    def _membership(self, column: Column, condition: Membership, run: Callable[[Query, str], list[Value]]) -> Predicate:
        if condition.query is not None:
            if column.field.type not in {"id", "reference"}:
                raise errors.malformed_query(f"The left operand field '{column.field.name}' must be an ID.")
            wanted: set[Value] = {value for value in run(condition.query, self.text) if value is not None}
        else:
            wanted = {_folded(column.field, self._operand(column.field, literal)[0]) for literal in condition.literals}
        rows, negated = self.rows, condition.negated
        return lambda row: (column.folded(rows, row) in wanted) is not negated

    def _comparison(self, column: Column, condition: Comparison) -> Predicate:
        rows, operator, field = self.rows, condition.operator, column.field
        if operator == "LIKE":
            pattern = _like(field, condition.literal)
            return lambda row: (text := column.value(rows, row)) is not None and bool(pattern.fullmatch(str(text)))
        first, last = (_folded(field, operand) for operand in self._operand(field, condition.literal))
        if operator in {"=", "!="}:
            is_equal = operator == "="
            if first == last:
                return lambda row: (column.folded(rows, row) == first) is is_equal
            return lambda row: _between(first, column.folded(rows, row), last) is is_equal
        if field.type == "boolean" or first is None:
            raise errors.wrong_operator(f"invalid operator on {field.type} field")
        # "After these days" means after the last of them; "before" means before the first.
        bound, compare = (last if operator in {">", "<="} else first), _ORDERED[operator]

        def holds(row: Row) -> bool:
            value = column.folded(rows, row)
            return value is not None and compare(value, bound)

        return holds

    def _operand(self, field: Field, literal: Literal) -> tuple[Value, Value]:
        """First and last value that the literal stands for; they differ only for spans of days."""
        value = literal.value
        if literal.kind == "null":
            return None, None
        if field.type in {"date", "datetime"}:
            return _moments(field, literal, self.rows.clock())
        if field.type in {"id", "reference"} and literal.kind == "string":
            found = long_id(str(value))
            if found is None and value:
                raise errors.wrong_operator(f"invalid ID field: {value}")
            return found, found
        fits = {"boolean": field.type == "boolean", "number": field.type in NUMBERS, "string": field.is_text}
        if not fits.get(literal.kind, False):
            raise errors.wrong_criterion(field.name, _expected(field))
        return (value or None, value or None) if literal.kind == "string" else (value, value)


def _expected(field: Field) -> str:
    return "string" if field.is_text else _EXPECTED.get(field.type, field.type)


def _joined(parts: Sequence[Predicate], *, every: bool) -> Predicate:
    if every:
        return lambda row: all(part(row) for part in parts)
    return lambda row: any(part(row) for part in parts)


def _folded(field: Field, value: Value) -> Value:
    """Text is compared without case; of ids, all 18 characters count."""
    return value.casefold() if isinstance(value, str) and field.is_text else value


def _between(first: Value, value: Value, last: Value) -> bool:
    return value is not None and str(first) <= str(value) <= str(last)


def _like(field: Field, literal: Literal) -> re.Pattern[str]:
    if not field.is_text:
        raise errors.wrong_operator(f"invalid operator on {field.type} field")
    if literal.kind != "string":
        raise errors.wrong_criterion(field.name, "string")
    pieces = re.findall(r"\\.|.", str(literal.value), re.DOTALL)
    wildcards = {"%": ".*", "_": "."}
    pattern = "".join(wildcards.get(piece) or re.escape(piece[-1]) for piece in pieces)
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _moments(field: Field, literal: Literal, now: datetime) -> tuple[Value, Value]:
    """As stored text. A moment is taken to the second, as rows are stamped."""
    try:
        if literal.kind == "moment" and field.type == "datetime":
            moment = moment_text(datetime.fromisoformat(str(literal.value)))
            return moment, moment
        if literal.kind == "date" and field.type == "date":
            return date.fromisoformat(str(literal.value)).isoformat(), str(literal.value)
    except ValueError:
        raise errors.malformed_query(f"invalid date or time: {literal.value}") from None
    if literal.kind != "relative":
        raise errors.wrong_criterion(field.name, _expected(field))
    first, last = _days(str(literal.value), now.astimezone(UTC).date())
    if field.type == "date":
        return first.isoformat(), last.isoformat()
    return f"{first}T00:00:00.000+0000", f"{last}T23:59:59.000+0000"


def _days(word: str, today: date) -> tuple[date, date]:
    name, _, number = word.partition(":")
    day = timedelta(days=1)
    spans = {"TODAY": (today, today), "YESTERDAY": (today - day,) * 2, "TOMORROW": (today + day,) * 2}
    if name in spans:
        first, last = spans[name]
        return first, last
    days = timedelta(days=int(number))
    return (today - days, today) if name.startswith("LAST") else (today + day, today + days)
