"""The plan of a whole deal: what pauses it, what is refused, what is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.base import Agreed, dump_base, load_base
from shared.domain.errors import Rejected
from shared.domain.mapping import FieldLimits
from shared.domain.plan import Rules
from shared.domain.record import CrmStage, RecordChange, StageChange
from shared.domain.referral import ReferralStage
from shared.domain.settle import Versions, settle
from shared.domain.stages import Stages
from shared.domain.values import Person
from tests.unit.domain.deals import (
    BO,
    EARLIER,
    LATER,
    MIA,
    OPPORTUNITIES,
    RULES,
    VALUES,
    base_of,
    opportunities,
    patched,
    plan_of,
    record_of,
    referral_of,
)

RECEIVED, ACCEPTED = ReferralStage.RECEIVED, ReferralStage.ACCEPTED
CLOSED = [stage for stage in ReferralStage if stage.is_closed]


def test_two_equal_sides_leave_nothing_to_do() -> None:
    planned = plan_of()
    assert planned.is_empty
    assert planned.stages == Stages(ACCEPTED, CrmStage.ACTIVE)
    assert planned.fields == base_of().fields


def test_a_change_in_partner_center_is_one_change_of_the_record() -> None:
    planned = plan_of(referral_of(at=LATER, deal_value=Decimal(70000), closing_date=date(2027, 3, 1)))
    assert planned.to_crm == RecordChange(
        {"estimatedvalue": Decimal("70000.00"), "estimatedclosedate": date(2027, 3, 1)}
    )
    assert planned.to_partner_center == ()
    assert planned.received == ("Est. revenue", "Est. close date")
    assert planned.sent == ()


def test_a_change_in_the_crm_is_one_patch_of_what_changed_alone() -> None:
    planned = plan_of(record=record_of(at=LATER, deal_value=Decimal("70000.5"), currency="USD"))
    assert patched(planned) == [{"/details/dealValue": 70000.5, "/details/currency": "USD"}]
    assert not planned.to_crm
    assert set(planned.sent) == {"Est. revenue", "Currency"}


def test_edits_of_different_fields_on_both_sides_cross() -> None:
    planned = plan_of(referral_of(at=EARLIER, notes="New notes"), record_of(at=LATER, deal_value=Decimal(1)))
    assert patched(planned) == [{"/details/dealValue": 1}]
    assert planned.to_crm.values == {"description": "New notes"}
    assert planned.conflicts == ()


@pytest.mark.parametrize(("crm_at", "winner"), [(LATER, "crm"), (EARLIER, "partner_center")])
def test_the_newer_record_wins_a_conflict(crm_at: Any, winner: str) -> None:
    planned = plan_of(referral_of(notes="theirs"), record_of(at=crm_at, notes="ours"))
    (conflict,) = planned.conflicts
    assert conflict.winner == winner
    assert (conflict.partner_center, conflict.crm) == ("theirs", "ours")


def test_what_the_record_or_the_referral_does_not_have_is_left_out() -> None:
    record = record_of(deal_value=Decimal(1))
    without = {name: value for name, value in record.values.items() if name != "notes"}
    planned = plan_of(referral_of(notes="New notes"), replace(record, values=without))
    assert not planned.to_crm
    assert "notes" not in planned.fields
    assert patched(planned) == [{"/details/dealValue": 1}]


@pytest.mark.parametrize(
    ("referral", "record", "base"),
    [
        (
            referral_of(RECEIVED),
            record_of(CrmStage.ON_HOLD, at=LATER, deal_value=Decimal(1)),
            base_of(referral=RECEIVED, record=CrmStage.ON_HOLD),
        ),
        (referral_of(), record_of(CrmStage.ON_HOLD, at=LATER, deal_value=Decimal(1)), base_of()),
        (referral_of(), record_of(sync=False, at=LATER, deal_value=Decimal(1)), base_of()),
    ],
    ids=["on hold", "put back on hold", "switched off"],
)
def test_nothing_travels_to_partner_center_meanwhile_and_all_of_it_later(referral: Any, record: Any, base: Any) -> None:
    planned = plan_of(referral, record, base)
    assert planned.to_partner_center == ()
    assert planned.waiting == ("Est. revenue",)
    assert planned.fields["deal_value"] == base.fields["deal_value"], "the change must still be seen as one"
    assert planned.kept == {"deal_value"}
    settled = settle(
        planned, (referral, record), Versions("1", "2"), OPPORTUNITIES,
        referral_after=None, change=RecordChange(), record_after=None,
    )  # fmt: skip
    later = plan_of(referral_of(referral.stage), record_of(deal_value=Decimal(1)), settled)
    assert {"/details/dealValue": 1}.items() <= patched(later)[0].items()


@pytest.mark.parametrize("referral_stage", [ACCEPTED, ReferralStage.WON])
def test_the_end_of_a_long_text_does_not_grow_while_the_edit_waits(referral_stage: ReferralStage) -> None:
    long = "x" * 100
    base = base_of(referral=referral_stage, fields={"notes": Agreed(long, long[:80])})
    for _ in range(2):
        planned = plan_of(referral_of(referral_stage, notes=long), record_of(sync=False, notes="ours"), base)
        assert "description" not in planned.to_crm.values
        base = base_of(referral=referral_stage, fields=planned.fields)


def test_people_of_partner_center_reach_a_record_whose_own_edits_wait() -> None:
    mapping = opportunities({"name": "team", "to_crm": "always"})
    base = base_of(fields={"team": Agreed((), ())})
    planned = plan_of(referral_of(team=(MIA,)), record_of(sync=False, team=(BO,)), base, mapping)
    assert planned.to_crm.values == {"@team": (MIA, BO)}
    assert planned.waiting == ("Owner",)


@pytest.mark.parametrize("sync", [True, False])
def test_partner_centers_changes_reach_a_record_that_is_on_hold_or_switched_off(sync: bool) -> None:
    referral = referral_of(RECEIVED, at=LATER, notes="New notes")
    base = base_of(referral=RECEIVED, record=CrmStage.ON_HOLD)
    planned = plan_of(referral, record_of(CrmStage.ON_HOLD, sync=sync), base)
    assert planned.to_crm.values == {"description": "New notes"}


def test_a_move_of_a_record_that_is_switched_off_waits_and_travels_later() -> None:
    base = base_of(referral=RECEIVED, record=CrmStage.ON_HOLD)
    paused = plan_of(referral_of(RECEIVED), record_of(sync=False), base)
    assert paused.to_partner_center == ()
    assert paused.stages == base.stages
    assert not any("Stage" in label for label in paused.sent)
    unlinked = plan_of(referral_of(RECEIVED), record_of(sync=False), base_of(referral=RECEIVED, record=CrmStage.ACTIVE))
    assert unlinked.stages == Stages(RECEIVED, CrmStage.ACTIVE)
    assert patched(plan_of(referral_of(RECEIVED), record_of(), base)) == [
        {"/status": "Active", "/substatus": "Accepted"}
    ]


def test_leaving_the_on_hold_stage_accepts_and_sends_what_waited_in_one_patch() -> None:
    base = base_of(referral=RECEIVED, record=CrmStage.ON_HOLD)
    planned = plan_of(referral_of(RECEIVED), record_of(at=LATER, notes="ours"), base)
    assert patched(planned) == [{"/details/notes": "ours", "/status": "Active", "/substatus": "Accepted"}]
    assert planned.sent == ("Description", "Stage: Accepted")


def test_winning_on_hold_accepts_first() -> None:
    base = base_of(referral=RECEIVED, record=CrmStage.ON_HOLD)
    planned = plan_of(referral_of(RECEIVED), record_of(CrmStage.WON, deal_value=Decimal(1), stage_reason="Won"), base)
    assert patched(planned) == [
        {"/details/dealValue": 1, "/status": "Active", "/substatus": "Accepted"},
        {"/status": "Closed", "/substatus": "Won"},
    ]


@pytest.mark.parametrize(
    ("referral", "base", "substatus"),
    [
        (RECEIVED, base_of(referral=RECEIVED, record=CrmStage.ON_HOLD), "Declined"),
        (ACCEPTED, base_of(), "Lost"),
    ],
)
@pytest.mark.parametrize("reason", ["Out-Sold", None])
def test_losing_carries_the_reason(referral: ReferralStage, base: Any, substatus: str, reason: str | None) -> None:
    planned = plan_of(referral_of(referral), record_of(CrmStage.LOST, stage_reason=reason), base)
    expected = {"/status": "Closed", "/substatus": substatus} | ({"/statusReason": reason} if reason else {})
    assert patched(planned) == [expected]


@pytest.mark.parametrize("stage", CLOSED)
@pytest.mark.parametrize("record_stage", list(CrmStage))
@pytest.mark.parametrize("sync", [True, False])
def test_a_closed_referral_is_never_patched(stage: ReferralStage, record_stage: CrmStage, sync: bool) -> None:
    record = record_of(record_stage, at=LATER, sync=sync, notes="ours", team=(BO, MIA), visibility=True)
    planned = plan_of(referral_of(stage, visibility=False), record)
    assert planned.to_partner_center == ()
    assert planned.sent == ()
    assert planned.waiting == ()
    assert any("closed referral cannot be changed" in note for note in planned.notes)
    assert any("Description" in note and "Owner" in note for note in planned.notes)
    assert planned.fields["notes"] == Agreed("First call on Monday.", "ours")


def test_what_a_closed_referral_cannot_take_is_told_once() -> None:
    record = record_of(CrmStage.WON, notes="ours")
    closed = referral_of(ReferralStage.WON)
    first = plan_of(closed, record, base_of(referral=ReferralStage.WON, record=CrmStage.WON))
    assert first.notes
    after = base_of(referral=ReferralStage.WON, record=CrmStage.WON, fields=first.fields)
    again = plan_of(closed, record, after)
    assert again.is_empty


def test_a_deal_closed_in_partner_center_closes_the_record_with_the_reason_and_the_last_values() -> None:
    planned = plan_of(referral_of(ReferralStage.LOST, at=LATER, status_reason="Price", notes="Lost"))
    assert planned.to_crm == RecordChange(
        {"description": "Lost"}, StageChange(CrmStage.LOST, "Lost in Partner Center: Price")
    )
    assert planned.received == ("Description", "Stage: Lost")


def test_an_unknown_currency_is_refused_by_name() -> None:
    with pytest.raises(Rejected, match="currency CHF of the referral does not exist in the CRM") as refusal:
        plan_of(referral_of(currency="CHF", at=LATER))
    assert refusal.value.field == "Currency"
    assert "Add the currency CHF" in str(refusal.value)


def test_a_crm_that_names_no_currencies_takes_any() -> None:
    planned = plan_of(referral_of(currency="CHF", at=LATER), rules=Rules(display_check_mark=True))
    assert planned.to_crm.values == {"transactioncurrencyid": "CHF"}


def test_an_option_that_the_crm_lacks_is_refused_by_name() -> None:
    column = OPPORTUNITIES.field("help").crm
    rules = Rules(True, {column: FieldLimits(options=("QUOTES or licensing",))}, RULES.currencies)
    planned = plan_of(referral_of(help="QuotesOrLicensing"), rules=rules)
    assert planned.to_crm.values == {column: "Quotes or licensing"}
    with pytest.raises(Rejected, match="no option 'General or other'") as refusal:
        plan_of(referral_of(help="GeneralOrOther"), rules=rules)
    assert refusal.value.field == "How can Microsoft help?"


@pytest.mark.parametrize(
    ("currency", "expected"),
    [("EUR", "1.23"), ("JPY", "1"), ("TND", "1.235")],
)
def test_money_is_rounded_to_the_currency_that_travels_with_it(currency: str, expected: str) -> None:
    planned = plan_of(referral_of(deal_value=Decimal("1.2349"), currency=currency, at=LATER))
    assert str(planned.to_crm.values["estimatedvalue"]) == expected


def test_a_fields_own_decimals_go_before_the_currencys() -> None:
    rules = Rules(True, {"estimatedvalue": FieldLimits(decimals=1)}, RULES.currencies)
    planned = plan_of(referral_of(deal_value=Decimal("1.25"), at=LATER), rules=rules)
    assert str(planned.to_crm.values["estimatedvalue"]) == "1.3"


def test_an_amount_that_only_differs_by_rounding_is_no_change() -> None:
    base = base_of(fields={"deal_value": Agreed(Decimal("1.005"), Decimal("1.01"))})
    assert plan_of(referral_of(deal_value=Decimal("1.005")), record_of(deal_value=Decimal("1.01")), base).is_empty


def test_a_held_conflict_is_told_once_and_the_rest_travels() -> None:
    mapping = opportunities({"name": "notes", "conflict": "hold"})
    referral, record = referral_of(notes="theirs", deal_value=Decimal(1)), record_of(notes="ours")
    first = plan_of(referral, record, mapping=mapping)
    (conflict,) = first.conflicts
    assert conflict.winner is None
    assert conflict.is_personal
    assert first.to_crm.values == {"estimatedvalue": Decimal("1.00")}
    assert first.fields["notes"] == base_of().fields["notes"]
    after = load_base(dump_base(base_of(fields=first.fields, held=first.held), mapping), mapping)
    again = plan_of(referral_of(notes="theirs"), record_of(notes="ours"), after, mapping)
    assert again.conflicts == ()
    assert again.held == first.held
    assert plan_of(referral_of(notes="theirs 2"), record_of(notes="ours"), after, mapping).conflicts
    resolved = plan_of(referral_of(notes="ours"), record_of(notes="ours"), after, mapping)
    assert (resolved.conflicts, resolved.held) == ((), {})
    assert resolved.fields["notes"] == Agreed("ours", "ours")


def test_a_held_conflict_without_a_base_leaves_none_behind() -> None:
    mapping = opportunities({"name": "notes", "conflict": "hold"})
    bare = replace(base_of(), fields={})
    planned = plan_of(referral_of(notes="theirs"), record_of(notes="ours"), bare, mapping)
    assert set(planned.fields) == set(VALUES) - {"notes"}


def test_a_set_travels_as_a_whole_and_keeps_what_partner_center_knows_beyond_it() -> None:
    document = {"team": [{"email": BO.email, "firstName": "Bo", "contactPreference": {"locale": "en-us"}}]}
    planned = plan_of(referral_of(document=document), record_of(team=(BO, MIA)))
    ((operation,),) = planned.to_partner_center
    assert operation.path == "/team"
    assert [member.get("contactPreference") for member in operation.value] == [{"locale": "en-us"}, None]
    assert not planned.needs_referral


def test_a_set_is_not_patched_on_a_presumption() -> None:
    assert plan_of(record=record_of(team=(BO, MIA))).needs_referral
    assert not plan_of(record=record_of(notes="ours")).needs_referral


@pytest.mark.parametrize(("marks", "expected"), [(True, "✔ New name"), (False, "New name")])
def test_a_name_is_written_with_its_mark(marks: bool, expected: str) -> None:
    planned = plan_of(referral_of(name="New name"), rules=Rules(marks, RULES.limits, RULES.currencies))
    assert planned.to_crm.values == {"name": expected}


def test_a_renamed_record_does_not_rename_the_referral() -> None:
    planned = plan_of(
        record=record_of(name="Renamed", customer_name="Other Ltd", contacts=(Person(email="x@y.example"),))
    )
    assert {path for patch in patched(planned) for path in patch} == {"/customerProfile/team"}


@pytest.mark.parametrize(("there", "here"), [(True, False), (False, True)])
def test_visibility_is_never_taken_back(there: bool, here: bool) -> None:
    for base_value in (True, False):
        base = base_of(fields={"visibility": Agreed(base_value, base_value)})
        planned = plan_of(referral_of(visibility=there), record_of(visibility=here), base)
        assert planned.fields["visibility"] == Agreed(True, True)


def test_help_that_is_chosen_later_is_no_patch() -> None:
    planned = plan_of(record=record_of(help="QuotesOrLicensing"))
    assert planned.is_empty


def test_the_id_that_shows_the_referral_is_written_where_it_is_missing() -> None:
    planned = plan_of(referral_of(), record_of(referral_id=None), replace(base_of(), fields={}))
    assert planned.to_crm.values == {OPPORTUNITIES.columns.referral_id: "7d23e5ca-0000-4000-8000-000000000001"}


def test_a_conflict_is_told_when_its_winner_travels_and_not_while_that_waits() -> None:
    changes: dict[str, Any] = {"notes": "Ours.", "deal_value": Decimal(2)}
    there = referral_of(ReferralStage.RECEIVED, at=EARLIER, notes="Theirs.", deal_value=Decimal(1))
    base = base_of(referral=ReferralStage.RECEIVED, record=CrmStage.ON_HOLD)
    waiting = plan_of(there, record_of(CrmStage.ON_HOLD, at=LATER, **changes), base)
    assert set(waiting.waiting) == {"Description", "Est. revenue"}
    assert waiting.is_empty
    accepted = plan_of(there, record_of(at=LATER, **changes), base)
    assert {conflict.field for conflict in accepted.conflicts} == set(changes)
