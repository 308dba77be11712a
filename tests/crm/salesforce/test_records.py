"""What is Salesforce's own about opportunities: amounts and currencies, versions, refusals, references."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from sandbox.control import Fault
from sandbox.salesforce import DuplicateRule, ValidationRule, faults
from shared.domain.errors import ConfigurationError, NotFound, Rejected, RetryLater, VersionConflict
from shared.domain.record import CrmStage, RecordChange, RecordKind, StageChange
from tests.contract.deals import REFERRAL_ID, deal
from tests.contract.rigs import SalesforceRig
from tests.crm.salesforce.conftest import OrgMaker
from tests.crm.salesforce.deals import OPPORTUNITY, change, changed_mapping, create, read, value


@pytest.fixture
def rig(org: OrgMaker) -> SalesforceRig:
    made: SalesforceRig = org()
    made.crm.catalogue()
    return made


def test_the_metadata_cost_one_call_per_worker_and_kind(rig: SalesforceRig) -> None:
    rig.crm.catalogue()
    rig.crm.catalogue(RecordKind.LEAD)
    rig.crm.catalogue(RecordKind.LEAD)
    assert rig.transport.calls == {"metadata.read": 2}


def test_a_deal_without_a_closing_date_is_rejected_by_name(rig: SalesforceRig) -> None:
    with pytest.raises(Rejected) as refused:
        create(rig, closing_date=None)
    assert refused.value.field == "CloseDate"
    record = create(rig)
    with pytest.raises(Rejected) as refused:
        rig.crm.update(record, change(rig, closing_date=None))
    assert refused.value.field == "CloseDate"
    assert read(rig, record, "closing_date") == date(2027, 3, 31)


def test_every_path_is_read_and_blank_ones_are_none(rig: SalesforceRig) -> None:
    record = create(rig, notes=None, help=None, deal_value=None, contacts=(), solutions=(), customer_city="")
    assert set(record.values) == set(rig.mapping.records[OPPORTUNITY].crm_paths)
    for name in ("notes", "help", "deal_value", "customer_city"):
        assert value(rig, record, name) is None
    assert value(rig, record, "contacts") == value(rig, record, "solutions") == ()


@pytest.mark.parametrize("text", ["@{record.id}", "@{account.id} @{nobody.id}", "a @ {b} @{", "${x} #{y}"])
def test_text_that_looks_like_a_reference_is_text(rig: SalesforceRig, text: str) -> None:
    record = create(rig, notes=text, name=text, customer_name=text)
    assert value(rig, record, "notes") == text.replace("@{", "@ {")
    written = rig.crm.update(record, change(rig, notes=f"{text}!", name=text))
    assert written.values["Description"] == f"{text.replace('@{', '@ {')}!"


def test_an_amount_that_comes_from_products_is_refused_and_nothing_is_written(rig: SalesforceRig) -> None:
    record = create(rig)
    product = {"OpportunityId": record.id, "Quantity": 2, "UnitPrice": Decimal("10.50")}
    rig.hands.insert("OpportunityLineItem", product)
    record = rig.crm.get(OPPORTUNITY, record.id)
    assert value(rig, record, "deal_value") == Decimal("21.00")
    with pytest.raises(Rejected) as refused:
        rig.crm.update(record, change(rig, deal_value=Decimal(5), notes="not written either"))
    assert (refused.value.code, refused.value.field) == ("amount_from_products", "Amount")
    assert "products" in refused.value.remedy
    assert rig.crm.get(OPPORTUNITY, record.id) == record
    rig.crm.update(record, change(rig, notes="written"))
    assert read(rig, record, "notes") == "written"


def test_a_currency_that_changes_alone_converts_no_amount(rig: SalesforceRig) -> None:
    record = create(rig, deal_value=Decimal(1000), currency="EUR")
    rig.crm.update(record, change(rig, currency="USD"))
    assert read(rig, record, "deal_value") == Decimal(1000)
    assert read(rig, record, "currency") == "USD"


def test_solution_rows_are_in_the_currency_of_the_deal(rig: SalesforceRig) -> None:
    create(rig, currency="EUR")
    assert {row["CurrencyIsoCode"] for row in rig.hands.rows("Microsoft_Solutions__c")} == {"EUR"}


def test_who_wrote_last_is_part_of_the_version(rig: SalesforceRig) -> None:
    rig.clock.step *= 0  # everything happens within one second
    record = create(rig)
    rig.rename(record.id, "A seller was here")
    with pytest.raises(VersionConflict):
        rig.crm.update(record, change(rig, notes="too late"))
    assert read(rig, record, "name") == "A seller was here"


def test_what_landed_in_between_makes_the_record_be_read_again(rig: SalesforceRig) -> None:
    record = create(rig)
    meanwhile = {"Description": "Somebody else was here.", "StageName": "Negotiation/Review"}
    rig.simulator.meanwhile(lambda: rig.hands.edit("Opportunity", record.id, meanwhile))
    written = rig.crm.update(record, change(rig, name="renamed"))
    assert (written.version, written.landed) == (None, ("Description",)), "the stage means the same"
    record = rig.crm.get(OPPORTUNITY, record.id)
    assert record.values["Description"] == meanwhile["Description"]
    rig.simulator.meanwhile(lambda: rig.hands.edit("Opportunity", record.id, {"StageName": "Closed Lost"}))
    written = rig.crm.update(record, change(rig, name="again"))
    assert (written.version, written.landed) == (None, ("stage",))


def test_what_the_package_does_of_itself_is_seen(rig: SalesforceRig) -> None:
    record = create(rig)
    written = rig.crm.update(record, change(rig, solutions=()))
    assert written.version is None, "Microsoft's trigger took the deal out of the sync"
    sync = rig.mapping.records[OPPORTUNITY].columns.sync
    assert rig.crm.get(OPPORTUNITY, record.id).values[sync] is False


def test_an_update_of_what_is_gone_or_moved_says_which(rig: SalesforceRig) -> None:
    record = create(rig)
    rig.rename(record.id, "moved")
    with pytest.raises(VersionConflict, match="changed since"):
        rig.crm.update(record, change(rig, notes="x"))
    rig.delete(record.id)
    for what in (change(rig, notes="x"), change(rig, solutions=())):
        with pytest.raises(NotFound):
            rig.crm.update(record, what)


def test_without_a_unique_field_records_are_looked_up(org: OrgMaker) -> None:
    rig: SalesforceRig = org(unique_referral_identifier=False)
    record = create(rig)
    prepared = rig.crm.prepare(deal(rig.mapping))
    assert prepared.existing == record
    calls = rig.calls()
    with pytest.raises(VersionConflict, match=REFERRAL_ID):
        rig.crm.create(deal(rig.mapping), prepared, None)
    assert rig.calls() == calls
    copy = {
        "Name": "copy",
        "StageName": "Prospecting",
        "CloseDate": "2027-01-01",
        "Referral_Identifier__c": REFERRAL_ID,
    }
    other = rig.hands.insert("Opportunity", copy)
    with pytest.raises(Rejected) as refused:
        rig.crm.prepare(deal(rig.mapping))
    assert (refused.value.code, refused.value.field) == ("duplicate_records", "Referral_Identifier__c")
    assert record.id in refused.value.message
    assert other in refused.value.message


def test_a_referral_that_another_record_names_is_a_rejection_on_update(rig: SalesforceRig) -> None:
    create(rig)
    other = deal(rig.mapping, "9c0b5b7e-6a54-4f0e-8b9a-0a4a9d8f2c02")
    record = rig.crm.create(other, rig.crm.prepare(other), None)
    with pytest.raises(Rejected) as refused:
        rig.crm.update(record, RecordChange({"Referral_Identifier__c": REFERRAL_ID}))
    assert (refused.value.code, refused.value.field) == ("duplicate_value", "Referral_Identifier__c")


def test_a_validation_rule_speaks_for_itself(rig: SalesforceRig) -> None:
    record = create(rig)
    rule = ValidationRule("Opportunity", "Amount > 100000", "Ask your manager first.", "Amount")
    rig.simulator.add_rule(rule)
    with pytest.raises(Rejected, match="Ask your manager first") as refused:
        rig.crm.update(record, change(rig, deal_value=Decimal(200_000)))
    assert (refused.value.code, refused.value.field) == ("validation_rule", "Amount")


def test_a_duplicate_rule_that_only_alerts_does_not_stop_the_deal(rig: SalesforceRig) -> None:
    account_id = rig.add_account("Fabrikam", "10117")
    rig.simulator.add_rule(DuplicateRule("Account", ("Name",)))
    create(rig)
    (opportunity,) = rig.hands.rows("Opportunity")
    assert opportunity["AccountId"] != account_id


def test_a_duplicate_rule_that_blocks_stops_the_deal_and_names_what_it_found(rig: SalesforceRig) -> None:
    account_id = rig.add_account("Fabrikam", "10117")
    rig.simulator.add_rule(DuplicateRule("Account", ("Name",), allow_save=False))
    with pytest.raises(Rejected, match=account_id) as refused:
        create(rig)
    assert refused.value.code == "duplicate"
    assert rig.hands.rows("Opportunity") == []


def test_a_read_only_field_is_named_with_the_permission_set(rig: SalesforceRig) -> None:
    record = create(rig)
    rig.simulator.make_read_only("Opportunity", "Audit__c")
    with pytest.raises(Rejected) as refused:
        rig.crm.update(record, RecordChange({"Audit__c": "x"}))
    assert (refused.value.code, refused.value.field) == ("field_security", "Audit__c")
    assert "permission set" in refused.value.remedy


def test_a_field_that_is_hidden_later_is_named(rig: SalesforceRig) -> None:
    record = create(rig)
    rig.simulator.hide_fields("Opportunity", "Audit__c")
    with pytest.raises(Rejected) as refused:
        rig.crm.get(OPPORTUNITY, record.id)
    assert (refused.value.code, refused.value.field) == ("unknown_field", "Audit__c")


def test_a_locked_record_is_tried_later_and_nothing_is_written(rig: SalesforceRig) -> None:
    record = create(rig)
    rig.hands.lock_row("Opportunity", record.id)
    with pytest.raises(RetryLater) as refused:
        rig.crm.update(record, change(rig, notes="x"))
    assert refused.value.code == "row_locked"
    assert rig.crm.get(OPPORTUNITY, record.id) == record


def test_a_lock_that_the_whole_request_misses_is_tried_later(rig: SalesforceRig) -> None:
    rig.simulator.control.order(faults.row_locked())
    with pytest.raises(RetryLater):
        rig.crm.prepare(deal(rig.mapping))


def test_an_exhausted_day_waits(rig: SalesforceRig) -> None:
    rig.simulator.control.order(faults.daily_limit_exceeded())
    with pytest.raises(RetryLater) as refused:
        rig.crm.prepare(deal(rig.mapping))
    assert (refused.value.code, refused.value.after_s, refused.value.status) == ("throttled", 900, 403)


def test_usage_is_what_the_last_answer_told(rig: SalesforceRig) -> None:
    before = rig.crm.usage()
    assert before is not None
    rig.crm.prepare(deal(rig.mapping))
    after = rig.crm.usage()
    assert after is not None
    assert (after.used, after.most) == (before.used + 1, 15_000)


@pytest.mark.parametrize(
    "body",
    [
        {"compositeResponse": []},
        {"compositeResponse": [{"httpStatusCode": "200"}] * 6},
        {},
        ["?"],
    ],
)
def test_an_answer_of_another_shape_is_tried_later(rig: SalesforceRig, body: Any) -> None:
    rig.simulator.control.order(Fault("composite", status=200, body=body))
    with pytest.raises(RetryLater) as refused:
        rig.crm.prepare(deal(rig.mapping))
    assert refused.value.code == "unreadable_answer"


def test_everything_that_the_org_lacks_is_told_at_once(rig: SalesforceRig) -> None:
    mapping = changed_mapping(
        rig,
        {
            "records": {
                "opportunity": {
                    "columns": {"audit": "My_Audit__c"},
                    "fields": [
                        {"name": "notes", "crm": "My_Notes__c"},
                        {"name": "customer_city", "crm": "Account.My_City__c"},
                        {"name": "customer_state", "crm": "Partner.State"},
                    ],
                }
            },
            "adapter": {
                "solutions": {"object": "My_Solution__c", "rows": "My__r"},
                "contacts": {"email": "My_Email__c"},
            },
            "stages": {"on_hold": "Waiting"},
        },
    )
    with pytest.raises(ConfigurationError) as refused:
        rig.adapter(mapping).catalogue()
    for missing in (
        "field My_Audit__c of Opportunity",
        "field My_Notes__c of Opportunity",
        "field My_City__c of Account",
        "lookup Partner of Opportunity",
        "object My_Solution__c",
        "child rows My__r of Opportunity",
        "field My_Email__c of Contact",
        "stage 'Waiting'",
        "'On Hold'",
    ):
        assert missing in refused.value.message
    assert "infra/salesforce" in refused.value.remedy


def test_the_stage_of_a_customized_org_is_used(org: OrgMaker) -> None:
    rig: SalesforceRig = org(extra_stages=("On Hold", "Accepted"))
    stages = {**rig.mapping.stages, "active": "accepted"}
    rig.crm = rig.adapter(stages=stages)
    record = create(rig)
    assert record.stage_reason == "Accepted"
    rig.crm.update(record, RecordChange(stage=StageChange(CrmStage.WON)))
    rig.hands.edit("Opportunity", record.id, {"StageName": "Negotiation/Review"})
    assert rig.crm.get(OPPORTUNITY, record.id).stage is CrmStage.ACTIVE


def test_in_an_org_with_one_currency_that_one_is_said(org: OrgMaker) -> None:
    rig: SalesforceRig = org(multi_currency=False)
    with pytest.raises(ConfigurationError, match=r"\[adapter.org\] currency"):
        rig.crm.catalogue()
    rig.crm = rig.adapter(changed_mapping(rig, {"adapter": {"org": {"currency": "EUR"}}}))
    assert rig.crm.catalogue().currencies == {"EUR": 2}
    record = create(rig, currency="EUR")
    assert value(rig, record, "currency") == "EUR"
    with pytest.raises(Rejected, match="USD") as refused:
        rig.crm.update(record, change(rig, currency="USD"))
    assert (refused.value.code, refused.value.field) == ("unknown_currency", "CurrencyIsoCode")
    rig.crm.update(record, change(rig, currency="EUR", deal_value=Decimal("7.25")))
    assert read(rig, record, "deal_value") == Decimal("7.25")


def test_with_country_picklists_the_code_is_written_and_read(org: OrgMaker) -> None:
    rig: SalesforceRig = org(country_picklists=True)
    record = create(rig, customer_country="AT")
    assert value(rig, record, "customer_country") == "AT"
    (account,) = rig.hands.rows("Account")
    assert (account["BillingCountry"], account["BillingCountryCode"]) == ("Austria", "AT")
    assert "AT" in (rig.crm.catalogue().limits["Account.BillingCountry"].options or ())


def test_a_record_without_an_account_has_no_customer_to_correct(rig: SalesforceRig) -> None:
    bare = {"Name": "bare", "StageName": "Prospecting", "CloseDate": "2027-01-01"}
    record = rig.crm.get(OPPORTUNITY, rig.hands.insert("Opportunity", bare))
    assert value(rig, record, "customer_name") is None
    with pytest.raises(Rejected, match="no Account"):
        rig.crm.update(record, change(rig, customer_city="Berlin"))


def test_a_value_of_the_wrong_type_is_named(rig: SalesforceRig) -> None:
    record = create(rig)
    with pytest.raises(Rejected) as refused:
        rig.crm.update(record, RecordChange({"Amount": "much"}))
    assert (refused.value.code, refused.value.field) == ("wrong_type", "Amount")
    with pytest.raises(ConfigurationError, match="no place"):
        rig.crm.update(record, RecordChange({"Nowhere__c": "x"}))


def test_links_open_the_record(rig: SalesforceRig) -> None:
    assert rig.crm.link_to(OPPORTUNITY, "006xx") == f"{rig.url}/lightning/r/Opportunity/006xx/view"
    assert rig.crm.link_to(RecordKind.LEAD, "00Qxx") == f"{rig.url}/lightning/r/Lead/00Qxx/view"
