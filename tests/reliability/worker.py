"""The app's worker in a process that can be killed for real: ``python -m tests.reliability.worker``.

It loads the app from its settings in the environment, and then takes orders, one JSON document a line; each is carried
out by a fork of its own, so that one that is to be killed costs a fraction of a second and not a start. The answer, one
line as well, says what the fork did before it ended. The functions that run are the app's own, found by their triggers.
"""

from __future__ import annotations

import base64
import gc
import importlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import time_machine
from azure.functions.decorators.function_app import Function
from azure.functions.queue import QueueMessage
from requests.adapters import HTTPAdapter

import function_app
from tests.reliability.steps import Sent, Step, Watch

LOADED_WHEN_USED = ("azure.data.tables", "azure.identity", "azure.storage.queue", "msal")
"""What the app imports in the middle of its work, which takes seconds: no fork should do it anew."""


class Worker:
    """Runs functions of the app, by the name of a timer's function or of the queue whose messages it takes."""

    def __init__(self, functions: list[Function]) -> None:
        self._timers: dict[str, Callable[[Any], None]] = {}
        self._queues: dict[str, Callable[[Any], None]] = {}
        for function in functions:
            trigger = function.get_trigger()
            if trigger is not None and trigger.get_binding_name() == "queueTrigger":
                self._queues[trigger.queue_name] = function.get_user_function()
            elif trigger is not None and trigger.get_binding_name() == "timerTrigger":
                self._timers[function.get_function_name()] = function.get_user_function()

    def run(self, invocation: dict[str, Any]) -> None:
        if "timer" in invocation:
            self._timers[invocation["timer"]](None)
            return
        body = base64.b64decode(invocation["body"])
        message = QueueMessage(id="1", body=body, dequeue_count=invocation["dequeue_count"])
        self._queues[invocation["queue"]](message)


def in_a_fork(order: dict[str, Any], work: Callable[[Callable[[Step | Sent], None]], None]) -> dict[str, Any]:
    """What the fork told before it ended, and how it ended."""
    reading, writing = os.pipe()
    if threading.active_count() > 1:
        raise RuntimeError("a process with threads cannot be forked")
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            with os.fdopen(writing, "w", encoding="utf-8") as told:
                work(lambda what: _write(told, what))
        except BaseException:
            logging.exception("the order failed: %s", order)
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as told:
        lines = [json.loads(line) for line in told]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"status": status, "told": lines}


def _write(told: Any, what: Step | Sent) -> None:
    if isinstance(what, Step):
        document: dict[str, Any] = {"step": what.document()}
    else:
        document = {"sent": {"queue": what.queue, "body": base64.b64encode(what.body).decode()}}
    print(json.dumps(document), file=told, flush=True)


def carry_out(worker: Worker, order: dict[str, Any], tell: Callable[[Step | Sent], None]) -> None:
    """In the fork, which dies once ``kill_after_writes`` are over, before the next step of any kind or at the end."""

    def before(writes: int) -> None:
        if writes == order["kill_after_writes"]:
            os.kill(os.getpid(), signal.SIGKILL)

    limit_patience(order["patience_s"])
    watch = Watch(tell, before)
    with clock_moved_by(order["minutes_later"]):
        watch.begin()
        for invocation in order["invocations"]:
            worker.run(invocation)
        watch.end()


def clock_moved_by(minutes: int) -> AbstractContextManager[object]:
    return time_machine.travel(datetime.now(UTC) + timedelta(minutes=minutes), tick=True)


def limit_patience(read_s: float) -> None:
    """The vendors, who alone speak TLS here, are waited for ``read_s`` at most: nobody should wait out 30 s."""
    send = HTTPAdapter.send

    def impatient(self: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if str(request.url).startswith("https:") and isinstance(options["timeout"], tuple):
            connect_s, usual_s = options["timeout"]
            options["timeout"] = (connect_s, min(usual_s, read_s))
        return send(self, request, **options)

    HTTPAdapter.send = impatient  # type: ignore[method-assign]


def let_go_of_connections() -> None:
    """What is open would be shared with the fork, and TLS with two ends on one side is none."""
    for session in [one for one in gc.get_objects() if isinstance(one, requests.Session)]:
        session.close()


def serve(orders: Iterator[str]) -> None:
    for name in LOADED_WHEN_USED:
        importlib.import_module(name)
    worker = Worker(function_app.app.get_functions())
    for line in orders:
        order = json.loads(line)
        if order.get("here"):  # to be warm: tokens, the CRM's description and tables are known from then on
            with clock_moved_by(order["minutes_later"]):
                for invocation in order["invocations"]:
                    worker.run(invocation)
            let_go_of_connections()
            answer: dict[str, Any] = {"status": 0, "told": []}
        else:
            answer = in_a_fork(order, lambda tell, order=order: carry_out(worker, order, tell))  # type: ignore[misc]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    logging.getLogger("azure").setLevel(logging.WARNING)
    serve(iter(sys.stdin.readline, ""))
