from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from azure.storage.queue import QueueClient, QueueMessage

from shared.domain.errors import ConfigurationError, RetryLater
from shared.state.connection import StorageConnection
from shared.state.envelope import Envelope, parse
from shared.state.queues import ALL_QUEUES, QueueSender

ENVELOPE = Envelope("referral", "r-1", datetime(2026, 3, 1, tzinfo=UTC), "7d4b")


@pytest.fixture
def sender(connection: StorageConnection) -> Iterator[QueueSender]:
    sender = QueueSender(connection)
    yield sender
    sender.close()


@pytest.fixture
def queue(storage: str, storage_prefix: str) -> Iterator[QueueClient]:
    """The queue as another program sees it: no base64 policy."""
    with QueueClient.from_connection_string(storage, f"{storage_prefix}-events") as client:
        yield client


def eventually(read: Callable[[], QueueMessage | None], within_s: float = 10) -> QueueMessage:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        message = read()
        if message is not None:
            return message
    raise AssertionError(f"no message within {within_s} s")


def test_a_message_is_compact_json_in_base64_in_a_queue_made_for_it(sender: QueueSender, queue: QueueClient) -> None:
    sender.send(queue.queue_name, ENVELOPE)
    message = queue.receive_message()
    assert message is not None
    body = base64.b64decode(message.content, validate=True)
    assert body == ENVELOPE.dump()
    assert json.loads(body)["id"] == "r-1"
    assert parse(body) == ENVELOPE


def test_a_message_never_expires(sender: QueueSender, queue: QueueClient) -> None:
    sender.send(queue.queue_name, ENVELOPE)
    message = queue.receive_message()
    assert message is not None
    assert message.expires_on is not None
    assert message.expires_on.year == 9999


def test_a_delayed_message_comes_later_and_counts_at_once(sender: QueueSender, queue: QueueClient) -> None:
    started = time.monotonic()
    sender.send(queue.queue_name, ENVELOPE, delay_s=0.2)  # the service knows whole seconds
    assert queue.receive_message() is None
    assert sender.lengths([queue.queue_name]) == {queue.queue_name: 1}
    eventually(queue.receive_message)
    assert time.monotonic() - started > 0.2


def test_a_delay_longer_than_the_service_allows_is_seven_days(sender: QueueSender, queue: QueueClient) -> None:
    queue.create_queue()
    sender.send(queue.queue_name, ENVELOPE, delay_s=30 * 24 * 3600)
    assert queue.receive_message() is None
    assert sender.lengths([queue.queue_name]) == {queue.queue_name: 1}


def test_a_negative_delay_is_none(sender: QueueSender, queue: QueueClient) -> None:
    sender.send(queue.queue_name, ENVELOPE, delay_s=-5)
    assert queue.receive_message() is not None


def test_a_queue_that_was_never_made_is_empty(sender: QueueSender, queue: QueueClient) -> None:
    assert sender.lengths([queue.queue_name]) == {queue.queue_name: 0}


def test_every_queue_has_its_poison_queue() -> None:
    assert ALL_QUEUES == (
        "referral-events",
        "related-referral-events",
        "crm-changes",
        "crm-lead-changes",
        "referral-events-poison",
        "related-referral-events-poison",
        "crm-changes-poison",
        "crm-lead-changes-poison",
    )


def test_storage_that_is_away_is_a_reason_to_retry(unreachable: StorageConnection) -> None:
    sender = QueueSender(unreachable)
    with pytest.raises(RetryLater, match="referral-events"):
        sender.send("referral-events", ENVELOPE)
    sender.close()


def test_a_key_that_is_refused_is_a_matter_of_configuration(storage: str) -> None:
    key = base64.b64encode(b"x" * 64).decode()
    wrong = ";".join(f"AccountKey={key}" if part.startswith("AccountKey") else part for part in storage.split(";"))
    sender = QueueSender(StorageConnection(wrong))
    with pytest.raises(ConfigurationError, match="Storage Queue Data Contributor") as caught:
        sender.send("referral-events", ENVELOPE)
    assert key not in str(caught.value)
    sender.close()


def test_text_that_is_no_connection_string_is_said_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="not a connection string") as caught:
        QueueSender(StorageConnection("hunter2")).send("referral-events", ENVELOPE)
    assert "hunter2" not in str(caught.value)
