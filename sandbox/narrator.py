"""Tells on the terminal what happens, when, and how long it took; waits for conditions and shows that it waits."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO, TypeVar

Found = TypeVar("Found")

POLL_S = 0.1
TELL_OF_WAITING_AFTER_S = 2.0
_COLOURS = {
    "Partner Center": "36",
    "Dynamics 365": "35",
    "Salesforce": "35",
    "app": "33",
    "storage": "34",
    "ok": "32",
    "wrong": "31",
}


class TookTooLong(Exception):
    """What was waited for did not happen before its deadline."""


class Narrator:
    """One line per event: seconds since the start, who, what. Coloured on a terminal, plain elsewhere."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._began_s = time.perf_counter()
        self._colour = out.isatty()

    def heading(self, text: str) -> None:
        print(f"\n{self._painted(text, '1')}", file=self._out, flush=True)

    def say(self, who: str, text: str) -> None:
        seconds = f"{time.perf_counter() - self._began_s:7.1f} s"
        name = self._painted(f"{who:<15}", _COLOURS.get(who, "0"))
        print(f"{seconds}  {name} {text}", file=self._out, flush=True)

    def plain(self, text: str = "") -> None:
        print(text, file=self._out, flush=True)

    def wait_for(self, what: str, look: Callable[[], Found | None], *, deadline_s: float = 30.0) -> Found:
        """The first true answer of ``look``; ``TookTooLong`` after ``deadline_s``. Says so when it takes a while."""
        began_s = told_s = time.perf_counter()
        while True:
            found = look()
            if found:
                return found
            now_s = time.perf_counter()
            if now_s - began_s > deadline_s:
                raise TookTooLong(f"{what}: not within {deadline_s:g} seconds")
            if now_s - told_s > TELL_OF_WAITING_AFTER_S:
                self.say("", f"... waiting for {what} ({now_s - began_s:.0f} s)")
                told_s = now_s
            time.sleep(POLL_S)

    def timed(self, who: str, what: str, look: Callable[[], Found | None], *, deadline_s: float = 30.0) -> Found:
        """As :meth:`wait_for`, and says how long it took."""
        began_s = time.perf_counter()
        found = self.wait_for(what, look, deadline_s=deadline_s)
        self.say(who, f"{what} (after {time.perf_counter() - began_s:.1f} s)")
        return found

    def _painted(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text
