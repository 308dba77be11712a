"""What every CRM adapter must do when it is asked what changed among the solution rows."""

from __future__ import annotations

from decimal import Decimal

from shared.crm.port import SolutionChange, SolutionChangePage
from shared.domain.record import Record, RecordKind
from shared.domain.values import Solution
from tests.contract.deals import BACKUP, VAULT, deal
from tests.contract.rigs import PAGE_SIZE, Rig

OTHER = Solution("SOL-77001-TUV", "Contoso Other", 1, Decimal(5))


def create(rig: Rig, number: int, *solutions: Solution) -> Record:
    new = deal(rig.mapping, f"2b2d7b0c-8d2f-4c61-9d1c-{number:012d}", solutions=solutions)
    return rig.crm.create(new, rig.crm.prepare(new), None)


def read(rig: Rig, cursor: str | None) -> list[SolutionChangePage]:
    pages = list(rig.crm.solution_changes(cursor))
    assert [page.cursor is None for page in pages] == [True] * (len(pages) - 1) + [False]
    return pages


def changes(pages: list[SolutionChangePage]) -> list[SolutionChange]:
    return [change for page in pages for change in page.changes]


def next_cursor(pages: list[SolutionChangePage]) -> str:
    cursor = pages[-1].cursor
    assert cursor is not None
    return cursor


def test_the_first_read_has_every_row_with_its_record_in_pages(rig: Rig) -> None:
    records = [create(rig, number, BACKUP, VAULT) for number in range(PAGE_SIZE)]
    before = rig.calls()
    pages = read(rig, None)
    assert rig.calls() - before == len(pages) == 2
    assert all(page.full for page in pages)
    assert {(change.id, change.record_id) for change in changes(pages)} == {
        (row_id, record.id) for record in records for row_id in rig.solution_rows(record.id)
    }
    assert all(change.version and not change.deleted for change in changes(pages))


def test_an_idle_read_costs_one_call(rig: Rig) -> None:
    create(rig, 1, BACKUP)
    cursor = next_cursor(read(rig, None))
    for _ in range(2):
        before = rig.calls()
        pages = read(rig, cursor)
        assert rig.calls() - before == 1
        assert (changes(pages), pages[0].full) == ([], False)
        cursor = next_cursor(pages)


def test_rows_added_and_edited_name_their_record_and_have_a_new_version(rig: Rig) -> None:
    record, _ = create(rig, 1, BACKUP), create(rig, 2, VAULT)
    pages = read(rig, None)
    versions = {change.id: change.version for change in changes(pages)}
    (edited,) = rig.solution_rows(record.id)
    rig.set_solutions(record.id, Solution(BACKUP.id, BACKUP.name, 50, BACKUP.price), OTHER)
    found = {change.id: change for change in changes(read(rig, next_cursor(pages)))}
    assert set(found) == set(rig.solution_rows(record.id))
    assert {change.record_id for change in found.values()} == {record.id}
    assert found[edited].version != versions[edited]
    assert rig.crm.get(RecordKind.OPPORTUNITY, record.id).values["@solutions"] == (
        Solution(BACKUP.id, BACKUP.name, 50, BACKUP.price),
        OTHER,
    )


def test_a_removed_row_is_told_by_its_id(rig: Rig) -> None:
    record = create(rig, 1, BACKUP, VAULT)
    pages = read(rig, None)
    _, removed = rig.solution_rows(record.id)
    rig.set_solutions(record.id, BACKUP)
    pages = read(rig, next_cursor(pages))
    assert [(change.id, change.deleted) for change in changes(pages)] == [(removed, True)]
    assert changes(read(rig, next_cursor(pages))) == []


def test_the_rows_of_a_deleted_record_are_deleted(rig: Rig) -> None:
    record = create(rig, 1, BACKUP, VAULT)
    pages = read(rig, None)
    row_ids = rig.solution_rows(record.id)
    rig.delete(record.id)
    found = changes(read(rig, next_cursor(pages)))
    assert {change.id for change in found} == set(row_ids)
    assert all(change.deleted for change in found)


def test_an_expired_cursor_becomes_a_full_read(rig: Rig) -> None:
    record = create(rig, 1, BACKUP, VAULT)
    cursor = next_cursor(read(rig, None))
    rig.set_solutions(record.id, BACKUP)
    rig.expire_cursors()
    pages = read(rig, cursor)
    assert all(page.full for page in pages)
    assert [change.id for change in changes(pages)] == list(rig.solution_rows(record.id))
