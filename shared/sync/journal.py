"""Tells of outcomes: one log line, one row of the run history, and one audit row unless nothing happened."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from shared.call_count import CallCount
from shared.crm.port import ApiUsage
from shared.domain.errors import ConnectorError, LockTaken, RetryLater
from shared.domain.link import Link
from shared.domain.merge import Conflict
from shared.state.audit import AuditLine
from shared.state.envelope import Envelope
from shared.state.runs import Run, RunStatus, new_run_id
from shared.sync.outcome import Outcome, Result
from shared.telemetry import Event, tell

TIMER = "timer"
"""The kind of an envelope that was never in a queue: a timer's look for something to do."""
_log = logging.getLogger(__name__)

_STATUSES = {Result.WAITING: RunStatus.WAITING, Result.IGNORED: RunStatus.IGNORED}


class AuditStore(Protocol):
    def append(self, line: AuditLine) -> None: ...


class RunStore(Protocol):
    def record(self, run: Run) -> None: ...


class MeteredCrm(Protocol):
    @property
    def name(self) -> str: ...
    def usage(self) -> ApiUsage | None: ...


@dataclass(frozen=True)
class Work:
    """One invocation: the function, the message it worked off, when it began and what it cost.

    ``tight`` names the services whose call budget for today is nearly spent, where that was asked.
    """

    function: str
    envelope: Envelope
    started: datetime
    duration_ms: int
    calls: CallCount
    tight: tuple[str, ...] = ()


@dataclass(frozen=True)
class Journal:
    """``crm`` is asked, without a call, how much of what it allows has been used."""

    audit: AuditStore
    runs: RunStore
    crm: MeteredCrm | None = None

    def write(self, work: Work, outcome: Outcome | ConnectorError, link: Link | None) -> None:
        """Stored and logged. A store that is away costs the row, never the work: that is done already."""
        usage = self._usage(work)
        _tell(work, outcome, link, usage)
        try:
            self.runs.record(_run(work, outcome))
            if _is_worth_an_audit_row(outcome):
                spent = {"used": usage.used, "most": usage.most} if usage else {}
                self.audit.append(replace(_audit_line(work, outcome, link), crm_usage=spent))
        except ConnectorError as error:
            _log.error("The outcome of %s %s was not stored: %s", work.envelope.kind, work.envelope.id, error)

    def tell_idle(self, work: Work) -> None:
        """A look that found nothing leaves a line in the log, so that a timer at rest differs from a dead one."""
        _tell(work, Outcome(Result.UNCHANGED, "Nothing new."), None, self._usage(work))

    def _usage(self, work: Work) -> ApiUsage | None:
        """Of work that called the CRM: what it told before says nothing of now."""
        return self.crm.usage() if self.crm and self.crm.name in work.calls.by_service() else None


def _tell(work: Work, outcome: Outcome | ConnectorError, link: Link | None, usage: ApiUsage | None) -> None:
    """The line of one outcome: what became of the deal, and nothing of what is in it."""
    envelope, done, error = work.envelope, _done(outcome), _error(outcome)
    status = _status(outcome)
    tell(
        _log,
        logging.INFO if _is_everyday(outcome, status) else logging.WARNING,
        Event.POLL if envelope.kind == TIMER else Event.SYNC,
        f"{envelope.kind} {envelope.id}: {_sentence(outcome)}",
        function=work.function,
        outcome=status.value,
        code=error.code if error else done.result.value if done else "",
        reason=envelope.reason.code if envelope.reason else "",
        subject_kind=envelope.kind,
        subject_id=envelope.id,
        link=link.id if link else "",
        direction=_direction(done),
        attempt=envelope.attempt,
        age_s=round((work.started - envelope.first_seen).total_seconds(), 1),
        duration_ms=work.duration_ms,
        calls=[{"service": service, "calls": calls} for service, calls in work.calls.by_service().items()],
        service=error.service if error else "",
        request_id=error.request_id if error else "",
        crm_used_percent=usage.percent if usage else None,
        tight=", ".join(work.tight),
        correlation_id=envelope.correlation_id,
    )


