"""SOQL, the part of it that this org takes: from text to a tree. What is not here is refused, loudly.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/
Not taken, though SOQL has it: aliases, functions but COUNT(), GROUP BY, HAVING, WITH, FOR, TYPEOF, USING SCOPE,
currency literals, INCLUDES and EXCLUDES.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from sandbox.salesforce import errors
from sandbox.salesforce.soql_tokens import Token, tokenise, unquoted

_LONGEST_QUERY = 100_000
_RELATIVE_DAYS = frozenset({"TODAY", "YESTERDAY", "TOMORROW"})
_RESERVED = frozenset(
    {"SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "NULL", "TRUE", "FALSE", "ORDER", "BY", "ASC", "DESC"}
    | {"NULLS", "FIRST", "LAST", "LIMIT", "OFFSET", "GROUP", "HAVING", "WITH", "FOR", "USING", "INCLUDES", "EXCLUDES"}
)


@dataclass(frozen=True)
class Path:
    """A field, maybe of a parent: ``Account.Name``."""

    names: tuple[str, ...]
    position: int

    @property
    def text(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True)
class Literal:
    """``kind``: string, number, boolean, null, date, moment, or relative (days, like TODAY)."""

    kind: str
    value: str | Decimal | bool | None


@dataclass(frozen=True)
class Comparison:
    path: Path
    operator: str  # = != < > <= >= LIKE
    literal: Literal


@dataclass(frozen=True)
class Membership:
    path: Path
    negated: bool
    literals: tuple[Literal, ...] = ()
    query: Query | None = None  # a semi-join


@dataclass(frozen=True)
class Not:
    condition: Condition


@dataclass(frozen=True)
class All:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    conditions: tuple[Condition, ...]


Condition = Comparison | Membership | Not | All | AnyOf


@dataclass(frozen=True)
class Order:
    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True)
class Query:
    sobject: str
    position: int
    paths: tuple[Path, ...] = ()
    children: tuple[Query, ...] = ()  # their ``sobject`` is a child relationship name
    counts: bool = False
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0


def parse(text: str) -> Query:
    """MALFORMED_QUERY for what is no SOQL, or no SOQL of this org."""
    if len(text) > _LONGEST_QUERY:
        raise errors.malformed_query("SOQL statements cannot be longer than 100000 characters.")
    reader = _Reader(text)
    query = reader.query()
    reader.expect_end()
    return query


def parse_condition(text: str) -> Condition:
    """What may stand behind WHERE."""
    reader = _Reader(text)
    condition = reader.condition()
    reader.expect_end()
    return condition


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = tokenise(text)
        self._end = Token("end", "<EOF>", len(text))
        self._next = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._next] if self._next < len(self._tokens) else self._end

    def take(self) -> Token:
        token = self.token
        self._next += 1
        return token

    def took(self, *words: str) -> bool:
        """Whether exactly these keywords came next; they are taken then."""
        ahead = self._tokens[self._next : self._next + len(words)]
        if [token.word or token.text for token in ahead] != list(words):
            return False
        self._next += len(words)
        return True

    def expect(self, word: str) -> None:
        if not self.took(word):
            self.refuse()

    def expect_end(self) -> None:
        if self.token is not self._end:
            self.refuse()

    def refuse(self) -> NoReturn:
        raise errors.malformed_query(f"unexpected token: '{self.token.text}'")

    def query(self, *, nested: bool = False) -> Query:
        self.expect("SELECT")
        paths: list[Path] = []
        children: list[Query] = []
        counts = self.took("COUNT", "(", ")")
        while not counts:
            if not nested and self.took("("):
                children.append(self.query(nested=True))
                self.expect(")")
            else:
                paths.append(self.path())
            if not self.took(","):
                break
        self.expect("FROM")
        sobject = self.path()
        if len(sobject.names) > 1:
            raise errors.malformed_query(f"unexpected token: '{sobject.text}'")
        where = self.condition() if self.took("WHERE") else None
        order = self.order() if self.took("ORDER", "BY") else ()
        limit = self.whole_number() if self.took("LIMIT") else None
        offset = self.whole_number() if self.took("OFFSET") else 0
        found = tuple(paths), tuple(children)
        return Query(sobject.text, sobject.position, *found, counts, where, order, limit, offset)

    def path(self) -> Path:
        if self.token.kind != "name" or self.token.word in _RESERVED:
            self.refuse()
        token = self.take()
        return Path(tuple(token.text.split(".")), token.position)

    def order(self) -> tuple[Order, ...]:
        orders = []
        while True:
            path = self.path()
            descending = self.took("DESC") or (self.took("ASC") and False)
            nulls_last = self.took("NULLS", "LAST") or (self.took("NULLS", "FIRST") and False)
            orders.append(Order(path, descending, nulls_last))
            if not self.took(","):
                return tuple(orders)

    def whole_number(self) -> int:
        if self.token.kind != "number" or not self.token.text.isdigit():
            self.refuse()
        return int(self.take().text)

    def condition(self) -> Condition:
        """Conditions of one level are joined by AND or by OR; to mix them takes parentheses."""
        parts = [self.single()]
        for word, kind in (("AND", All), ("OR", AnyOf)):
            if self.token.word == word:
                while self.took(word):
                    parts.append(self.single())
                return kind(tuple(parts))
        return parts[0]

    def single(self) -> Condition:
        if self.took("NOT"):
            return Not(self.parenthesised() if self.took("(") else self.field_condition())
        return self.parenthesised() if self.took("(") else self.field_condition()

    def parenthesised(self) -> Condition:
        condition = self.condition()
        self.expect(")")
        return condition

    def field_condition(self) -> Condition:
        path = self.path()
        if self.took("NOT", "IN"):
            return self.membership(path, negated=True)
        if self.took("IN"):
            return self.membership(path, negated=False)
        if self.took("LIKE"):
            return Comparison(path, "LIKE", self.literal(like=True))
        if self.token.kind != "operator":
            self.refuse()
        operator = self.take().text
        return Comparison(path, "!=" if operator == "<>" else operator, self.literal())

    def membership(self, path: Path, *, negated: bool) -> Membership:
        self.expect("(")
        if self.token.word == "SELECT":
            query = self.query(nested=True)
            self.expect(")")
            return Membership(path, negated, query=query)
        literals = [self.literal()]
        while self.took(","):
            literals.append(self.literal())
        self.expect(")")
        return Membership(path, negated, tuple(literals))

    def literal(self, *, like: bool = False) -> Literal:
        token = self.token
        if token.kind == "string":
            self.take()
            return Literal("string", unquoted(token.text, like=like))
        if token.kind == "number":
            self.take()
            return Literal("number", Decimal(token.text))
        if token.kind in {"date", "moment", "relative"} or token.word in _RELATIVE_DAYS:
            self.take()
            return Literal("relative" if token.kind == "name" else token.kind, token.text.upper())
        words: dict[str, Literal] = {
            "NULL": Literal("null", None),
            "TRUE": Literal("boolean", True),
            "FALSE": Literal("boolean", False),
        }
        if token.word not in words:
            self.refuse()
        return words[self.take().word]
