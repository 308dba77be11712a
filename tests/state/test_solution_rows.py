"""Which record each solution row was under, kept in a real table."""

from __future__ import annotations

from shared.state.solution_rows import KnownRow, SolutionRows
from shared.state.tables import Tables

ROW = KnownRow("6f0c1d2e-0000-4000-9000-000000000001", "0a1b2c3d-0000-4000-8000-000000000001", 'W/"11"')


def test_a_row_is_known_as_it_was_last_put(tables: Tables) -> None:
    rows = SolutionRows(tables)
    assert rows.get(ROW.id) is None
    rows.put(KnownRow(ROW.id, "another-record", 'W/"10"'))
    rows.put(ROW)
    assert SolutionRows(tables).get(ROW.id) == ROW


def test_a_row_whose_crm_has_no_versions_is_kept_without_one(tables: Tables) -> None:
    rows = SolutionRows(tables)
    rows.put(ROW)
    rows.put(KnownRow(ROW.id, ROW.record_id))
    assert rows.get(ROW.id) == KnownRow(ROW.id, ROW.record_id, None)


def test_a_forgotten_row_is_unknown_and_can_be_forgotten_again(tables: Tables) -> None:
    rows = SolutionRows(tables)
    rows.forget("never-there")
    rows.put(ROW)
    for _ in range(2):
        rows.forget(ROW.id)
        assert rows.get(ROW.id) is None


def test_all_rows_can_be_read(tables: Tables) -> None:
    rows = SolutionRows(tables)
    assert list(rows.all()) == []
    known = [KnownRow(f"row-{number}", f"record-{number % 2}", f'W/"{number}"') for number in range(5)]
    for row in known:
        rows.put(row)
    assert sorted(rows.all(), key=lambda row: row.id) == known
