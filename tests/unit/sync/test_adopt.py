"""Deals that Microsoft's connector has linked are taken over, and end as the report said they would."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.adopt import Choice, Ending, stages_before
from shared.domain.errors import LockTaken, RetryLater
from shared.domain.link import Link, LinkStatus
from shared.domain.pairing import Doubt
from shared.domain.record import CrmStage, RecordKind, StageChange
from shared.domain.referral import ReferralStage
from shared.domain.stages import Stages, plan_stages
from shared.domain.values import Person, Solution
from shared.sync.adopt import READ_AT_ONCE, Adopted, Candidate, Survey, adopt_all, survey
from shared.sync.outcome import Result
from shared.sync.patience import MOST_TRIES
from shared.sync.related import bring_related
from tests.property.lead_world import LeadWorld
from tests.property.world import World

ACCEPTED = {"status": "Active", "substatus": "Accepted"}
OPEN = {"status": "New", "substatus": "Received"}
NOTHING_ELSE = (RecordKind.OPPORTUNITY,)


class Tenant:
    """A tenant as Microsoft's connector leaves it: both sides name each other, marks and audit lines are there."""

    def __init__(self, **settings: Any) -> None:
        self.world = World(**settings)
        self.said: list[str] = []
        self.slept: list[float] = []

    def linked(self, stage: CrmStage = CrmStage.ACTIVE, *, state: Mapping[str, str] = ACCEPTED, **changes: Any) -> str:
        """A pair that agrees but for ``changes`` of the record, by field name or column; the referral's id."""
        world = self.world
        referral_id = world.incoming(**(OPEN if state is OPEN else ACCEPTED))
        columns = world.record_mapping.columns
        values: dict[str, Any] = {
            "name": "✔ Fabrikam: supply chain on Azure",
            "deal_value": Decimal(50000),
            "currency": "EUR",
            "closing_date": world_date(world, referral_id),
            "notes": "First call on Monday.",
            "visibility": True,
            "customer_name": "Fabrikam Inc.",
            "customer_country": "GB",
            "contacts": (Person("Mia", "Lund", "+44 113 496 0000", "mia.lund@fabrikam.example"),),
            "team": (),
            "solutions": (Solution("SOL-34104-EBB", "Contoso Supply"),),
            columns.referral_id: referral_id,
            columns.referral_link: f"https://partner.microsoft.com/dashboard/referrals/v2/inbox?id={referral_id}",
            columns.audit: "2026-02-01 10:20 - Partner Center Referral to CRM sync success.",
            **changes,
        }
        record_id = world.opportunity(stage=stage, **values)
        assert world.partner_center.edit(referral_id, {"externalReferenceId": record_id, **state})
        return referral_id

    def record_of(self, referral_id: str) -> str:
        return str(self.world.partner_center.peek(referral_id)["externalReferenceId"])

    def survey(self, choice: Choice = Choice.POLICY) -> Survey:
        links = list(self.world.links.links.values())
        return survey(self.world.sides, NOTHING_ELSE, links, self.said.append, self.slept.append, choice)

    def adopt(self, choice: Choice = Choice.POLICY) -> Adopted:
        return adopt_all(self.world.sides, self.survey(choice).candidates, self.said.append)

    def link(self, referral_id: str) -> Link:
        link = self.world.links.find_by_referral(referral_id)
        assert link is not None
        return link


def world_date(world: World, referral_id: str) -> Any:
    raw = world.partner_center.peek(referral_id)["details"]["closingDateTime"]
    return world.record_mapping.field("closing_date").convert.from_partner_center(raw)


def endings(candidate: Candidate) -> dict[str, Ending]:
    return {one.field: one.ending for one in candidate.differences}


def test_a_pair_that_agrees_is_taken_over_and_nothing_is_written_anywhere() -> None:
    tenant = Tenant()
    referral_id = tenant.linked()
    (candidate,) = tenant.survey().candidates
    assert (candidate.differences, candidate.problem) == ((), "")
    assert tenant.world.links.links == {}
    assert tenant.adopt() == Adopted(1, 0, ())
    assert tenant.link(referral_id).status is LinkStatus.SYNCED
    tenant.world.settle()
    assert tenant.world.writes() == 0, "marks, Microsoft's link and its audit lines are as good as ours"


