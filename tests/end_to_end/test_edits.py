"""Edits on both sides meet, once and in both places."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sandbox.control import Fault
from tests.end_to_end.scene import Scene
from tests.end_to_end.seller_in_salesforce import SalesforceSeller

pytestmark = pytest.mark.crms("dynamics365", "salesforce")


def test_an_edit_in_partner_center_reaches_the_crm(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_referral(
        referral_id,
        details__dealValue=310000.5,
        details__closingDateTime="2027-05-01T00:00:00Z",
        details__notes="Second plant is in.",
        details__currency="EUR",
    )
    scene.settle()
    record = scene.record(record_id)
    assert (record["deal_value"], record["currency"]) == (Decimal("310000.50"), "EUR")
    assert (record["closing_date"], record["notes"]) == ("2027-05-01", "Second plant is in.")
    assert scene.audit(record_id)[0].startswith("Partner Center Referral to CRM sync success (")
    assert all(
        scene.seller.labels[name] in scene.audit(record_id)[0] for name in ("deal_value", "closing_date", "notes")
    )


def test_an_edit_in_the_crm_reaches_partner_center(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, deal_value=99, closing_date="2027-06-30", notes="One\r\ntwo")
    scene.settle()
    details = scene.referral(referral_id)["details"]
    assert (details["dealValue"], details["closingDateTime"]) == (99, "2027-06-30T00:00:00Z")
    assert details["notes"] == "One\ntwo"


def test_a_solution_added_beside_an_edit_reaches_partner_center_and_what_is_known_there_stays(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    before = scene.referral(referral_id)
    scene.add_solution(record_id, "SOL-99999-XYZ")
    scene.edit_crm(record_id, notes="With another solution.")
    scene.settle()
    after = scene.referral(referral_id)
    solutions = after["details"]["requirements"]["solutions"]
    assert [row["id"] for row in solutions] == ["SOL-10342-QRS", "SOL-99999-XYZ"]
    assert solutions[0] == before["details"]["requirements"]["solutions"][0]
    assert after["customerProfile"]["team"] == before["customerProfile"]["team"], "the CRM has room for one contact"


def test_different_fields_edited_on_both_sides_at_once_all_travel(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, notes="Written in the CRM.")
    scene.edit_referral(referral_id, details__dealValue=123456)
    scene.settle()
    assert scene.referral(referral_id)["details"]["notes"] == "Written in the CRM."
    assert scene.referral(referral_id)["details"]["dealValue"] == 123456
    record = scene.record(record_id)
    assert (record["notes"], record["deal_value"]) == ("Written in the CRM.", 123456)


def test_of_the_same_field_edited_on_both_sides_the_newest_stays_and_the_audit_has_both(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, deal_value=111)
    scene.edit_referral(referral_id, details__dealValue=222)
    scene.settle()
    record, referral = scene.record(record_id), scene.referral(referral_id)
    assert record["deal_value"] == referral["details"]["dealValue"]
    told = next(line for line in scene.audit(record_id) if "changed on both sides" in line)
    assert "222" in told
    assert "111" in told
    (conflict,) = next(line.conflicts for line in scene.audit_rows(referral_id) if line.conflicts)
    assert conflict["field"] == "deal_value"
    assert Decimal(conflict["partner_center"]) == 222
    assert Decimal(conflict["crm"]) == 111


def test_a_conflict_in_a_personal_field_keeps_its_values_out_of_the_audit(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, notes="Ada Berg decides.")
    scene.edit_referral(referral_id, details__notes="Sue Smith decides.")
    scene.settle()
    assert scene.record(record_id)["notes"] == scene.referral(referral_id)["details"]["notes"]
    told = next(line for line in scene.audit(record_id) if "changed on both sides" in line)
    assert "decides" not in told
    assert "decides" not in str(scene.audit_rows(referral_id))


def test_visibility_goes_from_no_to_yes_and_never_back(scene: Scene) -> None:
    visible = "consentToShareReferralWithMicrosoftSellers"
    referral_id, record_id = scene.accepted(consent__consentToShareReferralWithMicrosoftSellers=False)
    scene.edit_crm(record_id, visibility=True)
    scene.settle()
    assert scene.referral(referral_id)["consent"][visible] is True
    scene.edit_crm(record_id, visibility=False)
    scene.settle()
    assert scene.referral(referral_id)["consent"][visible] is True
    assert scene.record(record_id)["visibility"] is True


def test_a_rename_in_partner_center_keeps_the_mark_and_a_rename_in_the_crm_stays_there(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_referral(referral_id, name="Renamed by Microsoft")
    scene.settle()
    assert scene.record(record_id)["name"] == "✔ Renamed by Microsoft"
    scene.edit_crm(record_id, name="Renamed by a seller")
    scene.settle()
    assert scene.referral(referral_id)["name"] == "Renamed by Microsoft"
    assert scene.record(record_id)["name"].removeprefix("✔ ") == "Renamed by a seller"


def test_a_deal_that_is_switched_off_is_not_sent_and_all_of_it_is_once_it_is_on_again(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, sync=False, notes="Between us.")
    scene.settle()
    before = scene.referral(referral_id)
    scene.edit_crm(record_id, deal_value=5)
    scene.settle()
    assert scene.referral(referral_id) == before
    scene.edit_crm(record_id, sync=True)
    scene.settle()
    details = scene.referral(referral_id)["details"]
    assert (details["notes"], details["dealValue"]) == ("Between us.", 5)


def test_a_version_that_moved_on_is_read_and_planned_again(scene: Scene) -> None:
    """The base is out of date on the side that is only written to: HTTP 412, both read, both edits kept."""
    referral_id, record_id = scene.accepted()
    scene.world.partner_center.deliveries.options.drop_next = 1
    scene.edit_referral(referral_id, details__notes="Nobody told the connector of this.")
    scene.forget_calls()
    scene.edit_crm(record_id, deal_value=424242)
    scene.settle()
    statuses = {(call.method, call.status) for call in scene.world.partner_center.control.calls}
    assert ("PATCH", 412) in statuses
    details = scene.referral(referral_id)["details"]
    assert (details["notes"], details["dealValue"]) == ("Nobody told the connector of this.", 424242)
    record = scene.record(record_id)
    assert (record["notes"], record["deal_value"]) == ("Nobody told the connector of this.", 424242)


@pytest.mark.crms("dynamics365")
def test_a_crm_that_refuses_the_version_is_read_again(scene: Scene) -> None:
    """Salesforce compares no versions of opportunities: what the adapter does instead is in its own tests."""
    referral_id, record_id = scene.accepted()
    scene.crm.control.order(
        Fault(
            path=record_id,
            method="PATCH",
            status=412,
            body={"error": {"code": "0x80060882", "message": "The version of the existing record doesn't match."}},
        )
    )
    scene.edit_referral(referral_id, details__dealValue=31)
    scene.settle()
    assert scene.record(record_id)["deal_value"] == 31


@pytest.mark.crms("salesforce")
def test_what_a_seller_saves_while_the_opportunity_is_written_is_kept_and_the_audit_says_so(scene: Scene) -> None:
    """Salesforce compares no versions of opportunities: what lands after the check and before the write is found in
    what the record holds then. Dynamics 365 refuses the write."""
    seller = scene.seller
    assert isinstance(seller, SalesforceSeller)
    referral_id, record_id = scene.accepted()
    seller.edit_meanwhile(record_id, {"notes": "Saved at the same time."})
    scene.edit_referral(referral_id, details__dealValue=321)
    scene.wait_quiet()
    told = scene.audit_rows(referral_id)[0].message
    assert f"Somebody else changed the opportunity {record_id} while it was being written (Description)" in told
    scene.settle()
    assert (scene.record(record_id)["notes"], scene.record(record_id)["deal_value"]) == ("Saved at the same time.", 321)
    assert scene.referral(referral_id)["details"]["notes"] == "Saved at the same time."
