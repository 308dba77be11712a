"""Reads the tables of ``docs/parity.md`` and says what in them is not so."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COLUMNS = 3
_QUOTED = re.compile(r"`([^`]+)`")
_FILE = re.compile(r"[\w./-]+\.(py|toml|md)")


@dataclass(frozen=True)
class Row:
    """One line of a table; ``files`` and ``tests`` are what it names in code, as it names them."""

    what: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    is_left_out: bool
    named: tuple[str, ...]


def read_rows(page: str) -> list[Row]:
    """The rows of all tables. Raises ``ValueError`` for a line of a table that has not three columns."""
    rows = []
    for line in page.splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != COLUMNS:
            raise ValueError(f"not {COLUMNS} columns: {line}")
        if cells[2] == "Test" or set(cells[2]) == {"-"}:
            continue
        what, here, tests = cells
        named = tuple(_QUOTED.findall(f"{what} {here}"))
        files = tuple(name for name in _QUOTED.findall(here) if "/" in name and _FILE.fullmatch(name))
        is_left_out = here.startswith(("not here: ", "not on this page: "))
        rows.append(Row(what, files, tuple(_QUOTED.findall(tests)), is_left_out, named))
    return rows


def untrue(row: Row, root: Path) -> Iterator[str]:
    """What of a row does not hold, each as a sentence."""
    if not row.tests and not row.is_left_out:
        yield f"{row.what}: no test is named, and it is not said to be left out"
    for file in row.files:
        if not (root / file).is_file():
            yield f"{row.what}: there is no file {file}"
    for test in row.tests:
        path, separator, name = test.partition("::")
        if not separator or name not in _tests_in(root / "tests" / path):
            yield f"{row.what}: there is no test {test}"


@functools.cache
def _tests_in(file: Path) -> frozenset[str]:
    """The test functions of a file, at its top or in a class; none where there is no such file."""
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
