"""The limits of real tables and queues, met by whole deals; and workers whose clocks differ by two minutes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.queue import QueueClient

from shared.domain.errors import LockTaken, Rejected
from shared.domain.link import Failure, Intent, Link, LinkStatus
from shared.domain.record import RecordKind
from shared.state.audit import AuditLine, AuditLog
from shared.state.brake import FEW_DEALS, Brake
from shared.state.connection import StorageConnection
from shared.state.entities import DOCUMENT_LIMIT_CHARS
from shared.state.envelope import SIZE_LIMIT_BYTES, Envelope, parse
from shared.state.links import LinkStore
from shared.state.locked_link import CLOCK_SKEW, LOCK_TIME
from shared.state.name_locks import HELD_FOR, NameLocks
from shared.state.queues import QueueSender
from shared.state.tables import Tables
from tests.property.world import incoming_referral
from tests.reliability.company import ACCEPTED, Company

NOW = datetime(2026, 3, 2, 8, 59, 30, tzinfo=UTC)
AWKWARD = {
    "separators": "deal/of\\the#year?x=1&y='2'",
    "spaces and control characters": " a\tb\nc\x00d\x7f\x9f ",
    "emoji": "🤝🏽 👩‍💻",
    "right to left": "\u202eעסקה\u202c صفقة",
    "nearly a kilobyte": "x" * 430,
    "percent and tilde": "100%25~2f~~",
}


@pytest.fixture
def tables(storage: str, storage_prefix: str) -> Iterator[Tables]:
    made = Tables(StorageConnection(storage), prefix=storage_prefix)
    yield made
    made.close()


@pytest.fixture
def company(tables: Tables) -> Company:
    return Company(tables=tables)


def test_a_deal_with_texts_of_many_properties_is_kept_and_goes_on(company: Company) -> None:
    """Its base takes twelve properties of 64 KiB, as every emoji is twelve characters of ASCII."""
    notes = "🤝" * 30_000
    referral_id = company.incoming(**ACCEPTED, details={**incoming_referral()["details"], "notes": notes})
    company.host.run_for(minutes=1)
    ((document, record_id),) = company.deals()
    link = company.links.find_by_referral(referral_id)
    assert link is not None
    assert link.status is LinkStatus.SYNCED
    company.edit_referral(referral_id, details__dealValue=4711)
    company.host.run_for(minutes=1)
    assert company.world.record(record_id, "deal_value") == 4711
    assert company.world.partner_center.peek(referral_id)["details"]["notes"] == document["details"]["notes"] == notes


def test_a_deal_too_large_to_remember_is_not_made_and_comes_in_when_shortened() -> None:
    """In tables in memory, which have the same limits: the row is refused before it is sent."""
    company = Company()
    details = {**incoming_referral()["details"], "notes": "🤝" * 60_000}
    referral_id = company.incoming(**ACCEPTED, details=details)
    company.host.run_for(hours=2)
    (poisoned,) = company.queues.poisoned.values()
    assert poisoned.reason is not None
    assert poisoned.reason.code == "too_large"
    assert "Shorten the longest text of the deal." in company.runs_of(referral_id)[0].message
    assert company.world.crm.ids() == ()
    company.edit_referral(referral_id, details__notes="Short.")
    company.host.run_for(minutes=5)
    company.assert_in_step()


def test_a_deal_too_large_to_remember_is_told_on_its_record_and_telling_sets_off_no_other_try() -> None:
    """The record is there already, and the referral names it."""
    company = Company()
    record_id = company.world.opportunity()
    details = {**incoming_referral()["details"], "notes": "🤝" * 60_000}
    referral_id = company.incoming(**ACCEPTED, details=details, externalReferenceId=record_id)
    company.host.run_for(minutes=30)
    reasons = [one.reason for one in company.queues.poisoned.values()]
    assert 1 <= len(reasons) <= 5
    company.resubmit(referral=referral_id)
    company.host.run_for(minutes=30)
    given_up = len(company.queues.poisoned)
    company.host.run_for(hours=2)
    assert len(company.queues.poisoned) == given_up
    assert {reason.code for reason in reasons if reason} == {"too_large"}
    told = company.world.audit(record_id)
    assert "Shorten the longest text of the deal" in told[0]
    assert sum("sync failed" in line for line in told) <= 3
    assert str(company.world.record(record_id, "name")).startswith("❌")
    company.edit_referral(referral_id, details__notes="Short.")
    company.host.run_for(minutes=5)
    company.assert_in_step()
    assert str(company.world.record(record_id, "name")).startswith("✔")


def test_a_text_that_grows_too_large_for_a_deal_in_step_changes_neither_side() -> None:
    company = Company()
    referral_id = company.incoming(**ACCEPTED)
    company.host.run_for(minutes=6)
    ((_, record_id),) = company.deals()
    company.edit_referral(referral_id, details__notes="🤝" * 60_000, details__dealValue=1)
    company.host.run_for(minutes=30)
    assert len(company.queues.poisoned) <= 3
    assert company.world.record(record_id, "notes") == "First call on Monday."
    assert company.world.record(record_id, "deal_value") == 50_000
    assert "Shorten the longest text" in company.world.audit(record_id)[0]
    company.edit_referral(referral_id, details__notes="Short.")
    company.host.run_for(minutes=5)
    company.assert_in_step()


@pytest.mark.parametrize("awkward", AWKWARD.values(), ids=AWKWARD.keys())
def test_awkward_ids_and_names_are_kept_found_and_told(company: Company, awkward: str) -> None:
    referral_id = company.incoming(**ACCEPTED, id=awkward, name=awkward[:40])
    company.host.run_for(minutes=6)
    link = company.links.find_by_referral(referral_id)
    assert link is not None
    assert company.links.find_by_record(RecordKind.OPPORTUNITY, str(link.record_id)) == link
    assert company.runs_of(awkward)
    assert company.audit_of(awkward)[-1].referral_id == awkward
    assert company.resubmit(referral=awkward) == [{"kind": "referral", "id": awkward}]
    company.host.run_for(minutes=1)
    company.assert_in_step()
    assert company.queues.poisoned == {}


def test_the_fullest_link_is_stored_whole(tables: Tables) -> None:
    """Everything in it is as long as it may be, and counts double as UTF-16."""
    store = LinkStore(tables, clock=lambda: NOW)
    largest = {"notes": "x" * (DOCUMENT_LIMIT_CHARS - len('{"notes":""}'))}
    full = Link(
        "r-full",
        RecordKind.OPPORTUNITY,
        referral_id="x" * 400,
        engagement_id="y" * 400,
        microsoft_referral_id="z" * 400,
        record_id="w" * 400,
        base=largest,
        intent=Intent("create_referral", NOW, "v" * 400),
        status=LinkStatus.FAILED,
        status_reason="🤝" * 3_999,
        updated_at=NOW,
        failure=Failure("rejected", "e" * 400, "r" * 400),
    )
    with store.lock(full.id, new=full) as locked:
        assert locked.link == full
    assert store.find_by_referral("z" * 400) == full


def test_audit_lines_of_any_length_in_any_script_are_kept(tables: Tables) -> None:
    audit = AuditLog(tables)
    conflicts = [
        {"field": f"Field {number}", "partner_center": "🤝" * 40_000, "crm": "صفقة" * 10_000, "winner": "crm"}
        for number in range(60)
    ]
    line = AuditLine(
        at=NOW,
        link_id="r-1",
        outcome="synced",
        message="🤝" * 20_000,
        fields_changed=tuple(f"Field {number}" for number in range(5_000)),
        conflicts=tuple(conflicts),
    )
    audit.append(line)
    (kept,) = audit.of_link("r-1")
    assert kept.message.startswith("🤝🤝")
    assert kept.conflicts[0]["field"] == "Field 0"


def test_a_message_of_48_kib_travels_and_a_byte_more_is_refused(storage: str, storage_prefix: str) -> None:
    sender = QueueSender(StorageConnection(storage))
    envelope = Envelope("referral", "", NOW, "c-1")
    largest = replace(envelope, id="x" * (SIZE_LIMIT_BYTES - 1 - len(envelope.dump())))
    sender.send(storage_prefix, largest)
    with pytest.raises(Rejected):
        sender.send(storage_prefix, replace(largest, id=f"{largest.id}x"))
    sender.close()
    with QueueClient.from_connection_string(storage, storage_prefix) as queue:
        (received,) = list(queue.receive_messages(max_messages=2))
    assert len(received.content) == 64 * 1024
    assert parse(base64.b64decode(received.content)) == largest


class Skewed:
    """The clock of a worker that is ``by`` ahead of the true time, or behind it."""

    def __init__(self, true: Skewed | None = None, by: timedelta = timedelta()) -> None:
        self._true = true
        self._by = by
        self.now = NOW

    def __call__(self) -> datetime:
        return self._by + (self.now if self._true is None else self._true())


SKEWS = [
    pytest.param(timedelta(minutes=first), timedelta(minutes=second), id=f"{first:+} and {second:+}")
    for first, second in ((2, 0), (0, 2), (-2, 0), (0, -2), (1, -1), (-1, 1))
]


@pytest.mark.parametrize(("owners", "others"), SKEWS)
def test_clocks_that_differ_neither_break_a_living_lock_nor_leave_one_for_ever(
    tables: Tables, owners: timedelta, others: timedelta
) -> None:
    true = Skewed()
    owner = LinkStore(tables, clock=Skewed(true, owners))
    other = LinkStore(tables, clock=Skewed(true, others))
    link = Link("r-1", RecordKind.OPPORTUNITY, referral_id="1")
    with owner.lock(link.id, new=link) as locked:
        for _ in range(3):
            true.now += LOCK_TIME - timedelta(seconds=1)
            with pytest.raises(LockTaken), other.lock(link.id):
                pass
            locked.save(locked.link)
        true.now += LOCK_TIME + 2 * CLOCK_SKEW  # it has died
        with other.lock(link.id):
            pass


@pytest.mark.parametrize(("owners", "others"), SKEWS)
def test_clocks_that_differ_leave_names_to_who_holds_them(tables: Tables, owners: timedelta, others: timedelta) -> None:
    true = Skewed()
    owner, other = (NameLocks(tables, clock=Skewed(true, by)) for by in (owners, others))
    with owner.hold("customer"):
        true.now += HELD_FOR - timedelta(seconds=1)
        with pytest.raises(LockTaken), other.hold("customer"):
            pass
        true.now += timedelta(seconds=1) + 2 * CLOCK_SKEW
        with other.hold("customer"):
            pass


@pytest.mark.parametrize(("owners", "others"), SKEWS)
def test_clocks_that_differ_do_not_hide_closings_from_the_brake(
    tables: Tables, owners: timedelta, others: timedelta
) -> None:
    """Just before the hour: one worker writes under the new hour while the other still counts the old one."""
    one, other = (Brake(tables, 20, lambda: 40, clock=Skewed(by=by)) for by in (owners, others))
    for number in range(FEW_DEALS):
        one.check(f"r-{number}")
    with pytest.raises(Rejected) as stopped:
        other.check("r-last")
    assert stopped.value.code == "brake"
