"""What a query names, read from its text: events, fields, and the words that it compares fields with."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from shared.partner_center.inbox import Verdict
from shared.state.runs import RunStatus
from shared.telemetry import Event
from tests.telemetry.log import Line

SOURCES = Path(__file__).parents[2] / "shared"
_COMMENT = re.compile(r"^//.*$", re.MULTILINE)
_EVENT = re.compile(r'startswith "(\w+): "|matches regex @"\^\(([\w|]+)\): "')
_FIELD = re.compile(r"\b(?:line|spent)\.(\w+)")
_COMPARED = re.compile(
    r'(\w+)\)? (?:==|in|!in) (\([^)]*\)|"[^"]*")'  # outcome in ("succeeded", "waiting")
    r"|datatable\((\w+): string\) (\[[^\]]*\])"  # datatable(function: string) ["auto_heal"]
)
_WORD = re.compile(r'"([^"]*)"')


def mistakes(query: str, lines: Iterable[Line], functions: Collection[str]) -> list[str]:
    """Everything that the query names, and that the app does not know or said in none of these lines; as sentences."""
    text, lines = _COMMENT.sub("", query), list(lines)
    events = events_of(text)
    found = [f"there is no event {event!r}" for event in sorted(events - set(Event))]
    if not events:
        found.append("it names no event")
    said = {name for one in lines if one.event in events for name in _names(one.fields)}
    found += [f"no such line has a field {field!r}" for field in sorted(set(_FIELD.findall(text)) - said)]
    known = {"outcome": {*RunStatus, *Verdict}, "event": events, "function": functions}
    for field, word in sorted(_compared(text)):
        if word not in known[field] if field in known else not _is_in_the_code(word):
            found.append(f"{field} is never {word!r}")
    return found


def events_of(query: str) -> set[str]:
    return {name for groups in _EVENT.findall(query) for name in "|".join(groups).split("|") if name}


def _compared(query: str) -> set[tuple[str, str]]:
    """Field and word of every comparison."""
    return {
        (field or column, word)
        for field, words, column, rows in _COMPARED.findall(query)
        for word in _WORD.findall(words or rows)
    }


def _names(fields: Mapping[str, object]) -> set[str]:
    """Names of the fields, and of the fields of their elements."""
    inner = {name for value in fields.values() if isinstance(value, list) for element in value for name in element}
    return set(fields) | inner


def _is_in_the_code(word: str) -> bool:
    return any(f'"{word}"' in file.read_text(encoding="utf-8") for file in SOURCES.rglob("*.py"))
