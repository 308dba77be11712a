from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import requests
from azure.functions.meta import Datum

from sandbox.local_host.configuration import QueueOptions
from sandbox.local_host.engine import FunctionDefinition, Inputs, InvocationResult
from sandbox.local_host.execution import Execution
from sandbox.local_host.process import HostProcess
from sandbox.local_host.queues import QueueListener
from sandbox.local_host.storage import Storage
from tests.local_host.conftest import SAMPLE_APP, Queues, sample_settings, wait_for


def post(host: HostProcess, function: str, path: str, body: bytes) -> int:
    headers = {"x-functions-key": host.key(function)}
    return requests.post(f"{host.url}/api/{path}", data=body, headers=headers, timeout=30).status_code


@pytest.mark.parametrize("body", [b'{"deal" :\t1}\n', b"\x00\xff\xfe", "Größe ✓".encode(), b"[1,2]"])
def test_bytes_travel_through_two_queues_unchanged(host: HostProcess, queues: Queues, body: bytes) -> None:
    assert post(host, "take_order", "orders", body) == 202
    assert wait_for(lambda: queues.bodies("carried"), "the order, carried on") == [body]
    wait_for(lambda: queues.length("orders") == 0, "the handled message is gone")


def test_text_that_is_json_is_written_anew(host: HostProcess, queues: Queues) -> None:
    assert post(host, "take_note", "notes", b'{"deal":1,"lines":[]}') == 202
    assert queues.bodies("notes") == [b'{\n  "deal": 1,\n  "lines": []\n}']
    assert post(host, "take_note", "notes", b'["Contoso",{"deal":2}]') == 202
    assert queues.bodies("notes") == [b"Contoso", b'{\n  "deal": 2\n}']


def test_an_output_that_cannot_be_written_fails_the_call(host: HostProcess, queues: Queues) -> None:
    assert post(host, "take_note", "notes", b'{"line":1}\n{"line":2}') == 500
    assert queues.bodies("notes") == []


def test_a_failing_message_comes_back_later_and_ends_as_poison(host: HostProcess, queues: Queues) -> None:
    text = base64.b64encode(b'{"deal": 7}').decode()
    queues.send("failing", text)
    assert wait_for(lambda: queues.texts("failing-poison"), "the poison message") == [text]
    assert queues.length("failing") == 0
    attempts = re.findall(r"attempt (\d) at ([\d.]+)", host.log)
    assert [count for count, _ in attempts] == ["1", "2"]  # maxDequeueCount of the sample app
    first_at, second_at = (float(at) for _, at in attempts)
    assert second_at - first_at > 0.9  # its visibilityTimeout, one second
    assert "Fabrikam does not want this" in host.log


def test_text_that_is_not_base64_is_poison_at_once(host: HostProcess, queues: Queues) -> None:
    queues.send("orders", "{not base64}")
    assert wait_for(lambda: queues.texts("orders-poison"), "the poison message") == ["{not base64}"]
    assert queues.texts("carried") == []


def test_a_queue_function_runs_by_hand(host: HostProcess, queues: Queues) -> None:
    response = requests.post(
        f"{host.url}/admin/functions/carry",
        json={"input": '{"by": "hand"}'},
        headers={"x-functions-key": host.key("master")},
        timeout=30,
    )
    assert response.status_code == 202
    assert wait_for(lambda: queues.bodies("carried"), "the order given by hand") == [b'{"by": "hand"}']


def test_a_message_of_a_killed_host_stays_hidden(
    storage: str, queues: Queues, storage_prefix: str, tmp_path: Path
) -> None:
    """Nothing releases it: it comes back when the ten minutes are over, which this test does not wait for."""
    mine = Queues(queues.service, storage_prefix)
    host = HostProcess(SAMPLE_APP, sample_settings(storage, storage_prefix, STALL_FILE=str(tmp_path / "stalled")))
    try:
        host.start()
        mine.send("stalling", base64.b64encode(b"Contoso").decode())
        wait_for((tmp_path / "stalled").exists, "the function has the message")
        host.kill()
    finally:
        host.close()
    assert mine.length("stalling") == 1
    assert mine.texts("stalling") == []


