"""One deal: its link, and every audit line of it, or those of one run's event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.history.markup import Html, joined, tag
from shared.history.parts import (
    badge,
    clock_time,
    colour,
    counted,
    deal_link,
    definitions,
    duration,
    flow,
    long_text,
    resubmit_command,
    unfolding,
)
from shared.history.reading import (
    MOST_AUDIT_LINES,
    TIMER,
    Deal,
    Filters,
    History,
    referral_address,
    resubmission,
    sync_now,
)
from shared.state.audit import AuditLine
from shared.state.runs import Run

_DIRECTIONS = {
    "both": "both ways",
    "to_crm": "Partner Center to CRM",
    "to_partner_center": "CRM to Partner Center",
}
_SIDES = {"partner_center": "Partner Center", "crm": "CRM"}
_INTENTS = {
    "create_record": "creating the CRM record",
    "create_referral": "creating the referral",
    "invite_microsoft": "inviting Microsoft",
}


def deal_sections(history: History, deal: Deal, app_address: str) -> list[Html]:
    sections = [_run(history.run, history.filters, app_address)] if history.run else []
    if history.run is None or history.run.kind != TIMER:
        sections.append(_link(deal, app_address))
    sections.append(_audit(deal, of_event=history.run is not None))
    return sections


def _run(run: Run, filters: Filters, app_address: str) -> Html:
    body = resubmission(run)
    return tag(
        "section",
        tag("h2", "Outcome ", badge(run.status.value)),
        tag("p", run.message, class_="text lead", dir="auto"),
        definitions(
            {
                "Started": clock_time(run.started),
                "Duration": duration(run.duration_ms),
                "About": deal_link(run.kind, run.subject_id, filters),
                "Run id": tag("code", run.id),
                "Correlation id": tag("code", run.correlation_id) if run.correlation_id else "",
            }
        ),
        unfolding("Resubmit", resubmit_command(app_address, body)) if body else "",
        class_="card",
    )


def _link(deal: Deal, app_address: str) -> Html:
    if deal.link is None:
        return _unknown(deal, app_address)
    link = deal.link
    body = sync_now(link)
    return tag(
        "section",
        tag("h2", "Link ", badge(link.status.value)),
        tag("p", link.status_reason, class_="text lead", dir="auto") if link.status_reason else "",
        definitions(
            {
                "Referral": _named(link.referral_id, referral_address(link), "Open in Partner Center"),
                link.kind.value.capitalize(): _named(link.record_id, deal.record_url, "Open in the CRM"),
                "Microsoft's referral": tag("code", link.microsoft_referral_id) if link.microsoft_referral_id else "",
                "Engagement": tag("code", link.engagement_id) if link.engagement_id else "",
                "Unfinished": _INTENTS.get(link.intent.action, link.intent.action) if link.intent else "",
                "Last saved": clock_time(link.updated_at) if link.updated_at else "",
            }
        ),
        unfolding("Sync this deal now", resubmit_command(app_address, body)) if body else "",
        class_="card",
    )


_NOT_YET = tag("span", "not there yet", class_="quiet")


def _named(its_id: str | None, url: str | None, opening: str) -> Html:
    """The id of one side, and where a person opens it."""
    if its_id is None:
        return _NOT_YET
    there = tag("a", opening, href=url, rel="noreferrer noopener") if url else ""
    return joined([tag("code", its_id), " ", there])


def _unknown(deal: Deal, app_address: str) -> Html:
    return tag(
        "section",
        tag("h2", "Link ", badge("none")),
        tag("p", "No referral and CRM record are linked under ", tag("code", deal.id), "."),
        tag(
            "ul",
            tag("li", "A CRM opportunity travels once ", tag("b", "Sync with Partner Center"), " is set to yes."),
            tag("li", "A referral arrives with its next change, or when it is asked for:"),
        ),
        resubmit_command(app_address, {"referral": "<referral id>"}),
        class_="card",
    )


def _audit(deal: Deal, *, of_event: bool) -> Html:
    title = "What this event did" if of_event else "Audit"
    if not deal.lines:
        nothing = "No line in the audit: work that changes nothing writes none."
        return tag("section", tag("h2", title), tag("p", nothing, class_="empty"))
    cut = len(deal.lines) >= MOST_AUDIT_LINES
    return tag(
        "section",
        tag("h2", title, " ", tag("small", f"{counted(len(deal.lines), 'line')}, newest first")),
        tag("ol", *(_line(line) for line in deal.lines), class_="audit"),
        tag("p", f"Older lines than the newest {MOST_AUDIT_LINES} are not shown.", class_="note") if cut else "",
    )


def _line(line: AuditLine) -> Html:
    direction = _DIRECTIONS.get(line.direction, line.direction) if line.fields_changed else ""
    calls = ", ".join(f"{service} {count}" for service, count in line.calls.items())
    changed = [tag("li", field, dir="auto") for field in line.fields_changed]
    return tag(
        "li",
        tag("div", clock_time(line.at), " ", badge(line.outcome), " ", flow(line.trigger), class_="line-head"),
        long_text(line.message) if line.message else "",
        _conflicts(line.conflicts),
        definitions(
            {
                "Fields changed": tag("ul", *changed, class_="fields") if changed else "",
                "Direction": direction,
                "API calls": calls,
                "CRM's daily limit": "{used:,} of {most:,} used".format(**line.crm_usage) if line.crm_usage else "",
                "Duration": duration(line.duration_ms),
                "Error code": tag("code", line.error_code) if line.error_code else "",
                "Request id": tag("code", line.request_id) if line.request_id else "",
                "Correlation id": tag("code", line.correlation_id) if line.correlation_id else "",
            }
        ),
        class_=colour(line.outcome),
    )


def _conflicts(conflicts: tuple[Mapping[str, Any], ...]) -> Html:
    if not conflicts:
        return joined([])
    heads = ("Field", "Partner Center", "CRM", "Taken from")
    rows = [
        (
            str(conflict.get("field", "")),
            _value(conflict.get("partner_center")),
            _value(conflict.get("crm")),
            _SIDES.get(str(conflict.get("winner")), str(conflict.get("winner") or "")),
        )
        for conflict in conflicts
    ]
    return tag(
        "table",
        tag("caption", "Changed on both sides"),
        tag("thead", tag("tr", *(tag("th", head, scope="col", role="columnheader") for head in heads), role="row")),
        tag("tbody", *(_row(heads, row) for row in rows), role="rowgroup"),
        role="table",  # see the table of runs
        class_="conflicts cards",
    )


def _row(heads: tuple[str, ...], cells: tuple[str, ...]) -> Html:
    shown = (
        tag("td", tag("div", cell, dir="auto"), data_label=head, role="cell")
        for head, cell in zip(heads, cells, strict=True)
    )
    return tag("tr", *shown, role="row")


def _value(value: Any) -> str:
    """A field that is personal has neither value in the audit, a field that is blank has one."""
    return "—" if value in (None, "") else str(value)
