"""What only a Salesforce org can lack, each found by name; and how it takes the solution catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.control import Fault
from sandbox.salesforce import ValidationRule
from shared.crm.port import ApiUsage, SolutionDetail
from shared.crm.salesforce import diagnosis
from shared.crm.salesforce.api_usage import read_usage
from shared.crm.salesforce.describe import Schema
from shared.crm.salesforce.objects import read_objects
from shared.crm.salesforce.solution_details import ROWS_IN_CALL
from shared.domain.errors import ConfigurationError, RetryLater
from shared.domain.finding import Condition, Finding
from shared.domain.record import RecordKind
from tests.contract.deals import read_mapping
from tests.contract.rigs import DETAILS, SalesforceRig
from tests.crm.salesforce.conftest import OrgMaker
from tests.crm.salesforce.deals import changed_mapping


def found(rig: SalesforceRig, name: str) -> Finding:
    findings = {finding.name: finding for finding in rig.crm.diagnose()}
    assert len(findings) == 6
    return findings[name]


def test_a_diagnosis_is_one_call_beside_the_sign_in(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    said = {finding.name: finding for finding in rig.crm.diagnose()}
    assert rig.simulator.control.count("/services/data") == 1
    assert {finding.condition for finding in said.values()} == {Condition.OK}
    assert "EUR" in said[diagnosis.CURRENCIES].what
    assert "on hold: On Hold" in said[diagnosis.STAGES].what
    assert "of 15,000 API calls" in said[diagnosis.CALLS].what


def test_a_referral_identifier_that_is_not_unique_is_a_warning(org: OrgMaker) -> None:
    key = found(org(unique_referral_identifier=False), diagnosis.KEY)
    assert key.condition is Condition.WARNING
    assert "Referral_Identifier__c of Opportunity" in key.what
    assert "Referral_Identifier__c of Lead" in key.what
    assert "duplicate values" in key.remedy


def test_hidden_fields_and_missing_objects_are_named(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    rig.simulator.hide_fields("Opportunity", "Microsoft_CRM_Identifier__c")
    rig.simulator.hide_fields("Lead", "Audit__c")
    rig.simulator.schema.remove_object("Microsoft_Solutions__c")
    fields = found(rig, diagnosis.FIELDS)
    assert fields.condition is Condition.FAILED
    for missing in (
        "field Microsoft_CRM_Identifier__c of Opportunity",
        "field Audit__c of Lead",
        "object Microsoft_Solutions__c",
    ):
        assert missing in fields.what
    assert "infra/salesforce" in fields.remedy


def test_without_leads_theirs_are_not_looked_at(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    rig.simulator.hide_fields("Lead", "Audit__c")
    rig.crm = rig.adapter(kinds=(RecordKind.OPPORTUNITY,))
    assert found(rig, diagnosis.FIELDS).condition is Condition.OK


def test_an_org_with_one_currency_has_to_say_which(org: OrgMaker) -> None:
    rig: SalesforceRig = org(multi_currency=False)
    currencies = found(rig, diagnosis.CURRENCIES)
    assert currencies.condition is Condition.FAILED
    assert "[adapter.org]" in currencies.remedy
    rig.crm = rig.adapter(changed_mapping(rig, {"adapter": {"org": {"currency": "EUR"}}}))
    assert "EUR" in found(rig, diagnosis.CURRENCIES).what


def test_a_missing_stage_is_named_with_those_there_are(org: OrgMaker) -> None:
    stages = found(org(extra_stages=()), diagnosis.STAGES)
    assert stages.condition is Condition.FAILED
    assert "'On Hold'" in stages.what
    assert "'Prospecting'" in stages.what
    assert "ON_HOLD_STAGE_NAME" in stages.remedy


def test_a_missing_status_of_leads_is_named(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    rig.crm = rig.adapter(changed_mapping(rig, {"adapter": {"lead": {"statuses": {"lost": "Gone"}}}}))
    assert "'Gone'" in found(rig, diagnosis.STAGES).what


def test_a_refused_sign_in_says_what_to_check(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    body = {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}
    rig.simulator.control.order(Fault("token", status=400, body=body))
    sign_in = found(rig, diagnosis.SIGN_IN)
    assert sign_in.condition is Condition.FAILED
    assert "hasn't approved" in sign_in.what
    assert "permission set" in sign_in.remedy


@pytest.mark.parametrize(
    ("usage", "condition"),
    [
        (ApiUsage(100, 15_000), Condition.OK),
        (ApiUsage(12_000, 15_000), Condition.WARNING),
        (ApiUsage(16_000, 15_000), Condition.WARNING),
        (None, Condition.UNKNOWN),
    ],
)
def test_calls_that_are_nearly_used_up_are_a_warning(usage: ApiUsage | None, condition: Condition) -> None:
    mapping = read_mapping("salesforce.toml")
    org = diagnosis.Org(mapping, (), read_objects(mapping), {}, Schema({}), usage)
    assert diagnosis.calls(org).condition is condition


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("api-usage=10018/100000", ApiUsage(10_018, 100_000)),
        ("api-usage=25/5000; per-app-api-usage=17/250(appName=sample)", ApiUsage(25, 5000)),
        ("per-app-api-usage=17/250(appName=sample), api-usage=25/5000", ApiUsage(25, 5000)),
        ("", None),
        ("api-usage=?/5", None),
    ],
)
def test_usage_is_read_from_the_header(header: str, usage: ApiUsage | None) -> None:
    assert read_usage(header) == usage


def many(count: int) -> list[SolutionDetail]:
    return [SolutionDetail(f"SOL-{number:05d}", f"Solution {number}", "3P", "Contoso") for number in range(count)]


def test_rows_are_written_in_collections(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    before = len(rig.hands.rows(DETAILS))
    told: list[int] = []
    saved = rig.crm.save_solution_details(many(2 * ROWS_IN_CALL + 5), progress=told.append)
    assert (saved.created, told) == (405, [200, 400, 405])
    assert len(rig.hands.rows(DETAILS)) == before + 405
    rig.simulator.control.forget_calls()
    assert rig.crm.save_solution_details(many(2 * ROWS_IN_CALL + 5)).unchanged == 405
    assert rig.calls() == 2


def test_rows_that_are_there_are_read_to_the_last_page(org: OrgMaker) -> None:
    rig: SalesforceRig = org(page_size=500)
    details = many(1200)
    for detail in details:
        rig.hands.insert(DETAILS, {"Solution_Identifier__c": detail.id, "Name": detail.name})
    named = [SolutionDetail(detail.id, detail.name) for detail in details]
    assert rig.crm.save_solution_details(named).unchanged == 1200


def test_a_row_that_a_rule_refuses_is_told_and_the_others_are_written(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    rig.simulator.add_rule(ValidationRule(DETAILS, "Publisher_Name__c = 'Nobody'", "Who is that?", "Publisher_Name__c"))
    saved = rig.crm.save_solution_details([SolutionDetail("SOL-1", "One", "3P", "Nobody"), *many(2)])
    assert (saved.created, saved.updated) == (2, 0)
    assert "Who is that?" in saved.refused["sol-1"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        [{"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "busy"}]}],
    ],
)
def test_a_save_that_is_worth_another_try_is_tried_later(org: OrgMaker, body: Any) -> None:
    rig: SalesforceRig = org()
    rig.simulator.control.order(Fault("composite/sobjects", status=200, body=body))
    with pytest.raises(RetryLater):
        rig.crm.save_solution_details(many(1))
    assert rig.crm.save_solution_details(many(1)).created == 1


def test_an_org_without_the_object_says_so(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    rig.simulator.schema.remove_object(DETAILS)
    with pytest.raises(ConfigurationError, match=f"does not have: object {DETAILS}.*infra/salesforce"):
        rig.crm.save_solution_details(many(1))


def test_a_mapping_without_the_object_says_so(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    records = {RecordKind.LEAD: rig.mapping.records[RecordKind.LEAD]}
    parts = {name: part for name, part in rig.mapping.adapter.items() if name != "solution_details"}
    without = rig.mapping.model_copy(update={"adapter": parts, "records": records})
    with pytest.raises(ConfigurationError, match=r"\[adapter.solution_details\]"):
        rig.adapter(without).save_solution_details(many(1))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"solutions": None}, "records.opportunity has @solutions, but there is no adapter.solutions"),
        ({"team": None}, "records.opportunity has @team, but there is no adapter.team"),
        ({"solution_details": None}, "there is no adapter.solution_details"),
        ({"lead": None}, "there is no adapter.lead"),
        ({"contacts": {"object": "Contact"}}, "first_name"),
        ({"org": {"currency": "euro"}}, "currency"),
        ({"price_books": {}}, "price_books"),
    ],
)
def test_a_mapping_with_mistakes_names_them(changes: dict[str, Any], said: str) -> None:
    mapping = read_mapping("salesforce.toml")
    parts = {name: part for name, part in {**mapping.adapter, **changes}.items() if part is not None}
    with pytest.raises(ConfigurationError, match=said):
        read_objects(mapping.model_copy(update={"adapter": parts}))
