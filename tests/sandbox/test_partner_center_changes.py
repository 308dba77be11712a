"""Changes of referrals: by PATCH, and by other people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.partner_center import ORGANIZATION_ID, Refusal
from sandbox.partner_center.store import ReferralStore
from tests.sandbox.caller import REFERRALS, PartnerCenterCaller
from tests.sandbox.deals import DEAL, invitation

SHARE = "/consent/consentToShareReferralWithMicrosoftSellers"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
ACCEPT = {"/status": "Active", "/substatus": "Accepted"}
WON = {"/status": "Closed", "/substatus": "Won"}
DECLINE = {"/status": "Closed", "/substatus": "Declined"}


# State before, changes by path, and the target of the refusal or None.
PATCHES: list[tuple[str, dict[str, Any], str | None]] = [
    ("New", ACCEPT, None),
    ("New", dict(reversed(ACCEPT.items())), None),
    ("New", DECLINE, None),
    ("New", {"/externalReferenceId": "crm-2"}, None),
    ("New", WON, "/substatus"),
    ("New", {"/status": "Active"}, "/substatus"),
    ("New", {"/substatus": "Accepted"}, "/substatus"),
    ("New", {"/status": "Closed", "/substatus": "Expired"}, "/substatus"),
    ("Active", WON, None),
    ("Active", {"/status": "Closed", "/substatus": "Lost", "/statusReason": "Chose another"}, None),
    ("Active", {"/status": "Closed", "/substatus": "Error"}, None),
    ("Active", DECLINE, "/substatus"),
    ("Active", {"/status": "New", "/substatus": "Received"}, "/status"),
    ("Active", {"/status": "Closed", "/substatus": "Accepted"}, "/substatus"),
    ("Active", {"/status": "Paused"}, "/status"),
    ("Active", {"/status": None}, "/status"),
    ("Active", {SHARE: False}, SHARE),
    ("Active", {"/details/dealValue": 7.5}, None),
    ("Active", {"/details/dealValue": "many"}, "/details/dealValue"),
    ("Active", {"/details/closingDateTime": "tomorrow"}, "/details/closingDateTime"),
    ("Active", {"/salesStage": "40"}, None),
    ("Active", {"/team/-": {"firstName": "Cy"}}, None),
    ("Active", {"/team/-": {"shoe": "44"}}, "/team/-/shoe"),
    ("Active", {"/team": {"firstName": "Cy"}}, "/team"),
    ("Active", {"/name": "Renamed"}, "/name"),
    ("Active", {"/customerProfile/address/city": "York"}, "/customerProfile/address/city"),
    ("Active", {"/inviteContext": {}}, "/inviteContext"),
    ("Closed", {"/details/notes": "late"}, "/details/notes"),
    ("Closed", ACCEPT, "/status"),
]


def test_what_may_be_patched(partner_center: PartnerCenterCaller) -> None:
    people = partner_center.simulator.people
    for state, changes, target in PATCHES:
        referral = people.add_referral(DEAL)
        if state != "New":
            referral = people.accept(referral["id"])
        if state == "Closed":
            referral = people.close(referral["id"])
        answer = partner_center.patch(referral["id"], changes)
        after = partner_center.get(referral["id"])
        if target is None:
            assert (answer.status_code, answer.text) == (204, ""), (state, changes)
            assert after["eTag"] != referral["eTag"]
        else:
            assert answer.status_code == 400, (state, changes)
            assert answer.json()["error"]["target"] == target, (state, changes)
            assert after["eTag"] == referral["eTag"], "a refused patch must change nothing"


def test_a_patch_is_applied_as_a_whole_or_not_at_all(partner_center: PartnerCenterCaller) -> None:
    own = partner_center.create(DEAL)
    mixed = {"/details/notes": "changed", "/salesStage": 7}
    assert partner_center.patch(own["id"], mixed).status_code == 400
    assert partner_center.get(own["id"]) == own


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        ["x"],
        [{"op": "remove", "path": "/team"}],
        [{"op": "replace", "path": "/team"}],
        [{"op": "replace", "path": "/team/-", "value": {}}],
        [{"op": "replace", "value": {}}],
    ],
)
def test_what_is_no_json_patch_is_refused(partner_center: PartnerCenterCaller, body: Any) -> None:
    own = partner_center.create(DEAL)
    answer = partner_center.call("PATCH", f"{REFERRALS}/{own['id']}", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalidRequest")


def test_a_patch_answers_the_referral_when_asked_to(partner_center: PartnerCenterCaller) -> None:
    own = partner_center.create(DEAL)
    answer = partner_center.patch(
        own["id"], {"/details/dealValue": "10000", "/team/-": {}}, Prefer="return=representation"
    )
    assert answer.status_code == 200
    assert answer.json() == partner_center.get(own["id"])
    assert answer.json()["details"]["dealValue"] == 10000
    assert len(answer.json()["team"]) == 2
    assert answer.headers["ETag"] == answer.json()["eTag"] != own["eTag"]
    assert answer.json()["updatedDateTime"] > own["updatedDateTime"]


def test_the_times_of_acceptance_and_closing_are_kept(partner_center: PartnerCenterCaller) -> None:
    arrived = partner_center.simulator.people.add_referral(DEAL)
    assert arrived["expirationDateTime"] is not None
    partner_center.patch(arrived["id"], ACCEPT)
    accepted = partner_center.get(arrived["id"])
    assert accepted["acceptedDateTime"] == accepted["updatedDateTime"]
    assert accepted["expirationDateTime"] is None
    partner_center.patch(arrived["id"], WON)
    closed = partner_center.get(arrived["id"])
    assert closed["acceptedDateTime"] == accepted["acceptedDateTime"]
    assert closed["closedDateTime"] == closed["updatedDateTime"]


def test_if_match_is_checked_when_it_is_sent(partner_center: PartnerCenterCaller) -> None:
    own = partner_center.create(DEAL)
    assert partner_center.patch(own["id"], {"/details/notes": "1"}, If_Match=own["eTag"]).status_code == 204
    stale = partner_center.patch(own["id"], {"/details/notes": "2"}, If_Match=own["eTag"])
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "preconditionFailed")
    assert partner_center.patch(own["id"], {"/details/notes": "3"}, If_Match="*").status_code == 204
    assert partner_center.get(own["id"])["details"]["notes"] == "3"


def test_microsofts_side_is_seen_but_not_changed(partner_center: PartnerCenterCaller) -> None:
    own = partner_center.create(DEAL)
    theirs = partner_center.create(invitation(own))
    partner_center.create(DEAL)
    for literal in (f"'{own['engagementId']}'", own["engagementId"], own["engagementId"].upper()):
        found = partner_center.list(f"?$filter=engagementId eq {literal}")["value"]
        assert [referral["id"] for referral in found] == [own["id"], theirs["id"]]
    assert theirs["id"] not in [referral["id"] for referral in partner_center.list()["value"]]
    assert partner_center.get(theirs["id"])["organizationId"] == "msft"
    assert partner_center.patch(theirs["id"], ACCEPT).status_code == 404
    partner_center.simulator.store.related_readable = False
    assert partner_center.call("GET", f"{REFERRALS}/{theirs['id']}").json()["error"]["code"] == "itemNotFound"
    assert len(partner_center.list(f"?$filter=engagementId eq {own['engagementId']}")["value"]) == 2


def test_unknown_referrals_and_put_are_refused(partner_center: PartnerCenterCaller) -> None:
    own = partner_center.create(DEAL)
    assert partner_center.call("GET", f"{REFERRALS}/{UNKNOWN_ID}").status_code == 404
    assert partner_center.patch(UNKNOWN_ID, ACCEPT).status_code == 404
    put = partner_center.call("PUT", f"{REFERRALS}/{own['id']}", own, If_Match=own["eTag"])
    assert (put.status_code, put.json()["error"]["code"]) == (405, "invalidRequest")


def test_versions_differ_and_times_grow_while_the_clock_stands() -> None:
    stopped = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    store = ReferralStore(ORGANIZATION_ID, "Contoso Company", now=lambda: stopped)
    own = store.create(DEAL)
    versions = [own, *(store.patch(own["id"], [{"op": "add", "path": "/team", "value": []}]) for _ in range(20))]
    times = [version["updatedDateTime"] for version in versions]
    assert times == sorted(set(times))
    assert times[0] == "2027-01-02T03:04:05.0000000Z"
    assert len({version["eTag"] for version in versions}) == len(versions)


def test_other_people_follow_the_rules_too(partner_center: PartnerCenterCaller) -> None:
    people = partner_center.simulator.people
    arrived = people.add_referral(DEAL | {"status": "New", "substatus": "Received"})
    renamed = people.edit_referral(arrived["id"], {"/name": "Renamed", "/details/dealValue": 11})
    assert (renamed["name"], renamed["details"]["dealValue"]) == ("Renamed", 11)
    with pytest.raises(Refusal, match="/organizationId"):
        people.edit_referral(arrived["id"], {"/organizationId": "msft"})
    expired = people.expire(arrived["id"])
    assert (expired["status"], expired["substatus"]) == ("Closed", "Expired")
    with pytest.raises(Refusal, match="closed"):
        people.edit_referral(arrived["id"], {"/name": "Too late"})
    declined = people.decline(people.add_referral(DEAL)["id"], "Not a customer")
    assert (declined["substatus"], declined["statusReason"]) == ("Declined", "Not a customer")


def test_microsofts_acceptance_shows_on_both_sides(partner_center: PartnerCenterCaller) -> None:
    people = partner_center.simulator.people
    own = partner_center.create(DEAL)
    with pytest.raises(Refusal, match="Microsoft has no referral"):
        people.microsoft_accepts(own["engagementId"])
    partner_center.create(invitation(own))
    theirs = people.microsoft_accepts(own["engagementId"], "7-ABC")
    assert (theirs["status"], theirs["substatus"]) == ("Active", "Accepted")
    assert theirs["trackingInfo"] == partner_center.get(own["id"])["trackingInfo"] == {"microsoftMsxId": "7-ABC"}
