"""Leads from Microsoft: in, out, and on as opportunities."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.end_to_end.conftest import SceneMaker
from tests.end_to_end.scene import AUDIT, IN_PROGRESS, OPEN, REFERRAL_ID, SYNC, WON, Scene

LEADS = "GET /api/data/v9.2/leads"
QUALIFIED, DISQUALIFIED = 1, 2
LOST, CANCELED = 4, 7


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
    return referral_id, str(lead_of(scene, referral_id)["leadid"])


def lead_of(scene: Scene, referral_id: str) -> dict[str, Any]:
    (row,) = (row for row in scene.crm.rows("lead") if row[REFERRAL_ID] == referral_id)
    return row


def lead_audit(scene: Scene, lead_id: str) -> list[str]:
    """Newest first, without their times."""
    return [line.partition(" - ")[2] for line in (scene.crm.row("lead", lead_id)[AUDIT] or "").splitlines()]


def test_a_lead_comes_in_with_its_company_and_contact(scene: Scene) -> None:
    referral_id, lead_id = lead_in(scene)
    lead = scene.crm.row("lead", lead_id)
    assert lead["subject"] == "✔ Adventure Works: free trial of Proseware Retail"
    assert (lead["firstname"], lead["lastname"], lead["companyname"]) == ("Ravi", "Patel", "Adventure Works Cycles")
    assert (lead["emailaddress1"], lead["telephone1"]) == ("ravi.patel@adventure-works.example", "+1 604 555 0177")
    assert (lead["address1_city"], lead["address1_country"]) == ("Vancouver", "CA")
    assert (lead["estimatedamount"], lead["estimatedclosedate"]) == (9000, "2027-02-26")
    assert (lead["statecode"], lead[SYNC]) == (OPEN, True)
    assert lead["msft_microsoftpartnercenterreferrallink"].endswith(referral_id)
    assert lead_audit(scene, lead_id) == ["Partner Center Referral to CRM sync success."]
    assert scene.referral(referral_id)["externalReferenceId"] == lead_id
    assert scene.records_of(referral_id) == []


def test_a_lead_whose_contact_has_no_last_name_is_named_after_the_company(scene: Scene) -> None:
    _, lead_id = lead_in(scene, customerProfile__team=[])
    lead = scene.crm.row("lead", lead_id)
    assert (lead["firstname"], lead["lastname"]) == (None, "Adventure Works Cycles")


def test_a_referral_declined_or_expired_disqualifies_its_lead(scene: Scene) -> None:
    declined, declined_lead = lead_in(scene)
    expired, expired_lead = lead_in(scene)
    scene.people.decline(declined)
    scene.people.expire(expired)
    settle(scene)
    for lead_id in (declined_lead, expired_lead):
        lead = scene.crm.row("lead", lead_id)
        assert (lead["statecode"], lead["statuscode"]) == (DISQUALIFIED, CANCELED)
        assert "sync success" in lead_audit(scene, lead_id)[0]


def test_a_disqualified_lead_declines_its_referral(scene: Scene) -> None:
    referral_id, lead_id = lead_in(scene)
    scene.crm.edit("lead", lead_id, {"statecode": DISQUALIFIED, "statuscode": LOST})
    settle(scene)
    assert scene.stage_of(referral_id) == "Closed/Declined"
    assert scene.referral(referral_id)["statusReason"] == "Lost"


def test_acceptance_in_partner_center_makes_the_lead_an_opportunity(scene: Scene) -> None:
    referral_id, lead_id = lead_in(scene)
    scene.people.accept(referral_id)
    settle(scene)
    record = scene.record_of(referral_id)
    assert record["_originatingleadid_value"] == lead_id
    assert (record["statecode"], record["statuscode"], record[SYNC]) == (OPEN, IN_PROGRESS, True)
    assert (record["estimatedvalue"], record["estimatedclosedate"]) == (9000, "2027-02-26")
    assert scene.crm.row("account", record["_customerid_value"])["name"] == "Adventure Works Cycles"
    assert scene.crm.row("contact", record["_parentcontactid_value"])["lastname"] == "Patel"
    assert scene.crm.row("lead", lead_id)["statecode"] == QUALIFIED
    assert scene.referral(referral_id)["externalReferenceId"] == record["opportunityid"]
    assert "Lead to opportunity" in scene.audit(record["opportunityid"])[-1]

    scene.edit_crm(record["opportunityid"], description="They want all shops.")
    settle(scene)
    assert scene.referral(referral_id)["details"]["notes"] == "They want all shops."
    scene.people.close(referral_id)
    settle(scene)
    assert scene.record(record["opportunityid"])["statecode"] == WON


def test_what_a_lead_lacks_when_it_is_accepted_is_said_at_once_and_then_it_goes_on(scene: Scene) -> None:
    referral_id, lead_id = lead_in(scene, details__dealValue=None, details__closingDateTime=None)
    scene.people.accept(referral_id)
    settle(scene)
    assert scene.records_of(referral_id) == []
    line = lead_audit(scene, lead_id)[0]
    assert "Est. value: Enter" in line
    assert "Est. close date: Enter" in line
    assert scene.crm.row("lead", lead_id)["subject"].startswith("❌")
    scene.crm.edit("lead", lead_id, {"estimatedamount": 700, "estimatedclosedate": "2027-04-01"})
    settle(scene)
    record = scene.record_of(referral_id)
    assert record["name"].startswith("✔ Adventure Works")
    details = scene.referral(referral_id)["details"]
    assert (details["dealValue"], details["closingDateTime"][:10]) == (700, "2027-04-01")


def test_a_seller_who_qualifies_the_lead_accepts_the_referral(scene: Scene) -> None:
    referral_id, lead_id = lead_in(scene)
    record_id = scene.crm.qualify(lead_id)
    assert record_id is not None
    scene.edit_crm(record_id, **{SYNC: True})
    settle(scene)
    assert scene.stage_of(referral_id) == "Active/Accepted"
    assert scene.record_of(referral_id)["opportunityid"] == record_id
    assert scene.referral(referral_id)["externalReferenceId"] == record_id
    assert scene.referrals_of(record_id) == [scene.referral(referral_id)], "it was not shared as a deal of its own"


def test_a_lead_qualified_without_an_opportunity_says_so(scene: Scene) -> None:
    referral_id, lead_id = lead_in(scene)
    assert scene.crm.qualify(lead_id, opportunity=False) is None
    settle(scene)
    assert "qualified without an opportunity" in lead_audit(scene, lead_id)[0]
    assert scene.stage_of(referral_id) == "New/Received"


def test_a_lead_of_the_partners_own_is_not_shared(scene: Scene) -> None:
    lead_id = scene.crm.insert("lead", {"subject": "Our own", "lastname": "Berg", SYNC: True})
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
    partner_center, crm = scene.calls()
    assert (partner_center, crm) == (Counter(), Counter({LEADS: 1}))


def test_while_leads_are_left_out_they_are_not_looked_for(make_scene: SceneMaker) -> None:
    scene = make_scene({})
    scene.crm.insert("lead", {"subject": "Our own", "lastname": "Berg", SYNC: True})
    referral_id = scene.incoming("adventure-works-lead")
    scene.forget_calls()
    settle(scene)
    assert [row for row in scene.crm.rows("lead") if row[REFERRAL_ID] == referral_id] == []
    assert not [name for name in scene.crm.control.operations() if "leads" in name]
