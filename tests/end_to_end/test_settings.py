"""Settings that change what happens between the two sides."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.conftest import SceneMaker
from tests.end_to_end.scene import HELP, PROOF_OF_CONCEPT, Scene

CUSTOMIZE = """
[records.opportunity.account]
several = "oldest"

[records.opportunity.constants]
closeprobability = 35

[[records.opportunity.fields]]
name = "notes"
crm = "customerneed"

[[records.opportunity.fields]]
name = "deal_value"
conflict = "partner_center"

[[records.opportunity.fields]]
name = "campaign"
label = "Pipeline Phase"
partner_center = "campaignId"
crm = "stepname"
converter = "text"
"""


@pytest.fixture(scope="module")
def customized(make_scene: SceneMaker, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    file: Path = tmp_path_factory.mktemp("customize") / "customize.toml"
    file.write_text(CUSTOMIZE, encoding="utf-8")
    return make_scene(
        {
            "CUSTOMIZE_FILE": str(file),
            "DISPLAY_CHECK_MARK": "no",
            "DEAL_VALUE_FIELD": "budgetamount",
            "DEAL_VALUE_CURRENCY_FIELD": "currentsituation",
            "CUSTOMER_ACCOUNT_COUNTRY_CODE_FIELD": "address1_county",
            "ACTIVE_STAGE_NAME": "On Hold",
            "ON_HOLD_STAGE_NAME": "In Progress",
        }
    )


def test_a_renamed_field_is_the_one_that_is_synced(customized: Scene) -> None:
    referral_id, record_id = customized.accepted()
    record = customized.record(record_id)
    assert record["customerneed"].startswith("Customer wants to see stock levels")
    assert record["description"] is None
    customized.edit_crm(record_id, customerneed="Renamed.", description="Not synced.")
    customized.settle()
    assert customized.referral(referral_id)["details"]["notes"] == "Renamed."


def test_fields_constants_and_policies_of_the_partners_own_hold(customized: Scene) -> None:
    referral_id, record_id = customized.accepted(campaignId="Spring")
    record = customized.record(record_id)
    assert (record["closeprobability"], record["stepname"]) == (35, "Spring")
    customized.edit_referral(referral_id, details__dealValue=1)
    customized.edit_crm(record_id, stepname="Autumn", budgetamount=2)
    customized.settle()
    referral = customized.referral(referral_id)
    assert (referral["campaignId"], referral["details"]["dealValue"]) == ("Autumn", 1)
    assert customized.record(record_id)["budgetamount"] == 1


def test_of_several_accounts_the_oldest_is_taken_where_the_partner_says_so(customized: Scene) -> None:
    twin = {"name": "Trey Twins", "address1_postalcode": "77777"}
    customized.account(**twin)
    oldest = customized.account(**twin, overriddencreatedon="2020-02-01T08:00:00Z")
    changes = {"customerProfile__name": "Trey Twins", "customerProfile__address__postalCode": "77777"}
    _, record_id = customized.taken_in(**changes)
    assert customized.record(record_id)["_customerid_value"] == oldest


def test_mark_deal_value_and_stages_are_those_of_the_settings(customized: Scene) -> None:
    referral_id, record_id = customized.taken_in()
    record = customized.record(record_id)
    assert record["name"] == "Contoso – supply chain analytics"
    assert (record["budgetamount"], record["estimatedvalue"]) == (250000, None)
    assert record["statuscode"] == 1, "In Progress is the on-hold stage here"
    customized.edit_crm(record_id, statuscode=2)
    customized.settle()
    assert customized.stage_of(referral_id) == "Active/Accepted"


def test_currency_and_country_are_in_the_fields_that_the_settings_name(customized: Scene) -> None:
    changes = {"customerProfile__name": "Alpine Ski House", "details__currency": "GBP"}
    referral_id, record_id = customized.accepted(**changes)
    record = customized.record(record_id)
    assert record["currentsituation"] == "GBP"
    account = customized.crm.row("account", record["_customerid_value"])
    assert (account["address1_county"], account["address1_country"]) == ("US", None)
    customized.edit_crm(record_id, currentsituation="EUR")
    customized.settle()
    assert customized.referral(referral_id)["details"]["currency"] == "EUR"


def test_a_dry_run_plans_and_audits_and_writes_nothing_to_either_side(make_scene: SceneMaker) -> None:
    scene = make_scene({"DRY_RUN": "yes"})
    referral_id = scene.incoming()
    record_id = scene.opportunity({HELP: PROOF_OF_CONCEPT})
    lacking = scene.opportunity(solution=False)
    before = scene.referral(referral_id), scene.record(record_id), scene.record(lacking)
    scene.settle()
    scene.run_timer("auto_heal")
    scene.settle()
    assert (scene.referral(referral_id), scene.record(record_id), scene.record(lacking)) == before
    assert scene.records_of(referral_id) == []
    assert scene.referrals_of(record_id) == []
    for subject_id in (referral_id, record_id):
        assert "Dry run: would create" in scene.runs_of(subject_id)[0].message
    writes = Counter(
        call.method
        for call in (*scene.world.partner_center.control.calls, *scene.crm.control.calls)
        if call.method != "GET" and "/registration" not in call.path and "$batch" not in call.path
    )
    assert writes == {}, "a batch may hold reads only; the rows above show that this one did"
