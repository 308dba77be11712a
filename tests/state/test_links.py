from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.errors import LockTaken, NotFound, Rejected, RetryLater
from shared.domain.link import Failure, Intent, Link, LinkStatus, link_id_for_record, link_id_for_referral
from shared.domain.record import RecordKind
from shared.state.connection import StorageConnection
from shared.state.links import LinkStore
from shared.state.tables import Table, Tables
from tests.state.clock import FakeClock

OPPORTUNITY, LEAD = RecordKind.OPPORTUNITY, RecordKind.LEAD
FROM_REFERRAL = Link(link_id_for_referral("ref-1"), OPPORTUNITY, referral_id="ref-1")
FROM_RECORD = Link(link_id_for_record(OPPORTUNITY, "opp-1"), OPPORTUNITY, record_id="opp-1")


@pytest.fixture
def store(tables: Tables, clock: FakeClock) -> LinkStore:
    return LinkStore(tables, clock=clock, jitter=lambda: 0.5)


@pytest.fixture
def other(connection: StorageConnection, storage_prefix: str, clock: FakeClock) -> Iterator[LinkStore]:
    """Another worker's store of the same links."""
    tables = Tables(connection, prefix=storage_prefix)
    yield LinkStore(tables, clock=clock, jitter=lambda: 0)
    tables.close()


def test_ids_say_on_which_side_a_link_began() -> None:
    assert link_id_for_referral("3F25-A") == "r-3f25-a"
    assert link_id_for_record(LEAD, "00Q5e00001AbCdE") == "c-lead-00Q5e00001AbCdE"


def test_a_link_is_stored_whole(store: LinkStore, other: LinkStore, clock: FakeClock) -> None:
    link = replace(
        FROM_REFERRAL,
        engagement_id="eng-1",
        microsoft_referral_id="ref-m",
        record_id="opp-1",
        base={"fields": {"name": ["Fabrikam 🤝", "✓ Fabrikam 🤝"]}, "held": {}, "etag": None},
        intent=Intent("invite_microsoft", datetime(2026, 3, 1, 9, tzinfo=UTC), "opp-1"),
        status=LinkStatus.WAITING,
        status_reason="Closing date is missing.",
        failure=Failure("rejected", 'W/"7"', None),
    )
    with store.lock(link.id, new=FROM_REFERRAL) as locked:
        assert locked.link == replace(FROM_REFERRAL, updated_at=clock.now)
        clock.advance(seconds=1)
        locked.save(link, release=True)
        saved = replace(link, updated_at=clock.now)
        assert locked.link == saved
    assert other.get(link.id) == saved
    assert other.find_by_referral("REF-1") == saved
    assert other.find_by_referral("ref-m") == saved
    assert other.find_by_record(OPPORTUNITY, "opp-1") == saved
    assert other.find_by_record(LEAD, "opp-1") is None
    assert other.find_by_record(OPPORTUNITY, "OPP-1") is None


def test_what_is_cleared_is_gone(store: LinkStore) -> None:
    full = replace(
        FROM_RECORD,
        intent=Intent("create_referral", datetime(2026, 3, 1, tzinfo=UTC), "opp-1"),
        base={"a": "x" * 100_000},
    )
    with store.lock(full.id, new=full) as locked:
        locked.save(replace(full, intent=None, base={"a": "y"}))
    link = store.get(full.id)
    assert link is not None
    assert link.intent is None
    assert link.base == {"a": "y"}


def test_there_is_nothing_to_lock(store: LinkStore) -> None:
    with pytest.raises(NotFound, match="r-ref-1"), store.lock(FROM_REFERRAL.id):
        pass
    assert store.get(FROM_REFERRAL.id) is None
    assert store.find_by_referral("ref-1") is None


def test_new_does_not_replace_what_is_there(store: LinkStore) -> None:
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as locked:
        locked.save(replace(locked.link, status=LinkStatus.SYNCED))
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as locked:
        assert locked.link.status is LinkStatus.SYNCED


def test_a_lock_keeps_others_out_until_it_is_given_back(store: LinkStore, other: LinkStore) -> None:
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as locked:
        with pytest.raises(LockTaken) as caught, other.lock(FROM_REFERRAL.id):
            pass
        assert caught.value.after_s == 2
        locked.save(replace(locked.link, status=LinkStatus.SYNCED))
        with pytest.raises(LockTaken) as caught, store.lock(FROM_REFERRAL.id):
            pass
        assert caught.value.after_s == 4
    with other.lock(FROM_REFERRAL.id) as locked:
        assert locked.link.status is LinkStatus.SYNCED


