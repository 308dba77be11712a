"""How much waits in the queues, and how long what is at their front has: told in the log, for the alerts."""

from __future__ import annotations

import logging
from typing import Protocol

from shared.domain.errors import ConnectorError
from shared.state.clock import Clock
from shared.state.envelope import parse
from shared.state.queues import ALL_QUEUES, POISON_SUFFIX, QUEUES
from shared.telemetry import Event, tell

_log = logging.getLogger(__name__)


class Queues(Protocol):
    def lengths(self) -> dict[str, int]: ...
    def front(self, queue: str) -> bytes | None: ...


def tell_backlog(queues: Queues, clock: Clock) -> None:
    """One line: messages waiting, of them in poison queues, and the age of the oldest event at the front of a queue.

    Eight requests to storage and one more for each queue that is not empty; none to the services. A storage that is
    away is told of by the work that it stops.
    """
    try:
        lengths = queues.lengths()
        ages_s = [_age_s(queues.front(queue), clock) for queue in QUEUES if lengths[queue]]
    except ConnectorError:
        return
    poison = sum(lengths[queue] for queue in ALL_QUEUES if queue.endswith(POISON_SUFFIX))
    waiting = sum(lengths[queue] for queue in QUEUES)
    known_s = [age_s for age_s in ages_s if age_s is not None]
    tell(
        _log,
        logging.WARNING if poison else logging.INFO,
        Event.BACKLOG,
        f"{waiting} waiting, {poison} in poison queues.",
        waiting=waiting,
        poison=poison,
        oldest_s=max(known_s, default=None),
        queues=[{"queue": queue, "messages": length} for queue, length in lengths.items() if length],
        correlation_id="",  # it is of no event
    )


def _age_s(body: bytes | None, clock: Clock) -> float | None:
    """``None`` where nothing is to be seen: what waits for its next try is hidden until then."""
    try:
        return None if body is None else round((clock() - parse(body).first_seen).total_seconds(), 1)
    except ConnectorError:
        return None
