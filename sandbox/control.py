"""What every simulator has beside its service: a count of calls and orders for faults.

Over HTTP, for a demo or a test in another process; the same object is at hand in the process itself.

=======  ====================  ======================================================================
GET      ``/_control/calls``   ``[{"method", "path", "status", "correlation_id", "operation"}]``, oldest first
DELETE   ``/_control/calls``   forgets them
POST     ``/_control/faults``  one :class:`Fault` as JSON
DELETE   ``/_control/faults``  takes back all orders that have not fired
=======  ====================  ======================================================================
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CONTROL_PREFIX = "/_control/"
_CORRELATION_HEADERS = ("MS-CorrelationId", "x-ms-client-request-id", "x-sfdc-request-id")
# GUIDs, and the 18 characters of Salesforce.
_IDS = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|(?<=/)[0a][0-9A-Za-z]{14}[A-Z0-5]{3}(?=/|$)")


@dataclass
class Fault:
    """An order to answer wrongly, ``times`` times, where method and path (a regular expression, searched) match.

    ``after_commit`` false: the service does nothing and answers ``status``. True: the service does its work, and then
    the answer is replaced by ``status``, or with ``status`` 0 the connection is cut without an answer: the ambiguous
    write. ``delay_s`` waits first. ``skip`` lets that many matching calls pass before the first one is hit. ``body`` is
    answered as JSON; with a ``Content-Type`` among the headers it is a text, answered as it is.
    """

    path: str
    method: str = ".*"
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    after_commit: bool = False
    delay_s: float = 0.0
    times: int = 1
    skip: int = 0


@dataclass(frozen=True)
class Call:
    """One request that reached the simulator. ``operation`` is method and path with ids replaced by ``*``.

    ``correlation_id`` is the caller's own, in the header that the service has for it; empty where none came.
    """

    method: str
    path: str
    status: int
    correlation_id: str = ""

    @property
    def operation(self) -> str:
        return f"{self.method} {_IDS.sub('*', self.path)}"


class Control:
    """Call counts and fault orders of one simulator; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._faults: list[Fault] = []

    @property
    def calls(self) -> list[Call]:
        with self._lock:
            return list(self._calls)

    def count(self, pattern: str = "") -> int:
        """How many calls' ``"METHOD /path"`` hold the regular expression ``pattern``."""
        return sum(1 for call in self.calls if re.search(pattern, f"{call.method} {call.path}"))

    def operations(self) -> Counter[str]:
        return Counter(call.operation for call in self.calls)

    def forget_calls(self) -> None:
        with self._lock:
            self._calls.clear()

    def order(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def forget_faults(self) -> None:
        with self._lock:
            self._faults.clear()

    def record(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def take(self, method: str, path: str) -> Fault | None:
        """The order that this call falls under, used up by one; ``path`` includes the query."""
        with self._lock:
            for fault in self._faults:
                if re.fullmatch(fault.method, method) and re.search(fault.path, path):
                    if fault.skip > 0:
                        fault.skip -= 1
                        return None
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
        return None

    def middleware(self) -> Any:
        @web.middleware
        async def controlled(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(CONTROL_PREFIX):
                return await handler(request)
            correlation_id = next(filter(None, map(request.headers.get, _CORRELATION_HEADERS)), "")
            fault = self.take(request.method, request.path_qs)
            if fault and fault.delay_s:
                await request.read()  # what has arrived is done, though the caller may be gone by then
                await asyncio.sleep(fault.delay_s)
            if fault and not fault.after_commit:
                self.record(Call(request.method, request.path, fault.status, correlation_id))
                return _faulty(request, fault)
            try:
                response = await handler(request)
            except web.HTTPException as refused:
                self.record(Call(request.method, request.path, refused.status, correlation_id))
                raise
            self.record(Call(request.method, request.path, response.status, correlation_id))
            return _faulty(request, fault) if fault else response

        return controlled

    def add_routes(self, app: web.Application) -> None:
        async def show_calls(_: web.Request) -> web.Response:
            return web.json_response([{**asdict(call), "operation": call.operation} for call in self.calls])

        async def drop_calls(_: web.Request) -> web.Response:
            self.forget_calls()
            return web.Response(status=204)

        async def order(request: web.Request) -> web.Response:
            try:
                self.order(Fault(**await request.json()))
            except (TypeError, ValueError) as problem:
                raise web.HTTPBadRequest(text=f"not a fault order: {problem}") from problem
            return web.Response(status=204)

        async def drop_faults(_: web.Request) -> web.Response:
            self.forget_faults()
            return web.Response(status=204)

        app.router.add_get(f"{CONTROL_PREFIX}calls", show_calls)
        app.router.add_delete(f"{CONTROL_PREFIX}calls", drop_calls)
        app.router.add_post(f"{CONTROL_PREFIX}faults", order)
        app.router.add_delete(f"{CONTROL_PREFIX}faults", drop_faults)


def _faulty(request: web.Request, fault: Fault) -> web.StreamResponse:
    if fault.status == 0:
        if request.transport is not None:
            request.transport.abort()
        raise web.HTTPServiceUnavailable(text="cut")
    if fault.body is None or "Content-Type" in fault.headers:
        return web.Response(status=fault.status, headers=fault.headers, text=fault.body)
    return web.json_response(fault.body, status=fault.status, headers=fault.headers)
