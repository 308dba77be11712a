"""The life of a host: load the app, open the door, listen, and stop without dropping what is under way."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import platform
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.local_host.bindings import Schedule, expand_settings
from sandbox.local_host.configuration import QueueOptions, StartRefused, is_disabled, read_host_configuration
from sandbox.local_host.engine import FunctionDefinition, WorkerEngine
from sandbox.local_host.execution import Execution
from sandbox.local_host.http import HttpFrontEnd
from sandbox.local_host.keys import load_keys
from sandbox.local_host.queues import HIDDEN_S, QueueListener
from sandbox.local_host.storage import HOST_STORAGE, Storage
from sandbox.local_host.timers import TimerListener

log = logging.getLogger(__name__)

DRAIN_TIMEOUT_S = 30.0


class Host:
    """Serves one function app on 127.0.0.1 until SIGINT or SIGTERM. One per process, as the worker library is.

    ``settings`` are the app settings: the environment the app sees. Hosts with the same ``host_id`` and the same
    storage are instances of one app and share its timers; by default that is the app folder on this machine.
    """

    def __init__(
        self,
        app_dir: Path,
        settings: Mapping[str, str],
        *,
        port: int = 0,
        keys_file: Path | None = None,
        host_id: str = "",
        drain_timeout_s: float = DRAIN_TIMEOUT_S,
        message_hidden_s: int = HIDDEN_S,
    ):
        self.port = port
        self._app_dir = app_dir
        self._settings = settings
        self._keys_file = keys_file
        self._drain_timeout_s = drain_timeout_s
        self._message_hidden_s = message_hidden_s
        same_app = hashlib.sha256(f"{platform.node()}{app_dir}".encode()).hexdigest()[:32]
        self._host_id = host_id or settings.get("AzureFunctionsWebHost__hostid") or same_app
        self._stopping = asyncio.Event()
        self._engine = WorkerEngine(app_dir)
        self._storage = Storage(settings)

    async def run(self, when_ready: Callable[[int, Sequence[str]], None]) -> bool:
        """Calls ``when_ready(port, function names)`` once all listeners run, and returns after a signal.

        True: everything that was under way has ended and nothing is left. False: after ``drain_timeout_s`` something
        still ran; the caller must end the process. StartRefused, before anything is served, if the app or its settings
        are wrong.
        """
        functions = await self._engine.load()
        configuration = read_host_configuration(self._app_dir, self._settings)
        is_enabled = {function.name: not is_disabled(function.name, self._settings) for function in functions}
        execution = Execution(self._engine, self._storage, configuration, self._settings)
        listeners = [
            self._listener(function, execution, configuration.queues)
            for function in functions
            if is_enabled[function.name]
        ]
        names = [function.name for function in functions]
        front_end = HttpFrontEnd(
            functions,
            is_enabled=is_enabled,
            execution=execution,
            keys=load_keys(self._keys_file, names),
            configuration=configuration,
            host_id=self._host_id,
        )
        runner = await self._open(front_end.application())
        tasks = [asyncio.create_task(listener()) for listener in listeners if listener is not None]
        for sign in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(sign, self._stopping.set)
        when_ready(self.port, names)
        await self._serve(tasks)
        return await self._stop(runner, tasks, front_end)

    def _listener(
        self, function: FunctionDefinition, execution: Execution, options: QueueOptions
    ) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """What has to run beside HTTP for this function; checks the function's settings now, not at its first event."""
        trigger = function.trigger
        try:
            match trigger["type"]:
                case "httpTrigger":
                    return None
                case "queueTrigger":
                    queue_name = expand_settings(trigger["queueName"], self._settings)
                    connection = trigger.get("connection") or HOST_STORAGE
                    return QueueListener(
                        function,
                        queue_name,
                        connection,
                        storage=self._storage,
                        execution=execution,
                        options=options,
                        stopping=self._stopping,
                        hidden_s=self._message_hidden_s,
                    ).listen
                case "timerTrigger":
                    if function.has_retry_policy:
                        log.warning("timer '%s': this host does not run retry policies", function.name)
                    return TimerListener(
                        function,
                        Schedule(expand_settings(trigger["schedule"], self._settings)),
                        host_id=self._host_id,
                        storage=self._storage,
                        execution=execution,
                        stopping=self._stopping,
                    ).listen
                case other:
                    raise ValueError(f"this host has no {other}: only HTTP, queue and timer triggers")
        except ValueError as problem:
            raise StartRefused(f"function {function.name}: {problem}") from problem

    async def _open(self, application: web.Application) -> web.AppRunner:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=self._drain_timeout_s)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
        except OSError as problem:
            await runner.cleanup()
            raise StartRefused(f"port {self.port} cannot be opened: {problem.strerror}") from problem
        self.port = runner.addresses[0][1]
        return runner

    async def _serve(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Until a signal. A listener that ends by itself is a bug of this host: stop, rather than go on half deaf."""
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()
        await stop

    async def _stop(self, runner: web.AppRunner, tasks: Sequence[asyncio.Task[None]], front_end: HttpFrontEnd) -> bool:
        limit_s = self._drain_timeout_s
        log.info("stopping: waiting for what is under way, at most %g s", limit_s)
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.gather(runner.cleanup(), *tasks, *front_end.runs_by_hand)
                await self._engine.stop()
                await self._storage.close()
        except TimeoutError:
            log.error("something still ran after %g s; its messages come back when their ten minutes are over", limit_s)
            return False
        log.info("stopped")
        return True
