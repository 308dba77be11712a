"""What a backfill finds on either side, and how it goes on after it was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from shared.domain.errors import RetryLater
from shared.domain.link import Link, LinkStatus
from shared.domain.record import RecordKind
from shared.state.queues import CRM_CHANGES, REFERRAL_EVENTS, RELATED_REFERRAL_EVENTS
from shared.sync.adopt import EVER
from shared.sync.backfill import PORTION, Found, Subject, find_in_crm, find_in_partner_center, queue_all
from shared.sync.deals import why_not_taken_in
from shared.sync.link_index import LinkIndex
from shared.sync.polls import Watch
from tests.property.world import World
from tests.unit.sync.test_solutions import Cursors, Sent

OPPORTUNITY = RecordKind.OPPORTUNITY


class Before:
    """What an unfinished backfill has queued, in memory."""

    def __init__(self) -> None:
        self.portions: dict[str, list[tuple[str, ...]]] = {}

    def queued(self, source: str) -> list[tuple[str, ...]]:
        return list(self.portions.get(source, []))

    def add(self, source: str, number: int, ids: Sequence[str]) -> None:
        rows = self.portions.setdefault(source, [])
        assert number == len(rows), "no portion is written over"
        rows.append(tuple(ids))

    def forget(self, source: str) -> None:
        self.portions.pop(source, None)


class Backfilling:
    def __init__(self) -> None:
        self.world, self.sent, self.before = World(), Sent(), Before()
        self.said: list[str] = []
        links: Any = self.world.links
        links.all = self._all
        self.watch = Watch(
            self.world.partner_center,
            self.world.crm,
            links,
            Cursors({}),
            self.sent,
            lambda: self.world.now,
            lambda: "c",
        )

    def _all(self, status: LinkStatus | None = None) -> Iterator[Link]:
        return iter([link for link in self.world.links.links.values() if status in (None, link.status)])

    def find(self) -> tuple[Found, Found]:
        links = LinkIndex(self._all())
        why = partial(why_not_taken_in, self.world.sides)
        return (
            find_in_crm(self.watch, OPPORTUNITY, links, self.said.append),
            find_in_partner_center(self.watch, EVER, links, why, self.said.append),
        )

    def queue(self, found: Found, room: int = 1000) -> int:
        rooms = iter([None] * room)

        def wait_for_room(queue: str) -> None:
            if next(rooms, "none") == "none":
                raise RetryLater(f"{queue} is full")

        return queue_all(self.watch, [found], self.before, wait_for_room, self.said.append)


def test_what_is_in_step_or_not_to_be_synced_is_passed_over() -> None:
    one = Backfilling()
    world = one.world
    world.incoming()
    world.opportunity()
    world.settle()
    new_record, new_referral = world.opportunity(), world.incoming()
    world.opportunity(**{world.record_mapping.columns.sync: False})
    world.incoming(type="Independent", qualification="Direct")
    in_crm, there = one.find()
    assert in_crm.subjects == [Subject(CRM_CHANGES, "opportunity", new_record)]
    assert there.subjects == [Subject(REFERRAL_EVENTS, "referral", new_referral)]
    assert [(found.in_step, found.passed_over, found.seen) for found in (in_crm, there)] == [(2, 1, 4), (2, 1, 4)]


def test_what_changed_since_its_last_sync_is_queued() -> None:
    one = Backfilling()
    referral_id = one.world.incoming()
    one.world.settle()
    one.world.partner_center.edit(referral_id, {"details.dealValue": 1})
    in_crm, there = one.find()
    assert (in_crm.subjects, [subject.id for subject in there.subjects]) == ([], [referral_id])


def test_microsofts_side_and_a_referral_that_cannot_be_read_have_queues_too() -> None:
    one = Backfilling()
    theirs = one.world.incoming(organizationId="msft")
    odd = one.world.incoming(status="Odd")
    _, there = one.find()
    assert there.subjects == [
        Subject(RELATED_REFERRAL_EVENTS, "referral", theirs),
        Subject(REFERRAL_EVENTS, "referral", odd),
    ]


def test_one_that_was_stopped_goes_on_where_it_stopped_and_the_next_begins_anew() -> None:
    one = Backfilling()
    for _ in range(2 * PORTION + 7):
        one.world.opportunity()
    found, _ = one.find()
    with pytest.raises(RetryLater):
        one.queue(found, room=1)
    assert len(one.sent.envelopes) == PORTION
    found, _ = one.find()
    assert one.queue(found) == PORTION + 7
    ids = [envelope.id for _, envelope in one.sent.envelopes]
    assert sorted(ids) == sorted(one.world.crm.ids())
    assert one.before.portions == {}
    assert one.queue(found) == 2 * PORTION + 7


def test_it_is_all_shared_and_taken_in_once_however_often_it_runs() -> None:
    one = Backfilling()
    world = one.world
    for _ in range(3):
        world.opportunity()
        world.incoming()
    for _ in range(2):
        for found in one.find():
            one.queue(found)
        for queue, envelope in one.sent.envelopes:
            if queue == CRM_CHANGES:
                world.record_changed(envelope.id)
            else:
                world.referral_changed(envelope.id)
    assert (len(world.crm.ids()), len(world.partner_center.ids())) == (6, 6)
    assert [found.subjects for found in one.find()] == [[], []]
