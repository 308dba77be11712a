from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.domain.errors import NotFound
from shared.domain.link import Link
from shared.domain.record import RecordKind
from shared.history.document import history_document
from shared.history.page import history_page
from shared.history.reading import History, read_history
from shared.state.audit import AuditLine, AuditLog
from shared.state.connection import StorageConnection
from shared.state.envelope import Envelope
from shared.state.links import LinkStore
from shared.state.queues import QueueSender
from shared.state.runs import Run, RunHistory, RunStatus, new_run_id
from shared.state.tables import Tables
from tests.state.clock import FakeClock

OURS = "7c2d6a52-5a0e-4a51-9b1e-6f4d5d0f3a11"
MICROSOFTS = "0e6b7d3c-1111-4a51-9b1e-6f4d5d0f3a11"
RECORD = "2b9f0c1e-33d0-4b8a-8a57-0c9a1e5b7d22"


def link_to(kind: RecordKind, record_id: str) -> str:
    return f"https://crm.contoso.example/{kind.value}/{record_id}"


class Books:
    """The stores of one installation, and how work is written into them."""

    def __init__(self, tables: Tables, sender: QueueSender, clock: FakeClock) -> None:
        self.clock = clock
        self.runs = RunHistory(tables, clock=clock)
        self.audit = AuditLog(tables)
        self.links = LinkStore(tables, clock=clock)
        self.sender = sender

    def run(self, subject_id: str, status: RunStatus = RunStatus.SUCCEEDED, **changes: str) -> Run:
        self.clock.advance(seconds=1)
        run = Run(
            id=new_run_id(self.clock.now),
            function="partner_center_to_crm_helper",
            kind="referral",
            subject_id=subject_id,
            status=status,
            message="Done.",
            correlation_id=f"event-{self.clock.now:%H%M%S}",
            started=self.clock.now,
            duration_ms=5,
        )
        run = replace(run, **changes)  # type: ignore[arg-type]
        self.runs.record(run)
        return run

    def line(self, link_id: str, message: str, correlation_id: str = "") -> None:
        self.clock.advance(seconds=1)
        self.audit.append(AuditLine(self.clock.now, link_id, "synced", message, correlation_id=correlation_id))

    def link(self) -> Link:
        link = Link(f"r-{OURS}", RecordKind.OPPORTUNITY, OURS, "eng-1", MICROSOFTS, RECORD)
        with self.links.lock(link.id, new=link) as locked:
            return locked.link

    def read(self, **params: str) -> History:
        return read_history(self.runs, self.audit, self.links, self.sender, params, link_to=link_to, clock=self.clock)


@pytest.fixture
def books(tables: Tables, connection: StorageConnection, clock: FakeClock) -> Iterator[Books]:
    sender = QueueSender(connection)
    yield Books(tables, sender, clock)
    sender.close()


def messages(history: History) -> list[str]:
    assert history.deal is not None
    return [line.message for line in history.deal.lines]


def test_the_overview_counts_every_status_and_lists_newest_first(books: Books) -> None:
    first = books.run("a")
    failed = books.run("b", RunStatus.FAILED)
    back = books.run("c", function="crm_opportunity_to_partner_center", kind="opportunity")
    last = books.run("d", RunStatus.FAILED)
    history = books.read()
    assert history.runs == (last, back, failed, first)
    assert history.read_at == books.clock.now
    assert history.overview is not None
    assert history.overview.counts == {
        RunStatus.SUCCEEDED: 2,
        RunStatus.FAILED: 2,
        RunStatus.RETRYING: 0,
        RunStatus.WAITING: 0,
        RunStatus.IGNORED: 0,
    }
    assert history.overview.last_from_partner_center == first
    assert history.overview.last_from_crm == back
    filtered = books.read(status="failed", limit="1")
    assert filtered.runs == (last,)
    assert filtered.is_cut
    assert filtered.overview is not None
    assert filtered.overview.counts == history.overview.counts


def test_runs_before_the_window_are_left_out(books: Books) -> None:
    old = books.run("a")
    books.clock.advance(days=1)
    assert books.read(days="1").runs == ()
    assert books.read(days="2").runs == (old,)


def test_messages_that_wait_are_counted_by_queue(books: Books) -> None:
    def waiting() -> int:
        overview = books.read().overview
        assert overview is not None
        assert len(overview.queues) == 8
        return overview.queues["crm-changes-poison"]

    before = waiting()
    books.sender.send("crm-changes-poison", Envelope("opportunity", RECORD, books.clock.now, "c-1"), delay_s=3600)
    assert waiting() == before + 1


