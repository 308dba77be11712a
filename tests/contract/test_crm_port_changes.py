"""What every CRM adapter must do when it is asked what changed."""

from __future__ import annotations

import pytest

from shared.crm.port import Change, ChangePage
from shared.domain.errors import RetryLater
from shared.domain.record import CrmStage, Record, RecordChange, RecordKind, StageChange
from tests.contract.deals import deal, paths
from tests.contract.rigs import PAGE_SIZE, Rig

OPPORTUNITY = RecordKind.OPPORTUNITY


def referral_id(number: int) -> str:
    return f"2b2d7b0c-8d2f-4c61-9d1c-{number:012d}"


def create(rig: Rig, number: int) -> Record:
    new = deal(rig.mapping, referral_id(number))
    return rig.crm.create(new, rig.crm.prepare(new), None)


def read(rig: Rig, cursor: str | None) -> list[ChangePage]:
    pages = list(rig.crm.changes(OPPORTUNITY, cursor))
    assert [page.cursor is None for page in pages] == [True] * (len(pages) - 1) + [False]
    return pages


def changes(pages: list[ChangePage]) -> list[Change]:
    return [change for page in pages for change in page.changes]


def last_cursor(pages: list[ChangePage]) -> str:
    cursor = pages[-1].cursor
    assert cursor is not None
    return cursor


def test_the_first_read_is_full_and_in_pages(rig: Rig) -> None:
    records = [create(rig, number) for number in range(2 * PAGE_SIZE + 1)]
    before = rig.calls()
    pages = read(rig, None)
    assert rig.calls() - before == len(pages) == 3
    assert all(page.full for page in pages)
    assert all(len(page.changes) <= PAGE_SIZE for page in pages)
    assert changes(pages) == [
        Change(OPPORTUNITY, record.id, record.version, syncs=True, referral_id=referral_id(number))
        for number, record in enumerate(records)
    ]


def test_an_idle_read_costs_one_call_and_keeps_its_place(rig: Rig) -> None:
    create(rig, 1)
    cursor = last_cursor(read(rig, None))
    for _ in range(3):
        before = rig.calls()
        pages = read(rig, cursor)
        assert rig.calls() - before == 1
        assert (changes(pages), [page.full for page in pages]) == ([], [False])
        cursor = last_cursor(pages)


def test_an_empty_crm_has_a_cursor_too(rig: Rig) -> None:
    pages = read(rig, None)
    assert changes(pages) == []
    record = create(rig, 1)
    assert [change.id for change in changes(read(rig, last_cursor(pages)))] == [record.id]


def test_only_what_changed_comes_with_a_cursor(rig: Rig) -> None:
    records = [create(rig, number) for number in range(4)]
    cursor = last_cursor(read(rig, None))
    rig.rename(records[1].id, "renamed by a seller")
    rig.crm.update(records[2], RecordChange(paths(rig.mapping, {"notes": "x"}), StageChange(CrmStage.WON)))
    new = create(rig, 9)
    pages = read(rig, cursor)
    assert {change.id for change in changes(pages)} == {records[1].id, records[2].id, new.id}
    assert not any(page.full for page in pages)
    versions = {change.id: change.version for change in changes(pages)}
    assert versions[records[1].id] == rig.crm.get(OPPORTUNITY, records[1].id).version


def test_the_version_of_a_change_is_that_of_our_own_write(rig: Rig) -> None:
    record = create(rig, 1)
    cursor = last_cursor(read(rig, None))
    written = rig.crm.update(record, RecordChange(paths(rig.mapping, {"notes": "ours"})))
    assert [change.version for change in changes(read(rig, cursor))] == [written.version]


def test_deletions_are_told(rig: Rig) -> None:
    kept, gone = create(rig, 1), create(rig, 2)
    cursor = last_cursor(read(rig, None))
    rig.delete(gone.id)
    pages = read(rig, cursor)
    assert changes(pages) == [Change(OPPORTUNITY, gone.id, deleted=True)]
    assert changes(read(rig, last_cursor(pages))) == []
    assert [change.id for change in changes(read(rig, None))] == [kept.id]


def test_records_that_do_not_sync_are_marked(rig: Rig) -> None:
    record = create(rig, 1)
    columns = rig.mapping.records[OPPORTUNITY].columns
    rig.crm.update(record, RecordChange({columns.sync: False, columns.referral_id: None}))
    (change,) = changes(read(rig, None))
    assert (change.syncs, change.referral_id) == (False, None)


def test_many_changes_come_in_pages_without_loss(rig: Rig) -> None:
    records = [create(rig, number) for number in range(PAGE_SIZE)]
    cursor = last_cursor(read(rig, None))
    for record in records:
        rig.rename(record.id, "renamed")
    more = [create(rig, number) for number in range(10, 10 + PAGE_SIZE + 1)]
    rig.delete(more.pop().id)
    rig.delete(records.pop().id)
    found = changes(read(rig, cursor))
    assert [change.id for change in found if not change.deleted] == [record.id for record in (*records, *more)]
    assert sum(change.deleted for change in found) == 2


def test_what_changes_between_pages_is_not_lost(rig: Rig) -> None:
    records = [create(rig, number) for number in range(2 * PAGE_SIZE)]
    pages = rig.crm.changes(OPPORTUNITY, None)
    first = next(pages)
    rig.rename(records[0].id, "renamed while pages are read")
    rig.rename(records[-1].id, "renamed while pages are read")
    late = create(rig, 99)
    rest = list(pages)
    seen = {change.id: change.version for page in (first, *rest) for change in page.changes}
    seen |= {change.id: change.version for change in changes(read(rig, last_cursor([first, *rest])))}
    current = {record.id: rig.crm.get(OPPORTUNITY, record.id).version for record in (*records, late)}
    assert seen == current


def test_an_expired_cursor_becomes_a_full_read(rig: Rig) -> None:
    records = [create(rig, number) for number in range(PAGE_SIZE + 1)]
    cursor = last_cursor(read(rig, None))
    rig.expire_cursors()
    pages = read(rig, cursor)
    assert all(page.full for page in pages)
    assert {change.id for change in changes(pages)} == {record.id for record in records}
    rig.rename(records[0].id, "renamed")
    after = read(rig, last_cursor(pages))
    assert not any(page.full for page in after)
    assert [change.id for change in changes(after)] == [records[0].id]


def test_a_read_that_fails_can_be_repeated_from_the_same_cursor(rig: Rig) -> None:
    record = create(rig, 1)
    cursor = last_cursor(read(rig, None))
    rig.rename(record.id, "renamed")
    rig.refuse_next()
    with pytest.raises(RetryLater):
        list(rig.crm.changes(OPPORTUNITY, cursor))
    assert [change.id for change in changes(read(rig, cursor))] == [record.id]
