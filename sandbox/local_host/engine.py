"""Microsoft's worker library, driven in process: it imports the app, checks every function and calls them.

The library is azure-functions-runtime 1.3.0, the one that Azure runs from Python 3.13 on. What is used of it is not a
published interface, hence the pin: ``handle_event.load_function_metadata``, which leaves its findings in
``handle_event._metadata_result``; ``native_invocation.invocation_request_native``, its entry without protobuf;
``bindings.meta.load_binding_registry``; and the thread pool that it runs plain functions in. Below Python 3.13 it works
all the same, installed without its version check.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from azure.functions.meta import Datum

from sandbox.local_host.configuration import StartRefused

Result = TypeVar("Result")
Binding = dict[str, Any]
Inputs = Sequence[tuple[str, Datum]]


@dataclass(frozen=True)
class FunctionDefinition:
    """One function of the app, as the worker describes it to the host; bindings as in a function.json."""

    name: str
    function_id: str
    bindings: tuple[Binding, ...]
    has_retry_policy: bool = False

    @property
    def trigger(self) -> Binding:
        return next(binding for binding in self.bindings if binding["type"].lower().endswith("trigger"))

    @property
    def outputs(self) -> dict[str, Binding]:
        return {binding["name"]: binding for binding in self.bindings if binding.get("direction", "").lower() == "out"}


@dataclass(frozen=True)
class InvocationResult:
    """What a call came to. ``error`` is empty when it succeeded, otherwise the exception with its traceback."""

    error: str = ""
    returned: Datum | None = None
    outputs: list[tuple[str, Datum]] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        return not self.error


class WorkerEngine:
    """One app in this process. The library keeps its functions in module globals: one engine per process."""

    def __init__(self, app_dir: Path):
        self._app_dir = app_dir
        # The app's code has an event loop of its own, as in the worker process: blocking it must not block the host.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="worker", daemon=True)

    async def load(self) -> list[FunctionDefinition]:
        """Imports the app and checks all its functions; StartRefused with the reason if any of them is refused."""
        self._thread.start()
        return await self._in_worker(self._load())

    async def invoke(
        self, function: FunctionDefinition, invocation_id: str, inputs: Inputs, metadata: dict[str, Datum], trace: str
    ) -> InvocationResult:
        """Calls the function and waits for it; never raises for what the function raises.

        Cancelled, it cancels an ``async def`` function, and leaves a plain one running in its thread.
        """
        return await self._in_worker(self._invoke(function.function_id, invocation_id, inputs, metadata, trace))

    async def stop(self) -> None:
        """Waits for the plain functions that still run, and ends the worker's thread."""
        from azure_functions_runtime import stop_threadpool_executor

        await asyncio.to_thread(stop_threadpool_executor)
        if self._thread.is_alive():
            await self._in_worker(_cancel_other_tasks())
            self._loop.call_soon_threadsafe(self._loop.stop)
            await asyncio.to_thread(self._thread.join)
        self._loop.close()

    async def _in_worker(self, work: Coroutine[Any, Any, Result]) -> Result:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _load(self) -> list[FunctionDefinition]:
        script = os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
        if not (self._app_dir / script).is_file():
            raise StartRefused(f"no {script} in {self._app_dir}: --app has to name the folder of the function app")
        try:
            # Before the library does it, which buries an ImportError under the whole module search path.
            importlib.import_module(Path(script).stem)
            described = _index_functions(self._app_dir)
        except (Exception, SystemExit) as problem:
            place = _last_line_of(problem, self._app_dir)
            raise StartRefused(f"the app does not load: {type(problem).__name__}: {problem}{place}") from problem
        functions = [
            FunctionDefinition(
                name=metadata.name,
                function_id=metadata.function_id,
                bindings=tuple(json.loads(binding) for binding in metadata.raw_bindings),
                has_retry_policy=metadata.retry_options is not None,
            )
            for metadata in described
        ]
        _refuse_shared_names(functions)
        return functions

    async def _invoke(
        self, function_id: str, invocation_id: str, inputs: Inputs, metadata: dict[str, Datum], trace: str
    ) -> InvocationResult:
        from azure_functions_runtime.native_invocation import invocation_request_native

        try:
            succeeded, returned, outputs, error, stack = await invocation_request_native(
                invocation_id, function_id, inputs, metadata, trace
            )
        except SystemExit as left:  # it would end the worker's event loop, and every later call with it
            return InvocationResult(error=f"the function left with {left!r}")
        if not succeeded:
            return InvocationResult(error=f"{error}\n{stack}".strip())
        return InvocationResult(returned=returned, outputs=[(name, datum) for name, datum in outputs if datum])


def _index_functions(app_dir: Path) -> list[Any]:
    from azure_functions_runtime import handle_event, start_threadpool_executor
    from azure_functions_runtime.bindings.meta import load_binding_registry

    # The library is handed its protobuf module by the worker around it; indexing needs only these names of it.
    handle_event.protos = SimpleNamespace(
        BindingInfo=_BindingInfo, RpcFunctionMetadata=SimpleNamespace, RpcRetryOptions=SimpleNamespace
    )
    load_binding_registry()
    start_threadpool_executor()
    handle_event.load_function_metadata(str(app_dir), caller_info="local_host")
    described = handle_event._metadata_result
    if not described:
        raise ValueError("it defines no functions")
    return list(described)


class _BindingInfo:
    """The protobuf message of a binding, and its Direction values, as the library compares them."""

    out = 1
    inout = 2
    undefined = None

    def __init__(self, type: str, data_type: Any, direction: Any):
        self.type, self.data_type, self.direction = type, data_type, direction


def _refuse_shared_names(functions: list[FunctionDefinition]) -> None:
    twice = sorted(name for name, count in Counter(function.name for function in functions).items() if count > 1)
    if twice:
        raise StartRefused(f"the app does not load: more than one function is named {', '.join(twice)}")


def _last_line_of(problem: BaseException, app_dir: Path) -> str:
    """Where in the app's own code the problem arose, for the reader of the message."""
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        if Path(frame.filename).is_relative_to(app_dir) and not Path(frame.filename).is_relative_to(sys.prefix):
            return f" ({Path(frame.filename).relative_to(app_dir)}, line {frame.lineno})"
    return ""


async def _cancel_other_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
