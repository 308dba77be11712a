"""What the Referrals API takes as new, and what it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.certificates import Certificates
from sandbox.entra import EntraSimulator
from sandbox.partner_center import ORGANIZATION_ID, PartnerCenterSimulator, RuleOptions
from tests.sandbox.caller import REFERRALS, PartnerCenterCaller
from tests.sandbox.deals import DEAL, deal, deal_with, invitation
from tests.swagger import ReferralSwagger

DOCUMENTS = Path(__file__).parents[2] / "sandbox/documents"
SAMPLES = Path(__file__).parents[2].parent / "shared/facts/samples"
SHARE = "/consent/consentToShareReferralWithMicrosoftSellers"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


def test_a_created_referral_is_ours_accepted_and_whole(partner_center: PartnerCenterCaller) -> None:
    created = partner_center.create(deal(id=UNKNOWN_ID, organizationId="msft", eTag='"x"', isSpam=True))
    assert created["id"] != UNKNOWN_ID
    assert created["organizationId"] == ORGANIZATION_ID
    assert (created["status"], created["substatus"], created["direction"]) == ("Active", "Accepted", "Outgoing")
    assert created["acceptedDateTime"] == created["createdDateTime"] == created["updatedDateTime"]
    assert "isSpam" not in created
    assert created["details"] == DEAL["details"]
    assert created["eTag"].startswith('"')
    assert created["eTag"].endswith('"')
    assert partner_center.get(created["id"]) == created
    assert partner_center.list()["value"][0]["id"] == created["id"]


def test_answers_have_the_shape_of_microsofts_swagger(partner_center: PartnerCenterCaller) -> None:
    swagger = ReferralSwagger.load()
    swagger.check_request("POST", REFERRALS, {"content-type": "application/json"}, DEAL)
    created = partner_center.create(DEAL)
    swagger.check_referral(created)
    swagger.check_referral(partner_center.create(invitation(created)))
    swagger.check_referral(partner_center.get(created["id"]))
    swagger.check_referral(partner_center.patch(created["id"], {"/team": []}, Prefer="return=representation").json())
    swagger.check_list(partner_center.list("?$count=true"))


def test_the_swagger_check_finds_faults() -> None:
    swagger, headers = ReferralSwagger.load(), {"Content-Type": "application/json"}
    one = f"{REFERRALS}/{UNKNOWN_ID}"
    swagger.check_request("PATCH", one, headers, [{"op": "replace", "path": "/status", "value": "Active"}])
    swagger.check_request("GET", f"https://localhost:1{REFERRALS}?$top=5&$count=true", headers)
    faulty: list[tuple[str, str, dict[str, str], Any]] = [
        ("PATCH", one, headers, [{"op": "replace", "path": "/name", "value": "x"}]),
        ("PATCH", one, headers, [{"op": "remove", "path": "/team", "value": []}]),
        ("PATCH", one, headers, [{"op": "replace", "path": "/team"}]),
        ("PATCH", one, {}, [{"op": "replace", "path": "/team", "value": []}]),
        ("DELETE", one, headers, None),
        ("GET", f"{REFERRALS}?$search=x", headers, None),
        ("GET", f"{REFERRALS}?$top=all", headers, None),
        ("GET", "/v1.0/referrals", headers, None),
        ("POST", REFERRALS, headers, None),
        ("POST", REFERRALS, headers, deal(isSpam=False)),
        ("POST", REFERRALS, headers, deal(colour="red")),
        ("POST", REFERRALS, headers, deal(details={"dealValue": "10"})),
    ]
    for method, path, sent, body in faulty:
        with pytest.raises(AssertionError):
            swagger.check_request(method, path, sent, body)
    with pytest.raises(AssertionError, match="/consent/consentToContact"):
        swagger.check_referral(deal(consent={"consentToContact": "yes"}))


CREATE_REFUSALS: list[tuple[str, Any, str]] = [
    ("/type", None, "/type"),
    ("/customerProfile", None, "/customerProfile"),
    ("/consent", None, "/consent"),
    ("/details", None, "/details"),
    ("/name", None, "/name"),
    ("/type", "Private", "/type"),
    ("/status", "Closed", "/status"),
    ("/substatus", "Accepted", "/substatus"),
    ("/customerProfile/size", "huge", "/customerProfile/size"),
    ("/customerProfile/address/country", "GBR", "/customerProfile/address/country"),
    ("/customerProfile/address/country", "UK", "/customerProfile/address/country"),
    ("/customerProfile/address/city", None, "/customerProfile/address/city"),
    ("/consent/consentToShareInfoWithOthers", True, "/consent/consentToShareInfoWithOthers"),
    ("/consent/consentToContact", False, "/consent/consentToContact"),
    ("/details/dealValue", None, "/details/dealValue"),
    ("/details/dealValue", "ten", "/details/dealValue"),
    ("/details/dealValue", -1, "/details/dealValue"),
    ("/details/currency", "pounds", "/details/currency"),
    ("/details/closingDateTime", "2030-01-31", "/details/closingDateTime"),
    ("/details/closingDateTime", "2030-02-31T00:00:00Z", "/details/closingDateTime"),
    ("/details/requirements/solutions", [], "/details/requirements/solutions"),
    ("/details/requirements/solutions/0/type", "Product", "/details/requirements/solutions/0/type"),
    ("/team", [], "/team"),
    ("/team/0/email", "", "/team/0/email"),
    ("/colour", "red", "/colour"),
]


def test_what_a_new_referral_lacks_is_named(partner_center: PartnerCenterCaller) -> None:
    for path, value, target in CREATE_REFUSALS:
        answer = partner_center.call("POST", REFERRALS, deal_with(path, value))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalidRequest"), path
        assert answer.json()["error"]["target"] == target
    assert partner_center.simulator.store.all() == []


def test_only_the_documented_minimum_is_asked_for_on_order(partner_center: PartnerCenterCaller) -> None:
    partner_center.simulator.store.options = RuleOptions(deal_minimum=False)
    documented = {name: DEAL[name] for name in ("type", "consent")}
    partner_center.create({**documented, "customerProfile": {"name": "Contoso"}, "details": {"notes": "x"}})


def test_the_second_post_makes_microsofts_own_referral(partner_center: PartnerCenterCaller) -> None:
    own = partner_center.create(DEAL)
    help_wanted = {"assistanceRequestCode": "ProofOfConceptOrDemo", "notes": "Please join"}
    theirs = partner_center.create(invitation(own, inviteContext=help_wanted))
    assert theirs["organizationId"] == "msft"
    assert theirs["engagementId"] == own["engagementId"]
    assert theirs["id"] != own["id"]
    assert (theirs["status"], theirs["substatus"]) == ("New", "Received")
    assert theirs["customerProfile"] == own["customerProfile"]
    assert theirs["externalReferenceId"] is None
    assert theirs["inviteContext"]["invitedBy"]["organizationId"] == ORGANIZATION_ID
    assert theirs["inviteContext"]["assistanceRequestCode"] == "ProofOfConceptOrDemo"
    assert partner_center.get(own["id"])["eTag"] == own["eTag"]


def test_inviting_microsoft_turns_a_private_deal_into_a_shared_one(partner_center: PartnerCenterCaller) -> None:
    own = partner_center.create({**deal_with(SHARE, False), "type": "Independent"})
    partner_center.create(invitation(own))
    shared = partner_center.get(own["id"])
    assert shared["type"] == "Shared"
    assert shared["consent"]["consentToShareReferralWithMicrosoftSellers"] is True


def test_refused_invitations(partner_center: PartnerCenterCaller) -> None:
    own = partner_center.create(deal_with("/customerProfile/team", []))
    others = {"target": [{"type": "BusinessProfileLocation", "id": "01e2abcd"}]}
    help_wanted = {"inviteContext": {"assistanceRequestCode": "GeneralOrOther"}}
    closed = partner_center.create(DEAL)
    partner_center.simulator.people.close(closed["id"], "Lost")
    refused = [
        (invitation({"engagementId": UNKNOWN_ID}), "/engagementId"),
        (invitation(own, **others), "/target"),
        (invitation(own, **help_wanted), "/customerProfile/team"),
        (invitation(closed), "/engagementId"),
    ]
    for body, target in refused:
        answer = partner_center.call("POST", REFERRALS, body)
        assert (answer.status_code, answer.json()["error"].get("target")) == (400, target)
    partner_center.create(invitation(own))
    assert partner_center.call("POST", REFERRALS, invitation(own)).status_code == 409
    partner_center.simulator.store.options = RuleOptions(allow_second_invitation=True)
    partner_center.create(invitation(own))


ACCEPT = {"/status": "Active", "/substatus": "Accepted"}


@pytest.mark.parametrize("file", sorted(DOCUMENTS.glob("*.json")), ids=lambda file: file.stem)
def test_our_documents_arrive_as_microsofts_referrals_do(partner_center: PartnerCenterCaller, file: Path) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    arrived = partner_center.simulator.people.add_referral(document)
    ReferralSwagger.load().check_referral(partner_center.get(arrived["id"]))
    assert (arrived["status"], arrived["substatus"], arrived["direction"]) == ("New", "Received", "Incoming")
    assert {name: arrived[name] for name in document} == document
    assert partner_center.patch(arrived["id"], ACCEPT).status_code == 204


def test_microsofts_own_samples_arrive_as_they_are(entra: EntraSimulator, certificates: Certificates) -> None:
    if not SAMPLES.exists():
        pytest.skip("needs Microsoft's sample referrals in shared/facts/samples beside the repository")
    for file in sorted(SAMPLES.glob("*.json")):
        people = PartnerCenterSimulator(entra, certificates).people
        document = json.loads(file.read_text(encoding="utf-8"))
        samples = document.get("value", [document])
        for sample, arrived in zip(samples, people.add_referrals(document), strict=True):
            kept = sample.keys() - {"updatedDateTime", "eTag", "links", "expirationDateTime"}
            assert {name: arrived[name] for name in kept} == {name: sample[name] for name in kept}
            assert arrived["organizationId"] == ORGANIZATION_ID
