"""Reads the rows of *Microsoft Solution Details* from a CSV or Excel file, as Microsoft's guide has them uploaded.

Columns: Solution Identifier*, Solution Name*, Type, Publisher Name; other columns are passed over.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from shared.crm.port import SolutionDetail
from shared.domain.errors import ConfigurationError, Rejected
from shared.domain.values import whole_characters

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("solutionidentifier", "solutionid"),
    "name": ("solutionname",),
    "type": ("type", "solutiontype"),
    "publisher": ("publishername", "publisher"),
}
"""Headers of each part, without case, blanks and asterisk."""
_REQUIRED = {"id": "Solution Identifier", "name": "Solution Name"}
_DELIMITERS = ",;\t"
"""Excel writes semicolons where the comma is the decimal sign."""

Cells = tuple[int, Sequence[object]]


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
    match file.suffix.lower():
        case ".csv" | ".txt":
            rows = _csv_rows(file)
        case ".xlsx" | ".xlsm":
            rows = _excel_rows(file)
        case other:
            raise _unusable(file, f"ends in {other or 'nothing'}", "Save it as .csv (UTF-8) or .xlsx.")
    return parse_catalogue(rows, file.name)


def parse_catalogue(rows: Iterable[Cells], source: str) -> Catalogue:
    """``rows`` are line numbers and cells; the first that is not blank holds the headers. Pure."""
    filled = ((line, cells) for line, cells in rows if any(map(_text, cells)))
    line, heads = next(filled, (1, ()))
    columns = _columns([_text(cell) for cell in heads], source, line)
    good: dict[str, CatalogueRow] = {}
    bad: list[BadRow] = []
    for line, cells in filled:
        values = {part: _text(cells[index]) if index < len(cells) else "" for part, index in columns.items()}
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


def _text(cell: object) -> str:
    """One line; a number that a spreadsheet made of an identifier, without its ``.0``."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return " ".join(whole_characters(str(cell)).split())


def _csv_rows(file: Path) -> Iterator[Cells]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _unusable(file, "is not text in UTF-8", 'Save it in Excel as "CSV UTF-8".') from None
    except OSError as problem:
        raise _unreadable(file, problem) from None
    first = next((line for line in text.splitlines() if line.strip(_DELIMITERS + " ")), "")
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=first.count), strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1  # a quoted cell may go over several lines
    except csv.Error as problem:
        raise _unusable(file, f"is no CSV from line {line} on ({problem})", "Save it again as CSV UTF-8.") from None


def _excel_rows(file: Path) -> Iterator[Cells]:
    try:
        import openpyxl
    except ImportError:
        raise ConfigurationError(
            "Excel files need the package openpyxl",
            code="openpyxl",
            remedy="Install it (pip install openpyxl), or save the list as CSV UTF-8.",
        ) from None
    try:
        with warnings.catch_warnings(), file.open("rb") as opened:
            warnings.simplefilter("ignore")  # about styles and validations, which do not matter here
            book = openpyxl.load_workbook(opened, read_only=True, data_only=True)
            yield from enumerate(list(book.worksheets[0].iter_rows(values_only=True)), start=1)
            book.close()
    except OSError as problem:
        raise _unreadable(file, problem) from None
    except Exception as problem:
        # openpyxl lets whatever its parsers raise come through.
        what = f"is no Excel workbook that can be read ({type(problem).__name__})"
        raise _unusable(file, what, "Save it again as .xlsx, or as CSV UTF-8.") from None


def _unreadable(file: Path, problem: OSError) -> Rejected:
    return _unusable(file, f"cannot be read ({problem.strerror or type(problem).__name__})", "Check its name.")


def _unusable(file: Path, what: str, remedy: str) -> Rejected:
    return Rejected(f"{file.name} {what}", code="catalogue", remedy=remedy)
