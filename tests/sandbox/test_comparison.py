"""What the demo calls agreement."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.comparison import Sides, compare, is_deal, table

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
ROW: dict[str, Any] = {
    "opportunityid": "o1",
    "msft_microsoftpartnercenterreferralidentifier": REFERRAL["id"],
    "msft_microsoftpartnercenterreferralsync": True,
    "msft_microsoftpartnercenterreferralvisible": True,
    "msft_microsoftcrmidentifier": None,
    "name": "✔ Contoso – supply chain",
    "estimatedvalue": Decimal("250000.0000"),
    "estimatedclosedate": "2027-03-31",
    "description": "Two\r\nlines",
    "statecode": 0,
    "statuscode": 1,
    "_customerid_value": "a1",
    "_transactioncurrencyid_value": "c1",
}


def sides(referral: dict[str, Any] | None = None, row: dict[str, Any] | None = None) -> Sides:
    return Sides(
        referrals=[{**REFERRAL, **(referral or {})}],
        opportunities=[{**ROW, **(row or {})}],
        accounts={"a1": {"name": "Contoso", "address1_country": "United States"}},
        currencies={"c1": {"isocurrencycode": "USD", "currencyprecision": 2}},
        solutions=[{"_msft_opportunityid_value": "o1", "msft_solutionidentifier": "SOL-1"}],
    )


def differing(sides: Sides) -> list[str]:
    return [one.field for one in compare(sides) if not one.agrees]


def test_a_pair_in_step_agrees_in_every_field() -> None:
    assert differing(sides()) == []
    assert len(compare(sides())) == 12


def test_each_field_that_differs_is_found() -> None:
    assert differing(sides(row={"name": "✔ Contoso"})) == ["name"]
    assert differing(sides(row={"estimatedvalue": Decimal("250000.0100")})) == ["deal value"]
    assert differing(sides(row={"estimatedclosedate": "2027-04-01"})) == ["closing date"]
    assert differing(sides(row={"description": "Two lines"})) == ["notes"]
    assert differing(sides(row={"statuscode": 2})) == ["stage"]
    assert differing(sides({"status": "Closed", "substatus": "Won"})) == ["stage"]
    assert differing(sides({"externalReferenceId": None})) == ["CRM id"]
    assert differing(sides({"trackingInfo": {"microsoftMsxId": "7-1"}})) == ["Microsoft's CRM id"]


def test_a_deal_on_one_side_only_is_a_difference() -> None:
    alone = sides(row={"msft_microsoftpartnercenterreferralidentifier": None})
    shown = [(one.partner_center, one.crm) for one in compare(alone)]
    assert shown == [("is there", "missing"), ("missing", "is there")]


def test_leads_and_microsofts_side_are_not_compared() -> None:
    assert not is_deal({**REFERRAL, "type": "Independent", "qualification": "Direct"})
    assert not is_deal({**REFERRAL, "organizationId": "msft"})


def test_the_table_shows_both_values_and_which_differ() -> None:
    shown = table(compare(sides(row={"estimatedclosedate": "2027-04-01"})))
    assert "Contoso – supply chain (3f828a0e)" in shown
    assert "✗ closing date" in shown
    assert "2027-03-31" in shown
    assert "2027-04-01" in shown
    assert shown.count("=") == 11
