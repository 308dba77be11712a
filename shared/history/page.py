"""The run history as a page: no scripts, nothing loaded from elsewhere, everything from outside escaped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from shared.history.deal_page import deal_sections
from shared.history.markup import Html, joined, tag
from shared.history.parts import (
    address,
    age,
    badge,
    clock_time,
    colour,
    counted,
    deal_link,
    duration,
    flow,
    long_text,
    resubmit_command,
    short_id,
    unfolding,
)
from shared.history.reading import (
    DEFAULT_DAYS,
    MOST_DAYS,
    MOST_LIMIT,
    MOST_RUNS_READ,
    Filters,
    History,
    Overview,
    flow_name,
    resubmission,
)
from shared.state.queues import (
    CRM_CHANGES,
    CRM_LEAD_CHANGES,
    POISON_SUFFIX,
    QUEUES,
    REFERRAL_EVENTS,
    RELATED_REFERRAL_EVENTS,
)
from shared.state.runs import Run, RunStatus

HEADERS = {
    # https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address may hold the function key
    "X-Content-Type-Options": "nosniff",
}
UNKNOWN_ADDRESS = "https://<app>.azurewebsites.net"

STYLE = Html((Path(__file__).parent / "page.css").read_text(encoding="utf-8"))
_DAYS_OFFERED = (1, DEFAULT_DAYS, MOST_DAYS)
_MEANINGS = {
    RunStatus.FAILED: "Given up. Mend the cause, then resubmit.",
    RunStatus.WAITING: "A person has something to change.",
    RunStatus.RETRYING: "Tried again without your doing.",
    RunStatus.SUCCEEDED: "Done, or there was nothing to do.",
    RunStatus.IGNORED: "None of the connector's business.",
}
_QUEUE_NAMES = {
    REFERRAL_EVENTS: "Referral events",
    RELATED_REFERRAL_EVENTS: "Events of Microsoft's side",
    CRM_CHANGES: "Changes in the CRM",
    CRM_LEAD_CHANGES: "Changed leads in the CRM",
}
_COLUMNS = ("Time (UTC)", "Flow", "Deal", "Status", "Message", "Duration", "Correlation")


def history_page(history: History, *, app_address: str | None = None) -> str:
    """The whole document, to be sent with :data:`HEADERS`; ``app_address`` is the app's own, for the commands in it."""
    title = f"Run of {flow_name(history.run.function)}" if history.run else "Deal" if history.deal else "Run history"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="robots", content="noindex"),
        tag("title", f"{title} - Co-sell connector"),
        tag("style", STYLE),
    )
    main = tag("main", *_sections(history, app_address or UNKNOWN_ADDRESS))
    body = tag("body", _header(history.filters, title), main, _footer(history))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _header(filters: Filters, title: str) -> Html:
    is_home = not (filters.deal or filters.run)
    search = tag(
        "form",
        tag("label", "Find a deal", for_="deal"),
        tag("input", id="deal", name="deal", type="search", required="", placeholder="Referral or CRM record id"),
        tag("input", type="hidden", name="code", value=filters.code) if filters.code else "",
        tag("button", "Find"),
        method="get",
        role="search",
    )
    home = tag("a", "All runs", href=address(Filters(days=filters.days, code=filters.code)), class_="back")
    name = tag("p", "Co-sell connector", class_="product")
    whose = tag("code", filters.deal) if filters.deal else ""
    return tag("header", tag("div", name if is_home else home, tag("h1", title), whose), search)


def _footer(history: History) -> Html:
    return tag(
        "footer",
        "Read ",
        clock_time(history.read_at),
        " UTC. All times are UTC. This page changes nothing. ",
        tag("a", "The same as JSON", href=f"{address(history.filters)}&format=json"),
    )


def _sections(history: History, app_address: str) -> Iterator[Html]:
    if history.overview is not None:
        yield _status_section(history, history.overview)
        yield _state_section(history, history.overview)
    if history.deal is not None:
        yield from deal_sections(history, history.deal, app_address)
    yield _runs_section(history, app_address)


def _status_section(history: History, overview: Overview) -> Html:
    filters = history.filters
    tiles = [_tile(status, overview.counts[status], filters) for status in _MEANINGS]
    sampled = f"Counted are the newest {MOST_RUNS_READ:,} runs; there are more."
    return tag(
        "section",
        tag("div", tag("h2", f"Runs {_window(filters.days)}"), _day_choices(filters), class_="heading"),
        tag("nav", *tiles, class_="tiles", aria_label="Runs by status"),
        tag("p", sampled, class_="note") if history.is_sampled else "",
    )


def _tile(status: RunStatus, count: int, filters: Filters) -> Html:
    is_chosen = filters.status is status
    return tag(
        "a",
        tag("b", f"{count:,}", class_=f"{colour(status.value)}" if count else "quiet"),
        badge(status.value),
        tag("small", _MEANINGS[status]),
        href=address(replace(filters, status=None if is_chosen else status)),
        aria_current="true" if is_chosen else None,
        class_="tile",
    )


def _day_choices(filters: Filters) -> Html:
    choices = [
        tag(
            "a",
            "Today" if days == 1 else f"{days} days",
            href=address(replace(filters, days=days)),
            aria_current="true" if days == filters.days else None,
        )
        for days in _DAYS_OFFERED
    ]
    return tag("nav", *choices, class_="choices", aria_label="How far back")


