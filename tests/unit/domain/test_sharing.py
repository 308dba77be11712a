"""What an opportunity lacks to be shared, and the documents that Microsoft asks for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import Rejected
from shared.domain.sharing import build_invitation, build_referral, missing_to_share
from shared.domain.values import Person, Solution
from tests.unit.domain.deals import BO, MIA, OPPORTUNITIES, SUPPLY, VALUES, opportunities, record_of

LABELS = {row.name: row.label for row in OPPORTUNITIES.fields}
REQUIRED = [
    "name", "deal_value", "currency", "closing_date", "customer_name", "customer_address_line_1", "customer_city",
    "customer_country", "solutions",
]  # fmt: skip
"""learn.microsoft.com/partner-center/referrals/connector-dynamics and the bulk upload's rules."""


def labels(missing: tuple[str, ...]) -> list[str]:
    return [line.partition(":")[0] for line in missing]


def test_a_complete_opportunity_lacks_nothing() -> None:
    assert missing_to_share(record_of(), OPPORTUNITIES) == ()
    assert missing_to_share(record_of(help="GeneralOrOther"), OPPORTUNITIES) == ()


@pytest.mark.parametrize("name", REQUIRED)
def test_each_required_field_is_named_with_what_to_do(name: str) -> None:
    values = {**VALUES, name: () if name == "solutions" else None}
    (line,) = missing_to_share(replace(record_of(), values=values), OPPORTUNITIES)
    assert line == f"{LABELS[name]}: {OPPORTUNITIES.field(name).remedy}"
    without = {one: value for one, value in VALUES.items() if one != name}
    assert missing_to_share(replace(record_of(), values=without), OPPORTUNITIES) == (line,)


def test_everything_that_is_missing_is_said_at_once() -> None:
    nothing = replace(record_of(), values={"help": "GeneralOrOther"})
    expected = [row.label for row in OPPORTUNITIES.fields if row.name in {*REQUIRED, "contacts"}]
    assert labels(missing_to_share(nothing, OPPORTUNITIES)) == expected


def test_zero_is_an_amount() -> None:
    assert missing_to_share(record_of(deal_value=Decimal(0)), OPPORTUNITIES) == ()


@pytest.mark.parametrize("contacts", [(), (Person("Mia", "Lund", "1"),)], ids=["nobody", "no address"])
def test_help_needs_a_contact_that_microsoft_can_write_to(contacts: tuple[Person, ...]) -> None:
    asking = record_of(help="GeneralOrOther", contacts=contacts)
    assert labels(missing_to_share(asking, OPPORTUNITIES)) == ["Contact"]
    assert missing_to_share(record_of(contacts=contacts), OPPORTUNITIES) == ()


def test_a_field_without_a_remedy_is_named_alone() -> None:
    mapping = opportunities({"name": "notes", "required": "always", "remedy": ""})
    assert missing_to_share(record_of(notes=None), mapping) == ("Description",)


CONSENT = {"consentToToShareInfoWithOthers": True, "consentToContact": True}


def test_a_private_deal_has_all_that_microsoft_requires_and_nothing_that_shares_it() -> None:
    document = build_referral(record_of(visibility=False), OPPORTUNITIES, "42")
    assert document == {
        "name": "Fabrikam: supply chain",
        "type": "Independent",
        "qualification": "SalesQualified",
        "status": "New",
        "substatus": "Pending",
        "externalReferenceId": "42",
        "consent": {**CONSENT, "consentToShareReferralWithMicrosoftSellers": False},
        "customerProfile": {
            "ids": [],
            "name": "Fabrikam Inc.",
            "address": {
                "addressLine1": "1 Harbour Street",
                "city": "Leeds",
                "postalCode": "LS1 4AP",
                "country": "GB",
            },
            "team": [member(MIA)],
        },
        "details": {
            "dealValue": 50000,
            "currency": "EUR",
            "closingDateTime": "2027-01-31T00:00:00Z",
            "notes": "First call on Monday.",
            "requirements": {
                "solutions": [
                    {"id": SUPPLY.id, "name": SUPPLY.name, "type": "Name", "quantity": 1, "price": 99.5},
                ]
            },
        },
        "target": [],
        "team": [member(BO)],
    }


