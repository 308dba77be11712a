"""Reads what the run history shows: the latest runs and counts, one deal, or one run and all its event set off."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote

from shared.domain.errors import NotFound, Rejected
from shared.domain.link import Link
from shared.domain.record import RecordKind
from shared.domain.referral import LINK_TEMPLATE, MICROSOFT
from shared.state.audit import AuditLine, AuditLog
from shared.state.clock import Clock, utc_now
from shared.state.links import LinkStore
from shared.state.queues import QueueSender
from shared.state.runs import Run, RunHistory, RunStatus

DEFAULT_DAYS, MOST_DAYS = 7, 30
DEFAULT_LIMIT, MOST_LIMIT = 200, 1000
MOST_RUNS_READ = 5_000
"""Newest runs that are counted and searched; the answer says so where there are more."""
MOST_AUDIT_LINES = 100

REFERRAL = "referral"
TIMER = "timer"
"""``kind`` of a run that worked off a schedule and no message: its next tick is its next try."""

FLOW_NAMES: Mapping[str, str] = {
    "partner_center_to_crm": "Partner Center to CRM",
    "partner_center_to_crm_helper": "Partner Center to CRM - Helper",
    "microsoft_referral_updates_to_crm": "Microsoft Co-sell Referral Updates to CRM",
    "crm_to_partner_center": "CRM to Partner Center",
    "crm_opportunity_to_partner_center": "CRM Opportunity to Partner Center",
    "crm_lead_to_partner_center": "CRM Leads to Partner Center",
    "microsoft_solutions_to_partner_center": "CRM Microsoft Solutions to Partner Center",
    "auto_heal": "Auto-heal",
    "failed_syncs": "Failed syncs",
    "failed_related_syncs": "Failed syncs",
    "failed_crm_syncs": "Failed syncs",
    "failed_lead_syncs": "Failed syncs",
}
"""Function to the name its flow had in Power Automate."""
FROM_PARTNER_CENTER = ("partner_center_to_crm_helper", "microsoft_referral_updates_to_crm")
FROM_CRM = ("crm_opportunity_to_partner_center", "crm_lead_to_partner_center")

_DEAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}", re.ASCII)
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def flow_name(function: str) -> str:
    return FLOW_NAMES.get(function, function)


def resubmission(run: Run) -> dict[str, str] | None:
    """The body for ``resubmit`` that does the run's work again; ``None`` where there is nothing to ask for."""
    return {"run": run.id} if run.status is RunStatus.FAILED and run.kind != TIMER else None


def sync_now(link: Link) -> dict[str, str] | None:
    """The body for ``resubmit`` that brings the deal up to date whether or not a run of it failed."""
    if link.referral_id:
        return {REFERRAL: link.referral_id}
    return {link.kind.value: link.record_id} if link.record_id else None


def referral_address(link: Link) -> str | None:
    """Where a person opens the deal in Partner Center."""
    return LINK_TEMPLATE.format(id=quote(link.referral_id, safe="")) if link.referral_id else None


@dataclass(frozen=True)
class Filters:
    """What was asked for. ``code`` is the function key, if the address that was opened has it."""

    status: RunStatus | None = None
    days: int = DEFAULT_DAYS
    limit: int = DEFAULT_LIMIT
    deal: str = ""
    run: str = ""
    code: str = field(default="", repr=False)


@dataclass(frozen=True)
class Overview:
    """``counts`` has every status; ``queues`` every queue and its poison queue, with how many messages wait, about."""

    counts: Mapping[RunStatus, int]
    queues: Mapping[str, int]
    last_from_partner_center: Run | None
    last_from_crm: Run | None


@dataclass(frozen=True)
class Deal:
    """``link`` is ``None`` for a deal that never got as far; ``lines`` are its audit, newest first. ``record_url`` is
    where a person opens the CRM record, empty while there is none."""

    id: str
    link: Link | None
    lines: tuple[AuditLine, ...]
    record_url: str = ""


@dataclass(frozen=True)
class History:
    """``runs`` are newest first. With ``deal`` they are that deal's; with ``run`` too, they and the deal's audit are
    what one event set off. Without, there is an ``overview``.

    ``is_cut`` tells that there are, or may be, more runs than are shown; ``is_sampled`` that only the newest were
    counted and searched.
    """

    read_at: datetime
    filters: Filters
    runs: tuple[Run, ...]
    is_cut: bool = False
    is_sampled: bool = False
    overview: Overview | None = None
    deal: Deal | None = None
    run: Run | None = None


def read_history(
    runs: RunHistory,
    audit: AuditLog,
    links: LinkStore,
    sender: QueueSender,
    params: Mapping[str, str],
    *,
    link_to: Callable[[RecordKind, str], str],
    clock: Clock = utc_now,
    most_runs: int = MOST_RUNS_READ,
) -> History:
    """``link_to`` gives the address of a CRM record.

    Raises ``Rejected`` for a bad parameter, ``NotFound`` for a run there is not, ``RetryLater`` without storage.
    """
    filters = read_filters(params)
    recent = runs.recent(most_runs + 1, filters.days)
    is_sampled, recent = len(recent) > most_runs, recent[:most_runs]
    run, deal, missed_some = None, None, is_sampled
    if filters.run:
        run = _run(runs, filters.run)
        deal = _of_event(_deal(audit, links, run.kind, run.subject_id), run.correlation_id)
        found = [each for each in recent if each.id == run.id or _is_of_event(each, run.correlation_id)] or [run]
    elif filters.deal:
        deal = _deal(audit, links, "", filters.deal)
        found = _runs_of(deal, recent)
    elif filters.status is not None and is_sampled:  # what is asked for may be older than the sample
        found, missed_some = runs.recent(filters.limit + 1, filters.days, filters.status), False
    else:
        found = recent
    if deal is not None and deal.link is not None and deal.link.record_id:
        deal = replace(deal, record_url=link_to(deal.link.kind, deal.link.record_id))
    if filters.status is not None:
        found = [each for each in found if each.status is filters.status]
    return History(
        read_at=clock(),
        filters=filters,
        runs=tuple(found[: filters.limit]),
        is_cut=missed_some or len(found) > filters.limit,
        is_sampled=is_sampled,
        overview=_overview(recent, sender) if deal is None else None,
        deal=deal,
        run=run,
    )


