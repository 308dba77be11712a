"""One value: from a request's JSON into the store, and from the store into an answer's JSON."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox.dataverse import errors
from sandbox.dataverse.schema import CHOICES, TEXTS, Column, Table

_EARLIEST = "1753-01-01"
_MONEY_UNIT = Decimal("0.0001")
_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class Reference:
    """The value of a lookup."""

    table: str
    id: str


Value = str | int | bool | Decimal | Reference | None


def is_guid(text: str) -> bool:
    return _GUID.fullmatch(text) is not None


def new_id() -> str:
    return str(uuid.uuid4())


def timestamp(moment: datetime) -> str:
    """As Dataverse prints it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def quantise(amount: Decimal, places: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def from_json(table: Table, column: Column, raw: Any) -> Value:
    """The stored form of ``raw``; money is not rounded yet, that takes the row's currency."""
    if raw is None:
        return None
    if column.type in TEXTS:
        return _text(table, column, raw)
    if column.type in CHOICES:
        return _choice(table, column, raw)
    if column.type == "Boolean":
        return bool(_expect(table, column, raw, bool))
    if column.type in {"Money", "Decimal", "Double"}:
        return _number(table, column, raw)
    if column.type in {"Integer", "BigInt"}:
        return int(_number(table, column, _expect(table, column, raw, int)))
    if column.type == "Uniqueidentifier":
        return _guid(table, column, raw)
    return _moment(table, column, raw)


def _expect(table: Table, column: Column, raw: Any, kind: type) -> Any:
    # bool is an int to Python, but not to OData.
    if not isinstance(raw, kind) or (isinstance(raw, bool) and kind is not bool):
        raise errors.payload(
            table.entity_set,
            f"Cannot convert the literal '{raw}' to the expected type of property '{column.name}' ({column.type}).",
        )
    return raw


def _text(table: Table, column: Column, raw: Any) -> str:
    text: str = _expect(table, column, raw, str)
    if column.max_length is not None and len(text) > column.max_length:
        raise errors.too_long(table.name, column.name, column.max_length)
    return text


def _choice(table: Table, column: Column, raw: Any) -> int:
    value: int = _expect(table, column, raw, int)
    if column.option(value) is None:
        raise errors.unknown_option(table.name, column.name, value, [option.value for option in column.options])
    return value


def _number(table: Table, column: Column, raw: Any) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        _expect(table, column, raw, Decimal)
    number = Decimal(str(raw))
    too_low = column.min_value is not None and number < column.min_value
    if too_low or (column.max_value is not None and number > column.max_value):
        raise errors.out_of_range(table.name, column.name)
    if column.type in {"Decimal", "Double"} and column.precision is not None:
        return quantise(number, column.precision)
    return number


def _guid(table: Table, column: Column, raw: Any) -> str:
    text: str = _expect(table, column, raw, str)
    if not is_guid(text):
        raise errors.payload(table.entity_set, f"Cannot convert the literal '{text}' to the expected type 'Edm.Guid'.")
    return text.lower()


def _moment(table: Table, column: Column, raw: Any) -> str:
    text: str = _expect(table, column, raw, str)
    try:
        if column.type == "DateOnly":
            # A time is refused: the property is an Edm.Date.
            stored = date.fromisoformat(text).isoformat()
        else:
            moment = datetime.fromisoformat(text)
            stored = timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except ValueError:
        kind = "Edm.Date" if column.type == "DateOnly" else "Edm.DateTimeOffset"
        reason = f"Cannot convert the literal '{text}' to the expected type '{kind}'."
        raise errors.payload(table.entity_set, reason) from None
    if stored < _EARLIEST:
        raise errors.out_of_range(table.name, column.name)
    return stored


def to_json(column: Column, value: Value) -> Any:
    if isinstance(value, Reference):
        return value.id
    if isinstance(value, Decimal):
        return value.quantize(_MONEY_UNIT) if column.type == "Money" else value
    return value


def formatted(column: Column, value: Value, currency_symbol: str) -> str | None:
    """The words that the annotation FormattedValue shows; None where there are none (text shows as itself)."""
    if value is None or isinstance(value, Reference) or column.type in TEXTS:
        return None
    if column.type in CHOICES:
        option = column.option(value)
        return option.label if option else None
    if column.type == "Boolean":
        return "Yes" if value else "No"
    if column.type == "Money" and isinstance(value, Decimal):
        return f"{currency_symbol}{value:,.2f}"
    if column.type in {"Integer", "BigInt", "Decimal", "Double"}:
        return f"{value:,}"
    if column.type == "DateOnly":
        moment = date.fromisoformat(str(value))
        return f"{moment.month}/{moment.day}/{moment.year}"
    if column.type == "DateTime":
        return datetime.fromisoformat(str(value)).strftime("%-m/%-d/%Y %-I:%M %p")
    return None


def json_text(value: Any) -> str:
    """JSON with every Decimal printed digit by digit: ``20000.0000`` stays that, which ``json`` cannot do."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value)
