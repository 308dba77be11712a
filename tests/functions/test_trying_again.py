"""How long a message waits that could not be worked off: by the number of the try that has failed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.errors import LockTaken, RetryLater
from shared.domain.link import Link
from shared.state.audit import AuditLine
from shared.state.envelope import Envelope
from shared.state.runs import Run
from shared.sync.journal import Journal
from shared.sync.outcome import Outcome
from shared.sync.work import Desk, work_off

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
OFTEN = 40


class Books:
    """Takes what is sent and written, and keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[Envelope, float]] = []

    def send(self, queue: str, envelope: Envelope, delay_s: float = 0) -> None:
        self.sent.append((envelope, delay_s))

    def append(self, line: AuditLine) -> None: ...
    def record(self, run: Run) -> None: ...
    def add(self, calls: Mapping[str, int]) -> None: ...
    def tight(self) -> tuple[str, ...]:
        return ()

    def link_of(self, envelope: Envelope) -> Link | None:
        return None


def fail(attempt: int, error: RetryLater) -> list[tuple[Envelope, float]]:
    """What is queued again when try number ``attempt`` fails with ``error``, many times over."""
    books = Books()
    desk = Desk(books, Journal(books, books), books.link_of, books, lambda: NOW, timedelta(hours=72))

    def work(envelope: Envelope) -> Outcome:
        raise error

    body = Envelope("referral", "an id", NOW, "a correlation id", attempt).dump()
    for _ in range(OFTEN):
        work_off(desk, "partner_center_to_crm_helper", "referral-events", body, work)
    return books.sent


@pytest.mark.parametrize(("attempt", "longest_s"), [(1, 10), (2, 20), (3, 40), (12, 3600)])
def test_a_try_that_failed_waits_by_its_own_number(attempt: int, longest_s: float) -> None:
    sent = fail(attempt, RetryLater("Away"))
    assert {envelope.attempt for envelope, _ in sent} == {attempt + 1}
    waits_s = [wait_s for _, wait_s in sent]
    assert min(waits_s) >= 5
    assert longest_s / 2 < max(waits_s) <= longest_s, "full jitter: one of so many comes close to the ceiling"


def test_what_the_service_asked_for_wins() -> None:
    assert all(2 <= wait_s <= 2.2 for _, wait_s in fail(5, RetryLater("Busy", after_s=2)))


def test_a_lock_uses_up_no_try() -> None:
    assert {envelope.attempt for envelope, _ in fail(1, LockTaken("Taken", after_s=1))} == {1}
