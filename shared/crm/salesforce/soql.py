"""The one place where SOQL is written: every value goes through :func:`quoted` or a typed literal, names are checked.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from shared.domain.values import whole_characters

_NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?", re.ASCII)
_REFERENCE = re.compile(r"@\{[A-Za-z0-9]\w*(\[\d+\])?(\.\w+(\[\d+\])?)*\}", re.ASCII)
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
# In a composite request @{ begins a reference to another part's answer, wherever it stands.
_ESCAPED = re.compile(r"[\\'\x00-\x1f\x7f]|@(?=\{)")


def quoted(text: str) -> str:
    """``text`` as a literal. Only the quote and the backslash could end it; control characters are written out too."""
    return f"'{_ESCAPED.sub(_escape, whole_characters(text))}'"


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _ESCAPES.get(character) or f"\\u{ord(character):04x}"


def is_id(text: str) -> bool:
    """Whether ``text`` has the form of a record id: 15 characters that tell case apart, or 18."""
    return _ID.fullmatch(text) is not None


def moment(when: datetime) -> str:
    """``when`` as a literal, to the millisecond if it has any: they are not in the documented grammar."""
    utc = when.astimezone(UTC)
    milliseconds = f".{utc.microsecond // 1000:03d}" if utc.microsecond >= 1000 else ""
    return f"{utc:%Y-%m-%dT%H:%M:%S}{milliseconds}Z"


def equals(path: str, value: str | bool | None) -> str:
    """The condition that ``path`` has ``value``. Blank text is null there, and text is compared without case."""
    if value is None or value == "":
        return f"{name(path)} = null"
    if isinstance(value, bool):
        return f"{name(path)} = {'true' if value else 'false'}"
    return f"{name(path)} = {quoted(value)}"


def equals_reference(path: str, reference: str) -> str:
    """The condition that ``path`` has what another part of the same composite request answered."""
    if not _REFERENCE.fullmatch(reference):
        raise ValueError(f"{reference[:60]!r} is no reference")
    return f"{name(path)} = '{reference}'"


def one_of(path: str, values: Sequence[str]) -> str:
    """The condition that ``path`` has one of ``values``, of which there is at least one."""
    if not values:
        raise ValueError("IN needs values: what Salesforce makes of an empty list is not documented")
    return f"{name(path)} IN ({', '.join(map(quoted, values))})"


def in_query(path: str, query: str) -> str:
    """The condition that ``path`` is an id that ``query`` selects."""
    return f"{name(path)} IN ({query})"


def compare(path: str, operator: str, literal: str) -> str:
    """``literal`` is one that :func:`moment` or :func:`quoted` made."""
    if operator not in ("=", ">", ">=", "<", "<="):
        raise ValueError(f"{operator!r} is no operator")
    return f"{name(path)} {operator} {literal}"


def both(*conditions: str) -> str:
    return " AND ".join(conditions)


def either(first: str, second: str) -> str:
    return f"(({first}) OR ({second}))"


def select(
    source: str,
    columns: Iterable[str],
    *,
    children: Sequence[str] = (),
    where: str = "",
    order: Sequence[str] = (),
    limit: int | None = None,
) -> str:
    """One query; each column once. ``children`` are queries of child rows, whose ``source`` is the relationship."""
    chosen = [*dict.fromkeys(name(column) for column in columns), *(f"({child})" for child in children)]
    parts = [f"SELECT {', '.join(chosen)} FROM {name(source)}"]  # noqa: S608 - every part is checked or quoted above
    if where:
        parts.append(f"WHERE {where}")
    if order:
        parts.append(f"ORDER BY {', '.join(map(name, order))}")
    if limit is not None:
        parts.append(f"LIMIT {limit}")
    return " ".join(parts)


def name(path: str) -> str:
    """``path``, if it is a field or object name; names come from the mapping, and none of them may be a query."""
    if not _NAME.fullmatch(path):
        raise ValueError(f"{path[:60]!r} is no name of a field or object")
    return path


def path_of(query: str, *, deleted: bool = False) -> str:
    """The path that runs ``query``; ``deleted`` rows of the recycle bin too. References stay readable in it."""
    encoded = quote(query, safe="")
    for reference in _REFERENCE.finditer(query):
        encoded = encoded.replace(quote(reference[0], safe=""), reference[0])
    return f"{'queryAll' if deleted else 'query'}?q={encoded}"