def test_after_it_an_edit_on_either_side_travels_and_is_no_conflict() -> None:
    tenant = Tenant()
    referral_id = tenant.linked()
    tenant.adopt()
    world, record_id = tenant.world, tenant.record_of(referral_id)
    world.partner_center.edit(referral_id, {"details.dealValue": 7})
    world.crm.edit(record_id, {"description": "Ours"})
    outcome = world.referral_changed(referral_id)
    assert (outcome.conflicts, outcome.sent, outcome.received) == ((), ("Description",), ("Est. revenue",))
    assert world.record(record_id, "deal_value") == 7
    assert world.partner_center.peek(referral_id)["details"]["notes"] == "Ours"


def test_an_identifier_in_capitals_is_the_same_identifier() -> None:
    tenant = Tenant()
    columns = tenant.world.record_mapping.columns
    referral_id = tenant.linked()
    tenant.world.crm.edit(tenant.record_of(referral_id), {columns.referral_id: referral_id.upper()})
    (candidate,) = tenant.survey().candidates
    tenant.adopt()
    tenant.world.settle()
    assert (candidate.differences, tenant.world.writes()) == ((), 0)


DIFFERENT = {"deal_value": Decimal(9), "notes": "The seller's words.", "solutions": (Solution("SOL-1", "Other"),)}


@pytest.mark.parametrize("newer", ["crm", "partner_center"])
@pytest.mark.parametrize("choice", Choice)
def test_what_differs_ends_as_the_report_says(choice: Choice, newer: str) -> None:
    tenant = Tenant()
    referral_id = tenant.linked(**DIFFERENT)
    world, record_id = tenant.world, tenant.record_of(referral_id)
    if newer == "crm":
        world.crm.edit(record_id, {"name": "Fabrikam: supply chain on Azure"})
    (candidate,) = tenant.survey(choice).candidates
    told = endings(candidate)
    winner = {Choice.POLICY: newer, Choice.PARTNER_CENTER: "partner_center", Choice.CRM: "crm", Choice.LEAVE: "stays"}
    assert told == {
        "deal_value": Ending(winner[choice]),
        "notes": Ending(winner[choice]),
        "solutions": Ending.CRM,  # both together, and sets go to the CRM with its creation only
    }
    assert tenant.adopt(choice) == Adopted(1, 0, ())
    assert tenant.link(referral_id).status is LinkStatus.PENDING, "auto-heal looks at it again"
    world.settle()
    document = world.partner_center.peek(referral_id)
    held = {"partner_center": (document["details"]["dealValue"], document["details"]["notes"])}
    held["crm"] = (world.record(record_id, "deal_value"), world.record(record_id, "notes"))
    values = {"partner_center": (50000, "First call on Monday."), "crm": (9, "The seller's words.")}
    if winner[choice] == "stays":
        assert held == values
    else:
        assert held == dict.fromkeys(held, values[winner[choice]])
    assert [row["id"] for row in document["details"]["requirements"]["solutions"]] == ["SOL-34104-EBB", "SOL-1"]


def test_a_field_that_waits_for_a_person_is_said_to_wait() -> None:
    hold = {"name": "deal_value", "conflict": "hold"}
    tenant = Tenant(overlay={"records": {"opportunity": {"fields": [hold]}}})
    referral_id = tenant.linked(deal_value=Decimal(9))
    (candidate,) = tenant.survey().candidates
    assert endings(candidate) == {"deal_value": Ending.WAITS}
    tenant.adopt()
    tenant.world.record_changed(tenant.record_of(referral_id))
    assert tenant.link(referral_id).status is LinkStatus.WAITING


@pytest.mark.parametrize("there", ReferralStage)
@pytest.mark.parametrize("here", CrmStage)
def test_a_stage_that_differs_moves_as_it_would_without_anything_agreed(there: ReferralStage, here: CrmStage) -> None:
    now = Stages(there, here)
    decision, afresh = plan_stages(now, stages_before(now)), plan_stages(now, None)
    if there.is_closed and here.is_closed:
        assert decision == plan_stages(now, now), "both are final"
    else:
        assert decision == afresh


