"""The customer's contact, the owner and the sales team: to the CRM at creation, to Partner Center with every change."""

from __future__ import annotations

import pytest

from tests.end_to_end.scene import Scene

pytestmark = pytest.mark.crms("dynamics365", "salesforce")


def member(email: str) -> dict[str, str]:
    """A user of the CRM, as Partner Center knows them."""
    first, _, last = email.partition("@")[0].title().partition(".")
    return {"firstName": first, "lastName": last, "phoneNumber": "1", "email": email}


def team_of(scene: Scene, referral_id: str) -> list[str]:
    return [one["email"] for one in scene.referral(referral_id)["team"]]


def test_another_contact_replaces_the_one_that_the_crm_had_and_the_others_keep_all_that_is_known_of_them(
    scene: Scene,
) -> None:
    referral_id, record_id = scene.accepted()
    before = scene.referral(referral_id)["customerProfile"]["team"]
    assert len(before) > 1, "the CRM has room for one of them"
    assert all(member.get("contactPreference") for member in before)
    contact_id = scene.contact(scene.record(record_id)["account"])
    scene.seller.choose_contact(record_id, contact_id)
    scene.edit_crm(record_id, notes="Ada decides.")
    scene.settle()
    after = scene.referral(referral_id)["customerProfile"]["team"]
    assert after[:-1] == before[1:]
    assert (after[-1]["email"], after[-1]["firstName"]) == ("ada.berg@northwind.example", "Ada")


def test_a_contact_whose_number_changed_keeps_its_preferences(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    before = scene.referral(referral_id)["customerProfile"]["team"]
    scene.seller.edit_contact(scene.record(record_id)["contact"], {"phone": "+1 425 555 0199"})
    scene.edit_crm(record_id, notes="A contact's own edit shows with the next one of the opportunity.")
    scene.settle()
    after = scene.referral(referral_id)["customerProfile"]["team"]
    assert after == [{**before[0], "phoneNumber": "+1 425 555 0199"}, *before[1:]]


def test_contacts_that_partner_center_adds_stay_there_and_out_of_the_crm(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    before = scene.referral(referral_id)["customerProfile"]["team"]
    kept = scene.record(record_id)["contact"]
    added = {"firstName": "Lee", "lastName": "Moss", "phoneNumber": "1", "email": "lee.moss@fabrikam.example"}
    scene.edit_referral(referral_id, customerProfile__team=[added, *before])
    scene.settle()
    scene.edit_crm(record_id, notes="Unrelated.")
    scene.settle()
    assert scene.record(record_id)["contact"] == kept
    assert scene.referral(referral_id)["customerProfile"]["team"] == [added, *before]


def test_a_new_owner_joins_the_team_and_the_old_one_leaves_it(scene: Scene) -> None:
    seller = scene.seller
    record_id = scene.opportunity()
    scene.settle()
    referral_id = scene.referral_of(record_id)["id"]
    assert team_of(scene, referral_id) == [seller.email]
    seller.change_owner(record_id, seller.colleague)
    scene.settle()
    assert team_of(scene, referral_id) == [seller.colleague]


def test_a_team_edited_in_partner_center_leaves_the_owner_alone(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    owner = scene.seller.owner(record_id)
    team = [member(scene.seller.colleague)]
    assert owner != scene.seller.colleague
    scene.edit_referral(referral_id, team=team)
    scene.settle()
    scene.edit_crm(record_id, notes="Unrelated.")
    scene.settle()
    assert scene.seller.owner(record_id) == owner
    assert team_of(scene, referral_id)[0] == scene.seller.colleague


def test_a_deal_is_shared_with_its_owner_and_sales_team(scene: Scene) -> None:
    seller = scene.seller
    record_id = scene.opportunity({"sync": False})
    seller.add_colleague(record_id, seller.colleague)
    scene.edit_crm(record_id, sync=True)
    scene.settle()
    assert team_of(scene, scene.referral_of(record_id)["id"]) == [seller.email, seller.colleague]


def test_a_colleague_in_the_sales_team_reaches_the_referral_with_the_next_edit_and_leaves_with_one(
    scene: Scene,
) -> None:
    seller = scene.seller
    record_id = scene.opportunity()
    scene.settle()
    referral_id = scene.referral_of(record_id)["id"]
    known = {**scene.referral(referral_id)["team"][0], "contactPreference": {"locale": "en-us"}}
    scene.edit_referral(referral_id, team=[known])
    scene.settle()
    membership_id = seller.add_colleague(record_id, seller.colleague)
    scene.settle()
    assert team_of(scene, referral_id) == [seller.email], "the opportunity itself did not change"
    scene.edit_crm(record_id, notes="Dana joins.")
    scene.settle()
    assert team_of(scene, referral_id) == [seller.email, seller.colleague]
    assert scene.referral(referral_id)["team"][0] == known
    seller.remove_colleague(membership_id)
    scene.edit_crm(record_id, notes="Dana leaves.")
    scene.settle()
    assert team_of(scene, referral_id) == [seller.email]


def test_of_a_referrals_team_the_first_user_owns_the_deal_and_the_next_joins_its_sales_team(scene: Scene) -> None:
    seller = scene.seller
    stranger = {"firstName": "Lee", "lastName": "Moss", "phoneNumber": "1", "email": "lee.moss@fabrikam.example"}
    team = [stranger, member(seller.colleague), member(seller.email)]
    referral_id, record_id = scene.accepted(team=team)
    assert seller.owner(record_id) == seller.colleague
    assert seller.colleagues(record_id) == [seller.email]
    scene.edit_crm(record_id, notes="The team stays as it came.")
    scene.settle()
    assert scene.referral(referral_id)["team"] == team
