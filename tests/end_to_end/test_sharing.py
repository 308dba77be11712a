"""An opportunity that a seller shares becomes a referral, and Microsoft's too where help is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.scene import Scene
from tests.end_to_end.seller import PROOF_OF_CONCEPT

pytestmark = pytest.mark.crms("dynamics365", "salesforce")


def test_without_help_it_is_one_referral_of_the_partners_own(scene: Scene) -> None:
    record_id = scene.opportunity()
    scene.settle()
    referral = scene.referral_of(record_id)
    assert (referral["type"], scene.stage_of(referral["id"])) == ("Independent", "Active/Accepted")
    assert scene.microsofts(referral["engagementId"]) == []
    details = referral["details"]
    assert (details["dealValue"], details["currency"]) == (120000, "USD")
    assert (details["closingDateTime"], details["notes"]) == ("2027-02-15T00:00:00Z", "They want to start small.")
    assert [row["id"] for row in details["requirements"]["solutions"]] == ["SOL-34104-EBB"]
    customer = referral["customerProfile"]
    assert (customer["name"], customer["address"]["country"]) == ("Northwind Traders", "US")
    assert [one["email"] for one in customer["team"]] == ["ada.berg@northwind.example"]
    assert [one["email"] for one in referral["team"]] == [scene.seller.email]


def test_id_link_audit_and_check_mark_are_written_back(scene: Scene) -> None:
    record_id = scene.opportunity()
    scene.settle()
    record, referral = scene.record(record_id), scene.referral_of(record_id)
    assert record["referral_id"] == referral["id"]
    assert record["referral_link"] == f"https://partner.microsoft.com/referrals/v2/inbox?id={referral['id']}"
    assert record["name"] == "✔ Northwind: data platform"
    assert referral["name"] == "Northwind: data platform"
    assert scene.audit(record_id) == ["CRM to Partner Center Referral sync success."]


@pytest.mark.usefixtures("callbacks_apart")
def test_with_help_microsofts_side_is_created_in_the_same_engagement(scene: Scene) -> None:
    record_id = scene.opportunity({"help": PROOF_OF_CONCEPT})
    scene.settle()
    referral = scene.referral_of(record_id)
    (theirs,) = scene.microsofts(referral["engagementId"])
    assert (theirs["status"], theirs["inviteContext"]["assistanceRequestCode"]) == ("New", PROOF_OF_CONCEPT)
    assert theirs["target"] == [{"type": "BusinessProfileLocation", "id": "msft"}]
    assert theirs["customerProfile"]["team"][0]["email"] == "ada.berg@northwind.example"
    assert referral["type"] == "Shared"
    assert referral["consent"]["consentToShareReferralWithMicrosoftSellers"] is True
    record = scene.record(record_id)
    assert (record["referral_id"], record["help"]) == (referral["id"], PROOF_OF_CONCEPT)
    assert record["visibility"] is True


@pytest.mark.usefixtures("callbacks_apart")
def test_help_chosen_later_brings_microsoft_in_then(scene: Scene) -> None:
    record_id = scene.opportunity()
    scene.settle()
    own = scene.referral_of(record_id)
    assert scene.microsofts(own["engagementId"]) == []
    scene.edit_crm(record_id, help=PROOF_OF_CONCEPT)
    scene.settle()
    (theirs,) = scene.microsofts(own["engagementId"])
    assert theirs["inviteContext"]["assistanceRequestCode"] == PROOF_OF_CONCEPT
    assert scene.referral(own["id"])["type"] == "Shared"
    assert scene.record(record_id)["visibility"] is True
    scene.edit_crm(record_id, notes="Once more.")
    scene.settle()
    assert len(scene.microsofts(own["engagementId"])) == 1


@pytest.mark.usefixtures("callbacks_apart")
def test_microsofts_acceptance_brings_its_crm_identifier(scene: Scene) -> None:
    record_id = scene.opportunity({"help": PROOF_OF_CONCEPT})
    scene.settle()
    assert scene.record(record_id)["microsoft_crm_id"] is None
    scene.people.microsoft_accepts(scene.referral_of(record_id)["engagementId"], "7-3FGH2JKLMN")
    scene.settle()
    assert scene.record(record_id)["microsoft_crm_id"] == "7-3FGH2JKLMN"


@pytest.mark.usefixtures("callbacks_apart")
@pytest.mark.parametrize("readable", [True, False], ids=["readable", "not-readable"])
def test_the_related_event_alone_brings_microsofts_crm_identifier(scene: Scene, readable: bool) -> None:
    """Whether or not our token may read Microsoft's side itself."""
    partner_center = scene.world.partner_center
    record_id = scene.opportunity({"help": PROOF_OF_CONCEPT})
    scene.settle()
    partner_center.deliveries.options.drop = lambda event: not event.event_name.startswith("related-")
    partner_center.store.related_readable = readable
    try:
        scene.people.microsoft_accepts(scene.referral_of(record_id)["engagementId"], "7-ONLYRELATED")
        scene.settle()
    finally:
        partner_center.deliveries.options.drop = None
        partner_center.store.related_readable = True
    assert scene.record(record_id)["microsoft_crm_id"] == "7-ONLYRELATED"


