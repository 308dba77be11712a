"""Lists as people keep them, CSV or Excel, read as lines of cells."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from shared.domain.errors import ConfigurationError, Rejected
from shared.domain.values import whole_characters

_DELIMITERS = ",;\t"
"""Excel writes semicolons where the comma is the decimal sign."""

Cells = tuple[int, Sequence[object]]
"""A row: its line of the CSV file or its row of the worksheet, counted from 1, and what is in it."""


def read_sheet(file: Path) -> Iterator[Cells]:
    """The rows of the file, of a workbook those of its first sheet. Raises ``Rejected`` for a file that is neither."""
    match file.suffix.lower():
        case ".csv" | ".txt":
            return _csv_rows(file)
        case ".xlsx" | ".xlsm":
            return _excel_rows(file)
        case other:
            raise _unusable(file, f"ends in {other or 'nothing'}", "Save it as .csv (UTF-8) or .xlsx.")


def cell_text(cell: object) -> str:
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
    return Rejected(f"{file.name} {what}", code="sheet", remedy=remedy)
