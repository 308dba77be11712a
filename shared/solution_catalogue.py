"""Reads the rows of *Microsoft Solution Details* from a CSV or Excel file, as Microsoft's guide has them uploaded.

Columns: Solution Identifier*, Solution Name*, Type, Publisher Name; other columns are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.crm.port import SolutionDetail
from shared.domain.errors import Rejected
from shared.sheets import Cells, cell_text, read_sheet

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("solutionidentifier", "solutionid"),
    "name": ("solutionname",),
    "type": ("type", "solutiontype"),
    "publisher": ("publishername", "publisher"),
}
"""Headers of each part, without case, blanks and asterisk."""
_REQUIRED = {"id": "Solution Identifier", "name": "Solution Name"}


@dataclass(frozen=True)
class CatalogueRow:
    """``line`` is that of the CSV file, or the row of the worksheet, counted from 1."""

    line: int
    detail: SolutionDetail


@dataclass(frozen=True)
class BadRow:
    line: int
    reason: str


@dataclass(frozen=True)
class Catalogue:
    rows: tuple[CatalogueRow, ...]
    bad: tuple[BadRow, ...]


def read_catalogue(file: Path) -> Catalogue:
    """Raises ``Rejected`` for a file that is no such list; of single rows that are wrong, tells in ``bad``."""
    return parse_catalogue(read_sheet(file), file.name)


def parse_catalogue(rows: Iterable[Cells], source: str) -> Catalogue:
    """``rows`` are line numbers and cells; the first that is not blank holds the headers. Pure."""
    filled = ((line, cells) for line, cells in rows if any(map(cell_text, cells)))
    line, heads = next(filled, (1, ()))
    columns = _columns([cell_text(cell) for cell in heads], source, line)
    good: dict[str, CatalogueRow] = {}
    bad: list[BadRow] = []
    for line, cells in filled:
        values = {part: cell_text(cells[index]) if index < len(cells) else "" for part, index in columns.items()}
        detail = SolutionDetail(**values)
        missing = [name for part, name in _REQUIRED.items() if not values[part]]
        if missing:
            bad.append(BadRow(line, f"it has no {' and no '.join(missing)}"))
        elif detail.key in good:
            bad.append(BadRow(line, f"{detail.id} is on line {good[detail.key].line} already"))
        else:
            good[detail.key] = CatalogueRow(line, detail)
    if not good and not bad:
        raise Rejected(f"{source} has no rows below its headers", code="catalogue", remedy="Add the solutions to it.")
    return Catalogue(tuple(good.values()), tuple(bad))


def _columns(heads: Sequence[str], source: str, line: int) -> dict[str, int]:
    folded = [re.sub(r"[\W_]+", "", head).casefold() for head in heads]
    found = {
        part: next(index for index, head in enumerate(folded) if head in names)
        for part, names in _COLUMNS.items()
        if any(head in names for head in folded)
    }
    if missing := [name for part, name in _REQUIRED.items() if part not in found]:
        shown = ", ".join(head[:40] for head in heads if head) or "nothing"
        raise Rejected(
            f"Line {line} of {source} has no header {' and no '.join(missing)}; it has {shown[:300]}",
            code="catalogue",
            remedy="Name the columns Solution Identifier*, Solution Name*, Type, Publisher Name.",
        )
    return found
