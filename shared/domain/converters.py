"""Named pairs of conversions between Partner Center's JSON, canonical values and what the CRM adapters speak.

Each converter is total: a value it does not understand is a ``ValueError`` that says why, never a default. Round trips
hold: converting a canonical value out and back gives the same value, and ``project`` is what survives the CRM's limits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Protocol

from shared.domain.values import whole_characters

CHECK_MARK = "✔"
CROSS_MARK = "❌"
_MARKS = re.compile(f"^(?:[{CHECK_MARK}{CROSS_MARK}]\ufe0f?\\s*)+")


class Limits(Protocol):
    """The limits of one CRM field, as far as converters care."""

    @property
    def max_length(self) -> int | None: ...
    @property
    def decimals(self) -> int | None: ...


class Converter(Protocol):
    """``is_set`` fields merge element by element; ``one_way`` ones only ever go from no to yes.

    ``is_part_of`` says whether ``held`` can be what a narrower field once kept of ``value``.
    """

    is_set: bool
    one_way: bool

    def from_partner_center(self, raw: Any) -> Any: ...
    def to_partner_center(self, value: Any, current: Any = None) -> Any: ...
    def from_crm(self, raw: Any) -> Any: ...
    def to_crm(self, value: Any) -> Any: ...
    def project(self, value: Any, limits: Limits) -> Any: ...
    def is_part_of(self, held: Any, value: Any) -> bool: ...
    def dump(self, value: Any) -> Any: ...
    def load(self, stored: Any) -> Any: ...


def strip_marks(name: str) -> str:
    """``name`` without the check or cross mark that a sync put before it."""
    return _MARKS.sub("", name)


def cut(text: str, max_length: int | None) -> str:
    """``text`` cut to ``max_length`` UTF-16 units, never inside a character."""
    if max_length is None:
        return text
    return text.encode("utf-16-le", "surrogatepass")[: max_length * 2].decode("utf-16-le", "ignore")


def _clean(raw: Any) -> str | None:
    if raw is None:
        return None
    if not isinstance(raw, str):
        raise ValueError(f"is {type(raw).__name__}, not text")
    return whole_characters(raw).replace("\r\n", "\n").replace("\r", "\n").strip() or None


class _Scalar:
    is_set = False
    one_way = False

    def project(self, value: Any, limits: Limits) -> Any:
        return value

    def is_part_of(self, held: Any, value: Any) -> bool:
        return False

    def to_partner_center(self, value: Any, current: Any = None) -> Any:
        return value

    def to_crm(self, value: Any) -> Any:
        return value

    def dump(self, value: Any) -> Any:
        return value

    def load(self, stored: Any) -> Any:
        return stored


class Text(_Scalar):
    """Line ends are LF, no white space around; blank is ``None``. Cut to what the CRM holds."""

    def from_partner_center(self, raw: Any) -> str | None:
        return _clean(raw)

    def from_crm(self, raw: Any) -> str | None:
        return _clean(raw)

    def project(self, value: str | None, limits: Limits) -> str | None:
        return None if value is None else cut(value, limits.max_length).strip() or None

    def is_part_of(self, held: str | None, value: str | None) -> bool:
        return bool(held and value and value.startswith(held))


class MarkedText(Text):
    """A name that may carry the check or cross mark in the CRM; two places of the limit are kept for it."""

    def from_partner_center(self, raw: Any) -> str | None:
        text = _clean(raw)
        return None if text is None else strip_marks(text) or None

    def from_crm(self, raw: Any) -> str | None:
        return self.from_partner_center(raw)

    def project(self, value: str | None, limits: Limits) -> str | None:
        if value is None or limits.max_length is None:
            return value
        return cut(value, max(limits.max_length - 2, 1)).strip() or None


class Money(_Scalar):
    """A ``Decimal``, rounded half up to the currency's decimals. Zero is a value, blank is not zero."""

    def from_partner_center(self, raw: Any) -> Decimal | None:
        if raw is None or raw == "":
            return None
        if isinstance(raw, bool) or not isinstance(raw, int | float | str | Decimal):
            raise ValueError(f"is {type(raw).__name__}, not a number")
        try:
            value = Decimal(str(raw))
        except InvalidOperation:
            raise ValueError("is not a number") from None
        if not value.is_finite() or abs(value) >= Decimal(10) ** 15:
            raise ValueError("is not a number that a deal can have")
        return value

    def from_crm(self, raw: Any) -> Decimal | None:
        return self.from_partner_center(raw)

    def to_partner_center(self, value: Decimal | None, current: Any = None) -> int | float | None:
        if value is None:
            return None
        return int(value) if value == value.to_integral_value() else float(value)

    def project(self, value: Decimal | None, limits: Limits) -> Decimal | None:
        if value is None or limits.decimals is None:
            return value
        return _rounded(value, limits.decimals)

    def is_part_of(self, held: Decimal | None, value: Decimal | None) -> bool:
        return held is not None and value is not None and any(_rounded(value, n) == held for n in range(MOST_DECIMALS))

    def dump(self, value: Decimal | None) -> str | None:
        return None if value is None else str(value)

    def load(self, stored: str | None) -> Decimal | None:
        return None if stored is None else Decimal(stored)


