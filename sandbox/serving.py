"""Runs an aiohttp application on loopback, in a thread of its own, for as long as a ``with`` block lasts."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from types import TracebackType

from aiohttp import web

_LONGEST_LINE = 64 * 1024


class Server:
    """One simulator, listening on 127.0.0.1 between ``start`` and ``stop``.

    ``port`` 0 takes a free port; ``url`` is right once started. The application is built by ``build`` inside the
    server's own event loop, since aiohttp applications belong to one loop.
    """

    def __init__(self, build: Callable[[], web.Application], *, tls: ssl.SSLContext | None = None, port: int = 0):
        self._build = build
        self._tls = tls
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Base address without a trailing slash; the name ``localhost`` is in the sandbox's certificate."""
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    def start(self) -> Server:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(timeout=30)
        return self

    async def _serve(self) -> None:
        # Addresses may be longer than aiohttp takes by itself: Dataverse reads 32 KiB, Salesforce 16.
        self._runner = web.AppRunner(
            self._build(),
            access_log=None,
            shutdown_timeout=1,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def stop(self) -> None:
        if self._runner is not None:
            asyncio.run_coroutine_threadsafe(self._close(self._runner), self._loop).result(timeout=30)
            self._runner = None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)
        self._loop.close()

    async def _close(self, runner: web.AppRunner) -> None:
        handlers = runner.server.connections if runner.server else []
        transports = [handler.transport for handler in handlers if handler.transport is not None]
        await runner.cleanup()
        # A TLS connection waits for the client's goodbye before it closes; a client that keeps it open never says it.
        for transport in transports:
            transport.abort()
        # The loop closes an aborted socket a few turns later, and is itself stopped after this.
        for _ in range(10):
            await asyncio.sleep(0)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
