"""What storage tells: how long ago the timers got through, how much waits, when deals last synced. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from shared.domain.finding import Condition, Finding
from shared.domain.link import LinkStatus
from shared.history.parts import age, counted
from shared.state.call_budget import TIGHT_FROM
from shared.state.queues import POISON_SUFFIX
from shared.state.runs import Run, RunStatus

TABLES = "Storage tables"
QUEUES = "Storage queues"
BACKLOG = "Backlog"
POISON = "Failed messages"
RUNS = "Run history"
LINKS = "Deals"
CALLS = "Calls today"

CURSOR_WARN_AGE = timedelta(hours=1)
CURSOR_FAILED_AGE = timedelta(days=1)
"""Timers run every five minutes at most, unless somebody set another schedule."""
BACKLOG_LIMIT = 1000
_OPEN_HISTORY = "Open /api/run-history to see why, mend the cause and resubmit (docs/operations.md)."


def cursor_finding(name: str, stored_at: datetime | None, now: datetime) -> Finding:
    """``stored_at`` is when the timer last got through."""
    remedy = (
        "Check that the timer functions are not disabled and that the app is running; the run history says what "
        "stopped them."
    )
    if stored_at is None:
        return Finding(name, Condition.WARNING, "Never yet: the app has not run, or its first look has failed.", remedy)
    what = f"{age(stored_at, now).capitalize()}."
    if now - stored_at >= CURSOR_FAILED_AGE:
        return Finding(name, Condition.FAILED, what, remedy)
    if now - stored_at >= CURSOR_WARN_AGE:
        return Finding(name, Condition.WARNING, what, remedy)
    return Finding(name, Condition.OK, what)


def queue_findings(lengths: Mapping[str, int]) -> tuple[Finding, Finding]:
    """``lengths`` by queue, poison queues included."""
    waiting = {name: length for name, length in lengths.items() if not name.endswith(POISON_SUFFIX) and length}
    poison = {name: length for name, length in lengths.items() if name.endswith(POISON_SUFFIX) and length}
    shown = _list(waiting) or "Nothing waits"
    if any(length > BACKLOG_LIMIT for length in waiting.values()):
        remedy = (
            "After a backfill this is normal and shrinks by itself. If it grows, look for a failing side above, or "
            "let the app scale out."
        )
        backlog = Finding(BACKLOG, Condition.WARNING, f"{shown}.", remedy)
    else:
        backlog = Finding(BACKLOG, Condition.OK, f"{shown}.")
    if poison:
        return backlog, Finding(POISON, Condition.WARNING, f"{_list(poison)}.", _OPEN_HISTORY)
    return backlog, Finding(POISON, Condition.OK, "None.")


def direction_finding(name: str, runs: Sequence[Run], functions: Sequence[str], days: int, now: datetime) -> Finding:
    """The last success of one direction, and what has failed since. ``runs`` are newest first, of ``days`` days."""
    own = [run for run in runs if run.function in functions]
    index = next((index for index, run in enumerate(own) if run.status is RunStatus.SUCCEEDED), None)
    last = f"Last successful {age(own[index].started, now)}" if index is not None else f"None in {counted(days, 'day')}"
    since = own if index is None else own[:index]
    failed = sum(1 for run in since if run.status is RunStatus.FAILED)
    retrying = sum(1 for run in since if run.status is RunStatus.RETRYING)
    parts = [f"{failed:,} failed"] * bool(failed) + [f"{retrying:,} put off"] * bool(retrying)
    if not parts:
        return Finding(name, Condition.OK, f"{last}.")
    return Finding(name, Condition.WARNING, f"{last}; since then {' and '.join(parts)}.", _OPEN_HISTORY)


def links_finding(counts: Mapping[LinkStatus, int], is_whole: bool) -> Finding:
    """``counts`` of links by status; not ``is_whole`` where there was no time to count all."""
    waiting, failed = counts.get(LinkStatus.WAITING, 0), counts.get(LinkStatus.FAILED, 0)
    more = "" if is_whole else "at least "
    what = f"{more}{counted(sum(counts.values()), 'deal')} linked; {waiting:,} wait for a person, {failed:,} failed."
    what = what[:1].upper() + what[1:]
    if failed:
        return Finding(LINKS, Condition.WARNING, what, _OPEN_HISTORY)
    return Finding(LINKS, Condition.OK, what)


def calls_finding(spent: Mapping[str, int], limits: Mapping[str, int]) -> Finding:
    """Calls of this UTC day by service, against the budgets that the settings name."""
    names = dict.fromkeys((*limits, *spent))
    parts = [
        f"{name} {spent.get(name, 0):,} of {limits[name]:,}" if name in limits else f"{name} {spent[name]:,}"
        for name in names
    ]
    what = f"{'; '.join(parts) or 'None'}."
    tight = [name for name, limit in limits.items() if spent.get(name, 0) >= TIGHT_FROM * limit]
    if tight:
        remedy = (
            "Webhooks and sellers' changes go on, the rest waits for tomorrow (UTC). Raise the daily call budget where "
            "the contract allows it."
        )
        return Finding(CALLS, Condition.WARNING, f"{what} Nearly spent: {', '.join(tight)}.", remedy)
    return Finding(CALLS, Condition.OK, what)


def _list(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {length:,}" for name, length in lengths.items())
