"""The customer's contact and the deal's owner: to the CRM at creation only, to Partner Center with every change."""

from __future__ import annotations

from sandbox.dataverse.schema import stable_id
from tests.end_to_end.scene import Scene

DANA = stable_id("systemuser", "dana.reyes@contoso.com")


def test_another_contact_replaces_the_one_that_the_crm_had_and_the_others_keep_all_that_is_known_of_them(
    scene: Scene,
) -> None:
    referral_id, record_id = scene.accepted()
    before = scene.referral(referral_id)["customerProfile"]["team"]
    assert len(before) > 1, "the CRM has room for one of them"
    assert all(member.get("contactPreference") for member in before)
    contact_id = scene.contact(scene.record(record_id)["_customerid_value"])
    scene.edit_crm(record_id, **{"parentcontactid@odata.bind": f"/contacts({contact_id})"})
    scene.settle()
    after = scene.referral(referral_id)["customerProfile"]["team"]
    assert after[:-1] == before[1:]
    assert (after[-1]["email"], after[-1]["firstName"]) == ("ada.berg@northwind.example", "Ada")


def test_a_contact_whose_number_changed_keeps_its_preferences(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    before = scene.referral(referral_id)["customerProfile"]["team"]
    contact_id = scene.record(record_id)["_parentcontactid_value"]
    scene.crm.edit("contact", contact_id, {"telephone1": "+1 425 555 0199"})
    scene.edit_crm(record_id, description="A contact's own edit shows with the next one of the opportunity.")
    scene.settle()
    after = scene.referral(referral_id)["customerProfile"]["team"]
    assert after == [{**before[0], "phoneNumber": "+1 425 555 0199"}, *before[1:]]


def test_contacts_that_partner_center_adds_stay_there_and_out_of_the_crm(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    before = scene.referral(referral_id)["customerProfile"]["team"]
    kept = scene.record(record_id)["_parentcontactid_value"]
    added = {"firstName": "Lee", "lastName": "Moss", "phoneNumber": "1", "email": "lee.moss@fabrikam.example"}
    scene.edit_referral(referral_id, customerProfile__team=[added, *before])
    scene.settle()
    scene.edit_crm(record_id, description="Unrelated.")
    scene.settle()
    assert scene.record(record_id)["_parentcontactid_value"] == kept
    assert scene.referral(referral_id)["customerProfile"]["team"] == [added, *before]


def test_a_new_owner_joins_the_team_and_the_old_one_leaves_it(scene: Scene) -> None:
    record_id = scene.opportunity()
    scene.settle()
    referral_id = scene.referral_of(record_id)["id"]
    assert [member["email"] for member in scene.referral(referral_id)["team"]] == ["alex.kim@contoso.com"]
    scene.edit_crm(record_id, **{"ownerid@odata.bind": f"/systemusers({DANA})"})
    scene.settle()
    assert [member["email"] for member in scene.referral(referral_id)["team"]] == ["dana.reyes@contoso.com"]


def test_a_team_edited_in_partner_center_leaves_the_owner_alone(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    owner = scene.record(record_id)["_ownerid_value"]
    team = [{"firstName": "Dana", "lastName": "Reyes", "phoneNumber": "1", "email": "dana.reyes@contoso.com"}]
    scene.edit_referral(referral_id, team=team)
    scene.settle()
    scene.edit_crm(record_id, description="Unrelated.")
    scene.settle()
    assert scene.record(record_id)["_ownerid_value"] == owner
    assert scene.referral(referral_id)["team"][0]["email"] == "dana.reyes@contoso.com"
