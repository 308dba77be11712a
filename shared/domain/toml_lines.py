"""On which line of a TOML file each key stands: ``tomllib`` reads values only, and a mistake is mended on a line."""

from __future__ import annotations

import re
from collections.abc import Mapping

Place = tuple[str, ...]
UNNAMED = "#"
"""In a place, the first row of an array that has no name."""

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(?P<brackets>\[\[?)\s*(?P<key>{_KEY})\s*\]")
_ENTRY = re.compile(rf"\s*(?P<key>{_KEY})\s*=\s*(?P<value>.*)")
_TEXT = re.compile(r"""(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')""")
_TOKEN = re.compile(r'''"""|\'\'\'|"(?:\\.|[^"\\])*"|'[^']*'|#.*|[\[\]{}]''')


def key_lines(text: str) -> dict[Place, int]:
    """The line, counted from 1, of every table and key of ``text``, which is valid TOML.

    A row of an array of tables goes by its ``name``: ``[[records.opportunity.fields]]`` with ``name = "deal_value"`` is
    ``("records", "opportunity", "fields", "deal_value")``, and its line is that of the name. Inside inline tables and
    arrays no keys are looked for.
    """
    return _Reader().read(text)


def line_of(lines: Mapping[Place, int], place: Place) -> int | None:
    """The line to look at for ``place``: its own, or that of the nearest thing around it that is in the file."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return None


class _Reader:
    def __init__(self) -> None:
        self._lines: dict[Place, int] = {}
        self._rows: dict[Place, Place] = {}
        self._table: Place = ()
        self._began = 0
        self._quotes, self._depth = "", 0

    def read(self, text: str) -> dict[Place, int]:
        for number, line in enumerate(text.splitlines(), start=1):
            if self._quotes or self._depth:
                self._follow(line)
            elif header := _HEADER.match(line):
                self._open_table(_parts(header["key"]), number, is_row=header["brackets"] == "[[")
            elif entry := _ENTRY.match(line):
                self._enter(_parts(entry["key"]), entry["value"], number)
        return self._lines

    def _open_table(self, place: Place, number: int, *, is_row: bool) -> None:
        place = self._in_row(place[:-1]) + place[-1:] if is_row else self._in_row(place)
        if is_row:
            self._rows[place] = (*place, UNNAMED)
            place = self._rows[place]
        self._table, self._began = place, number
        self._lines.setdefault(place, number)

    def _in_row(self, place: Place) -> Place:
        """A table under an array belongs to the array's row that was opened last."""
        for length in range(len(place), 0, -1):
            if place[:length] in self._rows:
                return self._rows[place[:length]] + place[length:]
        return place

    def _enter(self, key: Place, value: str, number: int) -> None:
        name = _TEXT.match(value)
        if key == ("name",) and name and self._table[-1:] == (UNNAMED,):
            self._name_row(name["double"] or name["single"] or "", number)
        self._lines.setdefault(self._table + key, number)
        self._follow(value)

    def _name_row(self, name: str, number: int) -> None:
        old, array = self._table, self._table[:-1]
        new = (*array, name)
        for place in [place for place in self._lines if place[: len(old)] == old and self._lines[place] >= self._began]:
            self._lines.setdefault(new + place[len(old) :], self._lines.pop(place))
        self._lines[new] = number
        self._rows[array] = self._table = new

    def _follow(self, text: str) -> None:
        """Keeps count of what ``text`` opens and closes: strings and arrays go over several lines."""
        position = 0
        while True:
            if self._quotes:
                end = text.find(self._quotes, position)
                if end < 0:
                    return
                position, self._quotes = end + 3, ""
            token = _TOKEN.search(text, position)
            if token is None:
                return
            position = token.end()
            if token[0] in ('"""', "'''"):
                self._quotes = token[0]
            elif token[0] in ("[", "{"):
                self._depth += 1
            elif token[0] in ("]", "}"):
                self._depth -= 1


def _parts(key: str) -> Place:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))
