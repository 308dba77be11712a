"""The timer trigger, as TimerListener.cs of azure-webjobs-sdk-extensions (2026-11): one host fires, runs never overlap,
and the status in storage tells the next host what was missed."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.functions.meta import Datum
from azure.storage.blob.aio import BlobLeaseClient

from sandbox.local_host.bindings import Schedule
from sandbox.local_host.engine import FunctionDefinition
from sandbox.local_host.execution import Execution
from sandbox.local_host.storage import Storage
from sandbox.local_host.waiting import wait_for_any

log = logging.getLogger(__name__)

LEASE_S = 15
RENEW_EVERY_S = 5
TRY_AGAIN_EVERY_S = 2
NEVER = "0001-01-01T00:00:00"


@dataclass(frozen=True)
class TimerStatus:
    """When the timer fired last and fires next, ISO 8601; kept as JSON in the status blob."""

    last: str
    next: str
    last_updated: str

    def as_json(self) -> dict[str, str]:
        return {"Last": self.last, "Next": self.next, "LastUpdated": self.last_updated}


@dataclass(frozen=True)
class Firing:
    """When to fire, and whether that tick was missed while no host ran."""

    due: datetime
    is_past_due: bool = False


def first_firing(schedule: Schedule, status: TimerStatus | None, now: datetime, *, at_startup: bool = False) -> Firing:
    """However many ticks were missed, one firing now stands for all of them."""
    if status is not None and datetime.fromisoformat(status.next) <= now:
        return Firing(now, is_past_due=True)
    return Firing(now if at_startup else schedule.next_after(now))


class TimerListener:
    """Fires one function on its schedule until ``stopping`` is set, in whichever host holds the lease."""

    def __init__(
        self,
        function: FunctionDefinition,
        schedule: Schedule,
        *,
        host_id: str,
        storage: Storage,
        execution: Execution,
        stopping: asyncio.Event,
    ):
        self._function = function
        self._schedule = schedule
        self._execution = execution
        self._stopping = stopping
        self._container = storage.host_container()
        self._lock = self._container.get_blob_client(f"locks/{host_id}/Host.Functions.{function.name}.Listener")
        self._status = self._container.get_blob_client(f"timers/{host_id}/Host.Functions.{function.name}/status")
        wants_status = bool(function.trigger.get("useMonitor", True))
        self._is_monitored = wants_status and schedule.is_monitored(datetime.now(UTC))

    async def listen(self) -> None:
        """Returns after ``stopping``, when a run under way has ended and the lease is given back."""
        waits = False
        while not self._stopping.is_set():
            lease = await self._take_lease()
            if lease is None:
                if not waits:
                    log.info("timer '%s': another host holds the lease", self._function.name)
                waits = True
                await wait_for_any(TRY_AGAIN_EVERY_S, self._stopping)
                continue
            waits = False
            log.info("timer '%s': this host holds the lease", self._function.name)
            await self._fire_while_held(lease)

    async def _take_lease(self) -> BlobLeaseClient | None:
        lease = BlobLeaseClient(self._lock)
        try:
            try:
                await lease.acquire(lease_duration=LEASE_S)
            except ResourceNotFoundError:
                await self._create_lock()
                await lease.acquire(lease_duration=LEASE_S)
        except HttpResponseError as refused:
            if refused.status_code != 409:
                log.warning("timer '%s': no lease: %s", self._function.name, _first_line(refused))
            return None
        except AzureError as problem:
            log.warning("timer '%s': no lease: %s", self._function.name, _first_line(problem))
            return None
        return lease

    async def _create_lock(self) -> None:
        with suppress(ResourceExistsError):
            await self._container.create_container()
        with suppress(ResourceExistsError):
            await self._lock.upload_blob(b"", overwrite=False)

    async def _fire_while_held(self, lease: BlobLeaseClient) -> None:
        lost = asyncio.Event()
        keeping = asyncio.create_task(self._keep(lease, lost))
        try:
            await self._fire_until(lost)
        except AzureError as problem:
            log.warning("timer '%s': status cannot be read: %s", self._function.name, _first_line(problem))
            await wait_for_any(TRY_AGAIN_EVERY_S, self._stopping)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            try:
                await lease.release()
            except AzureError:
                log.debug("timer '%s': the lease was gone already", self._function.name)

    async def _keep(self, lease: BlobLeaseClient, lost: asyncio.Event) -> None:
        """Renews the lease; sets ``lost`` when it is someone else's or may be."""
        valid_until = time.monotonic() + LEASE_S
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            asked_at = time.monotonic()
            try:
                await lease.renew()
                valid_until = asked_at + LEASE_S
            except AzureError as problem:
                is_refused = isinstance(problem, HttpResponseError) and (problem.status_code or 500) < 500
                if is_refused or time.monotonic() + RENEW_EVERY_S > valid_until:
                    log.warning("timer '%s': lost the lease: %s", self._function.name, _first_line(problem))
                    lost.set()
                    return

    async def _fire_until(self, lost: asyncio.Event) -> None:
        status = await self._read_status() if self._is_monitored else None
        now = datetime.now(UTC)
        at_startup = bool(self._function.trigger.get("runOnStartup", False))
        firing = first_firing(self._schedule, status, now, at_startup=at_startup)
        if status is None:
            status = TimerStatus(NEVER, self._schedule.next_after(now).isoformat(), NEVER)
            if self._is_monitored:  # so that a tick missed before the first run is noticed as well
                await self._save_status(status)
        while not (self._stopping.is_set() or lost.is_set()):
            started = datetime.now(UTC)
            if started < firing.due:
                await wait_for_any((firing.due - started).total_seconds(), self._stopping, lost)
                continue
            shown = status.as_json() if self._is_monitored else None
            await self._execution.run(
                self._function, *timer_inputs(self._function, shown, is_past_due=firing.is_past_due)
            )
            firing = Firing(self._schedule.next_after(started))
            status = TimerStatus(started.isoformat(), firing.due.isoformat(), started.isoformat())
            if self._is_monitored:
                await self._save_status(status)

    async def _read_status(self) -> TimerStatus | None:
        try:
            download = await self._status.download_blob()
            content = json.loads(await download.readall())
            return TimerStatus(content["Last"], content["Next"], content["LastUpdated"])
        except (ResourceNotFoundError, ValueError, KeyError):
            return None

    async def _save_status(self, status: TimerStatus) -> None:
        try:
            await self._status.upload_blob(json.dumps(status.as_json()), overwrite=True)
        except AzureError as problem:
            log.warning("timer '%s': status not saved: %s", self._function.name, _first_line(problem))


def timer_inputs(
    function: FunctionDefinition, status: Mapping[str, str] | None = None, *, is_past_due: bool = False
) -> tuple[list[tuple[str, Datum]], dict[str, Datum]]:
    """What the worker is given for a tick."""
    request: dict[str, Any] = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": status,
        "IsPastDue": is_past_due,
    }
    content = Datum(json.dumps(request), "json")
    return [(function.trigger["name"], content)], {"TimerTrigger": content}


def _first_line(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}".splitlines()[0]
