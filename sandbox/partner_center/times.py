"""Times as Partner Center writes them: UTC in ticks of 100 ns, seven digits, and never the same twice."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

TICKS_PER_SECOND = 10_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ticks_of(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 10


def text_of(ticks: int) -> str:
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{fraction:07d}Z"


def parse_ticks(text: str) -> int:
    """The ticks of an ISO time with an offset or Z; ``ValueError`` for anything else."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?(Z|[+-]\d\d:\d\d)", text)
    if match is None:
        raise ValueError(f"not a time in UTC: {text}")
    whole, fraction, zone = match.groups()
    return ticks_of(datetime.fromisoformat(whole + zone)) + int((fraction or "0").ljust(7, "0"))


class TickClock:
    """A clock whose every reading is later than the one before, whatever ``now`` says."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._last = 0

    def read(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, ticks_of(self._now()))
            return self._last
