"""A service that is away for seconds or days costs time and nothing else. The time of these tests is injected."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.state.runs import RunStatus
from tests.reliability.company import ACCEPTED, RETRY_FOR, Company
from tests.reliability.outages import REFUSALS, REFUSED, THROTTLED, UNAVAILABLE_FOR_NOW, Refusal, Service

DURATIONS = {
    "10 s": timedelta(seconds=10),
    "10 min": timedelta(minutes=10),
    "3 h": timedelta(hours=3),
    "48 h": timedelta(hours=48),
}
LONGEST_WAIT = timedelta(minutes=66)
"""An hour, or Retry-After and a tenth; and the tries that find another one at the same deal."""
durations = pytest.mark.parametrize("duration", DURATIONS.values(), ids=DURATIONS.keys())


@pytest.fixture(autouse=True)
def _same_jitter() -> None:
    random.seed(20260302)


def at_work(deals: int = 2, *, poll_every: timedelta = timedelta(minutes=5)) -> Company:
    """A company with so many deals from either side, all in step."""
    company = Company(poll_every=poll_every)
    for number in range(deals):
        company.incoming(**ACCEPTED, name=f"Fabrikam: plant {number}")
        company.world.opportunity(name=f"Northwind: shop {number}")
    company.host.run_for(minutes=20)
    company.assert_in_step()
    assert company.queues.waiting() == []
    return company


def edit_everything(company: Company, number: int = 1) -> None:
    """People edit both sides of every deal, and a new one comes from either side."""
    for document, record_id in tuple(company.deals()):
        company.edit_referral(document["id"], details__notes=f"Call number {number}.")
        company.world.crm.edit(record_id, {"estimatedvalue": Decimal(1000 * number)})
    company.incoming(**ACCEPTED, name=f"Fabrikam: new plant {number}")
    company.world.opportunity(name=f"Northwind: new shop {number}")


def weather(company: Company, duration: timedelta, go: Callable[[], None], come_back: Callable[[], None]) -> None:
    """The outage begins, people go on working, and it ends."""
    begin = company.clock.now
    go()
    company.host.run_until(begin + duration / 20)
    edit_everything(company)
    company.host.run_until(begin + duration)
    come_back()


def assert_weathered(company: Company, duration: timedelta) -> None:
    """All is made up for in the time of the longest wait, with a bounded number of tries, and nothing was given up."""
    company.host.run_for(seconds=LONGEST_WAIT.total_seconds() + 12 * 60)
    company.assert_in_step()
    assert company.queues.waiting() == []
    assert company.queues.poisoned == {}
    tries = Counter(envelope.correlation_id for _, envelope in company.host.attempts)
    assert max(tries.values()) <= 16 + 6.1 * (duration / timedelta(hours=1))
    messages_by_deal = Counter(
        envelope.id for _, envelope in {one.correlation_id: (at, one) for at, one in company.host.attempts}.values()
    )
    assert max(messages_by_deal.values()) <= 16, "a deal that waits is queued again and again"
    writes = company.world.writes()
    company.host.run_for(minutes=30)
    assert company.world.writes() == writes


def called_in_vain(company: Company) -> list[Service]:
    return [service for service in (company.partner_center, company.crm) if service.refused]


ASKING = {THROTTLED: "crm", UNAVAILABLE_FOR_NOW: "partner_center"}
"""Two days of Retry-After are many tries that are not sent: one service for each way to ask is enough."""
CELLS = [
    pytest.param(name, refusal, duration, id=f"{name}-{refusal.name}-{duration_name}")
    for name, refusal, (duration_name, duration) in itertools.product(
        ("partner_center", "crm"), REFUSALS, DURATIONS.items()
    )
    if duration_name != "48 h" or ASKING.get(refusal, name) == name
]


@pytest.mark.parametrize(("name", "refusal", "duration"), CELLS)
def test_a_service_that_is_away_costs_time_and_nothing_else(name: str, refusal: Refusal, duration: timedelta) -> None:
    is_long = duration > timedelta(hours=1)
    company = at_work(1 if is_long else 3, poll_every=timedelta(seconds=300 if is_long else 30))
    service: Service = getattr(company, name)
    weather(company, duration, lambda: setattr(service, "away", refusal), lambda: setattr(service, "away", None))
    assert called_in_vain(company) == [service]
    assert service.too_early == [], "it was called before the time that it asked for was over"
    assert_weathered(company, duration)


@durations
def test_without_a_token_everything_waits(duration: timedelta) -> None:
    company = at_work()
    endpoint = company.token_endpoint

    def go() -> None:
        endpoint.away = True
        endpoint.expire()

    weather(company, duration, go, lambda: setattr(endpoint, "away", False))
    assert len(endpoint.asked) > 1
    assert_weathered(company, duration)


@durations
@pytest.mark.parametrize("which", [("tables",), ("queue_storage",), ("tables", "queue_storage")], ids="+".join)
def test_storage_that_is_away_loses_nothing(which: tuple[str, ...], duration: timedelta) -> None:
    """Webhooks that could not be taken are made up for by auto-heal."""
    company = at_work()
    storages = [getattr(company, name) for name in which]

    def switch(is_away: bool) -> None:
        for storage in storages:
            storage.is_away = is_away

    weather(company, duration, lambda: switch(True), lambda: switch(False))
    assert_weathered(company, duration)


@pytest.mark.parametrize("name", ["partner_center", "crm"])
def test_a_backlog_does_not_come_back_all_at_once(name: str) -> None:
    company = at_work(20)
    service: Service = getattr(company, name)
    hours = timedelta(hours=3)
    weather(company, hours, lambda: setattr(service, "away", REFUSED), lambda: setattr(service, "away", None))
    backlog, end = len(company.queues.waiting()), company.clock.now
    assert backlog >= 40
    company.host.run_for(minutes=80)
    company.assert_in_step()
    back = [at - end for at, envelope in company.host.attempts if envelope.first_seen < end < at]
    per_minute = Counter(after // timedelta(minutes=1) for after in back)
    assert max(per_minute.values()) <= backlog / 8
    assert len(per_minute) > 20


def test_a_backlog_that_was_told_to_wait_comes_back_spread_over_a_tenth_of_that_time() -> None:
    company = at_work(20)
    company.crm.away = THROTTLED
    edit_everything(company)
    company.host.run_for(minutes=9)
    backlog = len(company.queues.waiting())
    assert backlog >= 40
    company.crm.away = None
    asked_until = company.crm.refused[0] + timedelta(seconds=600)
    company.host.run_for(minutes=15)
    company.assert_in_step()
    back = [at for at, _ in company.host.attempts if at >= asked_until]
    per_5_s = Counter((at - asked_until) // timedelta(seconds=5) for at in back)
    assert max(per_5_s.values()) <= backlog / 3


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
@pytest.mark.parametrize("name", ["partner_center", "crm"])
def test_what_waits_says_so_and_why(name: str, refusal: Refusal) -> None:
    company = at_work()
    service: Service = getattr(company, name)
    service.away = refusal
    edit_everything(company)
    company.host.run_for(minutes=40)
    waiting = {(message.envelope.kind, message.envelope.id) for message in company.queues.waiting()}
    assert len(waiting) >= 5
    for kind, subject_id in waiting:
        run, line = company.runs_of(subject_id)[0], company.audit_of(subject_id, kind)[0]
        assert (run.status, line.outcome) == (RunStatus.RETRYING, "retry")
        for text in (run.message, line.message):
            assert text.startswith(service.name)
            assert "tried again by itself" in text
        if refusal.status:
            assert str(refusal.status) in run.message
    timer = company.runs_of("opportunity" if name == "crm" else "referral")[0]
    assert (timer.kind, timer.status) == ("timer", RunStatus.RETRYING)


def test_what_waited_longer_than_it_may_is_told_and_mended_by_resubmitting() -> None:
    company = at_work()
    company.partner_center.away = REFUSED
    edit_everything(company)
    company.host.run_for(hours=RETRY_FOR / timedelta(hours=1) + 3)
    assert {one.reason.code for one in company.queues.poisoned.values() if one.reason} == {"given_up"}
    failed = company.runs.recent(100_000, 10, RunStatus.FAILED)
    assert failed
    for run in failed:
        assert run.message.startswith("Given up after 72 hours: Partner Center could not be reached")
        assert "Then resubmit it." in run.message
    told = [record_id for record_id in company.world.crm.ids() if "sync failed" in company.world.audit(record_id)[0]]
    assert len(told) >= 4, "the records say so where sellers look"
    assert all(str(company.world.record(record_id, "name")).startswith("❌") for record_id in told)
    company.partner_center.away = None
    company.host.run_for(minutes=30)
    company.resubmit(failed_since=min(run.started for run in failed).isoformat())
    company.host.run_for(minutes=30)
    company.assert_in_step()
    assert all(str(company.world.record(record_id, "name")).startswith("✔") for record_id in company.world.crm.ids())
    assert company.queues.waiting() == []


def test_a_failure_that_cannot_be_told_because_the_crm_is_away_is_told_when_it_is_back() -> None:
    company = at_work()
    company.crm.away = REFUSED
    edit_everything(company)
    company.host.run_for(hours=RETRY_FOR / timedelta(hours=1) + 3)
    assert company.queues.poisoned
    company.crm.away = None
    company.host.run_for(minutes=75)
    assert company.queues.waiting() == []
    company.resubmit(failed_since=(company.clock.now - timedelta(hours=8)).isoformat())
    company.host.run_for(minutes=30)
    company.assert_in_step()
