"""Changes are found once and none is lost: rows that show late, rows of one second, cursors of all kinds."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from sandbox.control import Fault
from shared.crm.port import Change
from shared.crm.salesforce.changes import Cursor
from shared.domain.errors import RetryLater
from shared.domain.record import RecordKind
from tests.contract.deals import read_mapping
from tests.contract.rigs import SalesforceRig
from tests.crm.salesforce.conftest import OrgMaker

OPPORTUNITY = RecordKind.OPPORTUNITY
SOURCE = "Opportunity"


@pytest.fixture
def rig(org: OrgMaker) -> SalesforceRig:
    made: SalesforceRig = org()
    made.crm.catalogue()
    return made


def add(rig: SalesforceRig, name: str = "Contoso") -> str:
    return rig.hands.insert(SOURCE, {"Name": name, "StageName": "Prospecting", "CloseDate": "2027-03-31"})


def read(rig: SalesforceRig, cursor: str | None, **options: Any) -> tuple[list[Change], str]:
    pages = list(rig.adapter(**options).changes(OPPORTUNITY, cursor))
    assert pages[-1].cursor is not None
    return [change for page in pages for change in page.changes], pages[-1].cursor


def ids(changes: list[Change]) -> list[str]:
    return [change.id for change in changes]


def test_a_row_that_shows_after_its_time_was_passed_is_found(rig: SalesforceRig) -> None:
    early = add(rig)
    _, cursor = read(rig, None)
    rig.simulator.set_commit_delay(60)  # what is seen from now on was stamped a minute ago
    late = add(rig)
    rig.simulator.set_commit_delay(0)
    found, cursor = read(rig, cursor)
    assert ids(found) == [late]
    assert early not in ids(found)
    assert read(rig, cursor)[0] == []


def test_rows_of_one_second_all_come_in_any_page_size(rig: SalesforceRig) -> None:
    rig.clock.step = timedelta(0)
    made = sorted(add(rig, f"Deal {number}") for number in range(8))
    for page_size in (1, 2, 3, 8, 100):
        assert sorted(ids(read(rig, None, page_size=page_size)[0])) == made


def test_two_changes_of_one_second_by_two_people_are_two_changes(rig: SalesforceRig) -> None:
    rig.clock.step = timedelta(0)
    record_id = add(rig)
    _, cursor = read(rig, None)
    rig.hands.edit(SOURCE, record_id, {"Description": "x"}, by="dana.reyes@contoso.example")
    assert ids(read(rig, cursor)[0]) == [record_id]


def test_two_saves_of_one_person_within_one_second_are_both_told_of(rig: SalesforceRig) -> None:
    rig.clock.step = timedelta(0)
    made = add(rig)
    first, cursor = read(rig, None)
    assert [(change.id, change.version) for change in first] == [(made, None)]  # the second is not over
    rig.hands.edit(SOURCE, made, {"Name": "Contoso again"})
    again, cursor = read(rig, cursor)
    assert ids(again) == [made]
    rig.clock.advance(timedelta(seconds=2))
    settled, cursor = read(rig, cursor)
    assert [change.version is None for change in settled] == [False]
    assert read(rig, cursor)[0] == []


@pytest.mark.parametrize(("ahead_s", "is_lost"), [(0, False), (6, False), (10, True)])
def test_a_second_save_under_one_stamp_is_told_of_though_it_shows_late_and_clocks_differ(
    rig: SalesforceRig, ahead_s: int, is_lost: bool
) -> None:
    """The save shows three seconds after its stamp, and our clock is ahead: what the margin of ten seconds is for."""
    rig.clock.step = timedelta(0)
    mapping = rig.mapping.model_copy(update={"adapter": read_mapping("salesforce.toml").adapter})
    ahead = {"mapping": mapping, "clock": lambda: rig.clock() + timedelta(seconds=ahead_s)}
    made = add(rig)
    rig.clock.advance(timedelta(seconds=0.9))
    _, cursor = read(rig, None, **ahead)
    rig.clock.advance(timedelta(seconds=3))
    rig.simulator.set_commit_delay(3)
    rig.hands.edit(SOURCE, made, {"Name": "Contoso again"})
    assert (ids(read(rig, cursor, **ahead)[0]) == []) is is_lost


def test_what_automation_changes_is_found_too(rig: SalesforceRig) -> None:
    record_id = add(rig)
    _, cursor = read(rig, None)
    rig.hands.touch(SOURCE, record_id)
    assert ids(read(rig, cursor)[0]) == [record_id]


def test_what_was_told_of_is_forgotten_once_it_is_older_than_the_overlap(rig: SalesforceRig) -> None:
    for _ in range(5):
        add(rig)
    _, cursor = read(rig, None, overlap=timedelta(seconds=1000))
    assert len(Cursor.load(cursor, SOURCE).seen) == 5  # type: ignore[union-attr]
    rig.clock.advance(timedelta(seconds=2000))
    found, cursor = read(rig, cursor, overlap=timedelta(seconds=1000))
    assert found == []
    found, cursor = read(rig, cursor, overlap=timedelta(seconds=1000))
    assert found == []
    assert Cursor.load(cursor, SOURCE).seen == {}  # type: ignore[union-attr]


def test_a_row_that_comes_back_from_the_recycle_bin_is_a_change(rig: SalesforceRig) -> None:
    record_id = add(rig)
    _, cursor = read(rig, None)
    rig.hands.delete(SOURCE, record_id)
    found, cursor = read(rig, cursor)
    assert found == [Change(OPPORTUNITY, record_id, deleted=True)]
    rig.hands.undelete(SOURCE, record_id)
    found, _ = read(rig, cursor)
    assert [(change.id, change.deleted) for change in found] == [(record_id, False)]


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "{}",
        "[]",
        "null",
        '{"object": "Opportunity"}',
        '{"object": "Lead", "since": "2026-11-21T12:00:00Z", "seen": {}}',
        '{"object": "Opportunity", "since": "yesterday", "seen": {}}',
        '{"object": "Opportunity", "since": "2026-11-21T12:00:00Z", "seen": 5}',
    ],
)
def test_what_is_no_cursor_of_this_object_becomes_a_full_read(rig: SalesforceRig, cursor: str) -> None:
    record_id = add(rig)
    pages = list(rig.crm.changes(OPPORTUNITY, cursor))
    assert [page.full for page in pages] == [True]
    assert ids(list(pages[0].changes)) == [record_id]


def test_a_page_that_the_server_cuts_short_is_gone_on_from(rig: SalesforceRig) -> None:
    made = [add(rig, f"Deal {number}") for number in range(3)]
    first = rig.hands.row(SOURCE, made[0])
    row = {name: first[name] for name in ("Id", "SystemModstamp", "LastModifiedById", "IsDeleted")}
    rig.simulator.control.order(Fault("query", status=200, body={"done": False, "records": [row]}))
    pages = list(rig.crm.changes(OPPORTUNITY, None))
    assert [ids(list(page.changes)) for page in pages] == [made[:1], made[1:]]


def test_pages_that_do_not_end_are_an_error_and_no_loop(rig: SalesforceRig) -> None:
    rows = [
        {"Id": f"006xx00000{number:05d}AAA", "SystemModstamp": "2026-11-21T12:00:00.000+0000", "LastModifiedById": "x"}
        for number in range(4)
    ]
    rig.simulator.control.order(Fault("query", status=200, body={"done": True, "records": rows}, times=10))
    with pytest.raises(RetryLater, match="read already"):
        list(rig.crm.changes(OPPORTUNITY, None))


def test_a_cursor_keeps_within_bounds_and_forgets_the_oldest_first() -> None:
    since = Cursor.load('{"object": "X", "since": "2026-11-21T12:00:00Z", "seen": {}}', "X")
    assert since is not None
    seen = {
        f"{number:018d}": f"2026-11-21T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
        for number in range(9000)
    }
    text = Cursor("X", since.since, seen).dump()
    assert len(text) < 130_000
    kept = Cursor.load(text, "X")
    assert kept is not None
    assert set(kept.seen) == set(sorted(seen)[-len(kept.seen) :])
    assert len(kept.seen) > 1000
    assert json.loads(text)["since"] == "2026-11-21T12:00:00Z"
