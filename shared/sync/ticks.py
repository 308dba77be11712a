"""One tick of a timer: a line in the log, and a row in the run history when it found something or failed."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.call_count import counting_calls
from shared.correlation import correlation_id, new_correlation_id
from shared.domain.errors import ConnectorError, RetryLater
from shared.state.envelope import Envelope
from shared.sync.journal import TIMER, Work
from shared.sync.outcome import Outcome, Result
from shared.sync.work import Desk


def tick(desk: Desk, function: str, subject: str, look: Callable[[], int], *, can_wait: bool = False) -> None:
    """``look`` has run once; what it could not do, the next tick does, because its cursor has not moved.

    What ``can_wait`` does so, for the rest of the day, once a call budget is nearly spent.
    """
    started, began_s = desk.clock(), time.perf_counter()
    token = correlation_id.set("")
    envelope = Envelope(TIMER, subject, started, new_correlation_id())
    try:
        with counting_calls() as calls:
            tight = desk.budget.tight() if can_wait else ()
            outcome = _waits(tight) or _look(look)
        desk.budget.add(calls.by_service())
        duration_ms = round((time.perf_counter() - began_s) * 1000)
        work = Work(function, envelope, started, duration_ms, calls, tight)
        if outcome is None:
            desk.journal.tell_idle(work)
        else:
            desk.journal.write(work, outcome, None)
    finally:
        correlation_id.reset(token)


def _waits(tight: tuple[str, ...]) -> Outcome | None:
    if not tight:
        return None
    return Outcome(Result.WAITING, f"Today's call budget of {', '.join(tight)} is nearly spent; this waits.")


def _look(look: Callable[[], int]) -> Outcome | ConnectorError | None:
    try:
        found = look()
    except RetryLater as error:
        return RetryLater(
            error.message, code=error.code, remedy=error.remedy or "The next tick tries again.", service=error.service
        )
    except ConnectorError as error:
        return error
    return Outcome(Result.SYNCED, f"{found} change{'s' if found > 1 else ''} queued.") if found else None