def test_a_listener_is_woken_by_what_its_own_host_sends(storage: str, storage_prefix: str) -> None:
    """And not left to poll, which after some idle time is up to maxPollingInterval late."""

    async def scenario() -> tuple[bool, bool]:
        opened = Storage({"AzureWebJobsStorage": storage})
        arrival, elsewhere = opened.arrivals(f"{storage_prefix}-here"), opened.arrivals(f"{storage_prefix}-there")
        await opened.send(f"{storage_prefix}-here", "Q29udG9zbw==")
        await opened.close()
        return arrival.is_set(), elsewhere.is_set()

    assert asyncio.run(scenario()) == (True, False)


class Waiting(Execution):
    """Stands for a function that takes as long as it is told."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.seventh = asyncio.Event()
        self.released = asyncio.Event()
        self.bodies: list[str] = []
        self.dequeue_counts: list[int] = []

    async def run(
        self, function: FunctionDefinition, inputs: Inputs, metadata: Mapping[str, Datum], trace: str = ""
    ) -> InvocationResult:
        self.bodies.append(inputs[0][1].value)
        self.dequeue_counts.append(json.loads(metadata["DequeueCount"].value))
        self.begun.set()
        if len(self.bodies) == 7:
            self.seventh.set()
        await self.released.wait()
        return InvocationResult()


def test_a_message_stays_hidden_while_its_function_runs(storage: str, queues: Queues, storage_prefix: str) -> None:
    """Longer than the time it is hidden for at first (here one second instead of ten minutes)."""
    mine = Queues(queues.service, storage_prefix)
    mine.send("long", base64.b64encode(b"Contoso").decode())

    async def scenario() -> Waiting:
        execution, stopping, opened = Waiting(), asyncio.Event(), Storage({"AzureWebJobsStorage": storage})
        listener = QueueListener(
            FunctionDefinition("long", "1", ({"type": "queueTrigger", "name": "order"},)),
            f"{storage_prefix}-long",
            "AzureWebJobsStorage",
            storage=opened,
            execution=execution,
            options=QueueOptions(max_polling_interval_s=0.1),
            stopping=stopping,
            hidden_s=1,
        )
        listening = asyncio.create_task(listener.listen())
        async with asyncio.timeout(20):
            await execution.begun.wait()
            await asyncio.sleep(2.5)  # the passing of time is what is tested here
            execution.released.set()
            stopping.set()
            await listening
        await opened.close()
        return execution

    execution = asyncio.run(scenario())
    assert execution.bodies == ["Contoso"]
    assert execution.dequeue_counts == [1]
    assert mine.length("long") == 0


def test_no_more_messages_run_at_once_than_host_json_allows(storage: str, queues: Queues, storage_prefix: str) -> None:
    mine = Queues(queues.service, storage_prefix)
    for number in range(7):
        mine.send("many", base64.b64encode(str(number).encode()).decode())

    async def scenario() -> Waiting:
        execution, stopping, opened = Waiting(), asyncio.Event(), Storage({"AzureWebJobsStorage": storage})
        listener = QueueListener(
            FunctionDefinition("many", "1", ({"type": "queueTrigger", "name": "order"},)),
            f"{storage_prefix}-many",
            "AzureWebJobsStorage",
            storage=opened,
            execution=execution,
            options=QueueOptions(batch_size=2, new_batch_threshold=1, max_polling_interval_s=0.1),
            stopping=stopping,
        )
        listening = asyncio.create_task(listener.listen())
        async with asyncio.timeout(20):
            await execution.begun.wait()
            await asyncio.sleep(0.5)  # time in which a listener without a limit would take more
            assert len(execution.bodies) == 2
            execution.released.set()
            await execution.seventh.wait()
            stopping.set()
            await listening
        await opened.close()
        return execution

    assert sorted(asyncio.run(scenario()).bodies) == list("0123456")
    assert mine.length("many") == 0