def test_stages_that_differ_are_told_with_what_becomes_of_them() -> None:
    tenant = Tenant()
    won_there = tenant.linked(state={"status": "Closed", "substatus": "Won"})
    lost_here = tenant.linked(CrmStage.LOST)
    waiting_there = tenant.linked(CrmStage.ACTIVE, state=OPEN)
    told = {one.referral.id: one.differences for one in tenant.survey().candidates}
    assert [(one.label, one.partner_center, one.crm, one.ending) for one in told[won_there]] == [
        ("Stage", "Won", "active", Ending.PARTNER_CENTER)
    ]
    assert [one.ending for one in told[lost_here]] == [one.ending for one in told[waiting_there]] == [Ending.CRM]
    tenant.adopt()
    tenant.world.settle()
    assert tenant.world.crm.peek(tenant.record_of(won_there)).stage is CrmStage.WON
    assert tenant.world.partner_center.peek(lost_here)["substatus"] == "Lost"
    assert tenant.world.partner_center.peek(waiting_there)["substatus"] == "Accepted"


@pytest.mark.parametrize("choice", Choice)
def test_a_deal_that_is_over_is_taken_as_it_is_and_is_not_looked_at_again(choice: Choice) -> None:
    tenant = Tenant()
    values = {"deal_value": Decimal(9), "notes": "The seller's words."}
    referral_id = tenant.linked(CrmStage.LOST, state={"status": "Closed", "substatus": "Won"}, **values)
    (candidate,) = tenant.survey(choice).candidates
    assert endings(candidate) == dict.fromkeys(("stage", "deal_value", "notes"), Ending.STAYS)
    tenant.adopt(choice)
    link = tenant.link(referral_id)
    assert (link.status, link.base is not None and link.base["etag"] is not None) == (LinkStatus.CLOSED, True)
    tenant.world.referral_changed(referral_id)
    assert tenant.world.writes() == 0


def test_a_record_that_does_not_sync_waits_with_its_difference() -> None:
    tenant = Tenant()
    columns = tenant.world.record_mapping.columns
    tenant.linked(**{columns.sync: False, "deal_value": Decimal(9)})
    tenant.world.crm.edit(tenant.world.crm.ids()[0], {"description": "First call on Monday."})
    (candidate,) = tenant.survey().candidates
    assert endings(candidate) == {"deal_value": Ending.WAITS}


def test_a_repeat_passes_over_what_was_taken_over() -> None:
    tenant = Tenant()
    referral_id = tenant.linked(**DIFFERENT)
    tenant.adopt()
    before = tenant.link(referral_id)
    again = tenant.survey(Choice.CRM)
    assert (again.candidates, again.known) == ((), 1)
    tenant.linked()
    assert tenant.adopt() == Adopted(1, 0, ())
    assert tenant.link(referral_id) == before


def test_a_link_that_nobody_has_synced_is_filled_in() -> None:
    """A rehearsal of the app (DRY_RUN) leaves such links behind."""
    tenant = Tenant()
    referral_id = tenant.linked()
    record_id = tenant.record_of(referral_id)
    empty = Link(f"r-{referral_id}", RecordKind.OPPORTUNITY, referral_id=referral_id, record_id=record_id)
    tenant.world.links.links[empty.id] = empty
    assert tenant.adopt() == Adopted(1, 0, ())
    assert tenant.link(referral_id).base is not None


def test_a_deal_that_is_being_synced_just_then_is_left_to_that() -> None:
    tenant = Tenant()
    referral_id = tenant.linked()
    found = tenant.survey()
    tenant.world.record_changed(tenant.record_of(referral_id))
    before = tenant.link(referral_id)
    assert adopt_all(tenant.world.sides, found.candidates, tenant.said.append).busy == 1
    assert tenant.link(referral_id) == before
    other = tenant.linked()
    found = tenant.survey()
    (candidate,) = found.candidates
    assert candidate.link is not None
    with tenant.world.links.lock(candidate.link.id, new=Link(candidate.link.id, RecordKind.OPPORTUNITY)):
        with pytest.raises(LockTaken), tenant.world.links.lock(candidate.link.id):
            pass
        assert adopt_all(tenant.world.sides, found.candidates, tenant.said.append) == Adopted(0, 1, ())
    assert tenant.world.links.find_by_referral(other) is None


