"""Runs probes at once. What one of them does, or fails to do, changes nothing about the others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue

from shared.call_count import CallCount, counting_calls
from shared.domain.errors import ConnectorError
from shared.domain.finding import Condition, Finding
from shared.health.report import Check
from shared.traces import trace

DEADLINE_S = 10.0
_REMEDIES = {
    "Storage": "Check AzureWebJobsStorage, and that the storage account lets the app in (firewall, private endpoint).",
    "Partner Center": "See https://learn.microsoft.com/partner-center/referrals/connectors-troubleshoot.",
}
_OTHER_REMEDY = "If it stays so, look at the service's status and the app's log."
_log = logging.getLogger(__name__)

Look = Callable[[], Sequence[Finding]]
Count = Callable[[CallCount], None]


def run_probes(probes: Mapping[str, Look], deadline_s: float = DEADLINE_S, count: Count | None = None) -> list[Check]:
    """The checks of all probes, in the order of ``probes``, after ``deadline_s`` at the latest.

    A probe that raises, and one that has not answered by then, is a failed check of the probe's name. ``count`` is told
    of the calls of each probe, after its answer is in.
    """
    answers: SimpleQueue[tuple[str, list[Check]]] = SimpleQueue()
    for name, look in probes.items():
        # Not a thread pool: that would wait for a hanging probe when the process ends.
        arguments = (name, look, answers, count)
        threading.Thread(target=_answer, args=arguments, name=f"health: {name}", daemon=True).start()
    found: dict[str, list[Check]] = {}
    ends_at = time.monotonic() + deadline_s
    while len(found) < len(probes):
        try:
            name, checks = answers.get(timeout=max(0.0, ends_at - time.monotonic()))
        except Empty:
            break
        found[name] = checks
    return [check for name in probes for check in found.get(name) or [_late(name, deadline_s)]]


def _answer(name: str, look: Look, answers: SimpleQueue[tuple[str, list[Check]]], count: Count | None) -> None:
    began_s = time.monotonic()
    with counting_calls() as calls:
        findings = _look(name, look)
    took_ms = round((time.monotonic() - began_s) * 1000)
    answers.put((name, [Check.of(finding, took_ms) for finding in findings]))
    if count:
        count(calls)


def _look(name: str, look: Look) -> Sequence[Finding]:
    try:
        return look()
    except ConnectorError as error:
        return (failure(name, error),)
    except Exception as problem:
        # The text of a stranger's exception may hold anything, so only its type is told on.
        _log.error("The health check %s broke: %s", name, trace(problem))
        what = f"The check itself broke ({type(problem).__name__})."
        return (Finding(name, Condition.FAILED, what, "Look at the app's log, and report it."),)


def failure(name: str, error: ConnectorError) -> Finding:
    """The error as a finding, with the id under which its service knows it."""
    request = f" [{error.service} request {error.request_id}]" if error.request_id else ""
    what = f"{error.message.rstrip('.')}{request}."
    return Finding(name, Condition.FAILED, what, error.remedy or _REMEDIES.get(error.service, _OTHER_REMEDY))


def _late(name: str, deadline_s: float) -> Check:
    return Check(
        name,
        Condition.FAILED,
        f"No answer within {deadline_s:g} s.",
        "Check the network between the app and the service (firewall, private endpoints), and the service's status.",
        round(deadline_s * 1000),
    )
