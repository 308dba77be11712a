"""A referral that becomes a record: its values, its account, its name and its first stage."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import Rejected
from shared.domain.intake import build_record
from shared.domain.mapping import FieldLimits, RecordMapping
from shared.domain.plan import Rules
from shared.domain.record import CrmStage, NewRecord, RecordKind, StageChange
from shared.domain.referral import ReferralStage, parse_referral
from shared.domain.values import Person
from tests.unit.domain.deals import BO, MIA, OPPORTUNITIES, RULES, SUPPLY, mapping_of, opportunities, referral_of

REFERRAL = parse_referral({"id": "r-1", "status": "New", "type": "Shared", "updatedDateTime": "2026-03-01T08:00:00Z"})


def build(
    stage: ReferralStage = ReferralStage.RECEIVED,
    *,
    mapping: RecordMapping = OPPORTUNITIES,
    rules: Rules = RULES,
    status_reason: str | None = None,
    **values: Any,
) -> NewRecord:
    view = referral_of(stage, status_reason=status_reason, **{"referral_id": "r-1", **values})
    return build_record(REFERRAL, view, mapping, rules, "audit line")


def test_a_new_record_holds_all_that_travels_and_what_the_connector_keeps_on_it() -> None:
    new = build(help="GeneralOrOther")
    columns = OPPORTUNITIES.columns
    assert (new.kind, new.referral_id) == (RecordKind.OPPORTUNITY, "r-1")
    assert new.stage == StageChange(CrmStage.ON_HOLD)
    assert new.values == {
        "name": "✔ Fabrikam: supply chain",
        "estimatedvalue": Decimal("50000.00"),
        "transactioncurrencyid": "EUR",
        "estimatedclosedate": new.values["estimatedclosedate"],
        "description": "First call on Monday.",
        OPPORTUNITIES.field("visibility").crm: True,
        OPPORTUNITIES.field("help").crm: "General or other",
        "@contacts": (MIA,),
        "@team": (BO,),
        "@solutions": (SUPPLY,),
        columns.sync: True,
        columns.referral_id: "r-1",
        columns.audit: "audit line",
    }


def test_the_account_is_matched_by_name_and_postal_code_and_made_with_all_of_it() -> None:
    account = build().account
    assert account is not None
    assert account.match == {"name": "Fabrikam Inc.", "address1_postalcode": "LS1 4AP"}
    assert account.values == {
        "name": "Fabrikam Inc.",
        "address1_line1": "1 Harbour Street",
        "address1_line2": None,
        "address1_city": "Leeds",
        "address1_stateorprovince": None,
        "address1_postalcode": "LS1 4AP",
        "address1_country": "GB",
    }
    unknown = build(customer_postal_code=None).account
    assert unknown is not None
    assert unknown.match["address1_postalcode"] is None


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (ReferralStage.ACCEPTED, StageChange(CrmStage.ACTIVE)),
        (ReferralStage.WON, StageChange(CrmStage.WON, "Won in Partner Center: Price")),
    ],
)
def test_it_starts_where_the_referral_stands(stage: ReferralStage, expected: StageChange) -> None:
    assert build(stage, status_reason="Price").stage == expected


@pytest.mark.parametrize(
    ("name", "customer", "expected"),
    [
        ("x" * 70, "Fabrikam", "✔ " + "x" * 58),
        (None, "Fabrikam Inc.", "✔ Fabrikam Inc."),
        (None, None, "✔ Co-sell referral"),
    ],
)
def test_it_always_has_a_name_that_fits_with_its_mark(name: Any, customer: Any, expected: str) -> None:
    assert build(name=name, customer_name=customer).values["name"] == expected


def test_marks_can_be_switched_off() -> None:
    assert build(rules=replace(RULES, display_check_mark=False)).values["name"] == "Fabrikam: supply chain"


def test_blank_fields_are_not_written_and_long_ones_are_cut() -> None:
    new = build(deal_value=None, notes="x" * 200)
    assert "estimatedvalue" not in new.values
    assert new.values["description"] == "x" * 80


def test_money_is_rounded_to_the_deals_currency() -> None:
    assert str(build(deal_value=Decimal("1.5"), currency="JPY").values["estimatedvalue"]) == "2"
    assert str(build(deal_value=Decimal("1.2345"), currency=None).values["estimatedvalue"]) == "1.2345"


def test_a_row_that_never_travels_to_the_crm_is_left_out() -> None:
    assert "description" not in build(mapping=opportunities({"name": "notes", "to_crm": "never"})).values


def test_an_unknown_currency_or_option_is_refused_by_name() -> None:
    with pytest.raises(Rejected, match="currency CHF") as refusal:
        build(currency="CHF")
    assert refusal.value.field == "Currency"
    rules = replace(RULES, limits={OPPORTUNITIES.field("help").crm: FieldLimits(options=("Lunch",))})
    with pytest.raises(Rejected, match="no option 'General or other'"):
        build(help="GeneralOrOther", rules=rules)


def test_what_the_mapping_sets_on_every_record_is_set() -> None:
    mapping = OPPORTUNITIES.model_copy(update={"constants": {"new_source": "Microsoft", "name": "overwritten"}})
    new = build(mapping=mapping)
    assert new.values["new_source"] == "Microsoft"
    assert new.values["name"] == "✔ Fabrikam: supply chain"


def test_a_crm_without_audit_or_name_gets_neither() -> None:
    columns = OPPORTUNITIES.columns.model_copy(update={"audit": ""})
    bare = OPPORTUNITIES.model_copy(update={"columns": columns, "fields": OPPORTUNITIES.fields[1:]})
    assert "audit line" not in build(mapping=bare).values.values()
    assert "name" not in build(mapping=bare).values


@pytest.mark.parametrize("stage", [ReferralStage.RECEIVED, ReferralStage.ACCEPTED, ReferralStage.WON])
def test_a_lead_is_made_open_and_has_no_account(stage: ReferralStage) -> None:
    new = lead(stage)
    assert (new.kind, new.stage, new.account) == (RecordKind.LEAD, StageChange(CrmStage.ON_HOLD), None)
    assert new.values["companyname"] == "Fabrikam Inc."
    assert new.values["estimatedamount"] == Decimal("50000.00")
    assert new.values["@contacts"] == (MIA,)


@pytest.mark.parametrize("contacts", [(), (Person("Mia", "", "", "mia.lund@fabrikam.example"), MIA)])
def test_a_lead_without_a_last_name_has_the_companys(contacts: tuple[Person, ...]) -> None:
    expected = replace(contacts[0] if contacts else Person(), last_name="Fabrikam Inc.")
    assert lead(contacts=contacts).values["@contacts"] == (expected,)


def test_a_lead_without_any_name_is_called_what_it_is() -> None:
    assert lead(contacts=(), customer_name=None).values["@contacts"] == (Person(last_name="Co-sell referral"),)


def lead(stage: ReferralStage = ReferralStage.RECEIVED, **values: Any) -> NewRecord:
    mapping = mapping_of().records[RecordKind.LEAD]
    return build_record(REFERRAL, referral_of(stage, **values), mapping, RULES, "audit line", RecordKind.LEAD)
