"""Edits on both sides meet, once and in both places."""

from __future__ import annotations

from decimal import Decimal

from sandbox.control import Fault
from sandbox.dataverse.seed import currency_id
from tests.end_to_end.scene import VISIBLE, Scene


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
    assert record["estimatedvalue"] == Decimal("310000.50")
    assert (record["estimatedclosedate"], record["description"]) == ("2027-05-01", "Second plant is in.")
    assert record["_transactioncurrencyid_value"] == currency_id("EUR")
    assert scene.audit(record_id)[0].startswith("Partner Center Referral to CRM sync success (")
    assert all(label in scene.audit(record_id)[0] for label in ("Est. revenue", "Est. close date", "Description"))


def test_an_edit_in_the_crm_reaches_partner_center(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, estimatedvalue=99, estimatedclosedate="2027-06-30", description="One\r\ntwo")
    scene.settle()
    details = scene.referral(referral_id)["details"]
    assert (details["dealValue"], details["closingDateTime"]) == (99, "2027-06-30T00:00:00Z")
    assert details["notes"] == "One\ntwo"


def test_a_solution_added_beside_an_edit_reaches_partner_center_and_what_is_known_there_stays(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    before = scene.referral(referral_id)
    scene.add_solution(record_id, "SOL-99999-XYZ")
    scene.edit_crm(record_id, description="With another solution.")
    scene.settle()
    after = scene.referral(referral_id)
    solutions = after["details"]["requirements"]["solutions"]
    assert [row["id"] for row in solutions] == ["SOL-10342-QRS", "SOL-99999-XYZ"]
    assert solutions[0] == before["details"]["requirements"]["solutions"][0]
    assert after["customerProfile"]["team"] == before["customerProfile"]["team"], "the CRM has room for one contact"


def test_different_fields_edited_on_both_sides_at_once_all_travel(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, description="Written in the CRM.")
    scene.edit_referral(referral_id, details__dealValue=123456)
    scene.settle()
    assert scene.referral(referral_id)["details"]["notes"] == "Written in the CRM."
    assert scene.referral(referral_id)["details"]["dealValue"] == 123456
    record = scene.record(record_id)
    assert (record["description"], record["estimatedvalue"]) == ("Written in the CRM.", 123456)


def test_of_the_same_field_edited_on_both_sides_the_newest_stays_and_the_audit_has_both(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, estimatedvalue=111)
    scene.edit_referral(referral_id, details__dealValue=222)
    scene.settle()
    record, referral = scene.record(record_id), scene.referral(referral_id)
    assert record["estimatedvalue"] == referral["details"]["dealValue"]
    told = next(line for line in scene.audit(record_id) if "changed on both sides" in line)
    assert "222" in told
    assert "111" in told
    (conflict,) = next(line.conflicts for line in scene.audit_rows(referral_id) if line.conflicts)
    assert conflict["field"] == "deal_value"
    assert Decimal(conflict["partner_center"]) == 222
    assert Decimal(conflict["crm"]) == 111


def test_a_conflict_in_a_personal_field_keeps_its_values_out_of_the_audit(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, description="Ada Berg decides.")
    scene.edit_referral(referral_id, details__notes="Sue Smith decides.")
    scene.settle()
    assert scene.record(record_id)["description"] == scene.referral(referral_id)["details"]["notes"]
    told = next(line for line in scene.audit(record_id) if "changed on both sides" in line)
    assert "decides" not in told
    assert "decides" not in str(scene.audit_rows(referral_id))


def test_visibility_goes_from_no_to_yes_and_never_back(scene: Scene) -> None:
    visible = "consentToShareReferralWithMicrosoftSellers"
    referral_id, record_id = scene.accepted(consent__consentToShareReferralWithMicrosoftSellers=False)
    scene.edit_crm(record_id, **{VISIBLE: True})
    scene.settle()
    assert scene.referral(referral_id)["consent"][visible] is True
    scene.edit_crm(record_id, **{VISIBLE: False})
    scene.settle()
    assert scene.referral(referral_id)["consent"][visible] is True
    assert scene.record(record_id)[VISIBLE] is True


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
    sync = "msft_microsoftpartnercenterreferralsync"
    referral_id, record_id = scene.accepted()
    scene.edit_crm(record_id, **{sync: False, "description": "Between us."})
    scene.settle()
    before = scene.referral(referral_id)
    scene.edit_crm(record_id, estimatedvalue=5)
    scene.settle()
    assert scene.referral(referral_id) == before
    scene.edit_crm(record_id, **{sync: True})
    scene.settle()
    details = scene.referral(referral_id)["details"]
    assert (details["notes"], details["dealValue"]) == ("Between us.", 5)


def test_a_version_that_moved_on_is_read_and_planned_again(scene: Scene) -> None:
    """The base is out of date on the side that is only written to: HTTP 412, both read, both edits kept."""
    referral_id, record_id = scene.accepted()
    scene.world.partner_center.deliveries.options.drop_next = 1
    scene.edit_referral(referral_id, details__notes="Nobody told the connector of this.")
    scene.forget_calls()
    scene.edit_crm(record_id, estimatedvalue=424242)
    scene.settle()
    statuses = {(call.method, call.status) for call in scene.world.partner_center.control.calls}
    assert ("PATCH", 412) in statuses
    details = scene.referral(referral_id)["details"]
    assert (details["notes"], details["dealValue"]) == ("Nobody told the connector of this.", 424242)
    record = scene.record(record_id)
    assert (record["description"], record["estimatedvalue"]) == ("Nobody told the connector of this.", 424242)


def test_a_crm_that_refuses_the_version_is_read_again(scene: Scene) -> None:
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
    assert scene.record(record_id)["estimatedvalue"] == 31