MOST_DECIMALS = 5


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


class Day(_Scalar):
    """A day: Partner Center's UTC timestamp, the CRM's date. The time of day does not travel."""

    def from_partner_center(self, raw: Any) -> date | None:
        if raw is None or raw == "":
            return None
        if not isinstance(raw, str):
            raise ValueError(f"is {type(raw).__name__}, not a date")
        try:
            moment = datetime.fromisoformat(raw)
            return moment.astimezone(UTC).date() if moment.tzinfo else moment.date()
        except (ValueError, OverflowError):
            raise ValueError(f"is {raw[:40]!r}, not a date") from None

    def from_crm(self, raw: Any) -> date | None:
        return raw.date() if isinstance(raw, datetime) else raw if isinstance(raw, date) else self._day(raw)

    def _day(self, raw: Any) -> date | None:
        return self.from_partner_center(raw)

    def to_partner_center(self, value: date | None, current: Any = None) -> str | None:
        return None if value is None else f"{value.isoformat()}T00:00:00Z"

    def dump(self, value: date | None) -> str | None:
        return None if value is None else value.isoformat()

    def load(self, stored: str | None) -> date | None:
        return None if stored is None else date.fromisoformat(stored)


class Flag(_Scalar):
    """Yes or no; blank is no."""

    def from_partner_center(self, raw: Any) -> bool:
        if raw is not None and not isinstance(raw, bool):
            raise ValueError(f"is {type(raw).__name__}, not yes or no")
        return bool(raw)

    def from_crm(self, raw: Any) -> bool:
        return self.from_partner_center(raw)


class OneWayFlag(Flag):
    """A flag that cannot be taken back once it is yes."""

    one_way = True


class Currency(_Scalar):
    """An ISO 4217 code in capitals."""

    def from_partner_center(self, raw: Any) -> str | None:
        text = _clean(raw)
        if text is None:
            return None
        if not re.fullmatch(r"[A-Za-z]{3}", text):
            raise ValueError(f"is {text[:20]!r}, not a currency code of three letters")
        return text.upper()

    def from_crm(self, raw: Any) -> str | None:
        return self.from_partner_center(raw)


class Country(_Scalar):
    """An ISO 3166 alpha-2 code; on the way out names and alpha-3 codes are understood too."""

    def from_partner_center(self, raw: Any) -> str | None:
        text = _clean(raw)
        return None if text is None else alpha_2(text)

    def from_crm(self, raw: Any) -> str | None:
        return self.from_partner_center(raw)


def alpha_2(text: str) -> str:
    """The alpha-2 code of a country given as alpha-2, alpha-3 or English name; ``ValueError`` otherwise."""
    import pycountry  # 8 MB of tables, needed only when a country is converted

    known = pycountry.countries
    found = known.get(alpha_2=text.upper()) or known.get(alpha_3=text.upper())
    if found is None:
        try:
            found = known.lookup(text)
        except LookupError:
            raise ValueError(f"is {text[:40]!r}, which is no country's name or ISO 3166 code") from None
    return str(found.alpha_2)


@dataclass(frozen=True)
class Choice(_Scalar):
    """One of a closed list: Partner Center's code on one side, the CRM's label on the other. Canonical is the code."""

    choices: Mapping[str, str]

    def from_partner_center(self, raw: Any) -> str | None:
        code = _clean(raw)
        if code is None or code in ("None", "Unknown"):
            return None
        for known in self.choices:
            if known.casefold() == code.casefold():
                return known
        raise ValueError(f"is {code[:60]!r}, which the mapping does not know ({', '.join(self.choices)})")

    def from_crm(self, raw: Any) -> str | None:
        label = _clean(raw)
        if label is None or label.casefold() == "none":
            return None
        for code, known in self.choices.items():
            if known.casefold() == label.casefold():
                return code
        raise ValueError(f"is {label[:60]!r}, which the mapping does not know ({', '.join(self.choices.values())})")

    def to_crm(self, value: str | None) -> str | None:
        return None if value is None else self.choices[value]


def _simple(kind: Callable[[], Converter]) -> Callable[[Mapping[str, str]], Converter]:
    instance = kind()
    return lambda _choices: instance


def _registry() -> dict[str, Callable[[Mapping[str, str]], Converter]]:
    from shared.domain.sets import People, Solutions

    return {
        "text": _simple(Text),
        "marked_text": _simple(MarkedText),
        "money": _simple(Money),
        "date": _simple(Day),
        "flag": _simple(Flag),
        "one_way_flag": _simple(OneWayFlag),
        "currency": _simple(Currency),
        "country": _simple(Country),
        "choice": Choice,
        "people": _simple(People),
        "solutions": _simple(Solutions),
    }


CONVERTERS = _registry()
