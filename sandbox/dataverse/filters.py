"""``$filter``: parses the subset of OData that Dataverse documents, and decides whether a row matches.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/filter-rows
Comparison of text ignores case; ``%``, ``_`` and ``[ ]`` inside the string functions are SQL LIKE wildcards.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.dataverse.errors import DataverseError, bad_query
from sandbox.dataverse.values import timestamp

Read = Callable[[str], Any]  # path, "a" or "navigation/a" -> value
Literal = str | int | bool | Decimal | None

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'(?:[^']|'')*')
  | (?P<guid>[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})
  | (?P<moment>\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2}))?)
  | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<list>\[(?:[^\]"']|"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')*\])
  | (?P<word>[A-Za-z_@][\w./]*)
  | (?P<sign>[(),=])
    )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_TEXT_FUNCTIONS = {"contains": "%{}%", "startswith": "{}%", "endswith": "%{}"}


@dataclass(frozen=True)
class Comparison:
    """``path`` against ``literal``, for the caller to check that both exist and fit."""

    path: str
    literal: Literal
    kind: str  # string, guid, moment, number, boolean, null


@dataclass(frozen=True)
class Filter:
    matches: Callable[[Read], bool]
    comparisons: tuple[Comparison, ...]


def parse_filter(text: str) -> Filter:
    """Raises the 400 of the service where ``text`` is not a filter it understands."""
    parser = _Parser(text)
    matches = parser.disjunction()
    if parser.kind != "end":
        raise parser.unexpected()
    return Filter(matches, tuple(parser.comparisons))


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.casefold()
    return value


def _equal(value: Any, literal: Any) -> bool:
    return bool(_folded(value) == _folded(literal))


def _like(pattern: str) -> re.Pattern[str]:
    """SQL LIKE as a regular expression."""
    signs = {"%": ".*", "_": "."}
    pieces = re.findall(r"\[\^?[^\]]*\]|.", pattern, re.DOTALL)
    return re.compile("".join(p if len(p) > 1 else signs.get(p, re.escape(p)) for p in pieces), re.DOTALL | re.I)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self.comparisons: list[Comparison] = []
        self.kind = ""
        self.token = ""
        self._advance()

    def _advance(self) -> None:
        if not self._text[self._position :].strip():
            self.kind, self.token = "end", ""
            return
        match = _TOKEN.match(self._text, self._position)
        if match is None or match.lastgroup is None:
            raise self._unreadable()
        self.kind, self.token = match.lastgroup, match.group(match.lastgroup)
        self._position = match.end()

    def _unreadable(self) -> DataverseError:
        rest = self._text[self._position :].lstrip()
        if rest.startswith("'"):
            return bad_query(f"There is an unterminated literal at position {len(self._text)} in '{self._text}'.")
        return bad_query(f"Syntax error: character '{rest[:1]}' is not valid at position {self._position}.")

    def unexpected(self) -> DataverseError:
        return bad_query(f"Syntax error at position {self._position} in '{self._text}'.")

    def _take(self, token: str) -> None:
        if self.token != token:
            raise self.unexpected()
        self._advance()

    def disjunction(self) -> Callable[[Read], bool]:
        left = self._conjunction()
        while self.kind == "word" and self.token == "or":
            self._advance()
            left = _either(left, self._conjunction())
        return left

    def _conjunction(self) -> Callable[[Read], bool]:
        left = self._term()
        while self.kind == "word" and self.token == "and":
            self._advance()
            left = _both(left, self._term())
        return left

    def _term(self) -> Callable[[Read], bool]:
        if self.kind == "word" and self.token == "not":
            self._advance()
            inner = self._term()
            return lambda read: not inner(read)
        if self.token == "(" and self.kind == "sign":
            self._advance()
            inner = self.disjunction()
            self._take(")")
            return inner
        if self.kind != "word":
            raise self.unexpected()
        word = self.token
        self._advance()
        if self.token == "(" and self.kind == "sign":
            return self._function(word)
        return self._comparison(word)

    def _comparison(self, path: str) -> Callable[[Read], bool]:
        name = self.token
        if self.kind != "word" or name not in {"eq", "ne", *_COMPARE}:
            raise self.unexpected()
        self._advance()
        literal = self._literal(path)
        if name == "eq":
            return lambda read: _equal(read(path), literal)
        if name == "ne":
            # Unlike SQL, a blank is not equal to anything but null here.
            return lambda read: not _equal(read(path), literal)
        compare, bound = _COMPARE[name], _folded(literal)

        def ordered(read: Read) -> bool:
            value = read(path)
            return value is not None and bound is not None and compare(_folded(value), bound)

        return ordered

    def _function(self, name: str) -> Callable[[Read], bool]:
        if name == "Microsoft.Dynamics.CRM.In":
            return self._is_in()
        if name not in _TEXT_FUNCTIONS:
            raise bad_query(f"An unknown function with name '{name}' was found, or the simulator does not have it.")
        self._take("(")
        path = self.token
        self._advance()
        self._take(",")
        if self.kind != "string":
            raise self.unexpected()
        pattern = _like(_TEXT_FUNCTIONS[name].format(self._literal(path)))
        self._take(")")
        return lambda read: isinstance(value := read(path), str) and pattern.fullmatch(value) is not None

    def _is_in(self) -> Callable[[Read], bool]:
        """``In(PropertyName='a',PropertyValues=["x","y"])``; the values are always written as text."""
        self._take("(")
        self._take("PropertyName")
        self._take("=")
        path = self.token.strip("'")
        self._advance()
        self._take(",")
        self._take("PropertyValues")
        self._take("=")
        if self.kind != "list":
            raise self.unexpected()
        try:
            values = {str(value).casefold() for value in json.loads(self.token.replace("'", '"'))}
        except ValueError:
            raise self.unexpected() from None
        self._advance()
        self._take(")")
        self.comparisons.append(Comparison(path, None, "null"))
        return lambda read: (value := read(path)) is not None and str(value).casefold() in values

    def _moment(self, token: str) -> str:
        try:
            moment = datetime.fromisoformat(token)
        except ValueError:
            raise bad_query(f"Unrecognized 'Edm.DateTimeOffset' literal '{token}' in '{self._text}'.") from None
        return timestamp(moment) if "T" in token else token

    def _literal(self, path: str) -> Literal:
        kind, token = self.kind, self.token
        literal: Literal
        if kind == "string":
            literal = token[1:-1].replace("''", "'")
        elif kind == "number":
            literal = Decimal(token)
        elif kind == "guid":
            literal = token.lower()
        elif kind == "moment":
            literal = self._moment(token)
        elif kind == "word" and token in {"true", "false"}:
            kind, literal = "boolean", token == "true"
        elif kind == "word" and token == "null":
            kind, literal = "null", None
        else:
            raise self.unexpected()
        self._advance()
        self.comparisons.append(Comparison(path, literal, kind))
        return literal


def _either(left: Callable[[Read], bool], right: Callable[[Read], bool]) -> Callable[[Read], bool]:
    return lambda read: left(read) or right(read)


def _both(left: Callable[[Read], bool], right: Callable[[Read], bool]) -> Callable[[Read], bool]:
    return lambda read: left(read) and right(read)
