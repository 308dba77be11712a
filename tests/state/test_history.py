from __future__ import annotations

from datetime import timedelta, timezone

from shared.state.audit import AuditLine, AuditLog
from shared.state.cursors import CursorStore
from shared.state.runs import Run, RunHistory, RunStatus, new_run_id
from shared.state.tables import Tables
from tests.state.clock import FakeClock


def test_a_cursor_of_any_length_is_kept_with_its_time(tables: Tables, clock: FakeClock) -> None:
    cursors = CursorStore(tables, clock=clock)
    assert cursors.get("opportunities") is None
    assert cursors.read("opportunities") is None
    delta_link = "https://contoso.crm.dynamics.com/api/data/v9.2/opportunities?$deltatoken=" + "9%2f26" * 17_000
    assert len(delta_link) > 100_000
    cursors.set("opportunities", delta_link)
    assert cursors.get("opportunities") == delta_link
    clock.advance(minutes=1)
    cursors.set("opportunities", "short")
    cursor = cursors.read("opportunities")
    assert cursor is not None
    assert (cursor.value, cursor.stored_at) == ("short", clock.now)
    assert cursors.get("leads") is None


def line(clock: FakeClock, message: str, link_id: str = "r-1") -> AuditLine:
    clock.advance(seconds=1)
    return AuditLine(at=clock.now, link_id=link_id, outcome="synced", message=message)


def test_audit_lines_come_newest_first_and_by_link(tables: Tables, clock: FakeClock) -> None:
    audit = AuditLog(tables)
    for message in ("first", "second", "third"):
        audit.append(line(clock, message))
    audit.append(line(clock, "another deal's", "r-2/x"))
    assert [entry.message for entry in audit.of_link("r-1")] == ["third", "second", "first"]
    assert [entry.message for entry in audit.of_link("r-1", limit=2)] == ["third", "second"]
    assert [entry.link_id for entry in audit.of_link("r-2/x")] == ["r-2/x"]
    assert audit.of_link("r-3") == []


def test_lines_of_one_moment_are_all_kept(tables: Tables, clock: FakeClock) -> None:
    audit = AuditLog(tables)
    entry = line(clock, "same")
    for _ in range(3):
        audit.append(entry)
    assert audit.of_link("r-1") == [entry] * 3


def test_an_audit_line_comes_back_whole(tables: Tables, clock: FakeClock) -> None:
    audit = AuditLog(tables)
    whole = AuditLine(
        at=clock.now,
        link_id="r-1",
        referral_id="ref-1",
        record_id="opp-1",
        kind="opportunity",
        trigger="webhook",
        direction="Partner Center to CRM",
        outcome="rejected",
        message="Country is blank.",
        fields_changed=("Deal value", "Closing date"),
        conflicts=({"field": "Notes", "partner_center": "a", "crm": None, "taken": "partner_center"},),
        error_code="value",
        request_id="b1c2",
        correlation_id="7d4b",
        calls={"Partner Center": 2, "Dynamics 365": 1},
        duration_ms=812,
        crm_usage={"used": 10_018, "most": 100_000},
    )
    audit.append(whole)
    assert audit.of_link("r-1") == [whole]


def test_a_line_with_texts_too_long_to_store_is_shortened_and_kept(tables: Tables, clock: FakeClock) -> None:
    audit = AuditLog(tables)
    conflicts = ({"field": "Notes", "partner_center": "x" * 300_000, "crm": "y" * 300_000},)
    audit.append(AuditLine(at=clock.now, link_id="r-1", outcome="synced", message="m" * 50_000, conflicts=conflicts))
    (kept,) = audit.of_link("r-1")
    assert kept.message == "m" * 7_999 + "…"
    assert kept.conflicts[0]["field"] == "Notes"
    assert kept.conflicts[0]["crm"] == "y" * 499 + "…"


def run(clock: FakeClock, status: RunStatus = RunStatus.SUCCEEDED, subject_id: str = "ref-1") -> Run:
    clock.advance(seconds=1)
    return Run(
        id=new_run_id(clock.now),
        function="partner_center_to_crm_helper",
        kind="referral",
        subject_id=subject_id,
        status=status,
        message="Both sides agree.",
        correlation_id="7d4b",
        started=clock.now,
        duration_ms=350,
    )


def test_runs_come_newest_first_over_the_days_asked_for(tables: Tables, clock: FakeClock) -> None:
    history = RunHistory(tables, clock=clock)
    runs = []
    for _ in range(3):
        for _ in range(2):
            runs.append(run(clock))
            history.record(runs[-1])
        clock.advance(days=1)
    clock.advance(days=-1)
    newest_first = runs[::-1]
    assert history.recent(limit=100, days=3) == newest_first
    assert history.recent(limit=100, days=2) == newest_first[:4]
    assert history.recent(limit=3, days=3) == newest_first[:3]
    assert history.recent(limit=2, days=3) == newest_first[:2]


def test_runs_of_one_status(tables: Tables, clock: FakeClock) -> None:
    history = RunHistory(tables, clock=clock)
    for number, status in enumerate((RunStatus.FAILED, RunStatus.SUCCEEDED, RunStatus.FAILED)):
        history.record(run(clock, status, f"ref-{number}"))
    failed = history.recent(limit=10, days=1, status=RunStatus.FAILED)
    assert [each.subject_id for each in failed] == ["ref-2", "ref-0"]


def test_a_run_is_found_by_its_id_alone(tables: Tables, clock: FakeClock) -> None:
    history = RunHistory(tables, clock=clock)
    kept = run(clock)
    history.record(kept)
    clock.advance(days=20)
    assert history.get(kept.id) == kept
    assert history.get(new_run_id(clock.now)) is None
    for text in ("", "../links", "x" * 2000, "9" * 18 + "-0"):
        assert history.get(text) is None


def test_a_run_that_ends_is_written_over_its_beginning(tables: Tables, clock: FakeClock) -> None:
    history = RunHistory(tables, clock=clock)
    began = run(clock, RunStatus.RETRYING)
    history.record(began)
    ended = Run(**{**vars(began), "status": RunStatus.SUCCEEDED})
    history.record(ended)
    assert history.recent(limit=10, days=1) == [ended]


def test_the_day_of_a_run_is_that_of_utc(tables: Tables, clock: FakeClock) -> None:
    history = RunHistory(tables, clock=clock)
    elsewhere = (clock.now + timedelta(hours=1)).astimezone(timezone(timedelta(hours=14)))
    kept = Run(**{**vars(run(clock)), "id": new_run_id(elsewhere), "started": elsewhere})
    history.record(kept)
    assert history.get(kept.id) == kept
    assert history.recent(limit=10, days=1) == [kept]