def tell_dropped(function: str, queue: str, error: ConnectorError, reason: str = "") -> None:
    """A message that names no deal leaves a line, and nothing else. ``reason`` marks one of a poison queue."""
    what = f"A message of queue {queue} was dropped: {error}"
    failed = RunStatus.FAILED.value
    tell(_log, logging.ERROR, Event.SYNC, what, function=function, outcome=failed, code=error.code, reason=reason)


def _done(outcome: Outcome | ConnectorError) -> Outcome | None:
    return outcome if isinstance(outcome, Outcome) else None


def _error(outcome: Outcome | ConnectorError) -> ConnectorError | None:
    return outcome if isinstance(outcome, ConnectorError) else None


def _message(outcome: Outcome | ConnectorError) -> str:
    return outcome.message if isinstance(outcome, Outcome) else str(outcome)


def _sentence(outcome: Outcome | ConnectorError) -> str:
    """As the message, but for a conflict, whose message quotes both values."""
    if isinstance(outcome, Outcome) and outcome.conflicts:
        fields = ", ".join(conflict.field for conflict in outcome.conflicts)
        return f"{outcome.result.value}; changed on both sides: {fields}. The audit has both values."
    return _message(outcome)


def _status(outcome: Outcome | ConnectorError) -> RunStatus:
    if isinstance(outcome, RetryLater):
        return RunStatus.RETRYING
    if isinstance(outcome, ConnectorError):
        return RunStatus.FAILED
    return _STATUSES.get(outcome.result, RunStatus.SUCCEEDED)


def _is_everyday(outcome: Outcome | ConnectorError, status: RunStatus) -> bool:
    """Nothing that an operator should be warned of: a lock that is taken is free a few seconds later."""
    return status in (RunStatus.SUCCEEDED, RunStatus.IGNORED) or isinstance(outcome, LockTaken)


def _is_worth_an_audit_row(outcome: Outcome | ConnectorError) -> bool:
    if isinstance(outcome, Outcome):
        return outcome.result is not Result.UNCHANGED
    return not isinstance(outcome, LockTaken)


def _run(work: Work, outcome: Outcome | ConnectorError) -> Run:
    return Run(
        id=new_run_id(work.started),
        function=work.function,
        kind=work.envelope.kind,
        subject_id=work.envelope.id,
        status=_status(outcome),
        message=_message(outcome),
        correlation_id=work.envelope.correlation_id,
        started=work.started,
        duration_ms=work.duration_ms,
    )


def _audit_line(work: Work, outcome: Outcome | ConnectorError, link: Link | None) -> AuditLine:
    done, error = _done(outcome), _error(outcome)
    return AuditLine(
        at=work.started,
        link_id=link.id if link else f"{work.envelope.kind}-{work.envelope.id}",
        outcome=done.result.value if done else "retry" if isinstance(error, RetryLater) else "failed",
        message=_message(outcome),
        referral_id=link.referral_id if link else None,
        record_id=link.record_id if link else None,
        kind=work.envelope.kind,
        trigger=work.function,
        direction=_direction(done),
        fields_changed=(*done.sent, *done.received) if done else (),
        conflicts=tuple(_conflict(conflict) for conflict in done.conflicts) if done else (),
        error_code=error.code if error else "",
        request_id=error.request_id if error else "",
        correlation_id=work.envelope.correlation_id,
        calls=work.calls.by_service(),
        duration_ms=work.duration_ms,
    )


def _direction(done: Outcome | None) -> str:
    if done is None or not (done.sent or done.received):
        return ""
    return "both" if done.sent and done.received else "to_partner_center" if done.sent else "to_crm"


def _shown(conflict: Conflict, value: Any) -> str:
    return "" if conflict.is_personal or value is None else str(value)


def _conflict(conflict: Conflict) -> Mapping[str, Any]:
    return {
        "field": conflict.field,
        "partner_center": _shown(conflict, conflict.partner_center),
        "crm": _shown(conflict, conflict.crm),
        "winner": conflict.winner.value if conflict.winner else "a person decides",
    }
