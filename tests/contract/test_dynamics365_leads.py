"""What is Dynamics 365's own about leads: what it makes of one, its status reasons, its columns."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.dataverse import faults
from shared.domain.errors import ConfigurationError, RetryLater, VersionConflict
from shared.domain.mapping import CrmMapping
from shared.domain.overlay import build_mapping
from shared.domain.record import CrmStage, Record, RecordChange, RecordKind, StageChange
from tests.contract.deals import ANN, deal, read_mapping
from tests.contract.rigs import Dynamics365Rig


def changed_mapping(overlay: dict[str, Any]) -> CrmMapping:
    return build_mapping(read_mapping("dynamics365.toml").model_dump(mode="json"), overlay)


def lead_of(rig: Dynamics365Rig, **values: Any) -> Record:
    columns = {"subject": "Trial", "lastname": "Beck", "companyname": "Fabrikam", **values}
    return rig.crm.get(RecordKind.LEAD, rig.simulator.insert("lead", columns))


def qualify(rig: Dynamics365Rig, lead: Record, account_id: str | None = None) -> dict[str, Any]:
    made = rig.crm.qualify(lead, rig.crm.prepare(deal(rig.mapping)), account_id)
    return rig.simulator.row("opportunity", made.id)


def test_the_account_and_contact_that_a_seller_chose_are_used(dynamics365: Dynamics365Rig) -> None:
    simulator = dynamics365.simulator
    chosen, other = dynamics365.add_account("Wingtip", None), dynamics365.add_account("Fabrikam", None)
    contact = simulator.insert("contact", {"lastname": "Cole"})
    binds = {
        "parentaccountid@odata.bind": f"/accounts({chosen})",
        "parentcontactid@odata.bind": f"/contacts({contact})",
    }
    row = qualify(dynamics365, lead_of(dynamics365, **binds), other)
    assert (row["_customerid_value"], row["_parentcontactid_value"]) == (chosen, contact)
    assert len(simulator.rows("account")) == 2
    assert len(simulator.rows("contact")) == 1


def test_a_contact_of_the_known_account_is_used_again(dynamics365: Dynamics365Rig) -> None:
    account_id = dynamics365.add_account("Fabrikam", None)
    parent = {"parentcustomerid_account@odata.bind": f"/accounts({account_id})"}
    contact = dynamics365.simulator.insert("contact", {"lastname": "Beck", "emailaddress1": ANN.email, **parent})
    row = qualify(dynamics365, lead_of(dynamics365, emailaddress1=ANN.email), account_id)
    assert (row["_customerid_value"], row["_parentcontactid_value"]) == (account_id, contact)


def test_a_lead_that_only_has_a_last_name_makes_no_contact(dynamics365: Dynamics365Rig) -> None:
    row = qualify(dynamics365, lead_of(dynamics365, lastname="Fabrikam"))
    assert row["_parentcontactid_value"] is None
    assert dynamics365.simulator.rows("contact") == []


def test_status_reasons_are_those_of_the_mapping(dynamics365: Dynamics365Rig) -> None:
    reasons = {"adapter": {"lead": {"status_reasons": {"lost": "No Longer Interested"}}}}
    crm = dynamics365.adapter(changed_mapping(reasons))
    lead = lead_of(dynamics365)
    crm.update(lead, RecordChange(stage=StageChange(CrmStage.LOST, "Lost in Partner Center")))
    assert crm.get(RecordKind.LEAD, lead.id).stage_reason == "No Longer Interested"
    wrong = dynamics365.adapter(changed_mapping({"adapter": {"lead": {"status_reasons": {"lost": "Gone"}}}}))
    with pytest.raises(ConfigurationError, match="status reason 'Gone'"):
        wrong.catalogue(RecordKind.LEAD)


def test_without_leads_their_columns_are_not_asked_for(dynamics365: Dynamics365Rig) -> None:
    lead = {"columns": {"audit": "new_audit"}, "fields": [{"name": "notes", "crm": "new_notes"}]}
    mapping = changed_mapping({"records": {"lead": lead}})
    crm = dynamics365.adapter(mapping)
    assert crm.catalogue().limits
    with pytest.raises(ConfigurationError, match="column new_audit of lead; column new_notes of lead"):
        crm.catalogue(RecordKind.LEAD)


def test_a_mapping_that_names_no_lookup_to_the_lead_says_so(dynamics365: Dynamics365Rig) -> None:
    crm = dynamics365.adapter(changed_mapping({"adapter": {"opportunity": {"lead": ""}}}))
    with pytest.raises(ConfigurationError, match="by which lookup") as refused:
        crm.opportunity_of(lead_of(dynamics365))
    assert "originatingleadid" in refused.value.remedy


def test_a_qualification_whose_answer_was_lost_is_found(dynamics365: Dynamics365Rig) -> None:
    lead = lead_of(dynamics365)
    prepared = dynamics365.crm.prepare(deal(dynamics365.mapping))
    dynamics365.crm.catalogue()
    dynamics365.simulator.control.order(faults.cut_after_commit(path=r"\$batch"))
    with pytest.raises(RetryLater):
        dynamics365.crm.qualify(lead, prepared, None)
    assert dynamics365.crm.get(RecordKind.LEAD, lead.id).stage is CrmStage.ACTIVE
    found = dynamics365.crm.opportunity_of(lead)
    assert found is not None
    assert found.lead_id == lead.id


def test_a_lead_that_changed_meanwhile_is_not_qualified(dynamics365: Dynamics365Rig) -> None:
    lead = lead_of(dynamics365)
    dynamics365.simulator.edit("lead", lead.id, {"description": "Wait!"})
    with pytest.raises(VersionConflict):
        dynamics365.crm.qualify(lead, dynamics365.crm.prepare(deal(dynamics365.mapping)), None)
    assert dynamics365.simulator.rows("opportunity") == []
    assert dynamics365.simulator.rows("account") == []


def test_of_several_opportunities_the_oldest_counts(dynamics365: Dynamics365Rig) -> None:
    lead = lead_of(dynamics365)
    row = qualify(dynamics365, lead)
    origin = {"originatingleadid@odata.bind": f"/leads({lead.id})"}
    dynamics365.simulator.insert("opportunity", {"name": "a second one", **origin})
    found = dynamics365.crm.opportunity_of(lead)
    assert found is not None
    assert found.id == row["opportunityid"]
