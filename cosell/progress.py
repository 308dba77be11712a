"""Says how far a long command is, now and then, where it does not get into the answer: on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

PROGRESS_EVERY_S = 2.0


class Progress:
    """Says the text it is called with, at most every ``PROGRESS_EVERY_S``; in between it is passed over."""

    def __init__(self, say: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say or (lambda text: print(text, file=sys.stderr))
        self._clock = clock
        self._said_at = clock()

    def __call__(self, text: str) -> None:
        if self._clock() - self._said_at >= PROGRESS_EVERY_S:
            self._said_at = self._clock()
            self._say(text)
