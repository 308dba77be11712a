"""Runs one function once: calls it, writes its outputs, says in the log how it went."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from azure.functions.meta import Datum

from sandbox.local_host.bindings import expand_settings, queue_messages
from sandbox.local_host.configuration import HostConfiguration
from sandbox.local_host.engine import Binding, FunctionDefinition, Inputs, InvocationResult, WorkerEngine
from sandbox.local_host.storage import HOST_STORAGE, Storage

log = logging.getLogger(__name__)


class Execution:
    """The way from a trigger to a function, the same for HTTP, queues and timers."""

    def __init__(
        self, engine: WorkerEngine, storage: Storage, configuration: HostConfiguration, settings: Mapping[str, str]
    ):
        self._engine = engine
        self._storage = storage
        self._configuration = configuration
        self._settings = settings

    async def run(
        self, function: FunctionDefinition, inputs: Inputs, metadata: Mapping[str, Datum], trace: str = ""
    ) -> InvocationResult:
        """The result once the function has returned and its outputs are written; a failure is a result, not an error.

        An output that cannot be written fails the invocation although the function's own effects have happened, as in
        Azure. After functionTimeout the invocation fails; Azure also restarts the worker then, this host does not.
        """
        invocation_id = str(uuid.uuid4())
        started = time.perf_counter()
        log.info("Executing '%s' (Id=%s)", function.name, invocation_id)
        try:
            async with asyncio.timeout(self._configuration.function_timeout_s):
                result = await self._engine.invoke(
                    function, invocation_id, inputs, {**metadata, "sys": _system_metadata(function)}, trace
                )
        except TimeoutError:
            limit_s = self._configuration.function_timeout_s
            result = InvocationResult(error=f"the function did not return within functionTimeout ({limit_s} s)")
        if result.succeeded:
            try:
                await self._write_outputs(function, result)
            except Exception as problem:
                log.debug("outputs of '%s'", function.name, exc_info=True)
                result = InvocationResult(error=f"an output could not be written: {type(problem).__name__}: {problem}")
        duration_ms = (time.perf_counter() - started) * 1000
        outcome = "Succeeded" if result.succeeded else "Failed"
        log.log(
            logging.INFO if result.succeeded else logging.ERROR,
            "Executed '%s' (%s, Id=%s, Duration=%dms)%s",
            function.name,
            outcome,
            invocation_id,
            duration_ms,
            f"\n{result.error}" if result.error else "",
        )
        return result

    async def _write_outputs(self, function: FunctionDefinition, result: InvocationResult) -> None:
        written = list(result.outputs)
        if result.returned is not None:
            written.append(("$return", result.returned))
        for name, datum in written:
            binding = function.outputs.get(name)
            if binding is not None and binding["type"] == "queue":
                await self._write_to_queue(binding, datum)

    async def _write_to_queue(self, binding: Binding, datum: Datum) -> None:
        if datum.value is None:
            return
        queue_name = expand_settings(binding["queueName"], self._settings)
        for body in queue_messages(datum.value, is_json=datum.type == "json"):
            text = base64.b64encode(body).decode() if self._configuration.queues.encodes_base64 else body.decode()
            await self._storage.send(queue_name, text, binding.get("connection") or HOST_STORAGE)


def _system_metadata(function: FunctionDefinition) -> Datum:
    now = datetime.now(UTC).isoformat()
    return Datum(json.dumps({"MethodName": function.name, "UtcNow": now, "RandGuid": str(uuid.uuid4())}), "json")
