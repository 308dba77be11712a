from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qs

import pytest

from shared.domain.errors import Rejected
from shared.domain.link import Intent, Link, LinkStatus
from shared.domain.record import RecordKind
from shared.history.document import history_document
from shared.history.page import HEADERS, history_page
from shared.history.reading import Deal, Filters, History, Overview, read_filters
from shared.state.audit import AuditLine
from shared.state.runs import Run, RunStatus

NOW = datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)
REFERRAL_ID = "7c2d6a52-5a0e-4a51-9b1e-6f4d5d0f3a11"
RECORD_ID = "2b9f0c1e-33d0-4b8a-8a57-0c9a1e5b7d22"
HOSTILE = "<script>alert('x')</script> \" onload=x ' & 🎉 مرحبا </td></table>"
OVERVIEW = Overview(dict.fromkeys(RunStatus, 0), {"referral-events": 4, "referral-events-poison": 1}, None, None)
VOID = {"meta", "input"}


class Page(HTMLParser):
    """What a browser makes of the page: elements with attributes, and all text; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    @property
    def links(self) -> list[str]:
        return [attributes["href"] for tag, attributes in self.elements if tag == "a"]

    def commands(self) -> list[str]:
        return [text for text in self.texts if text.startswith("curl ")]


def run(status: RunStatus = RunStatus.SUCCEEDED, message: str = "Both sides agree.", kind: str = "referral") -> Run:
    return Run(
        id="251629941599999999-ab12cd34",
        function="partner_center_to_crm_helper",
        kind=kind,
        subject_id=REFERRAL_ID,
        status=status,
        message=message,
        correlation_id="5f0c7a1e-0000-4000-8000-000000000001",
        started=NOW - timedelta(minutes=16),
        duration_ms=2_311,
    )


def overview(*runs: Run, filters: Filters | None = None) -> History:
    return History(NOW, filters or Filters(), runs, overview=OVERVIEW)


RECORD_URL = f"https://contoso.crm.dynamics.com/main.aspx?etn=opportunity&id={RECORD_ID}"


def deal(link: Link | None = None, *lines: AuditLine) -> History:
    return History(NOW, Filters(deal=REFERRAL_ID), (), deal=Deal(REFERRAL_ID, link, lines, RECORD_URL if link else ""))


LINK = Link(
    id=f"r-{REFERRAL_ID}",
    kind=RecordKind.OPPORTUNITY,
    referral_id=REFERRAL_ID,
    record_id=RECORD_ID,
    base={"name": "Secret deal of Fabrikam"},
    intent=Intent("invite_microsoft", NOW, RECORD_ID),
    status=LinkStatus.WAITING,
    status_reason=HOSTILE,
)
LINE = AuditLine(
    at=NOW,
    link_id=LINK.id,
    outcome="waiting",
    message=HOSTILE,
    trigger="crm_opportunity_to_partner_center",
    direction="both",
    fields_changed=("Deal value", HOSTILE),
    conflicts=({"field": HOSTILE, "partner_center": "2026-04-01", "crm": HOSTILE, "winner": "partner_center"},),
    error_code="out_of_range",
    request_id=HOSTILE,
    correlation_id=HOSTILE,
    calls={"Partner Center": 2, HOSTILE: 3},
    crm_usage={"used": 10_018, "most": 100_000},
)


@pytest.mark.parametrize(
    "history",
    [
        overview(
            replace(run(RunStatus.FAILED, HOSTILE, HOSTILE), function=HOSTILE, correlation_id=HOSTILE, id=HOSTILE)
        ),
        overview(run(RunStatus.FAILED, HOSTILE * 20)),
        overview(run(kind="timer"), filters=Filters(code=HOSTILE)),
        replace(deal(LINK, LINE), run=run(RunStatus.FAILED, HOSTILE)),
        replace(deal(), deal=Deal(HOSTILE, None, ())),
    ],
)
def test_hostile_text_is_shown_and_never_obeyed(history: History) -> None:
    page = Page(history_page(history))
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "iframe", "link", "base", "object"})
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert not [link for link in page.links if not link.startswith(("?", "https://partner.microsoft.com/", RECORD_URL))]
    if history.filters.code:
        (key,) = [attributes["value"] for tag, attributes in page.elements if attributes.get("name") == "code"]
        assert key == HOSTILE
    else:
        assert HOSTILE in page.text


def test_what_html_forbids_and_half_emoji_do_not_stop_the_page() -> None:
    page = history_page(overview(run(message="a\x00b \ud83d c")))
    assert "a�b � c" in page.encode().decode()


def test_the_key_stays_where_it_was_and_goes_nowhere_else() -> None:
    runs = [run(RunStatus.FAILED), run(kind="timer")]
    without = history_page(overview(*runs))
    assert "code=" not in without
    assert 'name="code"' not in without
    history = overview(*runs, filters=Filters(code="k+/y=="))
    page = Page(history_page(history))
    assert page.links
    for link in page.links:
        assert parse_qs(link.removeprefix("?"))["code"] == ["k+/y=="]
    assert "k+/y==" not in page.text
    assert "k+/y==" not in json.dumps(history_document(history))
    assert "k+/y==" not in repr(history)


def test_links_to_both_sides_do_not_carry_the_key() -> None:
    history = replace(deal(LINK), filters=Filters(deal=REFERRAL_ID, code="secret"))
    outside = [link for link in Page(history_page(history)).links if not link.startswith("?")]
    assert outside == [f"https://partner.microsoft.com/referrals/v2/inbox?id={REFERRAL_ID}", RECORD_URL]
    assert history_document(history)["deal"]["link"]["record_url"] == RECORD_URL
    assert HEADERS["Referrer-Policy"] == "no-referrer"


def test_only_a_failed_run_of_a_deal_says_how_to_resubmit_it() -> None:
    body = '{"run": "251629941599999999-ab12cd34"}'
    page = Page(history_page(overview(run(RunStatus.FAILED)), app_address="https://contoso.example/"))
    assert page.commands() == [
        f"curl -X POST https://contoso.example/api/resubmit -H 'x-functions-key: <key>' -d '{body}'"
    ]
    for other in (run(), run(RunStatus.WAITING), run(RunStatus.FAILED, kind="timer")):
        assert Page(history_page(overview(other))).commands() == []
        assert history_document(overview(other))["runs"][0]["resubmit"] is None


def test_a_run_is_told_with_flow_time_deal_and_duration() -> None:
    page = Page(history_page(overview(run(RunStatus.WAITING, "Country is blank."))))
    for part in ("Partner Center to CRM - Helper", "10:04:30", "Waiting", "Country is blank.", "2.3 s", REFERRAL_ID):
        assert part in page.texts
    assert f"?deal={REFERRAL_ID}" in page.links
    assert "?run=251629941599999999-ab12cd34" in page.links
    assert "5f0c7a1e…" in page.texts
    assert {"title": run().correlation_id} in [attributes for tag, attributes in page.elements if tag == "code"]


def test_a_tile_sets_its_filter_and_takes_it_away_again() -> None:
    assert "?status=failed&days=30" in Page(history_page(overview(filters=Filters(days=30)))).links
    chosen = Page(history_page(overview(filters=Filters(days=30, status=RunStatus.FAILED))))
    assert "?days=30" in chosen.links
    assert "?status=waiting&days=30" in chosen.links


def test_a_long_message_is_there_whole_once_unfolded() -> None:
    message = "The value is out of range. " * 50
    assert message in Page(history_page(overview(run(RunStatus.FAILED, message)))).texts


def test_an_empty_history_says_what_to_do() -> None:
    page = Page(history_page(overview()))
    assert "No runs in the last 7 days." in page.texts
    assert page.commands()
    filtered = Page(history_page(overview(filters=Filters(status=RunStatus.FAILED, days=1))))
    assert "No failed runs today." in filtered.texts
    assert not filtered.commands()


def test_what_was_left_out_is_said() -> None:
    cut = Page(history_page(replace(overview(run()), is_cut=True, is_sampled=True)))
    assert "?limit=1000" in cut.links
    assert "Counted are the newest 5,000 runs; there are more." in cut.texts


def test_the_last_success_each_way_is_told_with_its_age() -> None:
    history = replace(overview(run()), overview=replace(OVERVIEW, last_from_partner_center=run()))
    page = Page(history_page(history))
    assert "16 minutes ago" in page.text
    assert "None in the last 7 days" in page.texts
    last = history_document(history)["overview"]["last_succeeded_from"]
    assert last["partner_center"]["id"] == run().id
    assert last["crm"] is None


def test_a_deal_is_told_with_both_values_of_a_conflict_and_who_won() -> None:
    page = Page(history_page(deal(LINK, LINE)))
    for part in (REFERRAL_ID, RECORD_ID, "inviting Microsoft", "2026-04-01", "both ways", "out_of_range", "Deal value"):
        assert part in page.texts
    cells = [attributes["data-label"] for tag, attributes in page.elements if tag == "td"]
    assert cells == ["Field", "Partner Center", "CRM", "Taken from"]
    assert page.commands()[0].endswith(f"""-d '{{"referral": "{REFERRAL_ID}"}}'""")


def test_the_document_is_json_and_leaves_the_base_out() -> None:
    text = json.dumps(history_document(deal(LINK, LINE)))
    document = json.loads(text)
    assert "Secret deal" not in text
    assert "Secret deal" not in history_page(deal(LINK, LINE))
    assert document["deal"]["link"]["status"] == "waiting"
    assert document["deal"]["link"]["unfinished"] == "invite_microsoft"
    assert document["deal"]["audit"][0]["crm_usage"] == {"used": 10_018, "most": 100_000}
    assert "10,018 of 100,000 used" in Page(history_page(deal(LINK, LINE))).text
    assert document["deal"]["audit"][0]["at"] == "2026-03-01T10:20:30.000Z"
    assert document["deal"]["audit"][0]["conflicts"] == [dict(LINE.conflicts[0])]
    assert "overview" not in document


def test_parameters_have_defaults_and_blank_ones_are_absent() -> None:
    assert read_filters({}) == Filters(status=None, days=7, limit=200)
    assert read_filters({"status": "", "days": " ", "deal": "", "format": "json"}) == Filters()
    assert read_filters({"status": "Failed", "days": "30", "limit": "1000", "code": "k"}) == Filters(
        RunStatus.FAILED, 30, 1000, code="k"
    )
    assert read_filters({"deal": f"{{{RECORD_ID}}}"}).deal == RECORD_ID


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"status": "broken"}, "status"),
        ({"days": "0"}, "days"),
        ({"days": "31"}, "days"),
        ({"days": "-1"}, "days"),
        ({"days": "7.5"}, "days"),
        ({"days": "٧"}, "days"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"deal": "a' or 1 eq 1"}, "deal"),
        ({"deal": "x" * 101}, "deal"),
        ({"deal": "../links"}, "deal"),
        ({"deal": "a", "run": "b"}, "run"),
    ],
)
def test_a_bad_parameter_is_named(params: dict[str, str], field: str) -> None:
    with pytest.raises(Rejected) as refusal:
        read_filters(params)
    assert refusal.value.field == field
    assert refusal.value.code == "bad_request"
    assert len(str(refusal.value)) < 250
