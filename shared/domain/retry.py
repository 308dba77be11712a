"""When a piece of work that failed for now is tried again, and when it is given up."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.errors import LockTaken, NotSent, RetryLater

SHORTEST_WAIT_S = 5.0
LONGEST_WAIT_S = 3600.0
STAMPEDE_SPREAD = 0.1
"""A wait the service asked for is stretched by up to this share, so that a backlog does not come back all at once."""


def wait_s(attempt: int, error: RetryLater, jitter: float) -> float:
    """Seconds to wait after try number ``attempt`` (from 1); ``jitter`` is a random number in [0, 1).

    What the service asked for wins. Otherwise full jitter under a ceiling that doubles, 5 seconds to an hour
    (aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter).
    """
    if error.after_s is not None:
        return max(error.after_s, 0.0) * (1 + STAMPEDE_SPREAD * jitter)
    ceiling = min(LONGEST_WAIT_S, SHORTEST_WAIT_S * 2.0 ** min(attempt, 20))
    return SHORTEST_WAIT_S + (ceiling - SHORTEST_WAIT_S) * jitter


def uses_up_a_try(error: RetryLater) -> bool:
    """A deal that another worker has right now is not a failure, nor is a call that was not made.

    Else a service that rests often would make deals wait for an hour once all is well again.
    """
    return not isinstance(error, LockTaken | NotSent)


def is_given_up(first_seen: datetime, now: datetime, retry_for: timedelta) -> bool:
    return now - first_seen > retry_for
