"""The queues, and sending to them with a delay and an exact body; receiving is the Functions host's."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from shared.state.connection import (
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    RETRIES,
    StorageConnection,
    refuse_malformed,
    storage_errors,
)
from shared.state.envelope import Envelope

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient, QueueServiceClient

REFERRAL_EVENTS = "referral-events"
RELATED_REFERRAL_EVENTS = "related-referral-events"
CRM_CHANGES = "crm-changes"
CRM_LEAD_CHANGES = "crm-lead-changes"
QUEUES = (REFERRAL_EVENTS, RELATED_REFERRAL_EVENTS, CRM_CHANGES, CRM_LEAD_CHANGES)
POISON_SUFFIX = "-poison"
"""Of the queue to which the host moves what failed too often, and the connector what it gives up."""
ALL_QUEUES = QUEUES + tuple(name + POISON_SUFFIX for name in QUEUES)

MAXIMUM_DELAY_S = 7 * 24 * 3600
NEVER_EXPIRES = -1
BACKOFF_S = 1


class QueueSender:
    """Safe for threads; connects when first used. Messages are base64, which the host reads unless told otherwise."""

    def __init__(self, connection: StorageConnection):
        self._connection = connection
        self._service: QueueServiceClient | None = None
        self._lock = threading.Lock()

    def send(self, queue: str, envelope: Envelope, delay_s: float = 0) -> None:
        """In the queue after this, at least once, and visible ``delay_s`` later (at most 7 days). It never expires.

        The queue is made if it is not there. Raises ``RetryLater`` while storage is away.
        """
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        body = envelope.dump()
        timing = {
            "visibility_timeout": min(math.ceil(max(delay_s, 0)), MAXIMUM_DELAY_S),
            "time_to_live": NEVER_EXPIRES,
        }
        with storage_errors(f"send a message to queue {queue}"):
            client = self._queue(queue)
            try:
                client.send_message(body, **timing)
            except ResourceNotFoundError:
                with suppress(ResourceExistsError):  # another worker was quicker
                    client.create_queue()
                client.send_message(body, **timing)

    def lengths(self, queues: Iterable[str] = ALL_QUEUES) -> dict[str, int]:
        """How many messages there are, about, hidden ones included; 0 for a queue that was never made."""
        return {queue: self._length(queue) for queue in queues}

    def front(self, queue: str) -> bytes | None:
        """The body of the first message that waits for a worker, left where it is; ``None`` if none does."""
        from azure.core.exceptions import DecodeError, ResourceNotFoundError

        with storage_errors(f"look at the front of queue {queue}"):
            try:
                messages = self._queue(queue).peek_messages()
            except (ResourceNotFoundError, DecodeError):  # never made; or text that the host is about to give up
                return None
        return bytes(messages[0].content) if messages else None

    def close(self) -> None:
        """Closes the connections; the next use opens them again."""
        with self._lock:
            if self._service is not None:
                self._service.close()
                self._service = None

    def _length(self, queue: str) -> int:
        from azure.core.exceptions import ResourceNotFoundError

        with storage_errors(f"count the messages of queue {queue}"):
            try:
                return int(self._queue(queue).get_queue_properties().approximate_message_count or 0)
            except ResourceNotFoundError:
                return 0

    def _queue(self, queue: str) -> QueueClient:
        from azure.storage.queue import BinaryBase64DecodePolicy, BinaryBase64EncodePolicy

        with self._lock:
            if self._service is None:
                self._service = self._connect()
            return self._service.get_queue_client(
                queue,
                message_encode_policy=BinaryBase64EncodePolicy(),
                message_decode_policy=BinaryBase64DecodePolicy(),
            )

    def _connect(self) -> QueueServiceClient:
        from azure.storage.queue import LinearRetry, QueueServiceClient

        options: dict[str, Any] = {
            "connection_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": READ_TIMEOUT_S,
            "retry_policy": LinearRetry(backoff=BACKOFF_S, retry_total=RETRIES, random_jitter_range=BACKOFF_S),
        }
        if self._connection.connection_string is None:
            return QueueServiceClient(self._connection.queue_url, credential=self._connection.credential(), **options)
        with refuse_malformed():
            return QueueServiceClient.from_connection_string(self._connection.connection_string, **options)