def test_the_last_save_may_give_the_lock_back(store: LinkStore, other: LinkStore) -> None:
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as locked:
        locked.save(replace(locked.link, status=LinkStatus.SYNCED), release=True)
        with other.lock(FROM_REFERRAL.id) as now_theirs:
            assert now_theirs.link.status is LinkStatus.SYNCED
            with pytest.raises(LockTaken):
                locked.save(replace(locked.link, status=LinkStatus.FAILED))
            with pytest.raises(LockTaken), store.lock(FROM_REFERRAL.id):
                pass


def test_nothing_is_saved_after_the_lock_was_given_back(store: LinkStore) -> None:
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as locked:
        locked.save(locked.link, release=True)
        with pytest.raises(LockTaken):
            locked.save(replace(locked.link, status=LinkStatus.FAILED))
    link = store.get(FROM_REFERRAL.id)
    assert link is not None
    assert link.status is LinkStatus.PENDING


def test_an_error_inside_gives_the_lock_back(store: LinkStore, other: LinkStore) -> None:
    with pytest.raises(ZeroDivisionError), store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL):
        raise ZeroDivisionError
    with other.lock(FROM_REFERRAL.id) as locked:
        assert locked.link.status is LinkStatus.PENDING


def test_a_lock_left_behind_is_taken_over_after_its_time_and_the_clocks_difference(
    store: LinkStore, other: LinkStore, clock: FakeClock
) -> None:
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as stalled:
        clock.advance(minutes=6, seconds=59)
        with pytest.raises(LockTaken), other.lock(FROM_REFERRAL.id):
            pass
        clock.advance(seconds=1)
        with other.lock(FROM_REFERRAL.id) as locked:
            locked.save(replace(locked.link, status=LinkStatus.SYNCED))
            before = stalled.link
            with pytest.raises(LockTaken):
                stalled.save(replace(stalled.link, status=LinkStatus.FAILED))
            assert stalled.link == before
            stalled.release()
            with pytest.raises(LockTaken), store.lock(FROM_REFERRAL.id):
                pass
    link = store.get(FROM_REFERRAL.id)
    assert link is not None
    assert link.status is LinkStatus.SYNCED


def test_a_save_makes_the_lock_last_anew(store: LinkStore, other: LinkStore, clock: FakeClock) -> None:
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as locked:
        clock.advance(minutes=6)
        locked.save(locked.link)
        clock.advance(minutes=6)
        with pytest.raises(LockTaken), other.lock(FROM_REFERRAL.id):
            pass


def test_two_workers_never_have_one_link_at_once(store: LinkStore, other: LinkStore) -> None:
    """Each adds to a count that it read under the lock; a count lost is a lock that did not hold."""
    rounds = 12
    refused: list[int] = []
    start = threading.Barrier(2)

    def count(mine: LinkStore) -> None:
        start.wait(timeout=30)
        done = 0
        while done < rounds:
            try:
                with mine.lock(FROM_REFERRAL.id, new=replace(FROM_REFERRAL, base={"count": 0})) as locked:
                    assert locked.link.base is not None
                    counted = {"count": locked.link.base["count"] + 1}
                    locked.save(replace(locked.link, base=counted), release=done % 2 == 0)
                done += 1
            except LockTaken:
                refused.append(1)

    threads = [threading.Thread(target=count, args=(each,)) for each in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    link = store.get(FROM_REFERRAL.id)
    assert link is not None
    assert link.base == {"count": 2 * rounds}
    assert refused


def test_a_crash_before_the_link_was_stored_leaves_no_trace_for_its_next_try(
    store: LinkStore, tables: Tables, clock: FakeClock
) -> None:
    leave_alias(tables, "referral-ref-1", FROM_REFERRAL.id, clock)
    assert store.find_by_referral("ref-1") is None
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL):
        pass
    assert store.find_by_referral("ref-1") is not None


