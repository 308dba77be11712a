"""A Functions host in this process whose time is the test's: two days of queues and timers pass in a second.

As the real host does, it takes one message at a time from the queues of the app's functions, fires the timers on their
schedules, and gives back a message whose function raised, after ``VISIBILITY_TIMEOUT``.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from shared.domain.errors import ConnectorError
from shared.domain.record import RecordKind
from shared.state.envelope import Envelope, parse
from shared.state.queues import (
    CRM_CHANGES,
    CRM_LEAD_CHANGES,
    POISON_SUFFIX,
    REFERRAL_EVENTS,
    RELATED_REFERRAL_EVENTS,
)
from shared.state.solution_rows import SolutionRows
from shared.sync.deals import bring_record, bring_referral, why_not_taken_in
from shared.sync.failures import work_off_failure
from shared.sync.outcome import Outcome
from shared.sync.polls import Watch, heal, poll_crm
from shared.sync.related import bring_related
from shared.sync.sides import Sides
from shared.sync.solutions import poll_solutions
from shared.sync.ticks import tick
from shared.sync.work import Desk, work_off

VISIBILITY_TIMEOUT = timedelta(seconds=30)
CRM_POLL_EVERY = timedelta(seconds=30)
SOLUTIONS_EVERY = HEAL_EVERY = timedelta(minutes=5)
BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class Clock:
    """No two readings are the same, and none moves it by more than a microsecond: the test moves it."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def reach(self, moment: datetime) -> None:
        """It is at least ``moment`` now."""
        self.now = max(self.now, moment)


@dataclass(order=True)
class Message:
    due: datetime
    number: int
    queue: str = field(compare=False)
    body: bytes = field(compare=False)
    dequeue_count: int = field(default=0, compare=False)

    @property
    def envelope(self) -> Envelope:
        return parse(self.body)


class Queues:
    """All queues, on an injected clock. ``on_use`` is called before every use, and may raise: storage is away.

    ``poisoned`` has what was ever given up, by correlation id.
    """

    def __init__(self, clock: Clock) -> None:
        self.on_use: Callable[[], None] = lambda: None
        self.poisoned: dict[str, Envelope] = {}
        self._clock = clock
        self._numbers = itertools.count()
        self._messages: list[Message] = []

    def send(self, queue: str, envelope: Envelope, delay_s: float = 0) -> None:
        self.on_use()
        if queue.endswith(POISON_SUFFIX):
            self.poisoned.setdefault(envelope.correlation_id, envelope)
        self._put(Message(self._clock() + timedelta(seconds=delay_s), next(self._numbers), queue, envelope.dump()))

    @property
    def next_due(self) -> datetime | None:
        return self._messages[0].due if self._messages else None

    def receive(self) -> Message:
        """The message that is due first; raises while storage is away."""
        self.on_use()
        message = heapq.heappop(self._messages)
        message.dequeue_count += 1
        return message

    def give_back(self, message: Message) -> None:
        message.due = self._clock() + VISIBILITY_TIMEOUT
        self._put(message)

    def waiting(self, queue: str = "") -> list[Message]:
        """What is in the queue, or in all of them."""
        return sorted(message for message in self._messages if queue in ("", message.queue))

    def _put(self, message: Message) -> None:
        heapq.heappush(self._messages, message)


class App(Protocol):
    """What the host runs: a :class:`shared.connector.Connector`, or the same parts over services in memory."""

    @property
    def desk(self) -> Desk: ...
    @property
    def sides(self) -> Sides: ...
    @property
    def watch(self) -> Watch: ...
    @property
    def solution_rows(self) -> SolutionRows: ...


FUNCTIONS: dict[str, tuple[str, Callable[[App, Envelope], Outcome]]] = {
    REFERRAL_EVENTS: ("partner_center_to_crm_helper", lambda app, one: bring_referral(app.sides, one.id)),
    RELATED_REFERRAL_EVENTS: ("microsoft_referral_updates_to_crm", lambda app, one: bring_related(app.sides, one.id)),
    CRM_CHANGES: (
        "crm_opportunity_to_partner_center",
        lambda app, one: bring_record(app.sides, RecordKind(one.kind), one.id),
    ),
    CRM_LEAD_CHANGES: (
        "crm_lead_to_partner_center",
        lambda app, one: bring_record(app.sides, RecordKind(one.kind), one.id),
    ),
}


@dataclass
class _Timer:
    every: timedelta
    fire: Callable[[], None]
    due: datetime


class InjectedHost:
    """Runs ``app`` until a moment. ``attempts`` are the messages worked off: when, and which."""

    def __init__(self, app: App, queues: Queues, clock: Clock, *, poll_every: timedelta = CRM_POLL_EVERY) -> None:
        self.app = app
        self.queues = queues
        self.clock = clock
        self.attempts: list[tuple[datetime, Envelope]] = []
        self._timers = [
            self._timer(poll_every, "crm_to_partner_center", "opportunity", self._poll),
            self._timer(
                SOLUTIONS_EVERY,
                "microsoft_solutions_to_partner_center",
                "solutions",
                lambda: poll_solutions(app.watch, app.solution_rows, app.sides.links),
            ),
            self._timer(
                HEAL_EVERY, "auto_heal", "referral", lambda: heal(app.watch, partial(why_not_taken_in, app.sides))
            ),
        ]

    def run_for(self, **duration: float) -> None:
        self.run_until(self.clock.now + timedelta(**duration))

    def run_until(self, end: datetime) -> None:
        """Everything that is due before ``end`` has happened, and it is ``end`` now."""
        while True:
            timer = min(self._timers, key=lambda one: one.due)
            message_due = self.queues.next_due
            first = timer.due if message_due is None else min(timer.due, message_due)
            if first >= end:
                self.clock.reach(end)
                return
            self.clock.reach(first)
            if first == timer.due:
                timer.due += timer.every
                timer.fire()
            else:
                self._work_off()

    def _work_off(self) -> None:
        try:
            message = self.queues.receive()
        except ConnectorError:
            self._wait_for_queues()
            return
        self.attempts.append((self.clock.now, message.envelope))
        try:
            if message.queue.endswith(POISON_SUFFIX):
                work_off_failure(self.app.desk, self.app.sides, "failed_syncs", message.queue, message.body)
            else:
                function, work = FUNCTIONS[message.queue]
                work_off(
                    self.app.desk, function, message.queue, message.body, partial(work, self.app), message.dequeue_count
                )
        except ConnectorError:
            self.queues.give_back(message)

    def _wait_for_queues(self) -> None:
        """The host asks again a little later, for whatever is in the queues."""
        for message in self.queues.waiting():
            message.due = max(message.due, self.clock.now + timedelta(seconds=2))

    def _poll(self) -> int:
        return poll_crm(self.app.watch, RecordKind.OPPORTUNITY)

    def _timer(self, every: timedelta, function: str, subject: str, look: Callable[[], int]) -> _Timer:
        def fire() -> None:
            try:
                tick(self.app.desk, function, subject, look, can_wait=function == "auto_heal")
            except ConnectorError:
                return  # the real host logs it, and fires again

        return _Timer(every, fire, self.clock.now + every)
