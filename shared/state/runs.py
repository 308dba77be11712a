"""The run history: what each invocation did and how it ended, in table ``runs``, one partition per UTC day."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from shared.state.clock import Clock, utc_now
from shared.state.entities import Entity, cut, newest_first_key, time_of_key
from shared.state.tables import Row, Tables

ROW_VERSION = 1
MESSAGE_LIMIT_CHARS = 4_000


class RunStatus(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRYING = "retrying"
    WAITING = "waiting"
    IGNORED = "ignored"


@dataclass(frozen=True)
class Run:
    """One invocation. ``kind`` and ``subject_id`` are those of the message, so that it can be submitted again.

    No name of a deal or person is kept.
    """

    id: str
    function: str
    kind: str
    subject_id: str
    status: RunStatus
    message: str
    correlation_id: str
    started: datetime
    duration_ms: int


def new_run_id(started: datetime) -> str:
    """Ids sort newest first and say on which day the run is kept. ``started`` has a time zone."""
    return newest_first_key(started, uuid.uuid4().hex[:8])


class RunHistory:
    def __init__(self, tables: Tables, *, clock: Clock = utc_now):
        self._rows = tables.table("runs")
        self._clock = clock

    def record(self, run: Run) -> None:
        """Stored under ``run.id``, from :func:`new_run_id`; a second run with that id takes its place."""
        self._rows.put(_day(run.started), run.id, _properties(run))

    def recent(self, limit: int, days: int, status: RunStatus | None = None) -> list[Run]:
        """At most ``limit`` runs of today and the ``days`` - 1 days before it, newest first."""
        where, values = ("status eq @status", {"status": status.value}) if status is not None else ("", {})
        found: list[Run] = []
        for age in range(days):
            day = _day(self._clock() - timedelta(days=age))
            found += (_run(row) for row in self._rows.partition(day, where, limit - len(found), **values))
            if len(found) >= limit:
                break
        return found

    def get(self, run_id: str) -> Run | None:
        """``None`` also for text that is no run id: it comes from an address that anyone may type."""
        started = time_of_key(run_id)
        row = None if started is None else self._rows.get(_day(started), run_id)
        return None if row is None else _run(row)


def _day(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()


def _properties(run: Run) -> Entity:
    return {
        "version": ROW_VERSION,
        "function": run.function,
        "kind": run.kind,
        "subject_id": run.subject_id,
        "status": run.status.value,
        "message": cut(run.message, MESSAGE_LIMIT_CHARS),
        "correlation_id": run.correlation_id,
        "started": run.started,
        "duration_ms": run.duration_ms,
    }


def _run(row: Row) -> Run:
    properties = row.properties
    return Run(
        id=row.key,
        function=properties["function"],
        kind=properties["kind"],
        subject_id=properties["subject_id"],
        status=RunStatus(properties["status"]),
        message=properties["message"],
        correlation_id=properties["correlation_id"],
        started=properties["started"],
        duration_ms=properties["duration_ms"],
    )
