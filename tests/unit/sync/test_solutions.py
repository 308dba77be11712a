"""Which opportunities are looked at when solution rows change, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from shared.domain.errors import LockTaken, Rejected, RetryLater
from shared.domain.link import Failure, LinkStatus
from shared.domain.record import RecordKind
from shared.domain.values import Solution
from shared.state.envelope import Envelope
from shared.state.queues import CRM_CHANGES
from shared.state.solution_rows import KnownRow
from shared.sync.failures import tell_failure
from shared.sync.outcome import Result
from shared.sync.polls import Watch
from shared.sync.solutions import CURSOR, poll_solutions
from tests.property.world import World

SUPPLY = Solution("SOL-34104-EBB", "Contoso Supply")
VAULT = Solution("SOL-55102-QRS", "Contoso Vault", 2)
ACCEPTED = {"status": "Active", "substatus": "Accepted"}


class MemoryRows:
    def __init__(self) -> None:
        self.known: dict[str, KnownRow] = {}

    def get(self, row_id: str) -> KnownRow | None:
        return self.known.get(row_id)

    def all(self) -> Iterator[KnownRow]:
        return iter(tuple(self.known.values()))

    def put(self, row: KnownRow) -> None:
        self.known[row.id] = row

    def forget(self, row_id: str) -> None:
        self.known.pop(row_id, None)


@dataclass
class Sent:
    """A sender that keeps what it is given; ``fails`` times it refuses first."""

    envelopes: list[tuple[str, Envelope]] = field(default_factory=list)
    fails: int = 0

    def send(self, queue: str, envelope: Envelope, delay_s: float = 0) -> None:
        if self.fails:
            self.fails -= 1
            raise RetryLater("storage is away", code="storage")
        self.envelopes.append((queue, envelope))

    def take(self) -> list[str]:
        """Ids of the opportunities queued since the last look."""
        assert all((queue, one.kind) == (CRM_CHANGES, "opportunity") for queue, one in self.envelopes)
        ids = [one.id for _, one in self.envelopes]
        self.envelopes.clear()
        return ids


class Desk:
    """A world with what the poll needs around it."""

    def __init__(self) -> None:
        self.world = World()
        self.rows = MemoryRows()
        self.sent = Sent()
        self.cursors: dict[str, str] = {}
        numbers = iter(range(10_000))
        self.watch = Watch(
            self.world.partner_center,
            self.world.crm,
            self.world.links,  # type: ignore[arg-type]
            Cursors(self.cursors),
            self.sent,
            lambda: self.world.now,
            lambda: f"correlation-{next(numbers)}",
        )

    def accepted(self) -> tuple[str, str]:
        """A deal in step; ids of its referral and its record."""
        referral_id = self.world.incoming(**ACCEPTED)
        self.world.referral_changed(referral_id)
        return referral_id, self.world.crm.ids()[-1]

    def poll(self) -> list[str]:
        queued = poll_solutions(self.watch, self.rows, self.world.links)
        ids = self.sent.take()
        assert queued == len(ids)
        return ids

    def set(self, record_id: str, *solutions: Solution) -> None:
        self.world.crm.edit(record_id, {"@solutions": solutions})

    def sent_to(self, referral_id: str) -> list[dict[str, Any]]:
        document = self.world.partner_center.peek(referral_id)
        rows: list[dict[str, Any]] = document["details"]["requirements"]["solutions"]
        return rows


class Cursors:
    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def set(self, name: str, value: str) -> None:
        self._values[name] = value


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_rows_the_connector_made_cost_one_read_and_no_write(desk: Desk) -> None:
    _, record_id = desk.accepted()
    assert desk.poll() == [record_id]
    writes, reads = desk.world.writes(), desk.world.crm.calls["get"]
    asked = desk.world.partner_center.calls.total()
    assert desk.world.record_changed(record_id).result is Result.UNCHANGED
    assert desk.world.writes() == writes
    assert desk.world.crm.calls["get"] == reads + 1
    assert desk.world.partner_center.calls.total() == asked


def test_an_idle_tick_is_one_call_to_the_crm(desk: Desk) -> None:
    desk.accepted()
    desk.poll()
    before = desk.world.crm.calls.total()
    assert desk.poll() == []
    assert desk.world.crm.calls.total() == before + 1


def test_many_rows_of_one_opportunity_are_one_message(desk: Desk) -> None:
    _, first = desk.accepted()
    _, second = desk.accepted()
    desk.poll()
    desk.set(first, *(Solution(f"SOL-{number}-EBB", "Contoso") for number in range(5)))
    desk.set(second, VAULT)
    assert sorted(desk.poll()) == sorted([first, second])
    assert desk.poll() == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ((SUPPLY, VAULT), ["SOL-34104-EBB", "SOL-55102-QRS"]),
        ((replace(SUPPLY, quantity=9),), ["SOL-34104-EBB"]),
        ((VAULT,), ["SOL-55102-QRS"]),
    ],
    ids=["added", "edited", "exchanged"],
)
def test_what_sellers_do_with_the_rows_reaches_the_referral(
    desk: Desk, after: tuple[Solution, ...], expected: list[str]
) -> None:
    referral_id, record_id = desk.accepted()
    desk.poll()
    desk.set(record_id, *after)
    for queued in desk.poll():
        desk.world.record_changed(queued)
    assert [row["id"] for row in desk.sent_to(referral_id)] == expected
    assert [row.get("quantity") for row in desk.sent_to(referral_id)] == [one.quantity for one in after]


def test_a_removed_row_finds_its_opportunity_by_what_was_kept(desk: Desk) -> None:
    referral_id, record_id = desk.accepted()
    desk.set(record_id, SUPPLY, VAULT)
    desk.poll()
    desk.world.record_changed(record_id)
    desk.set(record_id, VAULT)
    assert desk.poll() == [record_id]
    desk.world.record_changed(record_id)
    assert [row["id"] for row in desk.sent_to(referral_id)] == [VAULT.id]
    assert set(desk.rows.known) == set(desk.world.crm.solutions.ids_under(record_id))


def test_a_removed_row_that_was_never_seen_is_passed_over(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    _, record_id = desk.accepted()
    desk.poll()
    desk.set(record_id, SUPPLY, VAULT)
    (unseen,) = set(desk.world.crm.solutions.ids_under(record_id)) - set(desk.rows.known)
    desk.set(record_id, SUPPLY)
    with caplog.at_level("INFO"):
        assert desk.poll() == []
    assert f"Solution row {unseen} was deleted" in caplog.text


def test_rows_of_opportunities_that_are_not_shared_are_only_remembered(desk: Desk) -> None:
    record_id = desk.world.opportunity()
    assert desk.poll() == []
    (row_id,) = desk.world.crm.solutions.ids_under(record_id)
    assert desk.rows.known[row_id].record_id == record_id
    desk.world.record_changed(record_id)
    desk.set(record_id, VAULT)
    assert desk.poll() == [record_id], "the removed row was remembered, and the added one is news"


def test_a_row_that_is_moved_is_news_to_both_opportunities(desk: Desk) -> None:
    _, first = desk.accepted()
    _, second = desk.accepted()
    desk.poll()
    (row_id,) = desk.world.crm.solutions.ids_under(first)
    moved = desk.rows.known[row_id]
    desk.rows.put(replace(moved, record_id=second, version='W/"0"'))
    desk.set(first, replace(SUPPLY, quantity=4))
    assert sorted(desk.poll()) == sorted([first, second])
    assert desk.rows.known[row_id].record_id == first


def test_after_a_full_read_only_what_differs_from_what_is_known_is_looked_at(desk: Desk) -> None:
    _, unchanged = desk.accepted()
    _, edited = desk.accepted()
    _, emptied = desk.accepted()
    desk.poll()
    desk.set(edited, replace(SUPPLY, quantity=3))
    desk.set(emptied)
    desk.world.crm.expire_cursors()
    queued = desk.poll()
    assert sorted(queued) == sorted([edited, emptied])
    assert unchanged not in queued
    assert desk.world.crm.solutions.ids_under(emptied) == ()
    assert {row.record_id for row in desk.rows.known.values()} == {unchanged, edited}


def test_a_tick_that_cannot_queue_finds_the_same_again(desk: Desk) -> None:
    _, record_id = desk.accepted()
    desk.poll()
    cursor = desk.cursors[CURSOR]
    desk.set(record_id, VAULT)
    desk.sent.fails = 1
    with pytest.raises(RetryLater):
        desk.poll()
    assert desk.cursors[CURSOR] == cursor
    assert desk.poll() == [record_id]


def test_a_row_can_mend_what_failed_on_its_opportunity(desk: Desk) -> None:
    """The record's version is still the one that the failure was told on."""
    _, record_id = desk.accepted()
    desk.poll()
    link = desk.world.links.find_by_record(RecordKind.OPPORTUNITY, record_id)
    assert link is not None
    desk.set(record_id, VAULT)
    version = desk.world.crm.peek(record_id).version
    failure = Failure("value", etag="1", record_version=version)
    desk.world.links.links[link.id] = replace(link, status=LinkStatus.FAILED, failure=failure)
    assert desk.world.record_changed(record_id).message.startswith("Unchanged since its failure")
    assert desk.poll() == [record_id]
    assert desk.world.record_changed(record_id).sent == ("Microsoft Partner Center Solutions",)