@pytest.mark.usefixtures("callbacks_apart")
@pytest.mark.parametrize(
    ("lacking", "changes", "named"),
    [
        ("the solution", {"solution": False}, ("solutions",)),
        ("the contact", {"contact": False, "values": {"help": PROOF_OF_CONCEPT}}, ("contacts",)),
        ("the country", {"account": {"customer_country": None}}, ("customer_country",)),
        (
            "everything",
            {
                "solution": False,
                "contact": False,
                "account": {"customer_country": None, "customer_city": None},
                "values": {"deal_value": None, "closing_date": None, "help": PROOF_OF_CONCEPT},
            },
            (
                "deal_value",
                "closing_date",
                "customer_city",
                "customer_country",
                "contacts",
                "solutions",
            ),
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_what_is_missing_is_said_in_one_line_and_nothing_is_sent_until_it_is_there(
    scene: Scene, lacking: str, changes: dict[str, Any], named: tuple[str, ...]
) -> None:
    filled = scene.seller.always_filled
    blank = {name: value for name, value in changes.get("values", {}).items() if name not in filled}
    record_id = scene.opportunity(**{**changes, "values": blank})
    scene.forget_calls()
    scene.settle()
    (line,) = scene.audit(record_id)
    assert all(f"{scene.seller.labels[name]}: " in line for name in named if name not in filled), line
    assert "sync failed" in line
    assert scene.record(record_id)["name"] == "❌ Northwind: data platform"
    assert scene.calls()[0] == {}, "something was sent to Partner Center"
    complete(scene, record_id, changes)
    scene.settle()
    assert scene.referral_of(record_id)["name"] == "Northwind: data platform"
    assert scene.record(record_id)["name"] == "✔ Northwind: data platform"


def complete(scene: Scene, record_id: str, lacking: dict[str, Any]) -> None:
    """A seller fills in what the audit line asked for, and saves the opportunity."""
    account_id = scene.record(record_id)["account"]
    if "account" in lacking:
        scene.seller.edit_account(account_id, {"customer_country": "US", "customer_city": "Seattle"})
    if lacking.get("solution") is False:
        scene.add_solution(record_id)
    values: dict[str, Any] = {"notes": "Now complete."}
    if lacking.get("contact") is False:
        scene.seller.choose_contact(record_id, scene.contact(account_id))
    if "deal_value" in lacking.get("values", {}):
        values |= {"deal_value": 5, "closing_date": "2027-02-01"}
    scene.edit_crm(record_id, **values)


def test_a_country_may_be_a_name_or_a_code_and_one_that_is_none_is_refused_by_name(scene: Scene) -> None:
    understood = {scene.opportunity(account={"customer_country": name}): "DE" for name in ("Germany", "DEU", "de")}
    unknown = scene.opportunity(account={"customer_country": "Atlantis"}, solution=False)
    scene.settle()
    for record_id, code in understood.items():
        assert scene.referral_of(record_id)["customerProfile"]["address"]["country"] == code
    (line,) = scene.audit(unknown)
    assert f"{scene.seller.labels['customer_country']} in the CRM is 'Atlantis'" in line
    assert f"{scene.seller.labels['solutions']}: " in line, "what is missing besides is said at the same time"
    assert scene.referrals_of(unknown) == []


def test_an_opportunity_that_is_not_to_be_synced_stays_at_home(scene: Scene) -> None:
    record_id = scene.opportunity({"sync": False})
    scene.settle()
    assert scene.referrals_of(record_id) == []
    assert scene.audit(record_id) == []
    scene.edit_crm(record_id, sync=True)
    scene.settle()
    assert scene.referral_of(record_id)


def test_an_opportunity_on_hold_is_shared_once_it_leaves_the_stage(scene: Scene) -> None:
    record_id = scene.opportunity({"stage": "on_hold"})
    scene.settle()
    assert scene.referrals_of(record_id) == []
    scene.edit_crm(record_id, stage="active")
    scene.settle()
    assert scene.referral_of(record_id)


def test_a_shared_opportunity_is_edited_and_won_like_any_other(scene: Scene) -> None:
    record_id = scene.opportunity()
    scene.settle()
    referral_id = scene.referral_of(record_id)["id"]
    scene.edit_crm(record_id, deal_value=130000)
    scene.edit_referral(referral_id, details__notes="Microsoft helps.")
    scene.settle()
    assert scene.referral(referral_id)["details"]["dealValue"] == 130000
    assert scene.record(record_id)["notes"] == "Microsoft helps."
    scene.seller.win(record_id)
    scene.settle()
    assert scene.stage_of(referral_id) == "Closed/Won"
