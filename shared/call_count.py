"""Counts the remote calls that one piece of work costs, for its audit row and the daily call budgets."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class CallCount:
    """How often each operation of each service was called. Token requests are not counted: no service bills them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str]] = Counter()

    def add(self, service: str, operation: str) -> None:
        with self._lock:
            self._calls[service, operation] += 1

    @property
    def total(self) -> int:
        with self._lock:
            return self._calls.total()

    def of(self, service: str) -> Counter[str]:
        """Operation to number of calls, of one service."""
        with self._lock:
            return Counter({operation: times for (name, operation), times in self._calls.items() if name == service})

    def by_service(self) -> dict[str, int]:
        """Service to number of calls; services that were not called are absent."""
        totals: Counter[str] = Counter()
        with self._lock:
            for (service, _), times in self._calls.items():
                totals[service] += times
        return dict(totals)


_open_counts: ContextVar[tuple[CallCount, ...]] = ContextVar("open_counts", default=())


@contextmanager
def counting_calls() -> Iterator[CallCount]:
    """What is called inside the block by this thread, and by no other, is in the count; blocks may nest."""
    count = CallCount()
    token = _open_counts.set((*_open_counts.get(), count))
    try:
        yield count
    finally:
        _open_counts.reset(token)


def record_call(service: str, operation: str) -> None:
    """One request has been sent: every block open around it counts it."""
    for count in _open_counts.get():
        count.add(service, operation)