def test_a_failure_that_is_being_told_right_now_is_waited_for(desk: Desk) -> None:
    _, record_id = desk.accepted()
    desk.poll()
    cursor = desk.cursors[CURSOR]
    link = desk.world.links.find_by_record(RecordKind.OPPORTUNITY, record_id)
    assert link is not None
    desk.world.links.links[link.id] = replace(link, failure=Failure("value", record_version='W/"1"'))
    desk.set(record_id, VAULT)
    with desk.world.links.lock(link.id), pytest.raises(LockTaken):
        desk.poll()
    assert desk.cursors[CURSOR] == cursor
    assert desk.poll() == [record_id]


def test_the_rows_of_a_deleted_opportunity_are_forgotten(desk: Desk) -> None:
    _, record_id = desk.accepted()
    desk.poll()
    desk.world.crm.delete(record_id)
    assert desk.poll() == [record_id]
    assert desk.rows.known == {}
    assert desk.world.record_changed(record_id).result is Result.IGNORED


def test_an_unreadable_row_that_is_taken_away_again_ends_the_failure_and_that_is_told(desk: Desk) -> None:
    _, record_id = desk.accepted()
    desk.poll()
    desk.set(record_id, SUPPLY, Solution("", "Contoso Backup"))
    (queued,) = desk.poll()
    with pytest.raises(Rejected) as refused:
        desk.world.record_changed(queued)
    tell_failure(desk.world.sides, "opportunity", record_id, refused.value.code, str(refused.value), desk.world.now)
    assert desk.world.record(record_id, "name").startswith("❌")
    desk.set(record_id, SUPPLY)
    (queued,) = desk.poll()
    desk.world.record_changed(queued)
    assert desk.world.record(record_id, "name").startswith("✔")
    assert desk.world.audit(record_id)[0].endswith("CRM to Partner Center Referral sync success.")
    link = desk.world.links.find_by_record(RecordKind.OPPORTUNITY, record_id)
    assert link is not None
    assert (link.status, link.failure) == (LinkStatus.SYNCED, None)
    writes = desk.world.writes()
    desk.world.record_changed(record_id)
    assert desk.world.writes() == writes
