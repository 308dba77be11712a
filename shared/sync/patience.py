"""Asks a service again that is busy for a moment, where somebody waits for the answer and no queue brings it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shared.domain.errors import RetryLater

MOST_TRIES = 5
WAIT_S = 5.0
Answer = TypeVar("Answer")


def patiently(call: Callable[[], Answer], sleep: Callable[[float], None]) -> Answer:
    """The answer of ``call``, a read. Raises ``RetryLater`` once the service stays busy."""
    for _ in range(MOST_TRIES - 1):
        try:
            return call()
        except RetryLater as busy:
            sleep(WAIT_S if busy.after_s is None else busy.after_s)
    return call()
