"""Settings that change what happens between the two sides."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.end_to_end.conftest import SceneMaker
from tests.end_to_end.scene import Scene
from tests.end_to_end.seller import PROOF_OF_CONCEPT
from tests.end_to_end.sellers import OWN, STAGES

pytestmark = pytest.mark.crms("dynamics365", "salesforce")
CUSTOMIZE = """
[records.opportunity.account]
several = "oldest"

[records.opportunity.constants]
{own.probability} = 35

[[records.opportunity.fields]]
name = "notes"
crm = "{own.notes}"

[[records.opportunity.fields]]
name = "deal_value"
conflict = "partner_center"

[[records.opportunity.fields]]
name = "campaign"
label = "Pipeline Phase"
partner_center = "campaignId"
crm = "{own.phase}"
converter = "text"
"""


@pytest.fixture(scope="module")
def customized(make_scene: SceneMaker, crm: str) -> Scene:
    """A partner whose two open stages mean each other's, and whose values are in columns of their own."""
    own, stages = OWN[crm], STAGES[crm]
    settings = {
        "DISPLAY_CHECK_MARK": "no",
        "DEAL_VALUE_FIELD": own.deal_value,
        "DEAL_VALUE_CURRENCY_FIELD": own.currency,
        "CUSTOMER_ACCOUNT_COUNTRY_CODE_FIELD": own.country,
        "ACTIVE_STAGE_NAME": stages.on_hold,
        "ON_HOLD_STAGE_NAME": stages.active,
    }
    return make_scene(settings, customize=CUSTOMIZE.format(own=own))


def test_a_renamed_field_is_the_one_that_is_synced(customized: Scene) -> None:
    own = customized.seller.own
    referral_id, record_id = customized.accepted()
    record = customized.record(record_id)
    assert record[own.notes].startswith("Customer wants to see stock levels")
    assert record["notes"] is None
    customized.edit_crm(record_id, **{own.notes: "Renamed.", "notes": "Not synced."})
    customized.settle()
    assert customized.referral(referral_id)["details"]["notes"] == "Renamed."


def test_fields_constants_and_policies_of_the_partners_own_hold(customized: Scene) -> None:
    own = customized.seller.own
    referral_id, record_id = customized.accepted(campaignId="Spring")
    record = customized.record(record_id)
    assert (record[own.probability], record[own.phase]) == (35, "Spring")
    customized.edit_crm(record_id, **{own.phase: "Autumn", own.deal_value: 2})
    customized.edit_referral(referral_id, details__dealValue=1)
    customized.settle()
    referral = customized.referral(referral_id)
    assert (referral["campaignId"], referral["details"]["dealValue"]) == ("Autumn", 1)
    assert customized.record(record_id)[own.deal_value] == 1


def test_of_several_accounts_the_oldest_is_taken_where_the_partner_says_so(customized: Scene) -> None:
    twin = {"customer_name": "Trey Twins", "customer_postal_code": "77777"}
    customized.account(**twin)
    oldest = customized.account(**twin, made_at="2020-02-01T08:00:00Z")
    changes = {"customerProfile__name": "Trey Twins", "customerProfile__address__postalCode": "77777"}
    _, record_id = customized.taken_in(**changes)
    assert customized.record(record_id)["account"] == oldest


def test_mark_deal_value_and_stages_are_those_of_the_settings(customized: Scene) -> None:
    referral_id, record_id = customized.taken_in()
    record = customized.record(record_id)
    assert record["name"] == "Contoso – supply chain analytics"
    assert (record[customized.seller.own.deal_value], record["deal_value"]) == (250000, None)
    assert record["stage"] == customized.seller.stages.active, "which is the on-hold stage here"
    customized.edit_crm(record_id, stage="on_hold")
    customized.settle()
    assert customized.stage_of(referral_id) == "Active/Accepted"


def test_currency_and_country_are_in_the_fields_that_the_settings_name(customized: Scene) -> None:
    changes = {"customerProfile__name": "Alpine Ski House", "details__currency": "GBP"}
    referral_id, record_id = customized.accepted(**changes)
    own = customized.seller.own
    record = customized.record(record_id)
    assert record[own.currency] == "GBP"
    account = customized.seller.account(record["account"])
    assert (account[own.country], account["customer_country"]) == ("US", None)
    customized.edit_crm(record_id, **{own.currency: "EUR"})
    customized.settle()
    assert customized.referral(referral_id)["details"]["currency"] == "EUR"


def test_a_dry_run_plans_and_audits_and_writes_nothing_to_either_side(make_scene: SceneMaker) -> None:
    scene = make_scene({"DRY_RUN": "yes"})
    referral_id = scene.incoming()
    record_id = scene.opportunity({"help": PROOF_OF_CONCEPT})
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
    several_at_once = scene.seller.operations.write
    writes = Counter(
        call.operation
        for call in (*scene.world.partner_center.control.calls, *scene.seller.control.calls)
        if call.method != "GET" and "/registration" not in call.path and call.operation != several_at_once
    )
    assert writes.total() == writes["POST /services/oauth2/token"], (
        "what asks for several things at once may hold reads only; the rows above show that it did"
    )
