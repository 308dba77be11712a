"""Leads of Salesforce: their statuses, their own person, and the opportunity that a seller converts one into."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.salesforce import Conversion
from shared.domain.errors import ConfigurationError, Rejected
from shared.domain.record import CrmStage, NewRecord, Record, RecordChange, RecordKind, StageChange
from shared.domain.values import Person
from tests.contract.deals import ANN, REFERRAL_ID, deal, read_mapping
from tests.contract.rigs import OTHER_USER, USER, SalesforceRig
from tests.crm.salesforce.conftest import OrgMaker
from tests.crm.salesforce.deals import changed_mapping

LEAD, OPPORTUNITY = RecordKind.LEAD, RecordKind.OPPORTUNITY


@pytest.fixture
def rig(org: OrgMaker) -> SalesforceRig:
    """With the mapping as it is shipped."""
    made: SalesforceRig = org()
    made.mapping = read_mapping("salesforce.toml")
    made.crm = made.adapter()
    return made


def create(rig: SalesforceRig, stage: StageChange = StageChange(CrmStage.ON_HOLD), **values: Any) -> Record:  # noqa: B008
    record = rig.mapping.records[LEAD]
    by_name = {"customer_name": "Fabrikam", "contacts": (ANN,), "customer_country": "DE", **values}
    by_path = {record.field(name).crm: value for name, value in by_name.items()}
    system = {record.columns.sync: True, record.columns.referral_id: REFERRAL_ID}
    new = NewRecord(LEAD, REFERRAL_ID, stage, {**system, **by_path}, account=None)
    return rig.crm.create(new, rig.crm.prepare(new), None)


def test_a_lead_is_a_person_at_a_company(rig: SalesforceRig) -> None:
    lead = create(rig, team=(USER,), currency="EUR", notes="Trial")
    assert rig.crm.get(LEAD, lead.id) == lead
    assert (lead.values["Company"], lead.values["@contacts"], lead.values["@team"]) == ("Fabrikam", (ANN,), (USER,))
    assert (lead.values["CurrencyIsoCode"], lead.values["Country"]) == ("EUR", "DE")
    (row,) = rig.hands.rows("Lead")
    assert (row["LastName"], row["Email"], row["Status"]) == ("Beck", ANN.email, "Open - Not Contacted")
    assert rig.hands.rows("Account") == rig.hands.rows("Contact") == []


@pytest.mark.parametrize(("reason", "name"), [("Lost in Partner Center", "lost"), ("Declined: no time", "declined")])
def test_a_lead_is_disqualified_and_reopened(rig: SalesforceRig, reason: str, name: str) -> None:
    rig.simulator.hands.insert("LeadStatus", {"ApiName": "Declined", "MasterLabel": "Declined", "SortOrder": 9})
    overlay = {"adapter": {"lead": {"statuses": {"declined": "Declined"}}}}
    rig.crm = rig.adapter(changed_mapping(rig, overlay))
    lead = create(rig)
    rig.crm.update(lead, RecordChange({"Description": "No budget."}, StageChange(CrmStage.LOST, reason)))
    read = rig.crm.get(LEAD, lead.id)
    assert (read.stage, read.values["Description"]) == (CrmStage.LOST, "No budget.")
    assert read.stage_reason == {"lost": "Closed - Not Converted", "declined": "Declined"}[name]
    rig.crm.update(read, RecordChange(stage=StageChange(CrmStage.ON_HOLD)))
    assert rig.crm.get(LEAD, lead.id).stage is CrmStage.ON_HOLD


def test_any_other_status_is_an_open_lead(rig: SalesforceRig) -> None:
    lead = create(rig)
    rig.hands.edit("Lead", lead.id, {"Status": "Working - Contacted"})
    read = rig.crm.get(LEAD, lead.id)
    assert (read.stage, read.stage_reason) == (CrmStage.ON_HOLD, "Working - Contacted")


def test_the_opportunity_of_a_converted_lead_is_followed_in_one_call(rig: SalesforceRig) -> None:
    lead = create(rig)
    assert rig.crm.opportunity_of(lead) is None
    made = rig.hands.convert_lead(lead.id)
    converted = rig.crm.get(LEAD, lead.id)
    assert converted.stage is CrmStage.ACTIVE
    before = rig.calls()
    opportunity = rig.crm.opportunity_of(converted)
    assert rig.calls() - before == 1
    assert opportunity is not None
    assert (opportunity.kind, opportunity.id) == (OPPORTUNITY, made.opportunity_id)
    assert opportunity.values["@contacts"] == (ANN,)
    assert opportunity.values["Account.Name"] == "Fabrikam"


def test_a_lead_converted_without_an_opportunity_has_none(rig: SalesforceRig) -> None:
    lead = create(rig)
    rig.hands.convert_lead(lead.id, Conversion(create_opportunity=False))
    assert rig.crm.opportunity_of(rig.crm.get(LEAD, lead.id)) is None


def test_the_lead_that_an_opportunity_was_is_found(rig: SalesforceRig) -> None:
    lead = create(rig)
    converted = rig.hands.convert_lead(lead.id)
    assert converted.opportunity_id is not None
    assert rig.crm.lead_of(rig.crm.get(OPPORTUNITY, converted.opportunity_id)) == lead.id
    assert rig.crm.lead_of(rig.crm.create(deal(rig.mapping), rig.crm.prepare(deal(rig.mapping)), None)) is None


def test_a_conversion_is_a_change_of_the_lead(rig: SalesforceRig) -> None:
    lead = create(rig)
    *_, page = rig.crm.changes(LEAD, None)
    rig.hands.convert_lead(lead.id)
    (page,) = rig.crm.changes(LEAD, page.cursor)
    assert [change.id for change in page.changes] == [lead.id]


def test_a_converted_lead_cannot_be_written(rig: SalesforceRig) -> None:
    lead = create(rig)
    rig.hands.convert_lead(lead.id)
    with pytest.raises(Rejected) as refused:
        rig.crm.update(rig.crm.get(LEAD, lead.id), RecordChange({"Audit__c": "too late"}))
    assert refused.value.code == "lead_converted"


def test_only_people_convert_leads(rig: SalesforceRig) -> None:
    assert not rig.crm.capabilities.qualifies_leads
    lead = create(rig)
    with pytest.raises(ConfigurationError, match="cannot be converted") as refused:
        rig.crm.qualify(lead, rig.crm.prepare(deal(rig.mapping)), None)
    assert "Convert the lead" in refused.value.remedy
    with pytest.raises(ConfigurationError, match="only people convert"):
        rig.crm.update(lead, RecordChange(stage=StageChange(CrmStage.ACTIVE)))


def test_the_person_and_the_owner_can_be_others(rig: SalesforceRig) -> None:
    lead = create(rig, team=(USER,))
    other = Person("", "Cole", "", "ben.cole@fabrikam.example")
    rig.crm.update(lead, RecordChange({"@contacts": (other,), "@team": (OTHER_USER,)}))
    read = rig.crm.get(LEAD, lead.id)
    assert (read.values["@contacts"], read.values["@team"]) == ((other,), (OTHER_USER,))


def test_a_status_that_the_org_does_not_have_is_named(rig: SalesforceRig) -> None:
    overlay = {"adapter": {"lead": {"statuses": {"lost": "Gone", "open": "Closed - Converted"}}}}
    with pytest.raises(ConfigurationError, match="status 'Gone'") as refused:
        rig.adapter(changed_mapping(rig, overlay)).catalogue(LEAD)
    assert "status 'Closed - Converted' (open" in refused.value.message


def test_without_leads_their_fields_are_not_asked_for(rig: SalesforceRig) -> None:
    lead = {"columns": {"audit": "My_Audit__c"}}
    crm = rig.adapter(changed_mapping(rig, {"records": {"lead": lead}}))
    assert crm.catalogue().limits
    with pytest.raises(ConfigurationError, match="field My_Audit__c of Lead"):
        crm.catalogue(LEAD)
