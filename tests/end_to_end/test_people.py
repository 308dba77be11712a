"""The customer's contact, the owner and the sales team: to the CRM at creation, to Partner Center with every change."""

from __future__ import annotations

from sandbox.dataverse.schema import stable_id
from tests.end_to_end.scene import SYNC, Scene

ALEX = stable_id("systemuser", "alex.kim@contoso.com")
DANA = stable_id("systemuser", "dana.reyes@contoso.com")
TERRITORY_MANAGER = stable_id("connectionrole", "Territory Manager")


def member(first: str, last: str) -> dict[str, str]:
    """A user of the CRM, as Partner Center knows them."""
    address = f"{first}.{last}@contoso.com".lower()
    return {"firstName": first, "lastName": last, "phoneNumber": "1", "email": address}


def add_colleague(scene: Scene, record_id: str, user_id: str) -> str:
    """A seller adds a user to the sales team, which is no edit of the opportunity; the connection's id."""
    connection = {
        "record1id_opportunity@odata.bind": f"/opportunities({record_id})",
        "record2id_systemuser@odata.bind": f"/systemusers({user_id})",
        "record2roleid@odata.bind": f"/connectionroles({TERRITORY_MANAGER})",
    }
    return scene.crm.insert("connection", connection)


def team_of(scene: Scene, referral_id: str) -> list[str]:
    return [one["email"] for one in scene.referral(referral_id)["team"]]


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


def test_a_deal_is_shared_with_its_owner_and_sales_team(scene: Scene) -> None:
    record_id = scene.opportunity({SYNC: False})
    add_colleague(scene, record_id, DANA)
    scene.edit_crm(record_id, **{SYNC: True})
    scene.settle()
    assert team_of(scene, scene.referral_of(record_id)["id"]) == ["alex.kim@contoso.com", "dana.reyes@contoso.com"]


def test_a_colleague_in_the_sales_team_reaches_the_referral_with_the_next_edit_and_leaves_with_one(
    scene: Scene,
) -> None:
    record_id = scene.opportunity()
    scene.settle()
    referral_id = scene.referral_of(record_id)["id"]
    known = {**scene.referral(referral_id)["team"][0], "contactPreference": {"locale": "en-us"}}
    scene.edit_referral(referral_id, team=[known])
    connection_id = add_colleague(scene, record_id, DANA)
    scene.settle()
    assert team_of(scene, referral_id) == ["alex.kim@contoso.com"], "the opportunity itself did not change"
    scene.edit_crm(record_id, description="Dana joins.")
    scene.settle()
    assert team_of(scene, referral_id) == ["alex.kim@contoso.com", "dana.reyes@contoso.com"]
    assert scene.referral(referral_id)["team"][0] == known
    scene.crm.delete("connection", connection_id)
    scene.edit_crm(record_id, description="Dana leaves.")
    scene.settle()
    assert team_of(scene, referral_id) == ["alex.kim@contoso.com"]


def test_of_a_referrals_team_the_first_user_owns_the_deal_and_the_next_joins_its_sales_team(scene: Scene) -> None:
    stranger = {"firstName": "Lee", "lastName": "Moss", "phoneNumber": "1", "email": "lee.moss@fabrikam.example"}
    team = [stranger, member("Dana", "Reyes"), member("Alex", "Kim")]
    referral_id, record_id = scene.accepted(team=team)
    assert scene.record(record_id)["_ownerid_value"] == DANA
    (connection,) = [row for row in scene.crm.rows("connection") if row["_record1id_value"] == record_id]
    assert connection["_record2id_value"] == ALEX
    scene.edit_crm(record_id, description="The team stays as it came.")
    scene.settle()
    assert scene.referral(referral_id)["team"] == team
