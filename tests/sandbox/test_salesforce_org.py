"""What the org does of itself: stages, currencies, countries, roles, the package's trigger, conversion, rules."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from sandbox.salesforce import Conversion, DuplicateRule, OrgOptions, ValidationRule
from sandbox.salesforce.errors import SalesforceError
from tests.sandbox.salesforce_api import DEAL, KEY, Org, error, served

SYNC = "Sync_With_Partner_Center__c"


@pytest.fixture
def org(request: pytest.FixtureRequest) -> Iterator[Org]:
    """With the options of ``@pytest.mark.parametrize("org", [...], indirect=True)``, if any."""
    with served(getattr(request, "param", None)) as org:
        yield org


def change(org: Org, deal: str, **values: Any) -> None:
    assert org("PATCH", f"sobjects/Opportunity/{deal}", values).status_code == 204


# Stages


def test_the_stage_decides_on_probability_closed_won_and_forecast(org: Org) -> None:
    names = ("StageName", "Probability", "IsClosed", "IsWon", "ForecastCategory", "ForecastCategoryName")
    deal = org.deal(StageName="proposal/price quote", Amount=200)
    assert org.read("Opportunity", deal, *names) == ["Proposal/Price Quote", 75, False, False, "Pipeline", "Pipeline"]
    change(org, deal, Probability=40)
    change(org, deal, StageName="Proposal/Price Quote")
    assert org.read("Opportunity", deal, "Probability", "ExpectedRevenue") == [40, 80]
    change(org, deal, StageName="On Hold", Probability=15)
    assert org.read("Opportunity", deal, "Probability") == [15]
    org.hands.win(deal)
    assert org.read("Opportunity", deal, *names)[1:] == [100, True, True, "Closed", "Closed"]
    org.hands.lose(deal)
    assert org.read("Opportunity", deal, *names)[1:] == [0, True, False, "Omitted", "Omitted"]


def test_a_stage_the_org_does_not_know_is_kept_and_changes_nothing_else(org: Org) -> None:
    deal = org.deal(StageName="Qualification")
    change(org, deal, StageName="No such stage")
    values = org.read("Opportunity", deal, "StageName", "Probability", "IsClosed")
    assert values == ["No such stage", 10, False]


def test_the_stages_are_rows_to_ask_for(org: Org) -> None:
    found = org.query(
        "SELECT ApiName,MasterLabel,IsActive,IsClosed,IsWon,DefaultProbability,SortOrder FROM OpportunityStage "
        "WHERE IsActive = true ORDER BY SortOrder"
    )["records"]
    assert [row["ApiName"] for row in found if row["IsClosed"]] == ["Closed Won", "Closed Lost"]
    assert [row["SortOrder"] for row in found] == list(range(1, 12))


# Money


def test_a_currency_alone_converts_amounts_and_with_an_amount_it_does_not(org: Org) -> None:
    deal = org.deal(Amount=100)
    assert org.read("Opportunity", deal, "CurrencyIsoCode") == ["USD"]
    change(org, deal, CurrencyIsoCode="JPY")
    assert org.read("Opportunity", deal, "Amount") == [15000]
    change(org, deal, CurrencyIsoCode="EUR", Amount=90)
    assert org.read("Opportunity", deal, "Amount", "CurrencyIsoCode") == [90, "EUR"]
    change(org, deal, Amount=10.555)
    assert org.hands.row("Opportunity", deal)["Amount"] == Decimal("10.56")


@pytest.mark.parametrize("org", [OrgOptions(multi_currency=False)], indirect=True)
def test_an_org_of_one_currency_has_neither_field_nor_table(org: Org) -> None:
    assert error(org.ask("SELECT IsoCode FROM CurrencyType")) == (400, "INVALID_TYPE")
    assert error(org.ask("SELECT CurrencyIsoCode FROM Opportunity")) == (400, "INVALID_FIELD")
    assert error(org("POST", "sobjects/Opportunity", {**DEAL, "CurrencyIsoCode": "USD"})) == (400, "INVALID_FIELD")
    fields = org("GET", "sobjects/Opportunity/describe").json()["fields"]
    assert "CurrencyIsoCode" not in [field["name"] for field in fields]


def test_products_decide_on_the_amount_without_a_word(org: Org) -> None:
    deal = org.deal(Amount=100)
    org.hands.insert("OpportunityLineItem", {"OpportunityId": deal, "Quantity": 3, "UnitPrice": 50})
    change(org, deal, Amount=999, NextStep="call")
    values = org.read("Opportunity", deal, "Amount", "ExpectedRevenue", "NextStep", "HasOpportunityLineItem")
    assert values == [150, 15, "call", True]


# Countries


@pytest.mark.parametrize("org", [OrgOptions(country_picklists=True)], indirect=True)
def test_country_picklists_keep_name_and_code_in_step_and_refuse_others(org: Org) -> None:
    names = ("BillingCountry", "BillingCountryCode", "BillingState", "BillingStateCode")
    account = org.make("Account", Name="Fabrikam", BillingCountryCode="US", BillingStateCode="WA")
    assert org.read("Account", account, *names) == ["United States", "US", "Washington", "WA"]
    path = f"sobjects/Account/{account}"
    refused = org("PATCH", path, {"BillingCountryCode": "DE"})
    assert error(refused) == (400, "FIELD_INTEGRITY_EXCEPTION")
    assert refused.json()[0]["fields"] == ["BillingStateCode"]
    assert org("PATCH", path, {"BillingCountry": "germany", "BillingState": None}).status_code == 204
    assert org.read("Account", account, *names) == ["Germany", "DE", None, None]
    wrong = org("PATCH", path, {"BillingCountry": "DE"})
    assert error(wrong) == (400, "FIELD_INTEGRITY_EXCEPTION")
    assert wrong.json()[0]["message"].endswith("select a country from the list of valid countries.: [BillingCountry]")
    assert error(org("PATCH", path, {"BillingCountryCode": "XX"})) == (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    assert org("PATCH", path, {"BillingCountryCode": None}).status_code == 204
    assert org.read("Account", account, *names) == [None, None, None, None]


def test_without_country_picklists_the_country_is_text(org: Org) -> None:
    account = org.make("Account", Name="Fabrikam", BillingCountry="DE")
    assert org.read("Account", account, "BillingCountry") == ["DE"]
    assert error(org.ask("SELECT BillingCountryCode FROM Account")) == (400, "INVALID_FIELD")


# People


def test_the_contact_of_a_new_deal_becomes_its_primary_role_and_cannot_be_changed_otherwise(org: Org) -> None:
    first, second = org.make("Contact", LastName="Kim"), org.make("Contact", LastName="Reyes")
    deal = org.deal(ContactId=first)
    refused = org("PATCH", f"sobjects/Opportunity/{deal}", {"ContactId": second})
    assert error(refused) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    stamp = org.read("Opportunity", deal, "SystemModstamp")
    org.clock.tick()
    role = org.make("OpportunityContactRole", OpportunityId=deal, ContactId=second, IsPrimary=True)
    primary = org.query("SELECT ContactId FROM OpportunityContactRole WHERE IsPrimary = true")["records"]
    assert [row["ContactId"] for row in primary] == [second]
    assert org.read("Opportunity", deal, "ContactId") == [second]
    assert org.read("Opportunity", deal, "SystemModstamp") == stamp
    org("DELETE", f"sobjects/OpportunityContactRole/{role}")
    assert org.read("Opportunity", deal, "ContactId") == [None]


def test_owners_are_active_users(org: Org) -> None:
    former = org.hands.user_id("robin.former@contoso.example")
    refused = org("POST", "sobjects/Opportunity", {**DEAL, "OwnerId": former})
    assert error(refused) == (400, "INACTIVE_OWNER_OR_USER")
    connector = org.hands.user_id("co-sell-connector@contoso.example")
    assert org.read("Opportunity", org.deal(), "OwnerId", "CreatedById") == [connector, connector]


def test_a_private_deal_has_no_team(org: Org) -> None:
    deal = org.deal()
    org.make("OpportunityTeamMember", OpportunityId=deal, UserId=org.hands.user_id("dana.reyes@contoso.example"))
    change(org, deal, IsPrivate=True)
    assert org.hands.rows("OpportunityTeamMember") == []


@pytest.mark.parametrize("org", [OrgOptions(team_selling=False)], indirect=True)
def test_without_team_selling_there_are_no_teams(org: Org) -> None:
    assert error(org.ask("SELECT Id FROM OpportunityTeamMember")) == (400, "INVALID_TYPE")


# Microsoft's package


def test_the_packages_trigger_counts_solutions_and_unticks_sync_at_none(org: Org) -> None:
    deal = org.deal(**{SYNC: True})
    assert org.read("Opportunity", deal, SYNC) == [True]
    first = org.make("Microsoft_Solutions__c", Opportunity__c=deal)
    second = org.make("Microsoft_Solutions__c", Opportunity__c=deal)
    assert org.read("Opportunity", deal, SYNC, "Solution_Count__c") == [True, 2]
    org("DELETE", f"sobjects/Microsoft_Solutions__c/{first}")
    assert org.read("Opportunity", deal, SYNC, "Solution_Count__c") == [True, 1]
    org.clock.tick()
    org("DELETE", f"sobjects/Microsoft_Solutions__c/{second}")
    values = org.read("Opportunity", deal, SYNC, "Solution_Count__c", "SystemModstamp")
    assert values == [False, 0, "2026-03-01T08:15:31.000+0000"]


@pytest.mark.parametrize("org", [OrgOptions(package_trigger=False)], indirect=True)
def test_the_packages_trigger_can_be_off(org: Org) -> None:
    deal = org.deal(**{SYNC: True})
    solution = org.make("Microsoft_Solutions__c", Opportunity__c=deal)
    org("DELETE", f"sobjects/Microsoft_Solutions__c/{solution}")
    assert org.read("Opportunity", deal, SYNC, "Solution_Count__c") == [True, None]


# Leads


@pytest.mark.parametrize("org", [OrgOptions(lead_fields={KEY: KEY})], indirect=True)
def test_a_converted_lead_leads_to_its_opportunity_and_is_closed_to_edits(org: Org) -> None:
    lead = org.make(
        "Lead", LastName="Kim", Company="Contoso", Country="DE", Email="kim@contoso.example", **{KEY: "r-1"}
    )
    assert org.read("Lead", lead, "Status", "Name") == ["Open - Not Contacted", "Kim"]
    made = org.hands.convert_lead(lead)
    assert made.opportunity_id is not None
    found = org.query(
        f"SELECT IsConverted, Status, ConvertedOpportunity.{KEY}, ConvertedOpportunity.Account.BillingCountry, "
        "ConvertedContact.Email FROM Lead"
    )["records"][0]
    assert (found["IsConverted"], found["Status"]) == (True, "Closed - Converted")
    assert found["ConvertedOpportunity"][KEY] == "r-1"
    assert found["ConvertedOpportunity"]["Account"]["BillingCountry"] == "DE"
    assert found["ConvertedContact"]["Email"] == "kim@contoso.example"
    values = org.read("Opportunity", made.opportunity_id, "Name", "StageName", "CloseDate", "ContactId")
    assert values == ["Contoso", "Prospecting", "2026-03-31", made.contact_id]
    assert error(org("PATCH", f"sobjects/Lead/{lead}", {"Title": "CTO"})) == (400, "CANNOT_UPDATE_CONVERTED_LEAD")
    with pytest.raises(SalesforceError, match="CANNOT_UPDATE_CONVERTED_LEAD"):
        org.hands.convert_lead(lead)


def test_a_conversion_takes_what_the_seller_names(org: Org) -> None:
    account = org.make("Account", Name="Fabrikam")
    lead = org.make("Lead", LastName="Kim", Company="Contoso")
    with pytest.raises(SalesforceError, match="STRING_TOO_LONG"):
        org.hands.convert_lead(lead, Conversion(opportunity_name="x" * 81))
    with pytest.raises(SalesforceError, match="INVALID_STATUS"):
        org.hands.convert_lead(lead, Conversion(status="Working - Contacted"))
    made = org.hands.convert_lead(lead, Conversion(account_id=account, create_opportunity=False))
    assert (made.account_id, made.opportunity_id) == (account, None)
    assert org.names("", "Account") == ["Fabrikam"]


# The administrator


def test_a_validation_rule_speaks_its_own_words(org: Org) -> None:
    """fidelic-conformance validation-001..003."""
    org.simulator.add_rule(
        ValidationRule("Opportunity", "StageName = 'Closed Won' AND Amount = null", "Say what it is worth.", "Amount")
    )
    deal = org.deal()
    refused = org("PATCH", f"sobjects/Opportunity/{deal}", {"StageName": "Closed Won"})
    assert (refused.status_code, refused.json()) == (
        400,
        [{"message": "Say what it is worth.", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["Amount"]}],
    )
    assert org("PATCH", f"sobjects/Opportunity/{deal}", {"StageName": "Closed Won", "Amount": 5}).status_code == 204


def test_a_duplicate_rule_alerts_or_blocks(org: Org) -> None:
    kim = {"LastName": "Kim", "Company": "Contoso", "Email": "kim@contoso.example"}
    lead = org.make("Lead", **kim)
    org.simulator.add_rule(DuplicateRule("Lead", ("Email",)))
    refused = org("POST", "sobjects/Lead", kim)
    assert error(refused) == (400, "DUPLICATES_DETECTED")
    result = refused.json()[0]["duplicateResult"]
    assert (result["allowSave"], result["matchResults"][0]["matchRecords"][0]["record"]["Id"]) == (True, lead)
    insisting = {"Sforce_Duplicate_Rule_Header": "allowSave=true"}
    assert org("POST", "sobjects/Lead", kim, **insisting).status_code == 201
    org.simulator.add_rule(DuplicateRule("Lead", ("LastName", "Company"), allow_save=False))
    blocked = org("POST", "sobjects/Lead", kim, **insisting)
    assert blocked.json()[0]["duplicateResult"]["allowSave"] is False
    assert len(org.hands.rows("Lead")) == 2


def test_hidden_fields_look_like_missing_ones_and_read_only_ones_do_not(org: Org) -> None:
    org.simulator.hide_fields("Opportunity", "Amount", KEY)
    org.simulator.make_read_only("Opportunity", "NextStep")
    deal = org.deal()
    org.hands.edit("Opportunity", deal, {"Amount": 5, "NextStep": "call"})
    assert error(org.ask("SELECT Amount FROM Opportunity")) == (400, "INVALID_FIELD")
    assert error(org("PATCH", f"sobjects/Opportunity/{deal}", {"Amount": 6})) == (400, "INVALID_FIELD")
    assert error(org("PATCH", f"sobjects/Opportunity/{KEY}/r-1", DEAL)) == (404, "NOT_FOUND")
    row = org("GET", f"sobjects/Opportunity/{deal}").json()
    assert ("Amount" in row, row["NextStep"]) == (False, "call")
    refused = org("PATCH", f"sobjects/Opportunity/{deal}", {"NextStep": "write"})
    assert error(refused) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    fields = {field["name"]: field for field in org("GET", "sobjects/Opportunity/describe").json()["fields"]}
    assert ("Amount" in fields, fields["NextStep"]["updateable"]) == (False, False)


def test_a_changed_length_holds_from_now_on(org: Org) -> None:
    org.simulator.change_field("Opportunity", "Audit__c", length=20)
    deal = org.deal()
    assert error(org("PATCH", f"sobjects/Opportunity/{deal}", {"Audit__c": "x" * 21})) == (400, "STRING_TOO_LONG")


def test_a_locked_account_locks_out_writes_of_its_deals(org: Org) -> None:
    account = org.make("Account", Name="Fabrikam")
    deal = org.deal(AccountId=account)
    org.hands.lock_row("Account", account, times=2)
    answers = [org("PATCH", f"sobjects/Opportunity/{deal}", {"NextStep": "call"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 204]
    assert error(answers[0]) == (400, "UNABLE_TO_LOCK_ROW")


# The same over HTTP, for a demo in another process


def test_the_hands_work_over_http_and_are_not_counted(org: Org) -> None:
    def hand(method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(method, f"{org.url}/_control/{path}", json=body, timeout=10)

    deal = hand("POST", "rows/Opportunity", {**DEAL, "Amount": 5.5}).json()["id"]
    assert hand("PATCH", f"rows/Opportunity/{deal}", {"NextStep": "call"}).status_code == 204
    assert hand("POST", f"opportunities/{deal}/win").status_code == 204
    row = hand("GET", "rows/Opportunity").json()[0]
    seller = org.hands.user_id("alex.kim@contoso.example")
    assert (row["StageName"], row["NextStep"], row["Amount"], row["OwnerId"]) == ("Closed Won", "call", 5.5, seller)
    assert hand("DELETE", f"rows/Opportunity/{deal}").status_code == 204
    assert (len(hand("GET", "rows/Opportunity").json()), len(hand("GET", "rows/Opportunity?deleted=true").json())) == (
        0,
        1,
    )
    assert hand("POST", f"rows/Opportunity/{deal}/undelete").status_code == 204
    assert hand("POST", f"rows/Opportunity/{deal}/touch").status_code == 204
    assert hand("POST", f"rows/Opportunity/{deal}/lock", {"times": 1}).status_code == 204
    assert hand("PATCH", f"rows/Opportunity/{deal}", {}).json()[0]["errorCode"] == "UNABLE_TO_LOCK_ROW"
    lead = hand("POST", "rows/Lead", {"LastName": "Kim", "Company": "Contoso"}).json()["id"]
    made = hand("POST", f"leads/{lead}/convert", {"opportunity_name": "From a lead"}).json()
    assert org.hands.row("Opportunity", made["opportunity_id"])["Name"] == "From a lead"
    assert hand("POST", f"leads/{lead}/convert", {"nope": 1}).status_code == 400
    assert hand("GET", "rows/Nope").status_code == 400
    assert org.simulator.control.calls == []
