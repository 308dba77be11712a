"""Signed callbacks on their way: tried again until a 2xx, and sent twice, late, in disorder or not at all on order.

Ten tries are documented (https://learn.microsoft.com/partner-center/developer/partner-center-webhooks); their spacing
and time limit are not, and are options here.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.partner_center.signing import Signer

NO_ANSWER = 0


@dataclass(frozen=True)
class Event:
    """One notification; the names are those on the wire, in snake case."""

    event_name: str
    resource_uri: str
    resource_name: str
    resource_change_utc_date: str
    audit_uri: str | None = None

    def body(self) -> bytes:
        """Compact JSON, in the order of Microsoft's sample."""
        document = {
            "EventName": self.event_name,
            "ResourceUri": self.resource_uri,
            "ResourceName": self.resource_name,
            "AuditUri": self.audit_uri,
            "ResourceChangeUtcDate": self.resource_change_utc_date,
        }
        return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Destination:
    """Where a callback goes, as the registration said when the event was raised."""

    callback_url: str
    certificate_url: str
    in_ms_signature: bool = False


@dataclass
class Delivery:
    """One event to one destination. ``statuses`` has one entry per try, ``NO_ANSWER`` where none came."""

    event: Event
    destination: Destination
    dropped: bool = False
    finished: bool = False
    statuses: list[int] = field(default_factory=list)
    tried_at: list[datetime] = field(default_factory=list)

    @property
    def attempts(self) -> int:
        return len(self.statuses)

    @property
    def delivered(self) -> bool:
        return bool(self.statuses) and 200 <= self.statuses[-1] < 300


@dataclass
class DeliveryOptions:
    """How callbacks are sent; may be changed at any time, and holds for events raised from then on.

    ``copies`` 2 sends every event twice. ``delay_s`` waits before the first try; ``shuffle`` waits a random part of
    ``delay_s`` (of 0.2 s where that is 0) instead, so that events overtake each other. ``drop`` is asked for every
    event, and ``drop_next`` counts down.
    """

    attempts: int = 10
    first_retry_s: float = 0.2
    retry_growth: float = 2.0
    longest_retry_s: float = 30.0
    timeout_s: float = 30.0
    copies: int = 1
    delay_s: float = 0.0
    shuffle: bool = False
    drop: Callable[[Event], bool] | None = None
    drop_next: int = 0


class Dispatcher:
    """Sends events while the application it was added to runs; what is raised before waits for it to start."""

    def __init__(self, signer: Signer, trusted_root: Path, options: DeliveryOptions) -> None:
        self.options = options
        self._signer = signer
        self._tls = ssl.create_default_context(cafile=str(trusted_root))
        self._random = random.Random(0)
        self._idle = threading.Condition()
        self._log: list[Delivery] = []
        self._waiting: list[Delivery] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def log(self) -> list[Delivery]:
        """Every delivery so far, in the order the events were raised."""
        with self._idle:
            return list(self._log)

    def forget_log(self) -> None:
        """Drops the finished deliveries from the log."""
        with self._idle:
            self._log = [delivery for delivery in self._log if not delivery.finished]

    def send(self, event: Event, destination: Destination) -> Delivery:
        """Takes the event over and returns at once; safe from any thread."""
        with self._idle:
            copies = [Delivery(event, destination) for _ in range(max(1, self.options.copies))]
            self._log.extend(copies)
            if self._is_dropped(event):
                for delivery in copies:
                    delivery.dropped = delivery.finished = True
                return copies[0]
            self._waiting.extend(copies)
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._start_waiting)
        return copies[0]

    def wait_idle(self, timeout_s: float = 10.0) -> None:
        """Returns when no delivery is under way; ``TimeoutError`` names those that still are."""
        deadline = time.monotonic() + timeout_s
        with self._idle:
            while pending := [delivery for delivery in self._log if not delivery.finished]:
                if not self._idle.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    named = ", ".join(f"{entry.event.event_name} {entry.statuses}" for entry in pending[:5])
                    raise TimeoutError(f"{len(pending)} callbacks under way after {timeout_s} s: {named}")

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """The ``cleanup_ctx`` of the application: deliveries live as long as it does."""
        # One connection per callback: a kept-alive one that the receiver has closed would look like a failed try.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        with self._idle:
            self._loop = asyncio.get_running_loop()
        self._start_waiting()
        yield
        with self._idle:
            self._loop = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    def _is_dropped(self, event: Event) -> bool:
        if self.options.drop_next > 0:
            self.options.drop_next -= 1
            return True
        return self.options.drop is not None and self.options.drop(event)

    def _start_waiting(self) -> None:
        with self._idle:
            started, self._waiting = self._waiting, []
        for delivery in started:
            task = asyncio.get_running_loop().create_task(self._deliver(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        options = self.options
        pause_s = self._random.uniform(0, options.delay_s or 0.2) if options.shuffle else options.delay_s
        retry_s = options.first_retry_s
        try:
            for _ in range(options.attempts):
                if pause_s:
                    await asyncio.sleep(pause_s)
                await self._try(delivery, options.timeout_s)
                if delivery.delivered:
                    return
                pause_s, retry_s = retry_s, min(retry_s * options.retry_growth, options.longest_retry_s)
        finally:
            with self._idle:
                delivery.finished = True
                self._idle.notify_all()

    async def _try(self, delivery: Delivery, timeout_s: float) -> None:
        assert self._session is not None
        body, destination = delivery.event.body(), delivery.destination
        signed = self._signer.headers(body, destination.certificate_url, in_ms_signature=destination.in_ms_signature)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate", **signed}
        limits: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(total=timeout_s), "allow_redirects": False}
        try:
            async with self._session.post(
                destination.callback_url, data=body, headers=headers, ssl=self._tls, **limits
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            status = NO_ANSWER
        with self._idle:
            delivery.statuses.append(status)
            delivery.tried_at.append(datetime.now(UTC))
