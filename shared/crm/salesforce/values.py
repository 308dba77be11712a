"""One value at a time between our words and Salesforce's JSON.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from shared.crm.salesforce.describe import Field
from shared.domain.errors import Rejected
from shared.domain.values import whole_characters

NUMBERS = frozenset({"currency", "double", "percent"})
TEXTS = frozenset(
    {"string", "textarea", "picklist", "combobox", "email", "phone", "url", "reference", "id", "encryptedstring"}
)


def from_json(field: Field, raw: Any, decimals: int | None = None) -> Any:
    """Text, bool, ``Decimal``, ``int``, ``date`` or aware ``datetime``; ``None`` is blank.

    ``decimals`` are those of the record's currency, for money.
    """
    if raw is None or raw == "":
        return None
    if field.type in NUMBERS:
        return _amount(Decimal(str(raw)), field, decimals)
    if field.type == "int":
        return int(raw)
    if field.type == "date":
        return date.fromisoformat(raw)
    if field.type == "datetime":
        return moment(raw)
    return raw


def _amount(amount: Decimal, field: Field, decimals: int | None) -> Decimal:
    places = field.scale if decimals is None or field.type != "currency" else min(field.scale, decimals)
    shown = amount.quantize(Decimal(1).scaleb(-places))
    return shown if shown == amount else amount


def moment(raw: str) -> datetime:
    """An aware time; Salesforce prints ``2026-03-01T10:20:30.000+0000``."""
    parsed = datetime.fromisoformat(raw)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def to_json(field: Field, value: Any, decimals: int | None = None) -> Any:
    """``value`` as JSON for ``field``; raises ``Rejected`` for one that the field cannot hold.

    Money is rounded to ``decimals`` here: Salesforce keeps what the field can hold, whatever the currency has.
    """
    if field.type == "boolean" and (value is None or isinstance(value, bool)):
        return bool(value)
    if value is None or value == "":
        return None
    if field.type == "picklist":
        return _picked(field, str(value))
    if field.type in TEXTS and not isinstance(value, bool | bytes | Mapping):
        return plain_text(value if isinstance(value, str) else str(value))
    if field.type in NUMBERS and isinstance(value, Decimal | int | float) and not isinstance(value, bool):
        return number(_rounded(Decimal(str(value)), decimals if field.type == "currency" else None))
    if field.type == "int" and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return int(value)
    if field.type == "date" and isinstance(value, date):
        return value.date().isoformat() if isinstance(value, datetime) else value.isoformat()
    if field.type == "datetime" and isinstance(value, date):
        return _time(value)
    raise Rejected(
        f"The field {field.name} ({field.type}) cannot hold a value of type {type(value).__name__}",
        field=field.name,
        code="wrong_type",
        remedy="Map it to a field of a fitting type in customize.toml.",
        service="Salesforce",
    )


def plain_text(text: str) -> str:
    """``text`` that a composite request takes as it is: ``@{`` would begin a reference, and nothing can escape it."""
    return whole_characters(text).replace("@{", "@ {")


def _rounded(amount: Decimal, decimals: int | None) -> Decimal:
    return amount if decimals is None else amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def number(amount: Decimal) -> int | float:
    """The JSON number that is exactly ``amount``, for amounts of up to 15 digits."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _time(value: date) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{value.isoformat()}T00:00:00Z"


def _picked(field: Field, value: str) -> str:
    """The option as Salesforce writes it. Unknown values would be stored by most picklists, so they end here."""
    option = field.option(value)
    if option is None:
        raise Rejected(
            f"The field {field.name} has no option {value[:60]!r}; it has "
            f"{', '.join(repr(one) for one in field.options[:20])}",
            field=field.name,
            code="unknown_option",
            remedy="Add the option in Salesforce Setup, or name an existing one in customize.toml.",
            service="Salesforce",
        )
    return option