def member(person: Person) -> dict[str, str]:
    return {
        "firstName": person.first_name,
        "lastName": person.last_name,
        "phoneNumber": person.phone,
        "email": person.email,
    }


@pytest.mark.parametrize(
    ("visibility", "help_wanted"),
    [(True, None), (False, "QuotesOrLicensing"), (None, "GeneralOrOther"), (True, "GeneralOrOther")],
)
def test_a_deal_is_shared_when_it_is_to_be_seen_and_with_any_help(visibility: Any, help_wanted: Any) -> None:
    document = build_referral(record_of(visibility=visibility, help=help_wanted), OPPORTUNITIES, "42")
    assert document["type"] == "Shared"
    assert document["consent"] == {**CONSENT, "consentToShareReferralWithMicrosoftSellers": True}
    assert document["target"] == [{"type": "SolutionProfile", "id": "SOL-34104-EBB"}]
    assert "inviteContext" not in document, "help is asked of Microsoft's side, not of our own"


def test_a_solution_of_the_catalogue_is_the_target_and_a_category_is_not() -> None:
    solutions = (Solution("CloudMigration"), Solution("sol-1"), Solution("SOL-2"))
    document = build_referral(record_of(solutions=solutions), OPPORTUNITIES, "42")
    assert document["target"] == [{"type": "SolutionProfile", "id": "sol-1"}]
    assert build_referral(record_of(solutions=solutions[:1]), OPPORTUNITIES, "42")["target"] == []
    assert build_referral(record_of(solutions=None), OPPORTUNITIES, "42")["target"] == []


def test_a_row_that_never_travels_to_partner_center_is_left_out() -> None:
    mapping = opportunities({"name": "notes", "to_partner_center": "never"})
    assert "notes" not in build_referral(record_of(), mapping, "42")["details"]


def test_the_referral_of_one_record_holds_nothing_of_the_one_before() -> None:
    first = build_referral(record_of(), OPPORTUNITIES, "1")
    second = build_referral(replace(record_of(), values={}), OPPORTUNITIES, "2")
    assert second["customerProfile"] == {"ids": [], "team": []}
    assert first["externalReferenceId"] == "1"


def test_microsofts_side_is_the_same_engagement_aimed_at_microsoft_with_the_help_wanted() -> None:
    record = record_of(help="QuotesOrLicensing")
    own = build_referral(record, OPPORTUNITIES, "42")
    created = {**own, "id": "1", "engagementId": "e-1", "eTag": "x", "organizationId": "ours", "status": "Active"}
    document = build_invitation(created, record, OPPORTUNITIES)
    assert document == {
        "name": own["name"],
        "type": "Shared",
        "qualification": "SalesQualified",
        "engagementId": "e-1",
        "target": [{"type": "BusinessProfileLocation", "id": "msft"}],
        "inviteContext": {"assistanceRequestCode": "QuotesOrLicensing"},
        "customerProfile": own["customerProfile"],
        "consent": own["consent"],
        "details": own["details"],
        "team": own["team"],
    }


def test_inviting_microsoft_into_a_private_deal_shares_it() -> None:
    created = {"engagementId": "e-1", "consent": CONSENT, "team": None}
    document = build_invitation(created, record_of(help="GeneralOrOther"), OPPORTUNITIES)
    assert document["consent"]["consentToShareReferralWithMicrosoftSellers"] is True
    assert "team" not in document
    assert CONSENT == {"consentToToShareInfoWithOthers": True, "consentToContact": True}, (
        "what was given stays as it was"
    )


@pytest.mark.parametrize("created", [{"id": "r-1"}, {"id": "r-1", "engagementId": None}])
def test_microsoft_cannot_be_invited_into_a_deal_without_an_engagement(created: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="engagementId") as refusal:
        build_invitation(created, record_of(help="GeneralOrOther"), OPPORTUNITIES)
    assert refusal.value.field == "engagementId"


def test_what_the_answer_to_a_create_leaves_out_comes_from_the_record() -> None:
    record = record_of(help="GeneralOrOther")
    own = build_referral(record, OPPORTUNITIES, "42")
    answered = {name: value for name, value in own["details"].items() if name != "closingDateTime"}
    created = {**own, "id": "1", "engagementId": "e-1", "details": answered}
    assert build_invitation(created, record, OPPORTUNITIES)["details"] == own["details"]
