"""The run history as JSON, for programs. Names stay; new ones may come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.domain.link import Link
from shared.history.reading import Deal, History, Overview, flow_name, referral_address, resubmission
from shared.state.audit import AuditLine
from shared.state.runs import Run

VERSION = 1

Document = dict[str, Any]


def history_document(history: History) -> Document:
    """Plain values only. Times are ISO 8601 in UTC; neither the function key nor a link's base is in it."""
    filters = history.filters
    document: Document = {
        "version": VERSION,
        "read_at": _time(history.read_at),
        "filters": {
            "status": filters.status.value if filters.status else None,
            "days": filters.days,
            "limit": filters.limit,
            "deal": filters.deal or None,
            "run": filters.run or None,
        },
    }
    if history.overview is not None:
        document["overview"] = _overview(history.overview, history.is_sampled)
    if history.deal is not None:
        document["deal"] = _deal(history.deal)
    return {
        **document,
        "runs": [_run(run) for run in history.runs],
        "more_runs": history.is_cut,
    }


def _overview(overview: Overview, is_sampled: bool) -> Document:
    last = {"partner_center": overview.last_from_partner_center, "crm": overview.last_from_crm}
    return {
        "counts": {status.value: count for status, count in overview.counts.items()},
        "counts_are_complete": not is_sampled,
        "queues": dict(overview.queues),
        "last_succeeded_from": {side: _run(run) if run else None for side, run in last.items()},
    }


def _run(run: Run) -> Document:
    return {
        "id": run.id,
        "started": _time(run.started),
        "function": run.function,
        "flow": flow_name(run.function),
        "kind": run.kind,
        "subject_id": run.subject_id,
        "status": run.status.value,
        "message": run.message,
        "duration_ms": run.duration_ms,
        "correlation_id": run.correlation_id,
        "resubmit": resubmission(run),
    }


def _deal(deal: Deal) -> Document:
    return {
        "id": deal.id,
        "link": _link(deal.link, deal.record_url) if deal.link else None,
        "audit": [_line(line) for line in deal.lines],
    }


def _link(link: Link, record_url: str) -> Document:
    return {
        "id": link.id,
        "kind": link.kind.value,
        "referral_id": link.referral_id,
        "referral_url": referral_address(link),
        "microsoft_referral_id": link.microsoft_referral_id,
        "engagement_id": link.engagement_id,
        "record_id": link.record_id,
        "record_url": record_url or None,
        "status": link.status.value,
        "status_reason": link.status_reason,
        "updated_at": _time(link.updated_at) if link.updated_at else None,
        "unfinished": link.intent.action if link.intent else None,
    }


def _line(line: AuditLine) -> Document:
    return {
        "at": _time(line.at),
        "outcome": line.outcome,
        "message": line.message,
        "trigger": line.trigger,
        "flow": flow_name(line.trigger),
        "direction": line.direction,
        "fields_changed": list(line.fields_changed),
        "conflicts": [dict(conflict) for conflict in line.conflicts],
        "calls": dict(line.calls),
        "crm_usage": dict(line.crm_usage),
        "error_code": line.error_code,
        "request_id": line.request_id,
        "correlation_id": line.correlation_id,
        "duration_ms": line.duration_ms,
    }


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