def test_a_value_that_one_side_cannot_take_is_said_and_the_others_go_on() -> None:
    tenant = Tenant()
    good = tenant.linked()
    bad = tenant.linked()
    tenant.world.partner_center.edit(bad, {"details.currency": "XYZ"})
    candidates = {one.referral.id: one for one in tenant.survey().candidates}
    assert candidates[bad].link is None
    assert "XYZ" in candidates[bad].problem
    assert tenant.adopt() == Adopted(1, 0, ())
    assert tenant.world.links.find_by_referral(bad) is None
    assert tenant.link(good).base is not None


def test_what_is_in_doubt_is_told_and_not_taken_over() -> None:
    tenant = Tenant()
    referral_id = tenant.linked()
    columns = tenant.world.record_mapping.columns
    copy = tenant.world.opportunity(**{columns.referral_id: referral_id})
    gone = tenant.world.opportunity(**{columns.referral_id: "0c0d0e0f-0000-4000-8000-000000000009"})
    unshared = tenant.world.opportunity()
    tenant.world.incoming(externalReferenceId="long-deleted")
    tenant.world.incoming(status="Odd")
    tenant.world.incoming()
    found = tenant.survey()
    doubts = {one.doubt: one for one in found.unpaired}
    assert set(doubts) == {Doubt.SEVERAL_RECORDS, Doubt.REFERRAL_UNSEEN, Doubt.RECORD_UNKNOWN, Doubt.UNREADABLE}
    assert set(doubts[Doubt.SEVERAL_RECORDS].record_ids) == {tenant.record_of(referral_id), copy}
    assert doubts[Doubt.REFERRAL_UNSEEN].record_ids == (gone,)
    assert ([one.id for one in found.unshared], found.candidates, found.alone) == ([unshared], (), 1)


def test_microsoft_is_not_invited_again_and_its_old_answer_is_no_news() -> None:
    tenant = Tenant()
    world = tenant.world
    helped = {world.record_mapping.field("help").crm: "Proof of concept or demo"}
    referral_id = tenant.linked(**helped)
    world.partner_center.edit(referral_id, {"inviteContext": {}})
    engagement = world.partner_center.peek(referral_id)["engagementId"]
    theirs = world.partner_center.add(
        {**world.partner_center.peek(referral_id), "id": "theirs", "organizationId": "msft", "engagementId": engagement}
    )
    tenant.adopt()
    assert tenant.link(referral_id).microsoft_referral_id == theirs
    world.crm.edit(tenant.record_of(referral_id), {"description": "Ours"})
    world.record_changed(tenant.record_of(referral_id))
    assert world.partner_center.calls["create"] == 0
    assert bring_related(world.sides, theirs).result is Result.UNCHANGED
    assert not any("Microsoft" in line for line in world.audit(tenant.record_of(referral_id)))


@pytest.mark.parametrize(("shows_microsofts", "expected"), [(False, "msft"), (True, None)])
def test_help_without_a_side_of_microsofts_means_invited_where_such_sides_are_never_shown(
    shows_microsofts: bool, expected: str | None
) -> None:
    tenant = Tenant()
    world = tenant.world
    referral_id = tenant.linked(**{world.record_mapping.field("help").crm: "General or other"})
    world.partner_center.edit(referral_id, {"inviteContext": {}})
    if shows_microsofts:
        world.partner_center.add(
            {**world.partner_center.peek(referral_id), "id": "x", "organizationId": "msft", "engagementId": "other"}
        )
    tenant.adopt()
    assert tenant.link(referral_id).microsoft_referral_id == expected