def read_filters(params: Mapping[str, str]) -> Filters:
    """Empty parameters count as absent, unknown ones are passed over. Raises ``Rejected`` for what makes no sense."""
    given = {name: value.strip() for name, value in params.items()}
    status = given.get("status", "").lower()
    if status and status not in set(RunStatus):
        raise _bad("status", given["status"], "one of " + ", ".join(RunStatus))
    deal = given.get("deal", "").strip("{}")  # as addresses of Dynamics 365 have ids
    if deal and not _DEAL_ID.fullmatch(deal):
        raise _bad("deal", deal, "the id of a referral, or of an opportunity or lead in the CRM")
    run = given.get("run", "")
    if deal and run:
        raise Rejected("Ask for a deal or for a run, not for both", field="run", code="bad_request")
    return Filters(
        status=RunStatus(status) if status else None,
        days=_whole_number(given, "days", DEFAULT_DAYS, MOST_DAYS),
        limit=_whole_number(given, "limit", DEFAULT_LIMIT, MOST_LIMIT),
        deal=deal,
        run=run,
        code=params.get("code", ""),
    )


def _whole_number(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not 1 <= int(text) <= most:
        raise _bad(name, text, f"a whole number from 1 to {most}")
    return int(text)


def _bad(name: str, value: str, wanted: str) -> Rejected:
    return Rejected(f"{name} is {value[:60]!r}, and must be {wanted}", field=name, code="bad_request")


def _run(runs: RunHistory, run_id: str) -> Run:
    run = runs.get(run_id)
    if run is None:
        raise NotFound(
            f"There is no run {run_id[:60]!r}",
            code="unknown_run",
            remedy="Open the run history without run= to find it.",
        )
    return run


def _deal(audit: AuditLog, links: LinkStore, kind: str, deal_id: str) -> Deal:
    """``kind`` is that of a message, or empty where it is not known what ``deal_id`` is the id of."""
    ids = dict.fromkeys((deal_id, _comparable(deal_id)))
    link = next(filter(None, (_find(links, each) for each in ids)), None) if kind != TIMER else None
    kinds = (kind,) if kind else (REFERRAL, *RecordKind)
    # What happened before there was a link is kept under the message's own id.
    partitions = [f"{each_kind}-{each}" for each_kind in kinds for each in ids]
    if link is not None:
        partitions += [link.id, *(f"{REFERRAL}-{each}" for each in _referral_ids(link))]
        partitions += [f"{link.kind.value}-{link.record_id}"] if link.record_id else []
    lines = [line for partition in dict.fromkeys(partitions) for line in audit.of_link(partition, MOST_AUDIT_LINES)]
    lines.sort(key=lambda line: line.at, reverse=True)
    return Deal(deal_id, link, tuple(lines[:MOST_AUDIT_LINES]))


def _find(links: LinkStore, deal_id: str) -> Link | None:
    found = links.find_by_referral(deal_id)
    for kind in RecordKind:
        found = found or links.find_by_record(kind, deal_id)
    return found


def _referral_ids(link: Link) -> list[str]:
    return [each for each in (link.referral_id, link.microsoft_referral_id) if each and each != MICROSOFT]


def _comparable(deal_id: str) -> str:
    """GUIDs mean the same in any case; ids of Salesforce differ by it alone."""
    return deal_id.lower() if _GUID.fullmatch(deal_id) else deal_id


def _runs_of(deal: Deal, recent: Iterable[Run]) -> list[Run]:
    """By id; and by correlation id, because events of Microsoft's side need not name an id that the link has."""
    ids = {deal.id}
    if deal.link is not None:
        ids.update(_referral_ids(deal.link), filter(None, [deal.link.record_id]))
    ids = {_comparable(each) for each in ids}
    events = {line.correlation_id for line in deal.lines} - {""}
    return [
        run
        for run in recent
        if (run.kind != TIMER and _comparable(run.subject_id) in ids) or run.correlation_id in events
    ]


def _is_of_event(entry: Run | AuditLine, correlation_id: str) -> bool:
    return bool(correlation_id) and entry.correlation_id == correlation_id


def _of_event(deal: Deal, correlation_id: str) -> Deal:
    return replace(deal, lines=tuple(line for line in deal.lines if _is_of_event(line, correlation_id)))


def _overview(recent: list[Run], sender: QueueSender) -> Overview:
    counted = Counter(run.status for run in recent)
    return Overview(
        counts={status: counted[status] for status in RunStatus},
        queues=sender.lengths(),
        last_from_partner_center=_last_succeeded(recent, FROM_PARTNER_CENTER),
        last_from_crm=_last_succeeded(recent, FROM_CRM),
    )


def _last_succeeded(recent: Iterable[Run], functions: tuple[str, ...]) -> Run | None:
    return next((run for run in recent if run.status is RunStatus.SUCCEEDED and run.function in functions), None)