def test_a_crash_before_the_link_was_stored_holds_others_up_only_until_its_lock_would_have_ended(
    store: LinkStore, tables: Tables, clock: FakeClock
) -> None:
    leave_alias(tables, "opportunity-opp-1", FROM_REFERRAL.id, clock)
    with pytest.raises(LockTaken), store.lock(FROM_RECORD.id, new=FROM_RECORD):
        pass
    assert store.get(FROM_RECORD.id) is None
    clock.advance(minutes=7)
    with store.lock(FROM_RECORD.id, new=FROM_RECORD):
        pass
    found = store.find_by_record(OPPORTUNITY, "opp-1")
    assert found is not None
    assert found.id == FROM_RECORD.id


def test_a_crash_between_alias_and_save_leaves_the_link_to_be_found_by_its_new_id(
    store: LinkStore, other: LinkStore, clock: FakeClock
) -> None:
    """The stalled worker has written the alias when its save fails: as if it had died in between."""
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as stalled:
        clock.advance(minutes=8)
        with other.lock(FROM_REFERRAL.id) as locked:
            with pytest.raises(LockTaken):
                stalled.save(replace(stalled.link, record_id="opp-1"))
            found = other.find_by_record(OPPORTUNITY, "opp-1")
            assert found is not None
            assert (found.id, found.record_id) == (FROM_REFERRAL.id, None)
            locked.save(replace(locked.link, record_id="opp-1"))
    found = other.find_by_record(OPPORTUNITY, "opp-1")
    assert found is not None
    assert found.record_id == "opp-1"


def test_an_id_of_another_link_is_refused_and_both_are_named(store: LinkStore) -> None:
    with store.lock(FROM_REFERRAL.id, new=replace(FROM_REFERRAL, record_id="opp-1")):
        pass
    second = link_id_for_referral("ref-2")
    with store.lock(second, new=Link(second, OPPORTUNITY, referral_id="ref-2")) as locked:
        with pytest.raises(
            Rejected, match="r-ref-2 cannot have opportunity-opp-1, which belongs to link r-ref-1"
        ) as caught:
            locked.save(replace(locked.link, record_id="opp-1"))
        assert caught.value.code == "link_clash"
        assert locked.link.record_id is None
    clashing = Link("r-ref-3", OPPORTUNITY, referral_id="ref-3", record_id="opp-1")
    with pytest.raises(Rejected) as caught, store.lock(clashing.id, new=clashing):
        pass
    assert caught.value.code == "link_clash"
    assert store.get(clashing.id) is None


def test_a_link_made_for_the_same_referral_meanwhile_is_left_to_another_look_up(store: LinkStore) -> None:
    """The CRM's worker has just created the referral when its webhook arrives."""
    with store.lock(FROM_RECORD.id, new=FROM_RECORD) as locked:
        locked.save(replace(locked.link, referral_id="ref-1"))
    with pytest.raises(LockTaken), store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL):
        pass
    found = store.find_by_referral("ref-1")
    assert found is not None
    assert found.id == FROM_RECORD.id


def test_a_lead_that_became_an_opportunity_is_found_by_both(store: LinkStore) -> None:
    lead = Link("r-ref-1", LEAD, referral_id="ref-1", record_id="lead-1")
    with store.lock(lead.id, new=lead) as locked:
        locked.save(replace(lead, kind=OPPORTUNITY, record_id="opp-1"))
    for found in (store.find_by_record(LEAD, "lead-1"), store.find_by_record(OPPORTUNITY, "opp-1")):
        assert found is not None
        assert found.record_id == "opp-1"


def test_microsofts_side_without_an_id_belongs_to_no_link(store: LinkStore) -> None:
    for number in (1, 2):
        link = Link(f"r-ref-{number}", OPPORTUNITY, referral_id=f"ref-{number}")
        with store.lock(link.id, new=link) as locked:
            locked.save(replace(link, microsoft_referral_id="msft"))
    assert store.find_by_referral("msft") is None


def test_links_by_status(store: LinkStore) -> None:
    for number, status in enumerate((LinkStatus.SYNCED, LinkStatus.WAITING, LinkStatus.SYNCED)):
        link = Link(f"r-ref-{number}", OPPORTUNITY, referral_id=f"ref-{number}", status=status)
        with store.lock(link.id, new=link):
            pass
    assert [link.id for link in store.all()] == ["r-ref-0", "r-ref-1", "r-ref-2"]
    assert [link.id for link in store.all(LinkStatus.SYNCED)] == ["r-ref-0", "r-ref-2"]
    assert [link.id for link in store.waiting()] == ["r-ref-1"]