def test_records_are_read_many_at_a_time() -> None:
    tenant = Tenant()
    for _ in range(READ_AT_ONCE + 1):
        tenant.linked()
    tenant.world.crm.calls.clear()
    assert len(tenant.survey().candidates) == READ_AT_ONCE + 1
    assert (tenant.world.crm.calls["get_many"], tenant.world.crm.calls["get"]) == (2, 0)


def test_a_record_that_is_missing_among_many_is_asked_for_by_itself() -> None:
    tenant = Tenant()
    here, gone = tenant.linked(), tenant.linked()
    tenant.world.crm.on_next("get_many", lambda: tenant.world.crm.delete(tenant.record_of(gone)))
    candidates = {one.referral.id: one for one in tenant.survey().candidates}
    assert (candidates[here].problem, candidates[gone].link) == ("", None)
    assert "There is no opportunity" in candidates[gone].problem


def test_a_row_that_no_adapter_can_read_is_a_problem_of_its_own_deal() -> None:
    tenant = Tenant()
    good, odd = tenant.linked(), tenant.linked()
    unreadable = RetryLater("odd", code="unreadable_answer")
    for _ in range(MOST_TRIES):
        tenant.world.crm.fail_next(unreadable, operation="get_many")
        tenant.world.crm.fail_next(unreadable, operation="get")
    problems = {one.referral.id: one.problem for one in tenant.survey().candidates}
    assert problems == {good: "odd.", odd: ""}


def test_a_service_that_is_busy_is_asked_again_and_not_for_ever() -> None:
    tenant = Tenant()
    tenant.linked()
    tenant.world.crm.fail_next(RetryLater("busy", after_s=7), operation="get_many")
    assert len(tenant.survey().candidates) == 1
    assert tenant.slept == [7]
    for _ in range(5):
        tenant.world.crm.fail_next(RetryLater("busy"), operation="get_many")
    with pytest.raises(RetryLater):
        tenant.survey()
    assert tenant.slept == [7, 5, 5, 5, 5]


def test_what_changed_since_it_was_read_travels_with_the_next_sync() -> None:
    tenant = Tenant()
    referral_id = tenant.linked()
    found = tenant.survey()
    tenant.world.now += timedelta(minutes=1)
    tenant.world.crm.edit(tenant.record_of(referral_id), {"estimatedvalue": Decimal(5)}, StageChange(CrmStage.ACTIVE))
    adopt_all(tenant.world.sides, found.candidates, tenant.said.append)
    tenant.world.record_changed(tenant.record_of(referral_id))
    assert tenant.world.partner_center.peek(referral_id)["details"]["dealValue"] == 5


def everything_adopted(world: World) -> list[Candidate]:
    """All links forgotten and taken over anew, leads too; what was found."""
    world.links.links.clear()
    found = survey(world.sides, RecordKind, [], lambda text: None, lambda seconds: None)
    assert found.unpaired == ()
    adopt_all(world.sides, found.candidates, lambda text: None)
    return list(found.candidates)


def test_all_that_the_sync_itself_has_brought_into_step_agrees() -> None:
    world = LeadWorld()
    for state in (OPEN, ACCEPTED, {"status": "Closed", "substatus": "Won"}):
        world.incoming(**state)
        world.incoming_lead()
    world.opportunity(**{world.record_mapping.field("help").crm: "General or other"})
    world.settle()
    before = world.writes()
    candidates = everything_adopted(world)
    assert len(candidates) == 7
    assert [one.differences for one in candidates] == [()] * 7
    world.settle()
    assert world.writes() == before


def test_a_lead_that_was_accepted_becomes_an_opportunity_then_and_once() -> None:
    world = LeadWorld()
    referral_id, lead_id = world.taken_in()
    world.partner_center.edit(referral_id, ACCEPTED)
    (candidate,) = everything_adopted(world)
    assert endings(candidate) == {"stage": Ending.PARTNER_CENTER}
    world.settle()
    (opportunity_id,) = world.opportunities()
    (candidate,) = everything_adopted(world)
    assert (candidate.record.id, candidate.differences) == (opportunity_id, ())
    world.settle()
    assert (world.opportunities(), world.crm.ids(RecordKind.LEAD)) == ((opportunity_id,), (lead_id,))
