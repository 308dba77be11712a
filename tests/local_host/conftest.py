from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueServiceClient

from sandbox.local_host.process import HostProcess

SAMPLE_APP = Path(__file__).parent / "sample_app"
NEVER_IN_A_TEST = "0 0 0 29 2 *"
Value = TypeVar("Value")


def wait_for(condition: Callable[[], Value | None], what: str, timeout_s: float = 30.0) -> Value:
    """The first true value of ``condition``; the test fails when it does not come in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail(f"waited {timeout_s} s in vain: {what}")


class Queues:
    """The queues of one sample app, as a client outside the host sees them."""

    def __init__(self, service: QueueServiceClient, prefix: str):
        self.service = service
        self.prefix = prefix

    def send(self, name: str, text: str) -> None:
        queue = self.service.get_queue_client(f"{self.prefix}-{name}")
        try:
            queue.send_message(text)
        except ResourceNotFoundError:
            queue.create_queue()
            queue.send_message(text)

    def texts(self, name: str) -> list[str]:
        """The visible messages as they are stored, taken out of the queue."""
        queue = self.service.get_queue_client(f"{self.prefix}-{name}")
        try:
            messages = list(queue.receive_messages(messages_per_page=32))
        except ResourceNotFoundError:
            return []
        for message in messages:
            queue.delete_message(message)
        return [message.content for message in messages]

    def bodies(self, name: str) -> list[bytes]:
        return [base64.b64decode(text) for text in self.texts(name)]

    def length(self, name: str) -> int:
        """Visible and hidden messages; a queue that does not exist has none."""
        try:
            return (
                self.service.get_queue_client(f"{self.prefix}-{name}").get_queue_properties().approximate_message_count
                or 0
            )
        except ResourceNotFoundError:
            return 0


def sample_settings(storage: str, prefix: str, **more: str) -> dict[str, str]:
    return {"AzureWebJobsStorage": storage, "PREFIX": prefix, "TICK_SCHEDULE": NEVER_IN_A_TEST, **more}


@pytest.fixture(scope="module")
def queue_service(storage: str) -> Iterator[QueueServiceClient]:
    with QueueServiceClient.from_connection_string(storage) as service:
        yield service


@pytest.fixture(scope="module")
def queues(queue_service: QueueServiceClient) -> Queues:
    return Queues(queue_service, f"t{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="module")
def host(storage: str, queues: Queues) -> Iterator[HostProcess]:
    """One host for all tests of a module that only use it."""
    with HostProcess(SAMPLE_APP, sample_settings(storage, queues.prefix)) as process:
        yield process