def _window(days: int) -> str:
    """Days are those of UTC, and the first of them is today."""
    return "today" if days == 1 else f"in the last {days} days"


def _state_section(history: History, overview: Overview) -> Html:
    ways = {"From Partner Center": overview.last_from_partner_center, "From the CRM": overview.last_from_crm}
    synced = [tag("div", tag("dt", way), tag("dd", _last(run, history))) for way, run in ways.items()]
    heads = ("Queue", "In line", "Given up")
    rows = [
        tag(
            "tr",
            tag("th", _QUEUE_NAMES[queue], scope="row", title=queue),
            tag("td", f"{overview.queues.get(queue, 0):,}"),
            _given_up(overview.queues.get(f"{queue}{POISON_SUFFIX}", 0)),
        )
        for queue in QUEUES
    ]
    return tag(
        "div",
        tag("section", tag("h2", "Last successful sync"), tag("dl", *synced), class_="card"),
        tag(
            "section",
            tag("h2", "Messages in the queues"),
            tag(
                "table",
                tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads))),
                tag("tbody", *rows),
                class_="queues",
            ),
            class_="card",
        ),
        class_="pair",
    )


def _given_up(count: int) -> Html:
    return tag("td", f"{count:,}", class_="bad" if count else None)


def _last(run: Run | None, history: History) -> Html:
    if run is None:
        return tag("span", f"None {_window(history.filters.days)}", class_="person")
    where = address(Filters(run=run.id, days=history.filters.days, code=history.filters.code))
    return joined([tag("a", clock_time(run.started), href=where), f" {age(run.started, history.read_at)}"])


def _runs_section(history: History, app_address: str) -> Html:
    title = "Runs of this event" if history.run else "Runs of this deal" if history.deal else "Runs"
    if not history.runs:
        return tag("section", tag("h2", title), _nothing(history, app_address))
    rows = [_run_row(run, history, app_address) for run in history.runs]
    heads = [tag("th", head, scope="col", role="columnheader") for head in _COLUMNS]
    table = tag(
        "table",
        tag("thead", tag("tr", *heads, role="row"), role="rowgroup"),
        tag("tbody", *rows, role="rowgroup"),
        role="table",  # on narrow screens the style lays it out as cards, which would take the role away
        class_="runs cards",
        aria_label=title,
    )
    return tag("section", tag("h2", title, " ", tag("small", _extent(history))), table, _more(history))


def _extent(history: History) -> str:
    status = f"{history.filters.status.value} " if history.filters.status else ""
    newest = "newest first" if not history.is_cut else "the newest; there are more"
    return f"{counted(len(history.runs), f'{status}run')} {_window(history.filters.days)}, {newest}"


def _more(history: History) -> Html:
    filters = history.filters
    if history.is_sampled and history.deal:
        return tag("p", f"Looked for among the newest {MOST_RUNS_READ:,} runs only.", class_="note")
    if history.is_cut and filters.limit < MOST_LIMIT:
        return tag("p", tag("a", f"Show up to {MOST_LIMIT:,}", href=address(replace(filters, limit=MOST_LIMIT))))
    return joined([])


def _run_row(run: Run, history: History, app_address: str) -> Html:
    filters = history.filters
    body = resubmission(run)
    again = unfolding("Resubmit", resubmit_command(app_address, body)) if body else joined([])
    where = address(Filters(run=run.id, days=filters.days, code=filters.code))
    cells = (
        tag("a", clock_time(run.started), href=where),
        flow(run.function),
        deal_link(run.kind, run.subject_id, filters),
        badge(run.status.value),
        joined([long_text(run.message), again]),
        duration(run.duration_ms),
        short_id(run.correlation_id),
    )
    return tag(
        "tr",
        *(
            tag("td", tag("div", cell), data_label=head, role="cell")
            for head, cell in zip(_COLUMNS, cells, strict=True)
        ),
        role="row",
        class_=colour(run.status.value),
    )


def _nothing(history: History, app_address: str) -> Html:
    """What to do about an empty list."""
    filters = history.filters
    what = f"No {filters.status.value} runs" if filters.status else "No runs"
    line = tag("p", f"{what} {_window(filters.days)}.")
    if filters.status is not None:
        return tag(
            "div", line, tag("a", "Show every status", href=address(replace(filters, status=None))), class_="empty"
        )
    if filters.deal or filters.days < MOST_DAYS:
        longer = address(replace(filters, days=MOST_DAYS))
        line = joined(
            [line, tag("p", tag("a", f"Look back {MOST_DAYS} days", href=longer)) if filters.days < MOST_DAYS else ""]
        )
    if history.deal is not None:
        return tag("div", line, class_="empty")
    steps = tag(
        "ul",
        tag(
            "li",
            "See whether Partner Center tells this app of changes: open ",
            tag("code", "/api/webhook-registration"),
            ".",
        ),
        tag("li", "Set ", tag("b", "Sync with Partner Center"), " to yes on a CRM opportunity, and save it."),
        tag("li", "If messages wait in a queue above, look into the app's log: nothing works on them."),
        tag("li", "Or bring one referral to the CRM now:"),
    )
    return tag("div", line, steps, resubmit_command(app_address, {"referral": "<referral id>"}), class_="empty")
