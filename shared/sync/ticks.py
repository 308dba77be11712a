"""One tick of a timer, told of in the run history when it found something or failed."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.call_count import counting_calls
from shared.correlation import correlation_id, new_correlation_id
from shared.domain.errors import ConnectorError, RetryLater
from shared.state.clock import utc_now
from shared.state.envelope import Envelope
from shared.sync.journal import Journal, Work
from shared.sync.outcome import Outcome, Result


def tick(journal: Journal, function: str, subject: str, look: Callable[[], int]) -> None:
    """``look`` has run once; what it could not do, the next tick does, because its cursor has not moved."""
    started, began_s = utc_now(), time.perf_counter()
    token = correlation_id.set("")
    envelope = Envelope("timer", subject, started, new_correlation_id())
    try:
        with counting_calls() as calls:
            outcome = _look(look)
        if outcome is not None:
            duration_ms = round((time.perf_counter() - began_s) * 1000)
            journal.write(Work(function, envelope, started, duration_ms, calls), outcome, None)
    finally:
        correlation_id.reset(token)


def _look(look: Callable[[], int]) -> Outcome | ConnectorError | None:
    try:
        found = look()
    except RetryLater as error:
        return RetryLater(error.message, code=error.code, remedy=error.remedy or "The next tick tries again.")
    except ConnectorError as error:
        return error
    return Outcome(Result.SYNCED, f"{found} changes queued.") if found else None
