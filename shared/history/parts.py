"""What the pages of the run history are put together from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from shared.history.markup import Html, joined, tag
from shared.history.reading import DEFAULT_DAYS, DEFAULT_LIMIT, TIMER, Filters, flow_name

LONG_TEXT_CHARS = 280
SHORT_ID_CHARS = 8

_COLOURS: Mapping[str, str] = {
    "succeeded": "good",
    "synced": "good",
    "created": "good",
    "failed": "bad",
    "rejected": "bad",
    "waiting": "person",
    "retrying": "again",
    "retry": "again",
    "pending": "again",
}
"""Class by status of a run or link, or outcome of an audit line; any other is grey."""


def address(filters: Filters) -> str:
    """Relative, so that it holds behind any host name; with the function key only where the request came with it."""
    asked = {
        "run": filters.run,
        "deal": filters.deal,
        "status": filters.status.value if filters.status else "",
        "days": str(filters.days) if filters.days != DEFAULT_DAYS else "",
        "limit": str(filters.limit) if filters.limit != DEFAULT_LIMIT else "",
        "code": filters.code,
    }
    return "?" + urlencode({name: value for name, value in asked.items() if value})


def colour(status: str) -> str:
    return _COLOURS.get(status, "quiet")


def badge(status: str) -> Html:
    """The status in words; its colour says the same once more."""
    return tag("span", status.replace("_", " ").capitalize(), class_=f"badge {colour(status)}")


def clock_time(at: datetime) -> Html:
    utc = at.astimezone(UTC)
    return tag("time", f"{utc:%Y-%m-%d} ", tag("span", f"{utc:%H:%M:%S}"), datetime=f"{utc:%Y-%m-%dT%H:%M:%SZ}")


def age(at: datetime, now: datetime) -> str:
    """How long ago, in the largest whole unit."""
    seconds = max(0, int((now - at).total_seconds()))
    for unit, length_s in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length_s:
            return f"{counted(seconds // length_s, unit)} ago"
    return "just now"


def duration(milliseconds: int) -> str:
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1_000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def flow(function: str) -> Html:
    return tag("span", flow_name(function), title=f"Function {function}")


def short_id(full: str) -> Html:
    """Its beginning; the whole of it appears under the pointer, and wherever there is one run or deal only."""
    return tag("code", full if len(full) <= SHORT_ID_CHARS + 1 else f"{full[:SHORT_ID_CHARS]}…", title=full)


def deal_link(kind: str, subject_id: str, filters: Filters) -> Html:
    """Kind and id of what a run was about, leading to its deal; a schedule has none."""
    if kind == TIMER:
        return tag("span", f"Schedule ({subject_id})", class_="quiet", dir="auto")
    here = address(Filters(deal=subject_id, days=filters.days, code=filters.code))
    return joined([tag("span", kind.capitalize(), class_="kind"), " ", tag("a", tag("code", subject_id), href=here)])


def long_text(text: str) -> Html:
    """Whole; of a long text first the beginning, and the rest to unfold. ``dir`` keeps its direction to itself."""
    if len(text) <= LONG_TEXT_CHARS:
        return tag("p", text, class_="text", dir="auto")
    beginning = text[:LONG_TEXT_CHARS].rsplit(" ", 1)[0]
    return tag(
        "details",
        tag("summary", tag("span", f"{beginning}…", dir="auto"), tag("b", "Show less"), class_="text"),
        tag("p", text, class_="text", dir="auto"),
        class_="long",
    )


def definitions(rows: Mapping[str, str]) -> Html:
    """A list of names and values, without those that are empty."""
    shown = {name: value for name, value in rows.items() if value}
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in shown.items()))


def resubmit_command(app_address: str, body: Mapping[str, str]) -> Html:
    """A line for a shell; the page has no key of its own to give away, so ``<key>`` is for the reader to fill in."""
    url = f"{app_address.rstrip('/')}/api/resubmit"
    line = ["curl", "-X", "POST", url, "-H", "x-functions-key: <key>", "-d", json.dumps(dict(body))]
    return tag("pre", tag("code", shlex.join(line)), tabindex="0")


def unfolding(summary: str, *content: str) -> Html:
    return tag("details", tag("summary", summary), *content, class_="more")
