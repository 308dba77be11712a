"""Lists of solutions as people keep them: CSV from Excel in two countries, workbooks, and rows that are wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import openpyxl
import pytest

from shared.crm.port import SolutionDetail
from shared.domain.errors import ConfigurationError, Rejected
from shared.solution_catalogue import BadRow, Catalogue, CatalogueRow, parse_catalogue, read_catalogue

HEADS = ("Solution Identifier*", "Solution Name*", "Type", "Publisher Name")
SUPPLY = SolutionDetail("SOL-34104-EBB", "Contoso Supply Chain", "3P", "Contoso")
FRAUD = SolutionDetail("SOL-20001-AAA", "Fraud Watch; Europe", "", "Woodgrove Bank")
ROWS = [
    HEADS,
    ("SOL-34104-EBB", "Contoso Supply Chain", "3P", "Contoso"),
    ("SOL-20001-AAA", "Fraud Watch; Europe", "", "Woodgrove Bank"),
]


def csv_file(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    file = folder / "solutions.csv"
    file.write_bytes(text.encode(encoding))
    return file


def excel_file(folder: Path, rows: list[tuple[object, ...]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(list(row))
    file = folder / "Solutions.XLSX"
    book.save(file)
    return file


def details(catalogue: Catalogue) -> list[SolutionDetail]:
    assert catalogue.bad == ()
    return [row.detail for row in catalogue.rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_csv_as_excel_writes_it(tmp_path: Path, delimiter: str, encoding: str, line_end: str) -> None:
    text = line_end.join(delimiter.join(f'"{cell}"' for cell in row) for row in ROWS)
    assert details(read_catalogue(csv_file(tmp_path, text, encoding))) == [SUPPLY, FRAUD]


def test_a_workbook(tmp_path: Path) -> None:
    assert details(read_catalogue(excel_file(tmp_path, [*ROWS]))) == [SUPPLY, FRAUD]


def test_numbers_in_a_workbook_are_identifiers_without_decimals(tmp_path: Path) -> None:
    file = excel_file(tmp_path, [HEADS, (4711.0, " Fabrikam\nPortal ", None, None), (12, "Other", "3P", "Fabrikam")])
    first, second = details(read_catalogue(file))
    assert (first, second.id) == (SolutionDetail("4711", "Fabrikam Portal"), "12")


def test_headers_are_found_in_any_order_case_and_with_others_between() -> None:
    rows = [(3, ["Notes", "PUBLISHER NAME", "solution name", "Solution  identifier *"]), (4, ["x", "P", "N", "I", "?"])]
    assert parse_catalogue(rows, "list") == Catalogue((CatalogueRow(4, SolutionDetail("I", "N", "", "P")),), ())


def test_bad_rows_are_told_with_the_line_on_which_they_begin(tmp_path: Path) -> None:
    text = (
        'Solution Identifier*,Solution Name*\nSOL-1,"two\nlines"\n\nSOL-2,\n,Nameless\nsol-1,Again\nSOL-3\nSOL-4,Good\n'
    )
    catalogue = read_catalogue(csv_file(tmp_path, text))
    assert [(row.line, row.detail.name) for row in catalogue.rows] == [(2, "two lines"), (8 + 1, "Good")]
    assert catalogue.bad == (
        BadRow(5, "it has no Solution Name"),
        BadRow(6, "it has no Solution Identifier"),
        BadRow(7, "sol-1 is on line 2 already"),
        BadRow(8, "it has no Solution Name"),
    )


def test_bad_rows_of_a_workbook_have_the_number_that_excel_shows(tmp_path: Path) -> None:
    file = excel_file(tmp_path, [("My solutions", None), (None,), HEADS[:2], ("SOL-1", None), ("SOL-2", "Good")])
    with pytest.raises(Rejected, match=r"Line 1 of Solutions.XLSX has no header Solution Identifier"):
        read_catalogue(file)
    file = excel_file(tmp_path, [(None,), HEADS[:2], ("SOL-1", None), ("SOL-2", "Good")])
    assert read_catalogue(file).bad == (BadRow(3, "it has no Solution Name"),)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "has no header Solution Identifier and no Solution Name; it has nothing"),
        ("a.csv", b"Id,Solution Name\n1,2", "has no header Solution Identifier; it has Id, Solution Name"),
        ("a.csv", b"Solution Identifier,Solution Name\n\n", "has no rows below its headers"),
        ("a.csv", "Solution Identifier,Solution Name\nSOL-1,Müller".encode("cp1252"), "not text in UTF-8"),
        ("a.csv", b'Solution Identifier,Solution Name\n1,"' + b"x" * 200_000, "is no CSV from line 2 on"),
        ("a.csv", b'Solution Identifier,Solution Name\n1,N\n2,"never closed\n3,N', "is no CSV from line 3 on"),
        ("a.xlsx", b"PK\x03\x04 nonsense", "is no Excel workbook"),
        ("a.xlsx", b"", "is no Excel workbook"),
        ("a.xls", b"", "ends in .xls"),
    ],
)
def test_a_file_that_is_no_list_of_solutions_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(Rejected) as caught:
        read_catalogue(file)
    assert words in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["none.csv", "none.xlsx"])
def test_a_file_that_is_not_there_is_told_of(tmp_path: Path, name: str) -> None:
    with pytest.raises(Rejected, match=f"{name} cannot be read"):
        read_catalogue(tmp_path / name)


def test_without_openpyxl_csv_goes_on_and_excel_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = excel_file(tmp_path, [*ROWS])
    monkeypatch.setitem(sys.modules, "openpyxl", None)  # what an import meets where it is not installed
    with pytest.raises(ConfigurationError, match="pip install openpyxl"):
        read_catalogue(file)
    assert details(read_catalogue(csv_file(tmp_path, "Solution Identifier,Solution Name\nSOL-1,N")))
