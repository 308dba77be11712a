"""Leads from Microsoft: in, out, and on as opportunities."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.end_to_end.conftest import SceneMaker
from tests.end_to_end.scene import Scene
from tests.end_to_end.seller_in_salesforce import SalesforceSeller

pytestmark = pytest.mark.crms("dynamics365", "salesforce")


@pytest.fixture(scope="module")
def scene(make_scene: SceneMaker) -> Scene:
    return make_scene({"SYNC_COSELL_OPPORTUNITIES_ONLY": "no"})


def settle(scene: Scene) -> None:
    """Everything at rest, leads too."""
    while True:
        before = scene.executed("crm_lead_to_partner_center")
        scene.settle()
        scene.wait_quiet()
        if scene.executed("crm_lead_to_partner_center") == before:
            return


def lead_in(scene: Scene, **changes: Any) -> tuple[str, str]:
    """A lead that came in, everything at rest; ids of the referral and of the lead."""
    details = {"details__currency": "USD", "details__dealValue": 9000, **changes}
    referral_id = scene.incoming("adventure-works-lead", **details)
    settle(scene)
    return referral_id, str(scene.lead_of(referral_id)["id"])


def without_what_it_lacks(scene: Scene, values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in scene.seller.lead_lacks}


def test_a_lead_comes_in_with_its_company_and_contact(scene: Scene) -> None:
    referral_id, lead_id = lead_in(scene)
    lead = scene.seller.lead(lead_id)
    expected = {
        "name": "✔ Adventure Works: free trial of Proseware Retail",
        "first_name": "Ravi",
        "last_name": "Patel",
        "customer_name": "Adventure Works Cycles",
        "email": "ravi.patel@adventure-works.example",
        "phone": "+1 604 555 0177",
        "customer_city": "Vancouver",
        "customer_country": "CA",
        "deal_value": 9000,
        "closing_date": "2027-02-26",
        "stage": scene.seller.lead_stages.open,
        "sync": True,
    }
    expected = without_what_it_lacks(scene, expected)
    assert {name: lead[name] for name in expected} == expected
    assert lead["referral_link"].endswith(referral_id)
    assert scene.lead_audit(lead_id) == ["Partner Center Referral to CRM sync success."]
    assert scene.referral(referral_id)["externalReferenceId"] == lead_id
    assert scene.records_of(referral_id) == []


def test_a_lead_whose_contact_has_no_last_name_is_named_after_the_company(scene: Scene) -> None:
    _, lead_id = lead_in(scene, customerProfile__team=[])
    lead = scene.seller.lead(lead_id)
    assert (lead["first_name"], lead["last_name"]) == (None, "Adventure Works Cycles")


def test_a_referral_declined_or_expired_disqualifies_its_lead(scene: Scene) -> None:
    declined, declined_lead = lead_in(scene)
    expired, expired_lead = lead_in(scene)
    scene.people.decline(declined, "Out of our region")
    scene.people.expire(expired)
    settle(scene)
    for lead_id in (declined_lead, expired_lead):
        assert scene.seller.lead(lead_id)["stage"] == scene.seller.lead_stages.declined
        assert "sync success" in scene.lead_audit(lead_id)[0]
    assert scene.lead_audit(declined_lead)[1] == "Declined in Partner Center: Out of our region."


def test_a_disqualified_lead_declines_its_referral(scene: Scene) -> None:
    referral_id, lead_id = lead_in(scene)
    scene.seller.disqualify(lead_id)
    settle(scene)
    assert scene.stage_of(referral_id) == "Closed/Declined"
    assert scene.referral(referral_id)["statusReason"] == scene.seller.lead_stages.lost


def test_acceptance_in_partner_center_makes_the_lead_an_opportunity(scene: Scene) -> None:
    """By the connector or, where only people convert leads, by a seller whom the audit asks for it."""
    referral_id, lead_id = lead_in(scene)
    scene.people.accept(referral_id)
    settle(scene)
    if scene.seller.only_people_convert_leads:
        assert scene.records_of(referral_id) == []
        assert "Convert the lead in the CRM" in scene.lead_audit(lead_id)[0]
        scene.seller.convert(lead_id)
        settle(scene)
    record = scene.record_of(referral_id)
    assert scene.seller.lead_of(record["id"]) == lead_id
    assert (record["stage"], record["sync"]) == (scene.seller.stages.converted, True)
    assert (record["deal_value"], record["closing_date"]) == (9000, "2027-02-26")
    assert scene.seller.account(record["account"])["customer_name"] == "Adventure Works Cycles"
    assert scene.seller.contact(record["contact"])["last_name"] == "Patel"
    assert scene.seller.lead(lead_id)["stage"] == scene.seller.lead_stages.qualified
    referral = scene.referral(referral_id)
    assert (referral["externalReferenceId"], scene.stage_of(referral_id)) == (record["id"], "Active/Accepted")
    assert (referral["details"]["dealValue"], referral["details"]["closingDateTime"][:10]) == (9000, "2027-02-26")
    assert any("Lead to opportunity" in line for line in scene.audit(record["id"]))

    scene.edit_crm(record["id"], notes="They want all shops.")
    settle(scene)
    assert scene.referral(referral_id)["details"]["notes"] == "They want all shops."
    scene.people.close(referral_id)
    settle(scene)
    assert scene.stage(record["id"]) == scene.seller.stages.won


@pytest.mark.crms("dynamics365")
def test_what_a_lead_lacks_when_it_is_accepted_is_said_at_once_and_then_it_goes_on(scene: Scene) -> None:
    """A lead of Salesforce has no field for either, and it is its user who converts it."""
    referral_id, lead_id = lead_in(scene, details__dealValue=None, details__closingDateTime=None)
    scene.people.accept(referral_id)
    settle(scene)
    assert scene.records_of(referral_id) == []
    line = scene.lead_audit(lead_id)[0]
    assert "Est. value: Enter" in line
    assert "Est. close date: Enter" in line
    assert scene.seller.lead(lead_id)["name"].startswith("❌")
    scene.seller.edit_lead(lead_id, {"deal_value": 700, "closing_date": "2027-04-01"})
    settle(scene)
    record = scene.record_of(referral_id)
    assert record["name"].startswith("✔ Adventure Works")
    details = scene.referral(referral_id)["details"]
    assert (details["dealValue"], details["closingDateTime"][:10]) == (700, "2027-04-01")


def test_a_seller_who_converts_the_lead_accepts_the_referral(scene: Scene) -> None:
    referral_id, lead_id = lead_in(scene)
    record_id = scene.seller.convert(lead_id)
    assert record_id is not None
    scene.edit_crm(record_id, sync=True)
    settle(scene)
    assert scene.stage_of(referral_id) == "Active/Accepted"
    assert scene.record_of(referral_id)["id"] == record_id
    assert scene.referral(referral_id)["externalReferenceId"] == record_id
    assert scene.referrals_of(record_id) == [scene.referral(referral_id)], "it was not shared as a deal of its own"


@pytest.mark.crms("salesforce")
def test_what_a_seller_enters_while_the_opportunity_of_a_lead_is_completed_is_kept_and_told(scene: Scene) -> None:
    """Salesforce compares no versions of opportunities; Dynamics 365 refuses the write."""
    seller = scene.seller
    assert isinstance(seller, SalesforceSeller)
    referral_id, lead_id = lead_in(scene)
    record_id = seller.convert(lead_id)
    assert record_id is not None
    seller.edit_meanwhile(record_id, {"notes": "Three shops first."})
    settle(scene)
    assert scene.record(record_id)["notes"] == "Three shops first."
    assert scene.referral(referral_id)["details"]["notes"] == "Three shops first."
    told = "Somebody else changed the opportunity"
    assert any(line.startswith(told) and record_id in line for line in scene.audit(record_id))


def test_a_lead_converted_without_an_opportunity_says_so(scene: Scene) -> None:
    referral_id, lead_id = lead_in(scene)
    assert scene.seller.convert(lead_id, opportunity=False) is None
    settle(scene)
    assert "qualified without an opportunity" in scene.runs_of(lead_id)[0].message
    assert ("qualified without" in scene.lead_audit(lead_id)[0]) is scene.seller.keeps_qualified_leads_editable
    assert scene.stage_of(referral_id) == "New/Received"


def test_a_lead_of_the_partners_own_is_not_shared(scene: Scene) -> None:
    lead_id = scene.seller.add_lead({"last_name": "Berg", "sync": True})
    settle(scene)
    assert scene.referrals_of(lead_id) == []
    (run,) = scene.runs_of(lead_id)
    assert run.status.value == "ignored"
    assert "its opportunity is shared" in run.message


def test_the_history_of_a_lead_costs_little_when_nothing_happens(scene: Scene) -> None:
    lead_in(scene)
    scene.forget_calls()
    scene.run_timer("crm_to_partner_center")
    scene.wait_quiet()
    operations = scene.seller.operations
    assert scene.calls()[0] == Counter()
    assert scene.seller.control.operations() == Counter([operations.look, operations.look_at_leads])


def test_while_leads_are_left_out_they_are_not_looked_for(make_scene: SceneMaker) -> None:
    scene = make_scene({})
    scene.seller.add_lead({"last_name": "Berg", "sync": True})
    referral_id = scene.incoming("adventure-works-lead")
    settle(scene)
    assert not any(row["referral_id"] == referral_id for row in scene.seller.leads())
    scene.forget_calls()
    scene.run_timer("crm_to_partner_center")
    assert scene.seller.control.operations() == Counter([scene.seller.operations.look])
