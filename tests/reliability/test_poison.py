"""What nothing can mend by itself ends where people look, waits for them, and goes on once the cause is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from shared.domain.link import LinkStatus
from shared.domain.record import CrmStage, StageChange
from shared.state.runs import Run, RunStatus
from tests.reliability.company import ACCEPTED, Company


def failed_runs(company: Company) -> list[Run]:
    return company.runs.recent(10_000, 3, RunStatus.FAILED)


def add_currency(company: Company, code: str) -> None:
    """The CRM's administrator adds it, and the worker is a new one that has read the catalogue since."""
    world = company.world
    known = {**world.rules.currencies, code: 2}
    world.crm._rules = replace(world.crm._rules, currencies=known)
    world.all_rules.update({kind: replace(rules, currencies=known) for kind, rules in world.all_rules.items()})


def test_a_permanent_failure_is_told_everywhere_once_and_mended_by_resubmitting() -> None:
    """A currency that the CRM does not have: its administrator adds it, and nothing in the deal itself changes."""
    company = Company()
    referral_id = company.incoming(**ACCEPTED)
    company.host.run_for(minutes=6)
    ((_, record_id),) = company.deals()
    company.edit_referral(referral_id, details__currency="XTS", details__dealValue=77)
    company.host.run_for(hours=2)
    (poisoned,) = company.queues.poisoned.values()
    assert (poisoned.kind, poisoned.id, poisoned.attempt) == ("referral", referral_id, 1), "it is not even tried again"
    (run,) = failed_runs(company)
    assert (run.function, run.subject_id) == ("partner_center_to_crm_helper", referral_id)
    told = company.world.audit(record_id)[0]
    assert "Partner Center Referral to CRM sync failed:" in told
    assert "XTS" in told
    assert str(company.world.record(record_id, "name")).startswith("❌")
    link = company.links.find_by_referral(referral_id)
    assert link is not None
    assert link.failure is not None
    assert (link.status, link.failure.etag) == (
        LinkStatus.FAILED,
        company.world.partner_center.peek(referral_id)["eTag"],
    )
    assert [line.outcome for line in company.audit_of(referral_id)][:2] == ["waiting", "failed"]
    assert company.world.record(record_id, "deal_value") == 50_000, "nothing of the deal is written by half"

    add_currency(company, "XTS")
    company.host.run_for(minutes=30)
    assert company.world.record(record_id, "deal_value") == 50_000, "nobody said that the cause is gone"
    assert company.resubmit(run=run.id) == [{"kind": "referral", "id": referral_id}]
    company.host.run_for(minutes=2)
    assert company.world.record(record_id, "deal_value") == 77
    assert str(company.world.record(record_id, "name")).startswith("✔")
    link = company.links.find_by_referral(referral_id)
    assert link is not None
    assert (link.status, link.failure) == (LinkStatus.SYNCED, None)


def test_what_a_seller_mends_on_the_record_needs_no_resubmitting() -> None:
    company = Company()
    record_id = company.world.opportunity(closing_date=None)
    company.host.run_for(minutes=30)
    failed = failed_runs(company)
    assert len(failed) <= 2, "when it changed, and when its solutions were first seen"
    assert "Est. close date: Enter the day" in failed[0].message
    company.host.run_for(hours=3)
    assert failed_runs(company) == failed
    assert len(company.world.audit(record_id)) == 1
    company.world.crm.edit(record_id, {"estimatedclosedate": date(2027, 3, 1)})
    company.host.run_for(minutes=2)
    company.assert_in_step()
    assert str(company.world.record(record_id, "name")).startswith("✔")


def test_a_failure_whose_news_meets_an_outage_is_told_after_it() -> None:
    company = Company()
    record_id = company.world.opportunity(closing_date=None)
    company.host.run_for(seconds=29)
    company.tables.is_away = True
    company.host.run_for(hours=3)
    company.tables.is_away = False
    company.host.run_for(minutes=70)
    assert "sync failed" in company.world.audit(record_id)[0]
    assert str(company.world.record(record_id, "name")).startswith("❌")
    assert company.queues.waiting() == []


DEALS = 60


def with_many_deals(brake_percent: int) -> Company:
    company = Company(brake_percent=brake_percent)
    for number in range(DEALS):
        company.incoming(**ACCEPTED, name=f"Fabrikam: plant {number}")
    company.host.run_for(minutes=6)
    company.assert_in_step()
    return company


def lost_in_crm(company: Company) -> int:
    return sum(company.world.crm.peek(one).stage is CrmStage.LOST for one in company.world.crm.ids())


def lost_in_partner_center(company: Company) -> int:
    documents = map(company.world.partner_center.peek, company.world.partner_center.ids())
    return sum(one["substatus"] == "Lost" for one in documents)


@pytest.mark.parametrize("side", ["partner_center", "crm"])
def test_a_run_that_would_close_too_many_stops_says_how_to_go_on_and_goes_on(side: str) -> None:
    """One side says that every deal is lost: 20 % of them are believed, the others wait for a person."""
    company = with_many_deals(20)
    for document, record_id in tuple(company.deals()):
        if side == "partner_center":
            company.edit_referral(document["id"], status="Closed", substatus="Lost")
        else:
            company.world.crm.edit(record_id, {}, StageChange(CrmStage.LOST))
    count = lost_in_crm if side == "partner_center" else lost_in_partner_center
    company.host.run_for(hours=3)
    assert count(company) == DEALS * 20 // 100
    stopped = failed_runs(company)
    assert {run.subject_id for run in stopped}
    for run in stopped:
        assert "BRAKE_PERCENT is 20; this one waits for a person" in run.message
        assert "Check whether one side lost its data. If all is right, resubmit what failed" in run.message
    company.resubmit(failed_since=min(run.started for run in stopped).isoformat())
    company.host.run_for(minutes=10)
    assert count(company) == DEALS
    assert company.queues.waiting() == []


def test_a_run_that_would_clear_too_many_stops_too() -> None:
    company = with_many_deals(20)
    for _, record_id in tuple(company.deals()):
        company.world.crm.edit(record_id, {"description": None, "estimatedvalue": None})
    company.host.run_for(hours=2)
    documents = map(company.world.partner_center.peek, company.world.partner_center.ids())
    cleared = sum(one["details"]["notes"] is None or one["details"]["dealValue"] is None for one in documents)
    assert cleared <= DEALS * 20 // 100


def test_a_crm_that_seems_empty_is_not_believed_and_the_next_look_that_shows_it_goes_on() -> None:
    company = Company()
    referral_id = company.incoming(**ACCEPTED)
    company.host.run_for(minutes=6)
    ((_, record_id),) = company.deals()
    rows = company.world.crm._rows  # what the connector may see
    hidden = dict(rows)
    rows.clear()  # the application user lost its permission to read the table
    company.world.crm.expire_cursors()
    company.host.run_for(minutes=10)
    run = next(run for run in failed_runs(company) if run.kind == "timer")
    assert "returned no opportunity at all" in run.message
    assert "Check the application user's read permission" in run.message
    assert company.world.partner_center.peek(referral_id)["status"] == "Active"
    rows.update(hidden)
    company.world.crm.edit(record_id, {"estimatedvalue": Decimal(9)})
    company.host.run_for(minutes=2)
    company.assert_in_step()
    assert company.world.partner_center.peek(referral_id)["details"]["dealValue"] == 9
