"""One queue message, worked off to exactly one outcome: done, queued again for later, or failed with a reason."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shared.call_count import counting_calls
from shared.correlation import correlation_id
from shared.domain.errors import ConnectorError, Rejected, RetryLater
from shared.domain.link import Link
from shared.domain.retry import is_given_up, uses_up_a_try, wait_s
from shared.state.clock import Clock
from shared.state.envelope import Envelope, parse
from shared.state.queues import POISON_SUFFIX
from shared.sync.journal import Journal, Work, tell_dropped
from shared.sync.outcome import Outcome
from shared.traces import trace

_log = logging.getLogger(__name__)

MOST_LOST_WORKERS = 5
WORKER_LOST = RetryLater("The work was begun many times and never finished", code="worker_lost")


class Sender(Protocol):
    def send(self, queue: str, envelope: Envelope, delay_s: float = 0) -> None: ...


class Budget(Protocol):
    """Counts the calls that work costs against what a day may cost."""

    def add(self, calls: Mapping[str, int]) -> None: ...
    def tight(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Desk:
    """What working off a message needs besides the work itself. ``find_link`` is for the books only."""

    sender: Sender
    journal: Journal
    find_link: Callable[[Envelope], Link | None]
    budget: Budget
    clock: Clock
    retry_for: timedelta


def work_off(
    desk: Desk, function: str, queue: str, body: bytes, work: Callable[[Envelope], Outcome], dequeue_count: int = 1
) -> None:
    """The message is done with when this returns: whatever remains to do is in a queue again.

    What a later try can mend is queued with a delay that grows, for as long as ``retry_for``. What nothing can mend
    goes to the poison queue with its reason. An error that is none of ours may pass too, and is logged whole.
    Text that is no message of ours names no deal: it is logged and dropped. A message that has cost worker after
    worker its life is given up after ``retry_for`` like any other.
    """
    try:
        envelope = parse(body)
    except Rejected as error:
        tell_dropped(function, queue, error)
        return
    token = correlation_id.set(envelope.correlation_id)
    started, began_s = desk.clock(), time.perf_counter()
    try:
        with counting_calls() as calls:
            lost = dequeue_count > MOST_LOST_WORKERS and is_given_up(envelope.first_seen, started, desk.retry_for)
            outcome = WORKER_LOST if lost else _attempt(work, envelope)
            if isinstance(outcome, ConnectorError):
                outcome = _dispose(desk, queue, envelope, outcome)
        duration_ms = round((time.perf_counter() - began_s) * 1000)
        link = outcome.link if isinstance(outcome, Outcome) else _link(desk, envelope)
        desk.budget.add(calls.by_service())
        desk.journal.write(Work(function, envelope, started, duration_ms, calls), outcome, link)
    finally:
        correlation_id.reset(token)


def _attempt(work: Callable[[Envelope], Outcome], envelope: Envelope) -> Outcome | ConnectorError:
    try:
        return work(envelope)
    except ConnectorError as error:
        return error
    except Exception as problem:
        # Without the exception's text, which may quote a customer's data.
        _log.error("%s %s failed in a way that was not foreseen: %s", envelope.kind, envelope.id, trace(problem))
        return RetryLater(
            "An error that was not foreseen",
            code="unforeseen",
            remedy="It is tried again; the log has the details under the correlation id.",
        )


def _dispose(desk: Desk, queue: str, envelope: Envelope, error: ConnectorError) -> ConnectorError:
    """The message is in the queue it belongs to now; the error as it is to be told."""
    if isinstance(error, RetryLater):
        if not is_given_up(envelope.first_seen, desk.clock(), desk.retry_for):
            again = envelope.next_attempt() if uses_up_a_try(error) else envelope
            delay_s = wait_s(envelope.attempt, error, random.random())  # noqa: S311 - spreads load, protects nothing
            desk.sender.send(queue, again, delay_s=delay_s)
            return error
        hours = desk.retry_for / timedelta(hours=1)
        error = ConnectorError(
            f"Given up after {hours:g} hours: {error.message}",
            code="given_up",
            remedy=f"{error.remedy} Then resubmit it.".strip(),
            service=error.service,
            request_id=error.request_id,
        )
    desk.sender.send(f"{queue}{POISON_SUFFIX}", envelope.failed(error.code, str(error)))
    return error


def _link(desk: Desk, envelope: Envelope) -> Link | None:
    try:
        return desk.find_link(envelope)
    except ConnectorError:
        return None
