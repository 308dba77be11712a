"""The report as a page that looks like the run history: no scripts, nothing from elsewhere, everything escaped."""

from __future__ import annotations

from shared.domain.finding import Condition
from shared.health.report import VERSION, Check, Report, summary
from shared.history.markup import Html, joined, tag
from shared.history.page import STYLE
from shared.history.parts import clock_time, duration

_STYLE_OF_CHECKS = Html(
    """.checks {
  border: 1px solid var(--line); border-radius: 10px; border-spacing: 0; border-collapse: separate;
  background: var(--card);
}
.checks td:nth-child(1) { width: 7rem; } .checks td:nth-child(2) { width: 15rem; }
.checks td:nth-child(4) { width: 5rem; white-space: nowrap; } .checks .note { margin-top: 0.3rem; }
@media (max-width: 60rem) { .checks td:nth-child(n) { width: auto; } }
"""
)
_COLOURS = {Condition.OK: "good", Condition.WARNING: "person", Condition.FAILED: "bad", Condition.UNKNOWN: "quiet"}
_WORDS = {
    Condition.OK: "Everything that was checked works.",
    Condition.WARNING: "It works, and something needs your eye.",
    Condition.UNKNOWN: "Not everything could be checked.",
    Condition.FAILED: "Something does not work. What waits for it is not lost, and goes on once it is mended.",
}
_COLUMNS = ("State", "Check", "What was found", "Took")


def health_page(report: Report) -> str:
    """The whole document, to be sent with the run history's headers."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="robots", content="noindex"),
        tag("title", "Health - Co-sell connector"),
        tag("style", STYLE, _STYLE_OF_CHECKS),
    )
    title = tag("div", tag("p", "Co-sell connector", class_="product"), tag("h1", "Health"))
    body = tag("body", tag("header", title), tag("main", _verdict(report), _table(report)), _footer(report))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _verdict(report: Report) -> Html:
    words = tag("p", _badge(report.condition), " ", _WORDS[report.condition])
    return tag("section", tag("div", words, tag("p", summary(report.checks), class_="note"), class_="card"))


def _table(report: Report) -> Html:
    heads = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in _COLUMNS)))
    table = tag("table", heads, tag("tbody", *map(_row, report.checks)), class_="checks cards")
    return tag("section", table)


def _row(check: Check) -> Html:
    found = [tag("p", check.what, class_="text", dir="auto")]
    if check.remedy and check.condition is not Condition.OK:
        found.append(tag("p", check.remedy, class_="text note"))
    cells = (
        _badge(check.condition),
        tag("b", check.name),
        joined(found),
        duration(check.took_ms),
    )
    labelled = (tag("td", tag("div", cell), data_label=name) for name, cell in zip(_COLUMNS, cells, strict=True))
    return tag("tr", *labelled, class_=_COLOURS[check.condition])


def _badge(condition: Condition) -> Html:
    return tag("span", condition.value.capitalize(), class_=f"badge {_COLOURS[condition]}")


def _footer(report: Report) -> Html:
    return tag("footer", "Checked ", clock_time(report.checked_at), f" UTC, connector {VERSION}. Nothing was changed.")
