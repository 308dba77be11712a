"""The steps of a piece of work, as the interpreter itself tells of them: nothing in the app knows that it is watched.

A step is a request that leaves the process, whichever library sends it (Python's ``http.client`` is under all of
them), or a file that is written. A request is told of before its first byte is sent: the answer to the step before it
was read by then.
"""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

FILE = "file"
"""Where a step happens that is no request."""
_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")
_TO_QUEUE = re.compile(r"POST /[^/]+/(?P<queue>[a-z-]+)/messages$")
_MESSAGE_TEXT = re.compile(rb"<MessageText>(.*?)</MessageText>", re.DOTALL)
# GUIDs, ids of Salesforce, and whatever else is of one deal only.
_IDS = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\b[0a][0-9A-Za-z]{14}[A-Z0-5]{3}\b")
_KEYS = re.compile(r"(?<=Key=')[^']*[0-9a-f]{16,}[^']*(?=')")


@dataclass(frozen=True)
class Step:
    """``what`` is a method and a path without its query, ids replaced by ``*``; ``where`` a host and port, or ``file``.

    Two runs of the same work have equal steps.
    """

    what: str
    where: str

    @property
    def writes(self) -> bool:
        """Whether anything outside may differ after it. A POST may be a mere question, and counts all the same."""
        return not self.what.startswith(("GET ", "HEAD "))

    def __str__(self) -> str:
        return f"{self.what} ({self.where})"

    def document(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Sent:
    """A message that is in a queue now."""

    queue: str
    body: bytes


class Watch:
    """Tells ``tell`` of each step that this process begins, and each message that it has sent, until the process ends.

    ``before`` is called before each step, and at the end, with the number of writes that are over: it may end the
    process.
    """

    def __init__(self, tell: Callable[[Step | Sent], None], before: Callable[[int], None]) -> None:
        self._tell = tell
        self._before = before
        self._writes = 0
        self._queue = ""
        self._sent: Sent | None = None

    def begin(self) -> None:
        sys.addaudithook(self._see)

    def end(self) -> None:
        """The work is done: what was sent last has arrived."""
        self._next()

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "http.client.send":
            connection, data = arguments
            self._see_data(f"{connection.host}:{connection.port}", bytes(data))
        elif event == "open":
            path, _, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR) and not str(path).endswith(".pyc") and path != os.devnull:
                self._see_step(Step("write", FILE))
        elif event == "os.rename":
            self._see_step(Step("rename", FILE))

    def _see_data(self, where: str, data: bytes) -> None:
        line = _REQUEST_LINE.match(data)
        if line is not None:
            path = line[2].decode().partition("?")[0]
            self._see_step(Step(_KEYS.sub("*", _IDS.sub("*", f"{line[1].decode()} {path}")), where))
            to_queue = _TO_QUEUE.match(f"{line[1].decode()} {path}")
            self._queue = to_queue["queue"] if to_queue else ""
        elif self._queue and (text := _MESSAGE_TEXT.search(data)):
            self._sent = Sent(self._queue, base64.b64decode(text[1]))

    def _see_step(self, step: Step) -> None:
        self._next()
        self._tell(step)
        self._writes += step.writes

    def _next(self) -> None:
        """Everything before this moment has happened, and nothing after it."""
        if self._sent is not None:
            self._tell(self._sent)
            self._sent = None
        self._before(self._writes)
