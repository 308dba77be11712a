"""What auto-heal looks at again, and what it lets lie."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.domain.errors import RetryLater
from shared.domain.link import Link, LinkStatus
from shared.state.queues import REFERRAL_EVENTS
from shared.sync.deals import why_not_taken_in
from shared.sync.polls import Watch, heal
from shared.sync.queued_before import HALF_DONE_AFTER
from tests.property.world import World
from tests.unit.sync.test_solutions import Cursors, Sent


class Healing:
    """One world with its cursor; ``queued`` is what a tick of auto-heal puts into queues."""

    def __init__(self, **settings: Any) -> None:
        self.world = World(**settings)
        self.cursors: dict[str, str] = {}
        links: Any = self.world.links
        links.all = self._all
        self._links = links

    def _all(self, status: LinkStatus | None = None) -> Iterator[Link]:
        return iter([link for link in self.world.links.links.values() if status in (None, link.status)])

    def queued(self) -> list[tuple[str, str]]:
        sent, world = Sent(), self.world
        watch = Watch(
            world.partner_center, world.crm, self._links, Cursors(self.cursors), sent, lambda: world.now, lambda: "c"
        )
        heal(watch, partial(why_not_taken_in, world.sides))
        return [(queue, envelope.id) for queue, envelope in sent.envelopes]


def test_a_referral_that_no_event_told_of_is_queued_until_it_is_there() -> None:
    healing = Healing()
    referral_id = healing.world.incoming()
    assert healing.queued() == [(REFERRAL_EVENTS, referral_id)]
    healing.world.referral_changed(referral_id)
    assert healing.queued() == []


def test_a_change_that_no_event_told_of_is_queued() -> None:
    healing = Healing()
    referral_id = healing.world.incoming()
    healing.world.referral_changed(referral_id)
    healing.world.partner_center.edit(referral_id, {"details.dealValue": 7})
    assert healing.queued() == [(REFERRAL_EVENTS, referral_id)]


def test_a_lead_that_settings_leave_out_is_not_looked_at_again_and_again() -> None:
    healing = Healing()
    healing.world.incoming(type="Independent", qualification="Direct")
    assert healing.queued() == []


def test_a_referral_that_names_an_unknown_record_lies_until_it_changes() -> None:
    healing = Healing()
    referral_id = healing.world.incoming(externalReferenceId="from-elsewhere")
    assert healing.queued() == [(REFERRAL_EVENTS, referral_id)]
    healing.world.referral_changed(referral_id)
    healing.world.now += HALF_DONE_AFTER + timedelta(minutes=1)
    assert healing.queued() == []
    healing.world.partner_center.edit(referral_id, {"details.dealValue": 7})
    assert healing.queued() == [(REFERRAL_EVENTS, referral_id)]


def test_what_waits_in_a_queue_is_not_queued_at_every_look() -> None:
    """The CRM is away: the deal stays out of step for hours, and its message waits."""
    healing = Healing()
    referral_id = healing.world.incoming()
    assert healing.queued() == [(REFERRAL_EVENTS, referral_id)]
    for _ in range(5):
        assert healing.queued() == []
    healing.world.partner_center.edit(referral_id, {"details.dealValue": 7})
    assert healing.queued() == [(REFERRAL_EVENTS, referral_id)]


def test_a_link_left_half_done_is_queued_again_at_ever_longer_intervals() -> None:
    healing = Healing()
    world = healing.world
    referral_id = world.incoming()
    began = world.now
    world.crm.fail_next(RetryLater("The CRM is away"))
    with pytest.raises(RetryLater):
        world.referral_changed(referral_id)
    healing.queued()  # the referral itself, of which no event told
    asked_after: list[int] = []
    for minutes in range(5, 24 * 60, 5):
        world.now = began + timedelta(minutes=minutes)
        asked_after += [minutes for _ in healing.queued()]
    assert asked_after == [20, 35, 65, 125, 245, 485, 965]
