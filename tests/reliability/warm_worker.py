"""The test's end of :mod:`tests.reliability.worker`: orders to it, and what it tells."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from sandbox.local_host.process import CHECKOUT
from tests.reliability.steps import Sent, Step

WARM_FOR_MINUTES = -60
"""Since the worker's warm-up by its own clock: what it does from time to time, like storing its count of calls, is not
due. A cold worker does all of it."""


@dataclass(frozen=True)
class Message:
    """One message as the host hands it to its function; ``dequeue_count`` is how often it has done so."""

    queue: str
    body: bytes
    dequeue_count: int = 1

    def document(self) -> dict[str, Any]:
        body = base64.b64encode(self.body).decode()
        return {"queue": self.queue, "body": body, "dequeue_count": self.dequeue_count}


@dataclass(frozen=True)
class Timer:
    """One tick of a timer's function."""

    function: str

    def document(self) -> dict[str, Any]:
        return {"timer": self.function}


@dataclass(frozen=True)
class Report:
    """What one process of the app did: its steps in their order, and the messages that are in a queue because of it."""

    was_killed: bool
    steps: tuple[Step, ...]
    sent: tuple[Sent, ...]

    @property
    def writes(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.writes)


class WarmWorker:
    """A loaded app without connections between ``start`` and ``stop``; each order runs in a process of its own."""

    def __init__(self, settings: Mapping[str, str], log_file: Path) -> None:
        self._settings = settings
        self._log_file = log_file
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> WarmWorker:
        self._log = self._log_file.open("wb")
        # Not a developer's machine: there the settings are looked at as the app is loaded, which is not tested here.
        settings = {**self._settings, "AZURE_FUNCTIONS_ENVIRONMENT": "Production"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.worker"],
            cwd=CHECKOUT,
            # Nothing of the machine's own: requests reads all of the environment with every call.
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        return self

    def warm_up(self, *work: Message | Timer) -> None:
        """The work is done by the loaded app itself, which from then on knows what it learnt: tokens, tables, names."""
        self._order({"here": True, "minutes_later": -WARM_FOR_MINUTES}, work)

    def run(
        self,
        *work: Message | Timer,
        kill_after_writes: int | None = None,
        minutes_later: int = 0,
        patience_s: float = 30.0,
    ) -> Report:
        """The work is done in this order by one process, or as much of it as there is up to that many writes.

        One that is killed after its last write, or at the end, has not deleted its message. The process's clock is
        ``minutes_later`` ahead, and ``patience_s`` is how long it waits for a vendor's answer.
        """
        options = {"kill_after_writes": kill_after_writes, "minutes_later": minutes_later, "patience_s": patience_s}
        answer = self._order(options, work)
        told = answer["told"]
        if answer["status"] not in (0, -signal.SIGKILL):
            raise AssertionError(f"the worker ended by itself, with {answer['status']}:\n{self._end_of_log()}")
        return Report(
            was_killed=answer["status"] == -signal.SIGKILL,
            steps=tuple(Step(**one["step"]) for one in told if "step" in one),
            sent=tuple(
                Sent(one["sent"]["queue"], base64.b64decode(one["sent"]["body"])) for one in told if "sent" in one
            ),
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=30)
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> WarmWorker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _order(self, options: Mapping[str, Any], work: Sequence[Message | Timer]) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {**options, "invocations": [one.document() for one in work]}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the worker is gone:\n{self._end_of_log()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end_of_log(self) -> str:
        return self._log_file.read_text(encoding="utf-8", errors="replace")[-4000:]
