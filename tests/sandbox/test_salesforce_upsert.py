"""Rows by external id, and what describe tells a client of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.salesforce import OrgOptions
from tests.sandbox.salesforce_api import DEAL, KEY, Org, error, served


@pytest.fixture
def org() -> Iterator[Org]:
    with served() as org:
        yield org


def test_an_upsert_creates_once_and_then_updates(org: Org) -> None:
    """fidelic-conformance crud-016, crud-017."""
    path = f"sobjects/Opportunity/{KEY}/r-1"
    first, second = org("PATCH", path, DEAL), org("PATCH", path, {"Name": "second"})
    deal = first.json()["id"]
    assert (first.status_code, first.json()) == (201, {"id": deal, "success": True, "errors": [], "created": True})
    assert (second.status_code, second.json()) == (200, {"id": deal, "success": True, "errors": [], "created": False})
    assert org("GET", path).json()["Name"] == "second"
    assert org("DELETE", path).status_code == 204
    assert error(org("GET", path)) == (404, "NOT_FOUND")


def test_up_to_version_45_an_upsert_that_updates_has_no_body(org: Org) -> None:
    path = f"sobjects/Opportunity/{KEY}/r-1"
    first, second = (org("PATCH", path, DEAL, version="45.0") for _ in range(2))
    assert (first.status_code, set(first.json())) == (201, {"id", "success", "errors"})
    assert (second.status_code, second.content) == (204, b"")


def test_the_value_of_an_upsert_is_one_decoded_segment(org: Org) -> None:
    org("PATCH", f"sobjects/Opportunity/{KEY}/a%2Fb%20c+d", DEAL)
    assert org.hands.rows("Opportunity")[0][KEY] == "a/b c+d"


def test_several_matches_are_a_300_and_nothing_is_written(org: Org) -> None:
    twice = [org.deal(**{KEY: "r-1"}) for _ in range(2)]
    answer = org("PATCH", f"sobjects/Opportunity/{KEY}/r-1", {"Name": "which?"})
    assert (answer.status_code, answer.json()) == (
        300,
        [f"/services/data/v66.0/sobjects/Opportunity/{deal}" for deal in twice],
    )
    assert org.names("") == ["Contoso rollout"] * 2


def test_case_counts_in_an_external_id_unless_it_is_unique(org: Org) -> None:
    org("PATCH", f"sobjects/Opportunity/{KEY}/r-A", DEAL)
    assert org("PATCH", f"sobjects/Opportunity/{KEY}/r-a", DEAL).status_code == 201
    with served(OrgOptions(unique_referral_identifier=True)) as unique:
        deal = unique("PATCH", f"sobjects/Opportunity/{KEY}/r-A", DEAL).json()["id"]
        assert unique("PATCH", f"sobjects/Opportunity/{KEY}/r-a", DEAL).status_code == 200
        again = unique("POST", "sobjects/Opportunity", {**DEAL, KEY: "R-A"})
        assert error(again) == (400, "DUPLICATE_VALUE")
        assert (
            again.json()[0]["message"]
            == f"duplicate value found: {KEY} duplicates value on record with id: {deal[:15]}"
        )


def test_the_key_is_not_repeated_in_the_body_and_update_only_creates_nothing(org: Org) -> None:
    path = f"sobjects/Opportunity/{KEY}/r-1"
    assert error(org("PATCH", path, {**DEAL, KEY: "r-1"})) == (400, "INVALID_FIELD")
    assert error(org("PATCH", f"{path}?updateOnly=true", DEAL)) == (404, "NOT_FOUND")
    assert org.hands.rows("Opportunity") == []


def test_an_upsert_by_email_which_is_no_external_id_but_looks_rows_up(org: Org) -> None:
    answers = [org("PATCH", "sobjects/Contact/Email/kim@fabrikam.example", {"LastName": "Kim"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]


def test_a_parent_is_named_by_its_external_id(org: Org) -> None:
    deal = org.deal(**{KEY: "r-1"})
    solution = org.make("Microsoft_Solutions__c", Opportunity__r={KEY: "r-1"})
    assert org.read("Microsoft_Solutions__c", solution, "Opportunity__c", "Name") == [deal, "MS-0001"]
    missing = org("POST", "sobjects/Microsoft_Solutions__c", {"Opportunity__r": {KEY: "r-2"}})
    assert (
        missing.json()[0]["message"] == f"Foreign key external ID: r-2 not found for field {KEY} in entity Opportunity"
    )


def test_a_parent_that_two_rows_could_be_is_refused(org: Org) -> None:
    for _ in range(2):
        org.deal(**{KEY: "r-1"})
    several = org("POST", "sobjects/Microsoft_Solutions__c", {"Opportunity__r": {KEY: "r-1"}})
    by_name = org("POST", "sobjects/Microsoft_Solutions__c", {"Opportunity__r": {"Name": "Contoso rollout"}})
    assert error(several) == error(by_name) == (400, "INVALID_FIELD")
    assert org.hands.rows("Microsoft_Solutions__c") == []


def test_a_solution_goes_by_its_own_number_and_a_catalogue_row_without_a_name_by_its_id(org: Org) -> None:
    detail = org.make("Microsoft_Solution_Detail__c", Solution_Identifier__c="SOL-9")
    org.make("Microsoft_Solutions__c", Solution__c=detail)
    found = org.query("SELECT Name, Solution__r.Name FROM Microsoft_Solutions__c")["records"][0]
    assert (found["Name"], found["Solution__r"]["Name"]) == ("MS-0001", detail)
    org("DELETE", f"sobjects/Microsoft_Solution_Detail__c/{detail}")
    assert org.hands.rows("Microsoft_Solutions__c")[0]["Solution__c"] is None


def test_describe_tells_what_a_client_needs_to_know(org: Org) -> None:
    described = org("GET", "sobjects/Opportunity/describe").json()
    fields = {field["name"]: field for field in described["fields"]}
    assert (described["keyPrefix"], described["replicateable"]) == ("006", True)
    name, amount, key = fields["Name"], fields["Amount"], fields[KEY]
    assert (name["length"], name["nillable"], name["createable"]) == (120, False, True)
    assert (amount["type"], amount["precision"], amount["scale"]) == ("currency", 18, 2)
    assert (key["externalId"], key["unique"], key["idLookup"]) == (True, False, True)
    assert (fields["IsWon"]["createable"], fields["ContactId"]["updateable"]) == (False, False)
    assert (fields["AccountId"]["referenceTo"], fields["AccountId"]["relationshipName"]) == (["Account"], "Account")
    stages = [value["value"] for value in fields["StageName"]["picklistValues"]]
    assert stages[0] == "Prospecting"
    assert stages[-3:] == ["On Hold", "Closed Won", "Closed Lost"]
    assert fields["How_can_Microsoft_help__c"]["restrictedPicklist"] is True
    children = {child["relationshipName"] for child in described["childRelationships"]}
    assert {"OpportunityContactRoles", "OpportunityTeamMembers", "Microsoft_Solutions__r"} <= children
    assert "Opportunity" in [each["name"] for each in org("GET", "sobjects").json()["sobjects"]]
    # What a client must send: not nullable, not defaulted, createable.
    lead = org("GET", "sobjects/Lead/describe").json()["fields"]
    must = {f["name"] for f in lead if not f["nillable"] and not f["defaultedOnCreate"] and f["createable"]}
    assert must == {"LastName", "Company"}
