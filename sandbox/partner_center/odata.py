"""The part of OData that the referral list takes: a conjunction of comparisons, one order, a selection.

https://learn.microsoft.com/partner-center/developer/get-a-list-of-referrals
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.partner_center.refusals import invalid
from sandbox.partner_center.shape import REFERRAL
from sandbox.partner_center.times import parse_ticks

TEXT_FIELDS = frozenset(
    {
        "status",
        "substatus",
        "externalReferenceId",
        "qualification",
        "type",
        "direction",
        "customerProfile/address/country",
    }
)
TIME_FIELDS = frozenset({"updatedDateTime", "createdDateTime"})
_CLAUSE = re.compile(r"\s*(?P<field>[A-Za-z/]+) +(?P<verb>[a-z]+) +(?P<value>'(?:[^']|'')*'|[^\s'()]+)\s*")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda left, right: left == right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
}


@dataclass(frozen=True)
class Clause:
    """One comparison; ``value`` is text, or ticks for a time."""

    field: str
    verb: str
    value: str | int | None

    def holds(self, referral: dict[str, Any]) -> bool:
        found: Any = referral
        for name in self.field.split("/"):
            found = (found or {}).get(name)
        if isinstance(self.value, int):
            return found is not None and _COMPARISONS[self.verb](parse_ticks(found), self.value)
        if self.field == "engagementId" and isinstance(self.value, str):
            return isinstance(found, str) and found.lower() == self.value.lower()
        return bool(found == self.value)


def parse_filter(text: str) -> list[Clause]:
    """The comparisons that ``text`` joins with ``and``; :class:`Refusal` for all else that OData has."""
    clauses, position = [], 0
    while True:
        match = _CLAUSE.match(text, position)
        if match is None:
            raise invalid(f"The filter cannot be read from position {position}.", "$filter")
        clauses.append(_clause(match["field"], match["verb"], match["value"]))
        position = match.end()
        if position == len(text):
            return clauses
        if not text.startswith("and ", position):
            raise invalid("Comparisons can be joined by 'and' only.", "$filter")
        position += len("and ")


def _clause(field: str, verb: str, literal: str) -> Clause:
    quoted = literal.startswith("'")
    if field in TIME_FIELDS:
        # OData v4 writes times without quotes; a quoted one is a string and cannot be compared with a time.
        if quoted or verb not in _COMPARISONS:
            raise invalid(f"{field} takes eq, gt, ge, lt, le and a time without quotes.", "$filter")
        try:
            return Clause(field, verb, parse_ticks(literal))
        except ValueError as problem:
            raise invalid(f"{literal} is not a time.", "$filter") from problem
    if verb != "eq":
        raise invalid(f"{field} {verb} is not supported.", "$filter")
    text = literal[1:-1].replace("''", "'") if quoted else literal
    if field in {"engagementId", "id"}:
        if not _GUID.fullmatch(text):
            raise invalid(f"{field} takes a GUID.", "$filter")
        return Clause(field, verb, text)
    if field not in TEXT_FIELDS:
        raise invalid(f"The list cannot be filtered by {field}.", "$filter")
    if not quoted and literal != "null":
        raise invalid(f"The value of {field} must be in quotes.", "$filter")
    return Clause(field, verb, text if quoted else None)


def ordered(referrals: Iterable[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    match = re.fullmatch(r"(createdDateTime|updatedDateTime)(?: (asc|desc))?", text.strip())
    if match is None:
        raise invalid("The list can be ordered by createdDateTime or updatedDateTime.", "$orderby")
    field = match[1]
    return sorted(referrals, key=lambda referral: parse_ticks(referral[field]), reverse=match[2] == "desc")


def parse_select(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in REFERRAL]
    if unknown:
        raise invalid(f"There is no field {unknown[0]}.", "$select")
    return names


def parse_count(text: str, option: str, *, at_least: int, at_most: int | None = None) -> int:
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < at_least or (at_most is not None and int(text) > at_most):
        raise invalid(f"{option} cannot be {text}.", option)
    return int(text)
