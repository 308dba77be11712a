"""The HTTP trigger and the host's admin endpoints, as an aiohttp application.

======  ============================  ===============================================================
any     ``/<prefix>/<route>``         the functions; 404 also for a method that a route does not list
GET     ``/admin/host/status``        identity, state and functions of the host (master key)
POST    ``/admin/functions/<name>``   runs a timer or queue function now, answers 202 (master key)
======  ============================  ===============================================================

A key is given in the header ``x-functions-key`` or the query parameter ``code``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web
from azure.functions.meta import Datum

from sandbox.local_host.bindings import Route, parse_route
from sandbox.local_host.configuration import HostConfiguration, StartRefused
from sandbox.local_host.engine import FunctionDefinition, InvocationResult
from sandbox.local_host.execution import Execution
from sandbox.local_host.keys import Keys
from sandbox.local_host.queues import message_by_hand, queue_inputs
from sandbox.local_host.timers import timer_inputs

# What the host takes at most: https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger
LARGEST_BODY_BYTES = 100 * 1024 * 1024


@dataclass(frozen=True)
class HttpFunction:
    """An HTTP function at its place in the address space. No methods means all methods."""

    function: FunctionDefinition
    route: Route
    methods: frozenset[str]
    auth_level: str


def http_functions(functions: Sequence[FunctionDefinition], route_prefix: str) -> list[HttpFunction]:
    """In the order in which they are asked: literal segments before parameters before catch-alls."""
    found = []
    for function in functions:
        trigger = function.trigger
        if trigger["type"] != "httpTrigger":
            continue
        own = trigger.get("route")
        path = "/".join(part for part in (route_prefix, (function.name if own is None else own).strip("/")) if part)
        try:
            route = parse_route(path)
        except ValueError as problem:
            raise StartRefused(f"function {function.name}: {problem}") from problem
        methods = frozenset(str(method).upper() for method in trigger.get("methods") or ())
        found.append(HttpFunction(function, route, methods, str(trigger.get("authLevel") or "function")))
    return sorted(found, key=lambda entry: entry.route.precedence)


class HttpFrontEnd:
    """Answers for all functions of one host. ``runs_by_hand`` are the calls that the admin endpoint started."""

    def __init__(
        self,
        functions: Sequence[FunctionDefinition],
        *,
        is_enabled: Mapping[str, bool],
        execution: Execution,
        keys: Keys,
        configuration: HostConfiguration,
        host_id: str,
    ):
        self._functions = {function.name: function for function in functions}
        enabled = [function for function in functions if is_enabled[function.name]]
        self._table = http_functions(enabled, configuration.route_prefix)
        self._execution = execution
        self._keys = keys
        self._host_id = host_id
        self._outstanding = 0
        self._largest_outstanding = configuration.max_outstanding_requests
        limit = configuration.max_concurrent_requests
        self._slots = asyncio.Semaphore(limit) if limit else None
        self.runs_by_hand: set[asyncio.Task[InvocationResult]] = set()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY_BYTES)
        app.router.add_get("/admin/host/status", self._show_status)
        app.router.add_post("/admin/functions/{name}", self._run_by_hand)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.Response:
        for entry in self._table:
            route_values = entry.route.match(request.path.strip("/"))
            if route_values is None or (entry.methods and request.method not in entry.methods):
                continue
            if not self._keys.allow(entry.auth_level, _given_key(request), entry.function.name):
                return web.Response(status=401)
            if 0 < self._largest_outstanding <= self._outstanding:
                return web.Response(status=429)
            self._outstanding += 1
            try:
                return await self._call(entry.function, request, route_values)
            finally:
                self._outstanding -= 1
        return web.Response(status=404)

    async def _call(
        self, function: FunctionDefinition, request: web.Request, route_values: dict[str, str]
    ) -> web.Response:
        content, metadata = request_inputs(request, await request.read(), route_values)
        trace = request.headers.get("traceparent") or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        inputs = [(function.trigger["name"], content)]
        if self._slots is None:
            return http_response(await self._execution.run(function, inputs, metadata, trace))
        async with self._slots:
            return http_response(await self._execution.run(function, inputs, metadata, trace))

    async def _show_status(self, request: web.Request) -> web.Response:
        if not self._keys.allow("admin", _given_key(request)):
            return web.Response(status=401)
        return web.json_response({"id": self._host_id, "state": "Running", "functions": sorted(self._functions)})

    async def _run_by_hand(self, request: web.Request) -> web.Response:
        if not self._keys.allow("admin", _given_key(request)):
            return web.Response(status=401)
        function = self._functions.get(request.match_info["name"])
        if function is None:
            return web.Response(status=404)
        try:
            order = await request.json() if request.can_read_body else {}
            text = str(order.get("input") or "")
        except (ValueError, AttributeError):
            return web.Response(status=400, text='the body has to be a JSON object {"input": "..."}')
        match function.trigger["type"]:
            case "timerTrigger":
                inputs, metadata = timer_inputs(function)
            case "queueTrigger":
                inputs, metadata = queue_inputs(function, text.encode(), message_by_hand())
            case _:
                return web.Response(status=400, text="an HTTP function is called at its own address")
        task = asyncio.create_task(self._execution.run(function, inputs, metadata))
        self.runs_by_hand.add(task)
        task.add_done_callback(self.runs_by_hand.discard)
        return web.Response(status=202)


def request_inputs(
    request: web.Request, body: bytes, route_values: Mapping[str, str]
) -> tuple[Datum, dict[str, Datum]]:
    """The request as the worker is given it: header names in lower case, empty query values dropped, repeated ones
    joined by a comma, the body as bytes."""
    query: dict[str, str] = {}
    for name, value in request.query.items():
        if value:
            query[name] = f"{query[name]},{value}" if name in query else value
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
    content = {
        "method": Datum(request.method, "string"),
        "url": Datum(str(request.url), "string"),
        "query": _texts(query),
        "params": _texts(route_values),
        "headers": _texts(headers),
        "body": Datum(body, "bytes"),
    }
    return Datum(content, "http"), {**_texts(route_values), **_texts(query)}


def http_response(result: InvocationResult) -> web.Response:
    """What the caller gets. A failed function is 500 with an empty body: the reason is in the host's log."""
    if not result.succeeded:
        return web.Response(status=500)
    returned = result.returned
    if returned is None or returned.value is None:
        return web.Response(status=204)
    if returned.type != "http":
        body = returned.value if isinstance(returned.value, bytes) else str(returned.value).encode()
        return web.Response(body=body, content_type="text/plain", charset="utf-8")
    content = returned.value
    response = web.Response(status=int(content["status_code"].value), body=content["body"].value)
    for name, header in content["headers"].items():
        # aiohttp counts and frames the body itself
        if name.lower() not in ("content-length", "transfer-encoding"):
            response.headers[name] = header.value
    for cookies in content.get("cookies") or ():
        for cookie in cookies.values():
            response.headers.add("Set-Cookie", cookie.OutputString())
    return response


def _given_key(request: web.Request) -> str:
    return request.headers.get("x-functions-key") or request.query.get("code", "")


def _texts(values: Mapping[str, str]) -> dict[str, Datum]:
    return {name: Datum(value, "string") for name, value in values.items()}
