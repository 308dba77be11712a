"""Puts work into its queue again because a person asked for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from shared.domain.errors import LockTaken, Rejected
from shared.domain.record import RecordKind
from shared.state.runs import Run, RunStatus
from shared.sync.failures import find_link
from shared.sync.polls import REFERRAL, Watch, queue_of
from shared.sync.sides import Sides

LONGEST_LOOK_BACK = timedelta(days=90)
MOST_RUNS = 5000


class Runs(Protocol):
    def get(self, run_id: str) -> Run | None: ...
    def recent(self, limit: int, days: int, status: RunStatus | None = None) -> list[Run]: ...


def resubmit(watch: Watch, sides: Sides, runs: Runs, body: bytes) -> list[dict[str, str]]:
    """What was queued, as kind and id. Raises ``Rejected`` for a request that names nothing that can be queued."""
    subjects = _subjects(watch, runs, _request(body))
    for kind, subject_id in subjects:
        _forget_failure(sides, kind, subject_id)
        watch.queue(queue_of(kind), kind, subject_id)
    return [{"kind": kind, "id": subject_id} for kind, subject_id in subjects]


def _request(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except ValueError:
        request = None
    names = {"run", REFERRAL, "failed_since", *(kind.value for kind in RecordKind)}
    if not isinstance(request, dict) or len(request) != 1 or not set(request) <= names:
        raise Rejected(
            "The body must be a JSON object with exactly one of: " + ", ".join(sorted(names)),
            code="bad_request",
            remedy='For example {"referral": "<id>"}, or {"failed_since": "2026-03-01T00:00:00Z"}.',
        )
    if not all(isinstance(value, str) and value for value in request.values()):
        raise Rejected("The value must be text", code="bad_request")
    return request


def _subjects(watch: Watch, runs: Runs, request: dict[str, Any]) -> list[tuple[str, str]]:
    ((name, value),) = request.items()
    if name == "run":
        run = runs.get(value)
        if run is None or run.kind == "timer":
            raise Rejected(f"There is no run {value[:60]!r} that can be submitted again", code="unknown_run")
        return [(run.kind, run.subject_id)]
    if name == "failed_since":
        return _failed_since(watch, runs, value)
    return [(name, value)]


def _failed_since(watch: Watch, runs: Runs, since: str) -> list[tuple[str, str]]:
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise Rejected("failed_since must be a time like 2026-03-01T00:00:00Z", code="bad_request") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    age = min(watch.clock() - moment, LONGEST_LOOK_BACK)
    failed = runs.recent(MOST_RUNS, age.days + 2, RunStatus.FAILED)
    found = {(run.kind, run.subject_id): None for run in failed if run.started >= moment and run.kind != "timer"}
    return list(found)


def _forget_failure(sides: Sides, kind: str, subject_id: str) -> None:
    """A person says that the cause is gone: the deal is looked at again even if neither side changed since."""
    link = find_link(sides, kind, subject_id)
    if link is None or link.failure is None:
        return
    if link.failure.code == "brake":
        sides.brake.release()
    try:
        with sides.links.lock(link.id) as locked:
            locked.save(replace(locked.link, failure=None), release=True)
    except LockTaken:
        return  # somebody is at it right now, which is what was asked for
