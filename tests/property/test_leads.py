"""Leads with random edits, qualified by either side at any moment, events late, twice or never: all comes to rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from shared.domain.base import view_record, view_referral
from shared.domain.record import CrmStage, RecordKind, StageChange
from shared.domain.referral import parse_referral
from tests.property.lead_world import ACCEPTED, LeadWorld

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "notes": st.sampled_from(["Called.", "Called twice.", "They want a quote."]),
    "deal_value": st.decimals(min_value=0, max_value=10**6, places=2),
    "closing_date": st.dates(min_value=date(2026, 4, 1), max_value=date(2028, 12, 31)),
}


@dataclass(frozen=True)
class Edit:
    side: str
    field: str
    value: Any


@dataclass(frozen=True)
class Act:
    """``qualify`` and ``disqualify`` are a seller's, ``accept`` and ``decline`` a person's in Partner Center."""

    what: str


EDITS = st.one_of(
    *(
        st.builds(Edit, st.sampled_from(["partner_center", "crm"]), st.just(field), values)
        for field, values in FIELDS.items()
    )
)
HEARD = st.builds(Act, st.sampled_from(["hear of the referral", "hear of the lead", "hear of the opportunity"]))
QUALIFIED = st.builds(Act, st.sampled_from(["accept", "qualify"]))
ENDED = st.builds(Act, st.sampled_from(["decline", "disqualify"]))
SETTINGS = settings(max_examples=150, deadline=None)


def record_of(world: LeadWorld) -> str:
    """The opportunity, or the lead as long as there is none."""
    return (world.opportunities() or world.crm.ids(RecordKind.LEAD))[0]


def edit(world: LeadWorld, referral_id: str, step: Edit) -> None:
    row = world.record_mapping.field(step.field)
    if step.side == "partner_center":
        world.partner_center.edit(referral_id, {row.partner_center: row.convert.to_partner_center(step.value)})
        return
    record = world.crm.peek(record_of(world))
    if not record.stage.is_closed:
        column = world.mapping.records[record.kind].field(step.field).crm
        world.crm.edit(record.id, {column: row.convert.to_crm(step.value)})


def act(world: LeadWorld, referral_id: str, lead_id: str, what: str) -> None:
    is_open = world.crm.peek(lead_id).stage is CrmStage.ON_HOLD
    if what == "accept":
        world.partner_center.edit(referral_id, ACCEPTED)
    elif what == "decline":
        world.partner_center.edit(referral_id, {"status": "Closed", "substatus": "Declined"})
    elif what == "qualify" and is_open:
        world.crm.qualify_lead(lead_id)
    elif what == "disqualify" and is_open:
        world.crm.edit(lead_id, {}, StageChange(CrmStage.LOST))
    elif what == "hear of the referral":
        world.referral_changed(referral_id)
    elif what == "hear of the lead":
        world.lead_changed(lead_id)
    elif what == "hear of the opportunity":
        for record_id in world.opportunities():
            world.record_changed(record_id)


def run(world: LeadWorld, history: list[Edit | Act]) -> tuple[str, str]:
    referral_id, lead_id = world.taken_in()
    for step in history:
        note(str(step))
        if isinstance(step, Edit):
            edit(world, referral_id, step)
        else:
            act(world, referral_id, lead_id, step.what)
    world.settle()
    return referral_id, lead_id


@SETTINGS
@given(
    before=st.lists(st.one_of(EDITS, HEARD), max_size=6),
    how=QUALIFIED,
    after=st.lists(st.one_of(EDITS, HEARD, QUALIFIED), max_size=6),
    optimistic_lock=st.booleans(),
)
def test_a_lead_becomes_one_opportunity_that_agrees_and_loses_no_lone_edit(
    before: list[Edit | Act], how: Act, after: list[Edit | Act], optimistic_lock: bool
) -> None:
    world = LeadWorld(optimistic_lock=optimistic_lock)
    history = [*before, how, *after]
    referral_id, _ = run(world, history)
    (record_id,) = world.opportunities()
    there = view_referral(parse_referral(world.partner_center.peek(referral_id)), world.record_mapping).values
    here = view_record(world.crm.peek(record_id), world.record_mapping).values
    made = [step for step in history if isinstance(step, Edit)]
    for field in FIELDS:
        assert there[field] == here[field], field
        of_field = [step for step in made if step.field == field]
        if of_field and len({step.side for step in of_field}) == 1:
            assert here[field] == of_field[-1].value, field
    assert parse_referral(world.partner_center.peek(referral_id)).stage.crm_stage is CrmStage.ACTIVE
    assert world.partner_center.ids() == (referral_id,)
    assert world.partner_center.peek(referral_id)["externalReferenceId"] == record_id


@SETTINGS
@given(history=st.lists(st.one_of(EDITS, HEARD, QUALIFIED, ENDED), max_size=8), optimistic_lock=st.booleans())
def test_whatever_ends_a_lead_both_sides_say_the_same(history: list[Edit | Act], optimistic_lock: bool) -> None:
    world = LeadWorld(optimistic_lock=optimistic_lock)
    referral_id, lead_id = run(world, history)
    assert len(world.opportunities()) <= 1
    assert world.partner_center.ids() == (referral_id,)
    there = parse_referral(world.partner_center.peek(referral_id)).stage
    lead = world.crm.peek(lead_id)
    record = world.crm.peek(record_of(world))
    assert (lead.stage is CrmStage.ACTIVE) == (record.kind is RecordKind.OPPORTUNITY)
    assert there.crm_stage is record.stage
    writes = world.writes()
    world.referral_changed(referral_id)
    world.lead_changed(lead_id)
    assert world.writes() == writes, "an event without a change was written somewhere"
