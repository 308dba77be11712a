"""``docs/parity.md`` names only what there is, and leaves out no setting and no function."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.settings import Settings
from tests.architecture.parity import read_rows, untrue
from tests.functions.test_indexing import TRIGGERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
BESIDE_A_FLOW = {"failed_related_syncs", "failed_crm_syncs", "failed_lead_syncs", "live"}
"""One more per queue of ``failed_syncs``, and the little brother of ``health``."""

TEST = "unit/domain/test_audit.py::test_marks_can_be_switched_off"
GOOD = f"| Mark | `DISPLAY_CHECK_MARK`, `shared/domain/audit.py` | `{TEST}` |"


def test_every_row_names_files_and_tests_that_there_are() -> None:
    rows = read_rows(PAGE)
    assert len(rows) > 80
    assert [sentence for row in rows for sentence in untrue(row, ROOT)] == []


def test_no_setting_and_no_function_is_left_out() -> None:
    named = {name for row in read_rows(PAGE) for name in row.named}
    settings = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert settings - named == set()
    assert set(TRIGGERS) - BESIDE_A_FLOW - named == set()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (GOOD, ""),
        (GOOD.replace("switched_off", "switched_on"), "there is no test unit/domain/test_audit.py::"),
        (GOOD.replace("test_audit.py", "test_audits.py"), "there is no test unit/domain/test_audits.py::"),
        (GOOD.replace("::test_marks_can_be_switched_off", ""), "there is no test unit/domain/test_audit.py"),
        (GOOD.replace("domain/audit.py", "domain/auditing.py"), "there is no file shared/domain/auditing.py"),
        ("| Mark | `DISPLAY_CHECK_MARK` | |", "no test is named"),
        ("| Mark | not here: why | |", ""),
    ],
)
def test_what_is_not_so_is_found(row: str, said: str) -> None:
    found = [sentence for one in read_rows(row) for sentence in untrue(one, ROOT)]
    assert len(found) == bool(said)
    assert all(said in sentence for sentence in found)


def test_a_line_with_another_number_of_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="not 3 columns"):
        read_rows("| Mark | here |")
