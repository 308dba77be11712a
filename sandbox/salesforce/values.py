"""One value: from a request's JSON into the store, and from the store into an answer's JSON.

Stored are text, bool, int, Decimal and, for dates and moments, the text that the service prints: within one type such
texts sort as the moments do.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox.salesforce import errors
from sandbox.salesforce.ids import long_id
from sandbox.salesforce.schema import Field

Value = str | bool | int | Decimal | None

_EMAIL = re.compile(r"[^@\s,;<>()\"]+@[^@\s,;<>()\"]+\.[^@\s,;<>()\".]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MULTIPLE = {"picklist": "string", "email": "string", "phone": "string", "url": "string", "textarea": "string"}


def moment_text(moment: datetime) -> str:
    """As the service prints it: UTC, whole seconds, no colon in the offset."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def from_json(field: Field, raw: Any) -> Value:
    """The stored form of ``raw``. Text is trimmed, and empty text is null, as the service does it."""
    if raw is None:
        return None
    if field.type == "boolean":
        return bool(_expect(field, raw, bool))
    if field.type in {"currency", "double", "percent", "int"}:
        return _number(field, raw)
    text = str(_expect(field, raw, str)).strip()
    if not text:
        return None
    if field.type in {"id", "reference"}:
        found = long_id(text)
        if found is None:
            raise errors.wrong_id_type(field.label, field.name, text)
        return found
    if field.type in {"date", "datetime"}:
        return _moment(field, text)
    return _text(field, text)


def _expect(field: Field, raw: Any, kind: type) -> Any:
    # bool is an int to Python, but not to JSON.
    if not isinstance(raw, kind) or (isinstance(raw, bool) and kind is not bool):
        raise errors.wrong_json_type(_MULTIPLE.get(field.type, field.type), _token(raw), _shown(raw))
    return raw


def _token(raw: Any) -> str:
    if isinstance(raw, bool):
        return "VALUE_TRUE" if raw else "VALUE_FALSE"
    tokens = {str: "VALUE_STRING", int: "VALUE_NUMBER_INT", Decimal: "VALUE_NUMBER_FLOAT", dict: "START_OBJECT"}
    return tokens.get(type(raw), "START_ARRAY")


def _shown(raw: Any) -> str:
    return raw if isinstance(raw, str) else json_text(raw)


def _number(field: Field, raw: Any) -> Value:
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal):
        _expect(field, raw, Decimal)
    if field.type == "int":
        if raw != int(raw):
            _expect(field, raw, int)
        return int(raw)
    number = round_to(Decimal(raw), field.scale)
    if abs(number) >= Decimal(10) ** (field.precision - field.scale):
        raise errors.out_of_range(field.label, field.name, raw)
    return number


def round_to(number: Decimal, places: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _moment(field: Field, text: str) -> str:
    try:
        if field.type == "date":
            if _DATE.fullmatch(text) is None:
                raise ValueError
            return date.fromisoformat(text).isoformat()
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise errors.wrong_json_type(field.type, "VALUE_STRING", text) from None
    return moment_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _text(field: Field, text: str) -> str:
    if field.type == "picklist" and field.restricted and field.values:
        chosen = next((value for value in field.values if value.casefold() == text.casefold()), None)
        if chosen is None:
            raise errors.bad_picklist_value(field.label, field.name, text)
        return chosen
    if field.length and len(text) > field.length:
        raise errors.too_long(field.label, field.name, text, field.length)
    if field.type == "email" and _EMAIL.fullmatch(text) is None:
        raise errors.bad_email(field.label, field.name, text)
    return text


def json_text(value: Any) -> str:
    """JSON with every Decimal printed as the service prints a double: ``5000.0``, ``0.1``; never an exponent."""
    if isinstance(value, Decimal):
        digits = f"{value.normalize():f}"
        return digits if "." in digits else f"{digits}.0"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value)
