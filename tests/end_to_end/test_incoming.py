"""A referral from Microsoft becomes an opportunity, or an explanation."""

from __future__ import annotations

import pytest

from tests.end_to_end.scene import Scene

pytestmark = pytest.mark.crms("dynamics365", "salesforce")


def test_a_new_referral_becomes_an_opportunity_on_hold_with_its_customer_and_solutions(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in()
    record = scene.record(record_id)
    assert record["stage"] == scene.seller.stages.on_hold
    assert record["name"] == "✔ Contoso – supply chain analytics"
    assert (record["deal_value"], record["closing_date"]) == (250000, "2027-03-31")
    assert record["notes"].startswith("Customer wants to see stock levels")
    assert record["sync"] is True
    assert record["referral_link"].endswith(referral_id)
    account = scene.seller.account(record["account"])
    assert (account["customer_name"], account["customer_postal_code"]) == ("Contoso Manufacturing Inc", "14202")
    contact = scene.seller.contact(record["contact"])
    assert contact["email"] == "sue.smith@contoso.example"
    assert contact["account"] == record["account"]
    assert list(scene.seller.solutions(record_id)) == ["SOL-10342-QRS"]
    assert scene.audit(record_id) == ["Partner Center Referral to CRM sync success."]
    assert scene.referral(referral_id)["externalReferenceId"] == record_id


def test_the_referral_program_is_shown_on_the_opportunity(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in(referralProgram="Azure IP co-sell")
    assert scene.record(record_id)["referral_program"] == "Azure IP co-sell"
    scene.edit_referral(referral_id, referralProgram="Marketplace rewards")
    scene.settle()
    assert scene.record(record_id)["referral_program"] == "Marketplace rewards"


def test_a_known_account_and_contact_are_used_again(scene: Scene) -> None:
    account_id = scene.account(customer_name="Fabrikam Werkstatt GmbH", customer_postal_code="99999")
    _, record_id = scene.taken_in(
        customerProfile__name="Fabrikam Werkstatt GmbH", customerProfile__address__postalCode="99999"
    )
    assert scene.record(record_id)["account"] == account_id
    _, second_id = scene.taken_in(
        customerProfile__name="FABRIKAM Werkstatt GmbH", customerProfile__address__postalCode="99999"
    )
    second = scene.record(second_id)
    assert second["account"] == account_id
    assert second["contact"] == scene.record(record_id)["contact"]


def test_several_accounts_that_fit_are_a_persons_choice_and_the_run_history_says_so(scene: Scene) -> None:
    twins = {scene.account(customer_name="Tailwind Twins", customer_postal_code="12345") for _ in range(2)}
    changes = {"customerProfile__name": "Tailwind Twins", "customerProfile__address__postalCode": "12345"}
    referral_id = scene.incoming(**changes)
    scene.settle()
    assert scene.records_of(referral_id) == []
    told = [run for run in scene.runs_of(referral_id) if run.status.value == "failed"]
    assert told
    assert "2 accounts match" in told[-1].message
    assert all(account_id in told[-1].message for account_id in twins)
    assert "Tailwind" not in told[-1].message


def test_a_referral_that_names_a_record_the_crm_does_not_have_is_left_alone(scene: Scene) -> None:
    unknown = scene.seller.unknown_id
    referral_id = scene.incoming(externalReferenceId=unknown)
    before = scene.referral(referral_id)
    scene.settle()
    assert scene.records_of(referral_id) == []
    assert scene.referral(referral_id) == before
    (line, *_) = scene.audit_rows(referral_id)
    assert line.outcome == "ignored"
    assert unknown in line.message
    assert "left alone" in line.message


def test_a_value_that_does_not_fit_is_named_and_the_other_deals_go_on(scene: Scene) -> None:
    bad = {
        scene.incoming(details__currency="BRL"): ("currency BRL", "USD"),
        scene.incoming(details__closingDateTime="2027-02-15T00:00:00Z", inviteContext__assistanceRequestCode="New"): (
            "How can Microsoft help?",
            "'New'",
        ),
    }
    good = scene.incoming()
    scene.settle()
    assert scene.record_of(good)
    for referral_id, words in bad.items():
        assert scene.records_of(referral_id) == []
        failed = [run for run in scene.runs_of(referral_id) if run.status.value == "failed"]
        assert failed
        assert all(word in failed[-1].message for word in words), failed[-1].message
        assert any(line.error_code for line in scene.audit_rows(referral_id))


def test_what_was_closed_before_it_reached_the_crm_makes_no_record(scene: Scene) -> None:
    scene.world.partner_center.deliveries.options.drop_next = 1
    referral_id = scene.incoming()
    scene.people.decline(referral_id)
    scene.settle()
    assert scene.records_of(referral_id) == []
    assert [run.status.value for run in scene.runs_of(referral_id)] == ["ignored"]


def test_a_lead_stays_out_of_the_crm_while_only_co_sell_opportunities_are_synced(scene: Scene) -> None:
    referral_id = scene.incoming("adventure-works-lead")
    scene.settle()
    assert scene.records_of(referral_id) == []
    assert not any(row["referral_id"] == referral_id for row in scene.seller.leads())
    assert "SYNC_COSELL_OPPORTUNITIES_ONLY" in scene.runs_of(referral_id)[0].message
