"""One value at a time between our words and Dataverse's JSON.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/web-api-properties
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from shared.crm.dynamics365.metadata import Column, Currency
from shared.domain.errors import Rejected
from shared.domain.values import whole_characters

_NUMBERS = frozenset({"Money", "Decimal", "Double"})
_WHOLE_NUMBERS = frozenset({"Integer", "BigInt"})


class UnknownOption(Exception):
    """A row holds a choice that was added after the metadata were read."""


def from_json(column: Column, raw: Any, currency: Currency | None) -> Any:
    """Text, bool, ``Decimal``, ``int``, ``date``, aware ``datetime``, or the label of a choice; ``None`` is blank."""
    if raw is None or raw == "":
        return None
    if column.type in _NUMBERS:
        return _amount(column, raw, currency)
    if column.type == "DateTime":
        return date.fromisoformat(raw) if len(raw) == len("2026-01-31") else moment(raw)
    if column.type == "Picklist":
        label = column.label(int(raw))
        if label is None:
            raise UnknownOption(column.name)
        return label
    return raw


def _amount(column: Column, raw: Any, currency: Currency | None) -> Decimal:
    amount = Decimal(str(raw))
    decimals = column.decimals
    if column.type == "Money" and decimals is None and currency:
        decimals = currency.decimals
    if decimals is None:
        return amount
    # Money comes with four decimals whatever its currency has; those it cannot have are zeros.
    rounded = amount.quantize(Decimal(1).scaleb(-decimals))
    return rounded if rounded == amount else amount


def moment(raw: str) -> datetime:
    """An aware time; Dataverse always says ``Z``."""
    parsed = datetime.fromisoformat(raw)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def to_json(column: Column, value: Any) -> Any:
    """``value`` as JSON for ``column``; raises ``Rejected`` for one that the column cannot hold."""
    if value is None or value == "":
        return None
    if column.type == "Picklist":
        return _option_value(column, value)
    if column.type == "DateTime" and isinstance(value, date):
        return _day(column, value)
    if column.type in _NUMBERS and isinstance(value, Decimal | int | float) and not isinstance(value, bool):
        return number(Decimal(str(value)))
    if column.type in _WHOLE_NUMBERS and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return int(value)
    if column.type in ("String", "Memo") and not isinstance(value, bool | bytes | Mapping):
        return value if isinstance(value, str) else str(value)
    if column.type == "Boolean" and isinstance(value, bool):
        return value
    raise Rejected(
        f"The column {column.name} ({column.type}) cannot hold a value of type {type(value).__name__}",
        field=column.name,
        code="wrong_type",
        remedy="Map the field to a column of a fitting type in customize.toml.",
        service="Dynamics 365",
    )


def number(amount: Decimal) -> int | float:
    """The JSON number that is exactly ``amount``, for amounts of up to 15 digits."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _option_value(column: Column, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    option = column.option(str(value))
    if option is None:
        raise Rejected(
            f"The column {column.name} has no option {str(value)[:60]!r}; it has "
            f"{', '.join(repr(one.label) for one in column.options)}",
            field=column.name,
            code="unknown_option",
            remedy="Add the option in Dynamics 365, or name an existing one in customize.toml.",
            service="Dynamics 365",
        )
    return option.value


def _day(column: Column, value: date) -> str:
    if column.date_only:
        return value.date().isoformat() if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{value.isoformat()}T00:00:00Z"


def quoted(text: str) -> str:
    """``text`` as a literal of a filter or key, ready for a URL. Quotes are doubled, then everything is escaped."""
    return quote("'" + whole_characters(text).replace("'", "''") + "'", safe="'")