@pytest.mark.parametrize("asked", [OURS, OURS.upper(), MICROSOFTS, RECORD, RECORD.upper(), f"{{{RECORD}}}"])
def test_a_deal_is_found_by_any_of_its_ids(books: Books, asked: str) -> None:
    books.line(f"referral-{OURS}", "Before there was a link.")
    link = books.link()
    books.line(link.id, "Synced.")
    books.line("r-another", "Another deal's.")
    books.run("another")
    runs = [books.run(OURS), books.run(MICROSOFTS.upper()), books.run(RECORD, kind="opportunity")]
    history = books.read(deal=asked)
    assert history.deal is not None
    assert history.deal.link == link
    assert history.deal.record_url == f"https://crm.contoso.example/opportunity/{RECORD}"
    assert messages(history) == ["Synced.", "Before there was a link."]
    assert list(history.runs) == runs[::-1]
    assert history.overview is None


def test_a_deal_has_the_runs_of_its_events_whatever_id_they_name(books: Books) -> None:
    link = books.link()
    run = books.run("5c5c5c5c-0000-4a51-9b1e-6f4d5d0f3a11", correlation_id="event-9")
    books.line(link.id, "Brought up to date.", "event-9")
    books.line(link.id, "From before correlation ids.")
    books.run("another", correlation_id="")
    assert books.read(deal=OURS).runs == (run,)


def test_ids_that_differ_by_case_alone_are_two_deals_unless_they_are_guids(books: Books) -> None:
    kept = books.run("0065g00000AbCdE", kind="opportunity")
    books.run("0065g00000aBcDe", kind="opportunity")
    assert books.read(deal="0065g00000AbCdE").runs == (kept,)


def test_a_deal_that_nobody_knows_is_no_error(books: Books) -> None:
    history = books.read(deal="unheard-of")
    assert history.deal is not None
    assert history.deal.link is None
    assert (history.deal.lines, history.runs) == ((), ())
    assert "No referral and CRM record are linked under" in history_page(history)


def test_a_run_comes_with_all_that_its_event_set_off(books: Books) -> None:
    link = books.link()
    failed = books.run(OURS, RunStatus.FAILED, correlation_id="event-1")
    books.line(link.id, "Rejected.", "event-1")
    books.run(OURS, correlation_id="event-2")
    books.line(link.id, "Synced.", "event-2")
    told = books.run(OURS, RunStatus.WAITING, correlation_id="event-1", function="failed_syncs")
    history = books.read(run=failed.id)
    assert history.run == failed
    assert history.runs == (told, failed)
    assert messages(history) == ["Rejected."]
    assert history_document(history)["runs"][1]["resubmit"] == {"run": failed.id}


def test_a_run_older_than_the_window_and_one_of_a_timer_are_still_shown(books: Books) -> None:
    timer = books.run("opportunity", RunStatus.FAILED, kind="timer", function="crm_to_partner_center")
    books.line("timer-opportunity", "The brake held.", timer.correlation_id)
    books.clock.advance(days=9)
    history = books.read(run=timer.id)
    assert history.runs == (timer,)
    assert messages(history) == ["The brake held."]
    assert "Schedule (opportunity)" in history_page(history)


@pytest.mark.parametrize("run_id", ["251629941599999999-ab12cd34", "../links", "x" * 3000])
def test_a_run_that_is_not_there_is_said_so(books: Books, run_id: str) -> None:
    with pytest.raises(NotFound) as refusal:
        books.read(run=run_id)
    assert refusal.value.code == "unknown_run"


def test_failures_older_than_what_is_counted_are_found(books: Books) -> None:
    old = books.run("a", RunStatus.FAILED)
    newer = [books.run("b"), books.run("c")]

    def read(**params: str) -> History:
        return read_history(
            books.runs,
            books.audit,
            books.links,
            books.sender,
            params,
            link_to=link_to,
            clock=books.clock,
            most_runs=2,
        )

    everything, failed = read(), read(status="failed")
    assert everything.runs == tuple(newer[::-1])
    assert everything.is_sampled
    assert failed.runs == (old,)
    assert not failed.is_cut
    assert history_document(everything)["more_runs"]
