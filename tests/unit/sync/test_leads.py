"""Leads: taken in, disqualified, and turned into opportunities, once, whoever says so and whatever breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import Rejected, RetryLater
from shared.domain.link import LinkStatus
from shared.domain.record import CrmStage, RecordKind, StageChange
from shared.domain.values import Person
from shared.sync.leads import CONVERT, NO_OPPORTUNITY
from shared.sync.outcome import Outcome, Result
from tests.property.lead_world import ACCEPTED, WON, LeadWorld

LOST = RetryLater("The connection was lost")


def accept(world: LeadWorld, referral_id: str) -> Outcome:
    world.partner_center.edit(referral_id, ACCEPTED)
    return world.referral_changed(referral_id)


def without_details(**details: Any) -> dict[str, Any]:
    return {"details": {"currency": "EUR", "requirements": {"solutions": []}, **details}}


def stage(world: LeadWorld, referral_id: str) -> str:
    document = world.partner_center.peek(referral_id)
    return f"{document['status']}/{document['substatus']}"


def only_link(world: LeadWorld) -> Any:
    (link,) = world.links.links.values()
    return link


# In


def test_a_lead_comes_in_as_a_lead() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    lead = world.crm.peek(lead_id)
    assert (lead.kind, lead.stage) == (RecordKind.LEAD, CrmStage.ON_HOLD)
    assert lead.values["subject"] == "✔ Adventure Works: free trial"
    assert lead.values["companyname"] == "Fabrikam Inc."
    assert lead.values["address1_country"] == "GB"
    assert lead.values["estimatedamount"] == Decimal("50000.00")
    assert [person.last_name for person in lead.values["@contacts"]] == ["Lund"]
    assert lead.values[world.lead_mapping.columns.sync] is True
    assert world.lead_audit(lead_id) == ["Partner Center Referral to CRM sync success."]
    assert world.partner_center.peek(referral_id)["externalReferenceId"] == lead_id
    assert not world.opportunities()


def test_events_of_an_unchanged_lead_write_nothing_and_do_not_ask_the_crm() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    world.crm.calls.clear()
    before = world.writes()
    assert world.referral_changed(referral_id).result is Result.UNCHANGED
    assert not world.crm.calls
    assert world.lead_changed(lead_id).result is Result.UNCHANGED
    assert world.writes() == before


def test_a_lead_follows_its_referral_and_its_own_edits_wait_for_acceptance() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    world.partner_center.edit(referral_id, {"details.notes": "Called twice."})
    world.referral_changed(referral_id)
    assert world.lead_value(lead_id, "notes") == "Called twice."
    world.crm.edit(lead_id, {"estimatedclosedate": date(2027, 5, 1)})
    outcome = world.lead_changed(lead_id)
    assert outcome.result is Result.WAITING
    assert "once the record is qualified" in outcome.message
    accept(world, referral_id)
    assert world.partner_center.peek(referral_id)["details"]["closingDateTime"] == "2027-05-01T00:00:00Z"


@pytest.mark.parametrize("state", [ACCEPTED, WON])
def test_a_lead_that_was_accepted_before_it_came_in_is_an_opportunity(state: dict[str, str]) -> None:
    world = LeadWorld()
    world.referral_changed(world.incoming_lead(**state))
    assert not world.crm.ids(RecordKind.LEAD)
    (record_id,) = world.opportunities()
    assert world.crm.peek(record_id).stage is (CrmStage.ACTIVE if state is ACCEPTED else CrmStage.WON)


def test_leads_stay_out_where_settings_say_so_but_one_that_is_in_is_followed() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    world.sides = replace(world.sides, cosell_only=True)
    assert world.referral_changed(world.incoming_lead()).result is Result.IGNORED
    world.partner_center.edit(referral_id, {"status": "Closed", "substatus": "Expired"})
    world.referral_changed(referral_id)
    assert world.crm.peek(lead_id).stage is CrmStage.LOST


# Status


@pytest.mark.parametrize(
    ("substatus", "reason"),
    [("Declined", "Canceled"), ("Expired", "Canceled"), ("Error", "Canceled"), ("Lost", "Lost")],
)
def test_a_referral_that_ends_disqualifies_the_lead(substatus: str, reason: str) -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    world.partner_center.edit(referral_id, {"status": "Closed", "substatus": substatus})
    world.referral_changed(referral_id)
    lead = world.crm.peek(lead_id)
    assert (lead.stage, lead.stage_reason) == (CrmStage.LOST, reason)
    assert only_link(world).status is LinkStatus.CLOSED


def test_a_disqualified_lead_declines_its_referral_with_the_reason() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    world.crm.edit(lead_id, {}, StageChange(CrmStage.LOST))
    world.lead_changed(lead_id)
    assert stage(world, referral_id) == "Closed/Declined"
    assert world.partner_center.peek(referral_id)["statusReason"] == "Lost"


def test_a_lead_disqualified_after_acceptance_loses_its_referral() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in(**without_details())
    with pytest.raises(Rejected):
        accept(world, referral_id)
    world.crm.edit(lead_id, {}, StageChange(CrmStage.LOST))
    world.lead_changed(lead_id)
    assert stage(world, referral_id) == "Closed/Lost"
    assert not world.opportunities()


# Accepted in Partner Center


def test_acceptance_in_partner_center_qualifies_the_lead() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    outcome = accept(world, referral_id)
    assert outcome.result is Result.CREATED
    (record_id,) = world.opportunities()
    record = world.crm.peek(record_id)
    assert (record.stage, record.lead_id) == (CrmStage.ACTIVE, lead_id)
    columns = world.record_mapping.columns
    assert record.values[columns.referral_id] == referral_id
    assert record.values[columns.sync] is True
    assert record.values["customerid_account.name"] == "Fabrikam Inc."
    assert [one.id for one in record.values["@solutions"]] == ["SOL-34104-EBB"]
    assert world.crm.peek(lead_id).stage is CrmStage.ACTIVE
    link = only_link(world)
    assert (link.kind, link.record_id, link.status, link.intent) == (
        RecordKind.OPPORTUNITY,
        record_id,
        LinkStatus.SYNCED,
        None,
    )
    assert world.partner_center.peek(referral_id)["externalReferenceId"] == record_id
    assert "Partner Center Referral to CRM sync success (Lead to opportunity)." in world.audit(record_id)[-1]
    assert world.settle() == 1


def test_what_came_with_the_acceptance_is_on_the_opportunity() -> None:
    world = LeadWorld()
    referral_id, _ = world.taken_in(**without_details())
    world.partner_center.edit(
        referral_id, {**ACCEPTED, "details.dealValue": 700, "details.closingDateTime": "2027-08-01T00:00:00Z"}
    )
    world.referral_changed(referral_id)
    (record_id,) = world.opportunities()
    assert world.record(record_id, "deal_value") == Decimal(700)
    assert world.record(record_id, "closing_date") == date(2027, 8, 1)


def test_revenue_and_closing_date_are_asked_for_together_and_then_it_goes_on() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in(**without_details())
    with pytest.raises(Rejected) as refused:
        accept(world, referral_id)
    assert refused.value.field == "Est. value, Est. close date"
    assert "Est. value: Enter" in refused.value.message
    assert "Est. close date: Enter" in refused.value.message
    with pytest.raises(Rejected):
        world.referral_changed(referral_id)
    world.crm.edit(lead_id, {"estimatedamount": Decimal(0), "estimatedclosedate": date(2027, 4, 1)})
    world.lead_changed(lead_id)
    world.settle()
    (record_id,) = world.opportunities()
    details = world.partner_center.peek(referral_id)["details"]
    assert (details["dealValue"], details["closingDateTime"]) == (0, "2027-04-01T00:00:00Z")
    assert world.record(record_id, "deal_value") == 0


def test_a_known_account_is_used_and_several_are_a_persons_choice() -> None:
    world = LeadWorld()
    known = world.crm.add_account(name="Fabrikam Works", address1_postalcode="LS1 4AP")
    referral_id, lead_id = world.taken_in()
    world.crm.edit(lead_id, {"companyname": "FABRIKAM WORKS"})
    world.crm.add_account(name="Fabrikam Works", address1_postalcode="LS1 4AP")
    with pytest.raises(Rejected, match="2 accounts match"):
        accept(world, referral_id)
    world.crm.edit(lead_id, {"address1_postalcode": "LS2"})
    one = world.crm.add_account(name="Fabrikam Works", address1_postalcode="LS2")
    world.lead_changed(lead_id)
    (record_id,) = world.opportunities()
    assert world.record(record_id, "customer_postal_code") == "LS2"
    assert one != known


def test_a_referral_won_while_the_lead_was_open_wins_the_opportunity() -> None:
    world = LeadWorld()
    referral_id, _ = world.taken_in()
    world.partner_center.edit(referral_id, WON)
    world.referral_changed(referral_id)
    world.settle()
    (record_id,) = world.opportunities()
    assert world.crm.peek(record_id).stage is CrmStage.WON
    assert not any("reopened" in line for line in world.audit(record_id))


def test_where_only_users_convert_leads_they_are_asked_to_once() -> None:
    world = LeadWorld()
    world.crm = world.crm.__class__(world.mapping, clock=world._tick, qualifies_leads=False)
    world.sides = replace(world.sides, crm=world.crm)
    referral_id, lead_id = world.taken_in()
    accept(world, referral_id)
    world.settle()
    assert world.lead_audit(lead_id).count(CONVERT) == 1
    assert not world.opportunities()
    record_id = world.crm.qualify_lead(lead_id)
    world.lead_changed(lead_id)
    assert only_link(world).record_id == record_id


# Qualified in the CRM


@pytest.mark.parametrize("first", ["lead", "opportunity", "referral"])
def test_a_seller_who_qualifies_the_lead_accepts_the_referral(first: str) -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    record_id = world.crm.qualify_lead(lead_id)
    sync = world.record_mapping.columns.sync
    world.crm.edit(record_id, {sync: True})
    if first == "lead":
        world.lead_changed(lead_id)
    elif first == "opportunity":
        world.record_changed(record_id)
    else:
        world.partner_center.edit(referral_id, {"details.notes": "Called."})
        world.referral_changed(referral_id)
    assert stage(world, referral_id) == "Active/Accepted"
    assert world.partner_center.ids() == (referral_id,)
    assert only_link(world).record_id == record_id
    assert world.partner_center.peek(referral_id)["externalReferenceId"] == record_id
    assert world.settle() <= 2
    assert world.opportunities() == (record_id,)


def test_edits_made_before_and_after_qualification_travel_and_blanks_are_filled() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    world.crm.edit(lead_id, {"estimatedamount": Decimal(123)})
    world.lead_changed(lead_id)
    world.partner_center.edit(referral_id, {"details.notes": "They called back."})
    record_id = world.crm.qualify_lead(lead_id)
    world.crm.edit(record_id, {"estimatedclosedate": None})
    world.lead_changed(lead_id)
    document = world.partner_center.peek(referral_id)
    assert document["details"]["dealValue"] == 123
    assert world.record(record_id, "notes") == "They called back."
    assert world.record(record_id, "closing_date") == date(2027, 1, 31)
    assert document["details"]["closingDateTime"] == "2027-01-31T00:00:00Z"


def test_a_lead_with_the_companys_name_sends_no_such_contact() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in(customerProfile={"name": "Fabrikam Inc.", "team": [], "address": {}})
    assert world.lead_value(lead_id, "contacts") == (Person(last_name="Fabrikam Inc."),)
    accept(world, referral_id)
    world.settle()
    assert world.partner_center.peek(referral_id)["customerProfile"]["team"] == []


def test_a_lead_qualified_without_an_opportunity_waits_and_the_audit_says_so_once() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    world.crm.edit(lead_id, {}, StageChange(CrmStage.ACTIVE))
    for _ in range(3):
        assert world.lead_changed(lead_id).result is Result.WAITING
    assert world.lead_audit(lead_id).count(NO_OPPORTUNITY) == 1
    assert stage(world, referral_id) == "New/Received"
    assert only_link(world).status is LinkStatus.WAITING
    world.crm.edit(lead_id, {}, StageChange(CrmStage.ON_HOLD))
    record_id = world.crm.qualify_lead(lead_id)
    world.lead_changed(lead_id)
    assert only_link(world).record_id == record_id


def test_an_opportunity_that_names_another_referral_is_not_taken_over() -> None:
    world = LeadWorld()
    _, lead_id = world.taken_in()
    record_id = world.crm.qualify_lead(lead_id)
    world.crm.edit(record_id, {world.record_mapping.columns.referral_id: "another"})
    with pytest.raises(Rejected, match="names another referral, another"):
        world.lead_changed(lead_id)


# Out


def test_a_lead_of_the_partners_own_is_not_shared_until_it_is_an_opportunity() -> None:
    world = LeadWorld()
    sync = world.lead_mapping.columns.sync
    lead_id = world.crm.add({sync: True, "subject": "Ours"}, kind=RecordKind.LEAD, stage=CrmStage.ON_HOLD)
    outcome = world.lead_changed(lead_id)
    assert (outcome.result, outcome.link) == (Result.IGNORED, None)
    assert "its opportunity is shared" in outcome.message
    assert not world.partner_center.ids()
    record_id = world.crm.qualify_lead(lead_id)
    world.crm.edit(record_id, {world.record_mapping.columns.sync: True})
    with pytest.raises(Rejected, match="cannot be shared yet"):
        world.record_changed(record_id)


# Repeats


def test_a_lead_that_is_qualified_while_it_is_being_synced_is_an_opportunity_after_that() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    world.crm.edit(lead_id, {}, StageChange(CrmStage.LOST))
    made = []

    def change_of_mind() -> None:
        world.crm.edit(lead_id, {}, StageChange(CrmStage.ON_HOLD))
        made.append(world.crm.qualify_lead(lead_id))

    world.partner_center.on_next("patch", change_of_mind)
    world.lead_changed(lead_id)
    link = only_link(world)
    assert (link.kind, [link.record_id]) == (RecordKind.OPPORTUNITY, made)
    assert stage(world, referral_id) == "Closed/Declined"
    assert world.crm.peek(made[0]).stage is CrmStage.LOST


def test_a_dry_run_qualifies_nothing() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    world.sides = replace(world.sides, dry_run=True)
    before = world.writes()
    outcome = accept(world, referral_id)
    assert outcome.result is Result.DRY_RUN
    assert "qualify the lead" in outcome.message
    world.crm.qualify_lead(lead_id)
    assert world.lead_changed(lead_id).result is Result.DRY_RUN
    assert world.writes() == before


@pytest.mark.parametrize("optimistic_lock", [True, False])
@pytest.mark.parametrize("who", ["partner center", "seller"])
@pytest.mark.parametrize("after_commit", [True, False])
@pytest.mark.parametrize("operation", ["get", "prepare", "qualify", "opportunity_of", "update", "patch", "reference"])
@pytest.mark.parametrize("repeat", ["referral", "lead", "opportunity"])
def test_whatever_breaks_there_is_one_opportunity(
    operation: str, after_commit: bool, who: str, repeat: str, optimistic_lock: bool
) -> None:
    world = LeadWorld(optimistic_lock=optimistic_lock)
    referral_id, lead_id = world.taken_in()
    if who == "seller":
        world.crm.qualify_lead(lead_id)
    else:
        world.partner_center.edit(referral_id, ACCEPTED)
    world.crm.fail_next(LOST, operation=operation, after_commit=after_commit)
    world.partner_center.fail_next(LOST, operation=operation, after_commit=after_commit)
    works: dict[str, Callable[[], object]] = {
        "referral": lambda: world.referral_changed(referral_id),
        "lead": lambda: world.lead_changed(lead_id),
        "opportunity": lambda: [world.record_changed(record_id) for record_id in world.opportunities()],
    }
    for work in ("lead", repeat, repeat, "lead", "lead"):
        try:
            works[work]()
        except RetryLater:
            continue
    world.settle()
    (record_id,) = world.opportunities()
    assert only_link(world).record_id == record_id
    assert stage(world, referral_id) == "Active/Accepted"
    assert world.partner_center.ids() == (referral_id,)
    assert world.partner_center.peek(referral_id)["externalReferenceId"] == record_id
