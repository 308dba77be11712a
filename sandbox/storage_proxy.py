"""A door before Azurite at which storage fails on order: refusals before the work, cuts before and after it.

It passes bytes on as they are and reads only the head of each request, so that storage costs hardly more with it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from types import TracebackType

from sandbox.azurite import ACCOUNT, ACCOUNT_KEY, SERVICES
from sandbox.control import Control, Fault

_END_OF_HEAD = b"\r\n\r\n"


class StorageProxy:
    """Listens on loopback between ``start`` and ``stop``; ``upstream`` are Azurite's ports of blob, queue and table.

    Orders go to ``control``; their paths are matched against ``/<service>/<path of the request>``, so ``^/queue/``
    means every queue. ``after_commit`` with ``status`` 0 is a write that was done and whose answer never comes.
    """

    def __init__(self, upstream: tuple[int, int, int]) -> None:
        self.control = Control()
        self.requests: Counter[str] = Counter()
        self._upstream = upstream
        self.ports = (0, 0, 0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="storage-proxy", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Transport] = set()

    @property
    def connection_string(self) -> str:
        endpoints = "".join(
            f"{service.capitalize()}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};"
            for service, port in zip(SERVICES, self.ports, strict=True)
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};{endpoints}"

    def start(self) -> StorageProxy:
        self._thread.start()
        blob, queue, table = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(timeout=30)
        self.ports = (blob, queue, table)
        return self

    async def _serve(self) -> list[int]:
        for service, port in zip(SERVICES, self._upstream, strict=True):

            def client(service: str = service, port: int = port) -> _Client:
                return _Client(self, service, port)

            self._servers.append(await self._loop.create_server(client, "127.0.0.1", 0))
        return [int(server.sockets[0].getsockname()[1]) for server in self._servers]

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for transport in list(self._open):
            transport.abort()
        # The loop closes an aborted socket a few turns later, and is itself stopped after this.
        for _ in range(10):
            await asyncio.sleep(0)

    def opened(self, transport: asyncio.Transport) -> None:
        self._open.add(transport)

    def closed(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)

    def __enter__(self) -> StorageProxy:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Client(asyncio.Protocol):
    """One connection of a storage client, and its own to Azurite. One request at a time, as HTTP/1.1 clients do."""

    def __init__(self, proxy: StorageProxy, service: str, port: int) -> None:
        self._proxy = proxy
        self._service = service
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._upstream: asyncio.Transport | None = None
        self._early = bytearray()
        self._head = bytearray()
        self._body_left = 0
        self._refusal: Fault | None = None
        self._cut_answer = False
        self._connecting: asyncio.Task[object] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._proxy.opened(transport)
        loop = asyncio.get_running_loop()
        self._connecting = loop.create_task(self._connect(loop))

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await loop.create_connection(lambda: _Upstream(self), "127.0.0.1", self._port)
        except OSError:
            self.abort()

    def connection_lost(self, _: Exception | None) -> None:
        if self._transport is not None:
            self._proxy.closed(self._transport)
        if self._upstream is not None:
            self._upstream.abort()

    def upstream_made(self, transport: asyncio.Transport) -> None:
        self._upstream = transport
        self._proxy.opened(transport)
        if self._transport is None or self._transport.is_closing():
            transport.abort()
        elif self._early:
            transport.write(bytes(self._early))
            self._early.clear()

    def upstream_lost(self, transport: asyncio.Transport) -> None:
        self._proxy.closed(transport)
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        while data:
            if self._body_left:
                part, data = data[: self._body_left], data[self._body_left :]
                self._body_left -= len(part)
                self._pass_on(part)
            else:
                data = self._read_head(data)
            if self._refusal is not None and not self._body_left:
                self._refuse(self._refusal)
                return

    def _read_head(self, data: bytes) -> bytes:
        """What follows the head, once it is there; the request may have been found to be refused then."""
        self._head += data
        end = self._head.find(_END_OF_HEAD)
        if end < 0:
            return b""
        head, rest = bytes(self._head[: end + len(_END_OF_HEAD)]), bytes(self._head[end + len(_END_OF_HEAD) :])
        self._head.clear()
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        self._body_left = next((int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0)
        self._proxy.requests[self._service] += 1
        fault = self._proxy.control.take(method, f"/{self._service}{path.removeprefix(f'/{ACCOUNT}')}")
        self._refusal = fault if fault and not fault.after_commit else None
        self._cut_answer = bool(fault and fault.after_commit)
        self._pass_on(head)
        return rest

    def _pass_on(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        if self._upstream is None:
            self._early += data
        else:
            self._upstream.write(data)

    def _refuse(self, fault: Fault) -> None:
        self._refusal = None
        if fault.status == 0 or self._transport is None:
            self.abort()
            return
        body = json.dumps({"odata.error": {"code": "ServerBusy", "message": {"value": "Ordered."}}}).encode()
        lines = [f"HTTP/1.1 {fault.status} Ordered", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in fault.headers.items()]
        self._transport.write("\r\n".join(lines).encode() + _END_OF_HEAD + body)

    def answer_received(self, data: bytes) -> None:
        if self._cut_answer:
            self.abort()
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class _Upstream(asyncio.Protocol):
    """The connection to Azurite on behalf of one client."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._client.upstream_made(transport)

    def data_received(self, data: bytes) -> None:
        self._client.answer_received(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self._transport is not None:
            self._client.upstream_lost(self._transport)
