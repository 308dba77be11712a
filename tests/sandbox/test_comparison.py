"""What the demo calls agreement."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from sandbox.comparison import Difference, compare, is_deal, table
from sandbox.crms import Opportunity

REFERRAL: dict[str, Any] = {
    "id": "3f828a0e-b279-469d-b18f-285256b97517",
    "name": "Contoso – supply chain",
    "type": "Shared",
    "organizationId": "ours",
    "status": "Active",
    "substatus": "Accepted",
    "externalReferenceId": "o1",
    "customerProfile": {"name": "Contoso", "address": {"country": "US"}},
    "consent": {"consentToShareReferralWithMicrosoftSellers": True},
    "details": {
        "dealValue": 250000,
        "currency": "USD",
        "closingDateTime": "2027-03-31T00:00:00Z",
        "notes": "Two\nlines",
        "requirements": {"solutions": [{"id": "SOL-1"}]},
    },
}
ROW = Opportunity(
    id="o1",
    referral_id=REFERRAL["id"],
    syncs=True,
    shown_name="✔ Contoso – supply chain",
    deal_value=Decimal("250000.0000"),
    currency="USD",
    decimals=2,
    closing_date="2027-03-31",
    notes="Two\r\nlines",
    is_visible=True,
    stage="active",
    customer="Contoso",
    country="United States",
    solutions=("SOL-1",),
    microsoft_crm_id=None,
)


def compared(referral: dict[str, Any] | None = None, **row: Any) -> list[Difference]:
    return compare([{**REFERRAL, **(referral or {})}], [replace(ROW, **row)])


def differing(referral: dict[str, Any] | None = None, **row: Any) -> list[str]:
    return [one.field for one in compared(referral, **row) if not one.agrees]


def test_a_pair_in_step_agrees_in_every_field() -> None:
    assert differing() == []
    assert len(compared()) == 12


def test_each_field_that_differs_is_found() -> None:
    assert differing(shown_name="✔ Contoso") == ["name"]
    assert differing(deal_value=Decimal("250000.0100")) == ["deal value"]
    assert differing(closing_date="2027-04-01") == ["closing date"]
    assert differing(notes="Two lines") == ["notes"]
    assert differing(stage="on hold") == ["stage"]
    assert differing(country="France") == ["country"]
    assert differing(solutions=("SOL-1", "SOL-2")) == ["solutions"]
    assert differing({"status": "Closed", "substatus": "Won"}) == ["stage"]
    assert differing({"externalReferenceId": None}) == ["CRM id"]
    assert differing({"trackingInfo": {"microsoftMsxId": "7-1"}}) == ["Microsoft's CRM id"]


def test_a_deal_on_one_side_only_is_a_difference() -> None:
    shown = [(one.partner_center, one.crm) for one in compared(referral_id=None)]
    assert shown == [("is there", "missing"), ("missing", "is there")]


def test_leads_and_microsofts_side_are_not_compared() -> None:
    assert not is_deal({**REFERRAL, "type": "Independent", "qualification": "Direct"})
    assert not is_deal({**REFERRAL, "organizationId": "msft"})


def test_the_table_shows_both_values_and_which_differ() -> None:
    shown = table(compared(closing_date="2027-04-01"), "Dynamics 365")
    assert "Contoso – supply chain (3f828a0e)" in shown
    assert "✗ closing date" in shown
    assert "2027-03-31" in shown
    assert "2027-04-01" in shown
    assert shown.count("=") == 11
