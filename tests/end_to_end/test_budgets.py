"""What each event costs, by the simulators' own counters: bounds on calls, never on time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.end_to_end.scene import Scene
from tests.end_to_end.seller import PROOF_OF_CONCEPT
from tests.end_to_end.waiting import wait_for

pytestmark = pytest.mark.crms("dynamics365", "salesforce")
GET = "GET /v1.0/engagements/referrals/*"
PATCH = "PATCH /v1.0/engagements/referrals/*"
POST = "POST /v1.0/engagements/referrals"
HELPER = "partner_center_to_crm_helper"


@pytest.fixture(autouse=True)
def warm(scene: Scene) -> Iterator[None]:
    """Tokens and metadata are read once per worker, before what is measured; no callback comes by itself."""
    if not scene.seller.records():
        scene.accepted()
    scene.settle()
    scene.world.partner_center.deliveries.options.drop = lambda event: True
    yield
    scene.world.partner_center.deliveries.options.drop = None


def agreed_deal(scene: Scene) -> tuple[str, str]:
    """A deal that both sides agree on, events and all."""
    scene.world.partner_center.deliveries.options.drop = None
    deal = scene.accepted()
    scene.world.partner_center.deliveries.options.drop = lambda event: True
    return deal


def reads_before_write(scene: Scene) -> Counter[str]:
    """Of a record that the event does not tell of: one, where the CRM takes a write that goes by an old version."""
    return Counter() if scene.seller.refuses_stale_writes else Counter({scene.seller.operations.read: 1})


def event_comes(scene: Scene, referral_id: str) -> tuple[Counter[str], Counter[str]]:
    """The cost of one event about this referral, without those that it sets off itself."""
    scene.forget_calls()
    answer = scene.world.call("POST", "resubmit", "resubmit", {"referral": referral_id})
    assert answer.status_code == 202
    scene.wait_quiet()
    return scene.calls()


def change_is_found(scene: Scene) -> tuple[Counter[str], Counter[str]]:
    """The cost of what the next look at the CRM finds, without the look."""
    scene.forget_calls()
    scene.run_timer("crm_to_partner_center")
    scene.wait_quiet()
    return scene.calls()


def test_an_event_without_a_change_costs_one_read_and_nothing_in_the_crm(scene: Scene) -> None:
    referral_id, _ = agreed_deal(scene)
    assert event_comes(scene, referral_id) == (Counter({GET: 1}), Counter())


def test_a_change_in_partner_center_costs_one_read_and_one_write_to_the_crm(scene: Scene) -> None:
    referral_id, record_id = agreed_deal(scene)
    scene.edit_referral(referral_id, details__dealValue=77, details__notes="One write.")
    partner_center, crm = event_comes(scene, referral_id)
    assert partner_center == {GET: 1}
    assert crm == reads_before_write(scene) + Counter({scene.seller.operations.update: 1})
    assert scene.record(record_id)["deal_value"] == 77
    assert change_is_found(scene) == (Counter(), Counter()), "our own write came back from the CRM"


def test_a_change_of_stage_in_partner_center_costs_one_read_and_one_write_to_the_crm(scene: Scene) -> None:
    referral_id, _ = agreed_deal(scene)
    scene.people.close(referral_id, "Won")
    partner_center, crm = event_comes(scene, referral_id)
    assert partner_center == {GET: 1}
    assert crm == reads_before_write(scene) + Counter({scene.seller.operations.write: 1})


@pytest.mark.parametrize("known", [False, True], ids=["account-new", "account-known"])
def test_a_new_referral_costs_five_calls_at_most(scene: Scene, known: bool) -> None:
    name = f"Budget {'known' if known else 'new'} Ltd"
    if known:
        scene.account(customer_name=name, customer_postal_code="14202")
    referral_id = scene.incoming(customerProfile__name=name)
    partner_center, crm = event_comes(scene, referral_id)
    assert scene.record_of(referral_id)
    assert partner_center.total() + crm.total() <= 5, (partner_center, crm)
    assert event_comes(scene, referral_id) == (Counter({GET: 1}), Counter()), "the echo of our own PATCH"


def test_a_change_in_the_crm_costs_two_calls_to_partner_center_and_one_write_to_the_crm(scene: Scene) -> None:
    referral_id, record_id = agreed_deal(scene)
    scene.edit_crm(record_id, deal_value=88)
    partner_center, crm = change_is_found(scene)
    assert scene.referral(referral_id)["details"]["dealValue"] == 88
    assert partner_center.total() <= 2
    assert crm == {scene.seller.operations.read: 1, scene.seller.operations.update: 1}
    assert event_comes(scene, referral_id) == (Counter({GET: 1}), Counter()), "the echo of our own PATCH"
    assert change_is_found(scene) == (Counter(), Counter()), "our own audit line came back from the CRM"


@pytest.mark.parametrize("with_help", [False, True], ids=["without-help", "with-help"])
def test_a_new_referral_from_the_crm_costs_two_posts_and_three_calls_to_the_crm(scene: Scene, with_help: bool) -> None:
    record_id = scene.opportunity({"help": PROOF_OF_CONCEPT} if with_help else {})
    partner_center, crm = change_is_found(scene)
    referral = scene.referral_of(record_id)
    assert partner_center == {POST: 2 if with_help else 1}
    assert crm.total() <= 3
    assert len(scene.microsofts(referral["engagementId"])) == int(with_help)
    _, echo = event_comes(scene, referral["id"])
    assert echo == {}


def test_a_look_at_a_crm_in_which_nothing_changed_costs_one_call(scene: Scene) -> None:
    scene.settle()
    scene.forget_calls()
    scene.run_timer("crm_to_partner_center")
    assert [call.method for call in scene.seller.control.calls] == ["GET"]
    assert scene.calls() == (Counter(), Counter())


def test_auto_heal_costs_one_call_where_no_event_was_lost(scene: Scene) -> None:
    agreed_deal(scene)
    scene.run_timer("auto_heal")
    scene.wait_quiet()
    scene.forget_calls()
    scene.run_timer("auto_heal")
    scene.wait_quiet()
    partner_center, crm = scene.calls()
    assert partner_center == {"GET /v1.0/engagements/referrals": 1}
    assert crm == {}


def test_events_for_one_edit_end_after_its_own_echo(scene: Scene) -> None:
    """Live: the edit's event, our write, its echo; and then silence."""
    _, record_id = agreed_deal(scene)
    scene.world.partner_center.deliveries.options.drop = None
    scene.settle()
    scene.forget_calls()
    before = scene.executed(HELPER)
    scene.edit_crm(record_id, notes="Echo, echo.")
    scene.settle()
    wait_for(lambda: scene.executed(HELPER) == before + 1, "the one echo")
    partner_center, crm = scene.calls()
    assert partner_center == {PATCH: 1, GET: 1}
    assert crm == {scene.seller.operations.read: 1, scene.seller.operations.update: 1}