def test_a_base_too_large_to_store_changes_nothing(store: LinkStore) -> None:
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as locked:
        with pytest.raises(Rejected) as caught:
            locked.save(replace(locked.link, record_id="opp-1", base={"notes": "x" * 500_000}))
        assert caught.value.code == "too_large"
    assert store.find_by_record(OPPORTUNITY, "opp-1") is None


def test_a_row_of_a_newer_release_is_left_to_it(store: LinkStore, tables: Tables) -> None:
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL):
        pass
    table = tables.table("links")
    row = table.get(FROM_REFERRAL.id, "link")
    assert row is not None
    table.merge(FROM_REFERRAL.id, "link", {"version": 2}, row.etag)
    with pytest.raises(RetryLater) as caught:
        store.get(FROM_REFERRAL.id)
    assert caught.value.code == "newer_state"
    with pytest.raises(RetryLater), store.lock(FROM_REFERRAL.id):
        pass


class AnswersLost(Table):
    """Writes, but the caller only ever sees the answer to the SDK's second try: already there, or changed since."""

    def insert(self, partition: str, key: str, properties: Mapping[str, Any]) -> str | None:
        super().insert(partition, key, properties)
        return None

    def replace(self, partition: str, key: str, properties: Mapping[str, Any], etag: str) -> str | None:
        super().replace(partition, key, properties, etag)
        return None


class TablesWithAnswersLost(Tables):
    def table(self, name: str) -> Table:
        return AnswersLost(self, self.full_name(name))


def test_a_write_whose_answer_was_lost_is_known_as_our_own(
    connection: StorageConnection, storage_prefix: str, clock: FakeClock, other: LinkStore
) -> None:
    tables = TablesWithAnswersLost(connection, prefix=storage_prefix)
    store = LinkStore(tables, clock=clock)
    with store.lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as locked:
        locked.save(replace(locked.link, record_id="opp-1"))
        with pytest.raises(LockTaken), other.lock(FROM_REFERRAL.id):
            pass
        locked.save(replace(locked.link, status=LinkStatus.SYNCED), release=True)
    tables.close()
    with other.lock(FROM_REFERRAL.id) as locked:
        assert (locked.link.record_id, locked.link.status) == ("opp-1", LinkStatus.SYNCED)


def test_a_write_whose_answer_was_lost_does_not_bring_back_a_lock_that_went_meanwhile(
    connection: StorageConnection, storage_prefix: str, clock: FakeClock, other: LinkStore
) -> None:
    class AnswerLateAndLost(Table):
        def replace(self, partition: str, key: str, properties: Mapping[str, Any], etag: str) -> str | None:
            written = super().replace(partition, key, properties, etag)
            assert written is not None
            self.merge(partition, key, {"lock_owner": "another worker"}, written)
            return None

    class TablesLate(Tables):
        def table(self, name: str) -> Table:
            return AnswerLateAndLost(self, self.full_name(name))

    tables = TablesLate(connection, prefix=storage_prefix)
    with LinkStore(tables, clock=clock).lock(FROM_REFERRAL.id, new=FROM_REFERRAL) as locked:
        with pytest.raises(LockTaken):
            locked.save(replace(locked.link, status=LinkStatus.SYNCED))
        assert locked.link.status is LinkStatus.PENDING
    tables.close()
    with pytest.raises(LockTaken), other.lock(FROM_REFERRAL.id):
        pass


def test_a_lock_that_cannot_be_given_back_is_only_logged(
    store: LinkStore, other: LinkStore, clock: FakeClock, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(Table):
        def merge(self, partition: str, key: str, properties: Mapping[str, Any], etag: str) -> str | None:
            raise RetryLater("storage cannot be reached")

    class TablesAway(Tables):
        def table(self, name: str) -> Table:
            return Away(tables, tables.full_name(name))

    stalled = LinkStore(TablesAway(StorageConnection("")), clock=clock)
    with stalled.lock(FROM_REFERRAL.id, new=FROM_REFERRAL):
        pass
    assert "r-ref-1 was not given back" in caplog.text
    with pytest.raises(LockTaken), other.lock(FROM_REFERRAL.id):
        pass
    clock.advance(minutes=7)
    with other.lock(FROM_REFERRAL.id):
        pass


def leave_alias(tables: Tables, alias: str, link_id: str, clock: FakeClock) -> None:
    """What a worker leaves that died after its first write."""
    tables.table("links").insert(alias, "alias", {"version": 1, "link_id": link_id, "written_at": clock.now})
