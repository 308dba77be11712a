"""When work comes again: never at once, never all at once, never later than it helps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import LockTaken, NotSent, RetryLater
from shared.domain.retry import is_given_up, uses_up_a_try, wait_s

JITTERS = st.floats(0, 1, exclude_max=True)
BUSY = RetryLater("Busy")


@given(st.integers(1, 10**6), JITTERS)
def test_a_wait_is_between_five_seconds_and_an_hour(attempt: int, jitter: float) -> None:
    assert 5 <= wait_s(attempt, BUSY, jitter) <= 3600


@pytest.mark.parametrize(("attempt", "longest"), [(1, 10), (2, 20), (3, 40), (9, 2560), (10, 3600), (500, 3600)])
def test_the_ceiling_doubles_up_to_an_hour_and_the_jitter_is_full(attempt: int, longest: float) -> None:
    assert wait_s(attempt, BUSY, 0) == 5
    assert wait_s(attempt, BUSY, 0.5) == (5 + longest) / 2
    assert longest * 0.99 < wait_s(attempt, BUSY, 0.999) < longest


@given(st.integers(1, 50), st.floats(0, 10**5), JITTERS)
def test_what_the_service_asked_for_wins_and_is_spread_a_little(attempt: int, after_s: float, jitter: float) -> None:
    wait = wait_s(attempt, RetryLater("Throttled", after_s=after_s), jitter)
    assert after_s <= wait <= after_s * 1.1


def test_a_date_that_is_past_already_is_no_negative_wait() -> None:
    assert wait_s(1, RetryLater("Throttled", after_s=-3), 0.5) == 0


def test_a_taken_lock_and_a_call_that_was_not_made_cost_no_try() -> None:
    assert uses_up_a_try(BUSY)
    assert not uses_up_a_try(NotSent("Left alone", after_s=30))
    assert not uses_up_a_try(LockTaken("Taken"))


@pytest.mark.parametrize(("hours", "given_up"), [(0, False), (72, False), (72.001, True)])
def test_work_is_given_up_after_its_time(hours: float, given_up: bool) -> None:
    first_seen = datetime(2026, 3, 1, tzinfo=UTC)
    assert is_given_up(first_seen, first_seen + timedelta(hours=hours), timedelta(hours=72)) is given_up
