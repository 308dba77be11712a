"""Telling of a failure must never hide what a seller did about it in the meantime."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.crm.port import Change
from shared.domain.errors import ConnectorError, Rejected, RetryLater
from shared.domain.record import RecordKind
from shared.state.envelope import Envelope
from shared.sync.failures import tell_failure
from shared.sync.outcome import Outcome, Result
from shared.sync.polls import is_news
from shared.sync.work import Desk, work_off
from tests.property.world import World

OPPORTUNITY = RecordKind.OPPORTUNITY


def failed(world: World) -> tuple[str, Rejected]:
    """An opportunity that lacks its closing date, and how sharing it failed."""
    record_id = world.opportunity(closing_date=None)
    with pytest.raises(Rejected) as refused:
        world.record_changed(record_id)
    return record_id, refused.value


def is_looked_at_again(world: World, record_id: str) -> bool:
    version = world.crm.peek(record_id).version
    return is_news(
        Change(OPPORTUNITY, record_id, version, syncs=True), world.links.find_by_record(OPPORTUNITY, record_id)
    )


def test_our_own_news_of_a_failure_is_not_looked_at_again() -> None:
    world = World()
    record_id, refused = failed(world)
    tell_failure(world.sides, "opportunity", record_id, refused.code, str(refused), world.now)
    assert not is_looked_at_again(world, record_id)


def test_a_fix_between_the_failure_and_the_news_of_it_is_looked_at_again() -> None:
    world = World()
    record_id, refused = failed(world)
    queued_at = world.now
    world.crm.edit(record_id, {"estimatedclosedate": world.now.date() + timedelta(days=90)})
    tell_failure(world.sides, "opportunity", record_id, refused.code, str(refused), queued_at)
    assert is_looked_at_again(world, record_id)
    assert world.record_changed(record_id).result is Result.CREATED


def test_a_correction_of_the_referral_in_the_meantime_is_found_by_auto_heal() -> None:
    world = World()
    referral_id = world.incoming()
    world.referral_changed(referral_id)
    world.partner_center.edit(referral_id, {"details.currency": "XXX"})
    with pytest.raises(Rejected) as refused:
        world.referral_changed(referral_id)
    queued_at = world.now
    world.partner_center.edit(referral_id, {"details.currency": "EUR"})
    tell_failure(world.sides, "referral", referral_id, refused.value.code, str(refused.value), queued_at)
    link = world.links.find_by_referral(referral_id)
    assert link is not None
    assert link.failure is not None
    assert link.failure.etag != world.partner_center.peek(referral_id)["eTag"]


class Books:
    """Everything around the work of one message; nothing is sent or written."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, queue: str, envelope: Envelope, delay_s: float = 0) -> None:
        self.sent.append(queue)

    def write(self, *_: Any) -> None:
        self.sent.append("journal")

    def add(self, _: Any) -> None:
        pass

    def tight(self) -> tuple[str, ...]:
        return ()


def test_a_message_that_is_none_of_ours_is_dropped_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    books, world = Books(), World()
    desk = Desk(books, books, lambda _: None, books, lambda: world.now, timedelta(hours=1))  # type: ignore[arg-type]

    def work(_: Envelope) -> Outcome:
        raise ConnectorError("never called")

    work_off(desk, "crm_opportunity_to_partner_center", "crm-changes", b"not ours", work)
    assert books.sent == []
    assert "crm-changes" in caplog.text
    assert "not ours" not in caplog.text


def test_a_message_of_a_newer_release_stays_in_its_queue() -> None:
    books, world = Books(), World()
    desk = Desk(books, books, lambda _: None, books, lambda: world.now, timedelta(hours=1))  # type: ignore[arg-type]
    newer = b'{"version":2,"kind":"referral","id":"r-1","first_seen":"2026-03-01T00:00:00Z","attempt":1}'

    def work(_: Envelope) -> Outcome:
        raise ConnectorError("never called")

    with pytest.raises(RetryLater):  # the host makes the message visible again
        work_off(desk, "partner_center_to_crm_helper", "referral-events", newer, work)
    assert books.sent == []
