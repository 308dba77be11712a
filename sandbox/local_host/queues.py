"""The queue trigger: at least once, as QueueListener.cs and QueueProcessor.cs of azure-sdk-for-net do it (2026-11)."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
import uuid
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.functions.meta import Datum
from azure.storage.queue import QueueMessage

from sandbox.local_host.configuration import QueueOptions
from sandbox.local_host.engine import FunctionDefinition
from sandbox.local_host.execution import Execution
from sandbox.local_host.storage import Storage
from sandbox.local_host.waiting import wait_for_any

log = logging.getLogger(__name__)

# A received message is hidden for ten minutes, and again for ten at half-time while the function runs. If the host
# dies, the message comes back when that time is over and not before. The real host has no setting for it either.
HIDDEN_S = 600
FIRST_POLLING_INTERVAL_S = 0.1


class QueueListener:
    """Gives the messages of one queue to one function until ``stopping`` is set.

    ``hidden_s`` is how long a received message stays hidden from others, renewed at half-time.
    """

    def __init__(
        self,
        function: FunctionDefinition,
        queue_name: str,
        connection: str,
        *,
        storage: Storage,
        execution: Execution,
        options: QueueOptions,
        stopping: asyncio.Event,
        hidden_s: int = HIDDEN_S,
    ):
        self._function = function
        self._queue_name = queue_name
        self._connection = connection
        self._storage = storage
        self._queue = storage.queue(queue_name, connection)
        self._arrival = storage.arrivals(queue_name, connection)
        self._execution = execution
        self._options = options
        self._stopping = stopping
        self._hidden_s = hidden_s
        self._running: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Returns after ``stopping``, when the function has finished with every message that was received."""
        interval_s = FIRST_POLLING_INTERVAL_S
        while not self._stopping.is_set():
            self._arrival.clear()  # before looking: what is sent from here on is either seen or wakes us
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._handle(message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if messages:
                interval_s = FIRST_POLLING_INTERVAL_S
                while len(self._running) > self._options.new_batch_threshold:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                continue
            jittered_s = interval_s * random.uniform(0.8, 1.2)
            await wait_for_any(jittered_s, self._arrival, self._stopping)
            longer_s = min(interval_s * 2, self._options.max_polling_interval_s)
            interval_s = FIRST_POLLING_INTERVAL_S if self._arrival.is_set() else longer_s
        if self._running:
            await asyncio.wait(self._running)

    async def _receive(self) -> list[QueueMessage]:
        """One batch; none if the queue does not exist (the host does not create it) or storage does not answer."""
        pages = self._queue.receive_messages(
            messages_per_page=self._options.batch_size, visibility_timeout=self._hidden_s
        ).by_page()
        try:
            async for page in pages:
                return [message async for message in page]
        except ResourceNotFoundError:
            pass
        except AzureError as problem:
            log.warning("queue %s cannot be read: %s", self._queue_name, _first_line(problem))
        return []

    async def _handle(self, message: QueueMessage) -> None:
        claim = _Claim(self, message)
        try:
            if (message.dequeue_count or 0) > self._options.max_dequeue_count:
                await self._move_to_poison(claim)
                return
            try:
                body = self._decode(message.content)
            except ValueError:
                log.error("a message of %s is not base64 (messageEncoding): moved to poison", self._queue_name)
                await self._move_to_poison(claim)
                return
            await self._run(claim, body)
        except AzureError as problem:
            log.warning(
                "message %s of %s could not be settled and will come back: %s",
                message.id,
                self._queue_name,
                _first_line(problem),
            )

    async def _run(self, claim: _Claim, body: bytes) -> None:
        renewal = asyncio.create_task(claim.renew_for_ever())
        try:
            inputs, metadata = queue_inputs(self._function, body, claim.message)
            result = await self._execution.run(self._function, inputs, metadata)
        finally:
            async with claim.renewing:  # a renewal under way changes the pop receipt: let it end
                renewal.cancel()
        if result.succeeded:
            await self._queue.delete_message(claim.message.id, claim.pop_receipt)
        elif (claim.message.dequeue_count or 0) >= self._options.max_dequeue_count:
            await self._move_to_poison(claim)
        else:
            await claim.hide(int(self._options.visibility_timeout_s))

    def _decode(self, content: str) -> bytes:
        return base64.b64decode(content, validate=True) if self._options.encodes_base64 else content.encode()

    async def _move_to_poison(self, claim: _Claim) -> None:
        """The copy first, so that nothing is lost in between; it lives 7 days, the service's default, as in Azure."""
        poison = f"{self._queue_name}-poison"
        log.warning("message %s of %s moves to %s", claim.message.id, self._queue_name, poison)
        await self._storage.send(poison, claim.message.content, self._connection)
        await self._queue.delete_message(claim.message.id, claim.pop_receipt)


class _Claim:
    """A received message and the pop receipt that is valid now; ``renewing`` is held while that changes."""

    def __init__(self, listener: QueueListener, message: QueueMessage):
        self.message = message
        self.pop_receipt: str = message.pop_receipt or ""
        self.renewing = asyncio.Lock()
        self._queue = listener._queue
        self._hidden_s = listener._hidden_s

    async def hide(self, timeout_s: int) -> None:
        """Makes the message visible to all after ``timeout_s``."""
        updated = await self._queue.update_message(self.message.id, self.pop_receipt, visibility_timeout=timeout_s)
        self.pop_receipt = updated.pop_receipt or self.pop_receipt

    async def renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._hidden_s / 2)
            async with self.renewing:
                try:
                    await self.hide(self._hidden_s)
                except HttpResponseError as refused:
                    log.warning("message %s is no longer ours: %s", self.message.id, _first_line(refused))
                    return
                except AzureError as problem:
                    log.warning("message %s could not be kept hidden: %s", self.message.id, _first_line(problem))


def queue_inputs(
    function: FunctionDefinition, body: bytes, message: QueueMessage
) -> tuple[list[tuple[str, Datum]], dict[str, Datum]]:
    """What the worker is given for a message."""
    try:
        content = Datum(body.decode(), "string")
    except UnicodeDecodeError:
        content = Datum(body, "bytes")
    metadata = {
        "QueueTrigger": content,
        "Id": Datum(message.id, "string"),
        "DequeueCount": Datum(json.dumps(message.dequeue_count), "json"),
        "PopReceipt": Datum(message.pop_receipt, "string"),
        "InsertionTime": _moment(message.inserted_on),
        "ExpirationTime": _moment(message.expires_on),
        "NextVisibleTime": _moment(message.next_visible_on),
    }
    return [(function.trigger["name"], content)], metadata


def message_by_hand() -> QueueMessage:
    """A message that was never in a queue, for a call through the admin endpoint."""
    message = QueueMessage()
    message.id, message.pop_receipt, message.dequeue_count = str(uuid.uuid4()), "", 1
    message.inserted_on = message.expires_on = message.next_visible_on = datetime.now(UTC)
    return message


def _moment(moment: Any) -> Datum:
    return Datum(json.dumps(moment.isoformat() if moment else None), "json")


def _first_line(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}".splitlines()[0]
