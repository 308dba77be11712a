"""The operator's side: the run history, re-submitting, the brake, and two hosts that share one storage."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.local_host.process import CHECKOUT, HostProcess
from tests.end_to_end.conftest import SceneMaker
from tests.end_to_end.scene import Scene

pytestmark = pytest.mark.crms("dynamics365", "salesforce")


def history(scene: Scene, **query: str) -> dict[str, Any]:
    answer = scene.world.call("GET", "run_history", "run-history", format="json", **query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def resubmit(scene: Scene, **body: str) -> list[dict[str, str]]:
    answer = scene.world.call("POST", "resubmit", "resubmit", body)
    assert answer.status_code == 202, answer.text
    return list(answer.json()["queued"])


def test_resubmitting_a_failed_run_mends_it_once_its_cause_is_gone(scene: Scene) -> None:
    first, second = (scene.account(customer_name="Litware Twins", customer_postal_code="55555") for _ in range(2))
    changes = {"customerProfile__name": "Litware Twins", "customerProfile__address__postalCode": "55555"}
    referral_id = scene.incoming(**changes)
    scene.settle()
    shown = history(scene, deal=referral_id)
    (failed,) = [run for run in shown["runs"] if run["status"] == "failed"]
    assert failed["function"] == "partner_center_to_crm_helper"
    assert "2 accounts match" in failed["message"]
    assert failed["resubmit"] == {"run": failed["id"]}
    scene.seller.delete_account(second)
    assert resubmit(scene, run=failed["id"]) == [{"kind": "referral", "id": referral_id}]
    scene.settle()
    assert scene.record_of(referral_id)["account"] == first
    shown = history(scene, deal=referral_id)
    assert shown["deal"]["link"]["status"] == "synced"
    assert shown["deal"]["link"]["record_id"] == scene.record_of(referral_id)["id"]
    assert {line["outcome"] for line in shown["deal"]["audit"]} >= {"created", "failed"}


def test_a_record_that_failed_is_not_tried_again_by_itself_and_is_by_hand(scene: Scene) -> None:
    record_id = scene.opportunity(account={"customer_country": "Atlantis"})
    scene.settle()
    told = scene.audit(record_id)
    tries = len(scene.runs_of(record_id))
    scene.settle()
    scene.run_timer("auto_heal")
    scene.settle()
    assert (scene.audit(record_id), len(scene.runs_of(record_id))) == (told, tries)
    # The country is the account's: the opportunity itself does not change.
    scene.seller.edit_account(scene.record(record_id)["account"], {"customer_country": "DE"})
    resubmit(scene, opportunity=record_id)
    scene.settle()
    assert scene.referral_of(record_id)["customerProfile"]["address"]["country"] == "DE"
    assert scene.record(record_id)["name"].startswith("✔")


def test_the_same_failure_is_told_once(scene: Scene) -> None:
    record_id = scene.opportunity(solution=False)
    scene.settle()
    scene.edit_crm(record_id, notes="Still no solution.")
    scene.settle()
    assert len(scene.audit(record_id)) == 1


def test_the_history_is_a_page_without_script_and_changes_nothing(scene: Scene) -> None:
    referral_id = scene.incoming(name="<script>alert('x')</script>")
    scene.settle()
    scene.forget_calls()
    page = scene.world.call("GET", "run_history", "run-history")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert referral_id in page.text
    assert scene.calls() == ({}, {})


@pytest.mark.parametrize("body", [{}, {"referral": ""}, {"run": "x", "referral": "y"}, {"everything": "now"}, []])
def test_a_request_that_names_nothing_is_refused_with_what_it_takes(scene: Scene, body: Any) -> None:
    answer = scene.world.call("POST", "resubmit", "resubmit", body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "message", "remedy"}
    assert scene.queue_lengths() == {}


def test_without_its_key_a_function_answers_nobody(scene: Scene) -> None:
    for method, path in (("GET", "run-history"), ("POST", "resubmit"), ("GET", "webhook-registration")):
        assert requests.request(method, f"{scene.world.app_url}/api/{path}", timeout=10).status_code == 401


def test_two_hosts_on_one_storage_make_nothing_twice(scene: Scene) -> None:
    """Both take messages from the same queues, and every event comes twice."""
    options = scene.world.partner_center.deliveries.options
    options.copies = 2
    try:
        with HostProcess(CHECKOUT, scene.world.settings()) as second:
            referral_ids = [scene.incoming() for _ in range(6)]
            record_ids = [scene.opportunity() for _ in range(3)]
            scene.settle()
            worked = second.log.count("Executed 'partner_center_to_crm_helper' (")
    finally:
        options.copies = 1
    assert worked, "the second host had nothing to do"
    for referral_id in referral_ids:
        assert scene.record_of(referral_id)["id"] == scene.referral(referral_id)["externalReferenceId"]
    for record_id in record_ids:
        assert scene.record(record_id)["referral_id"] == scene.referral_of(record_id)["id"]


def test_many_closings_within_an_hour_stop_until_a_person_has_looked(make_scene: SceneMaker) -> None:
    scene = make_scene({"BRAKE_PERCENT": "20"})
    deals = [scene.accepted()[0]]
    deals += [scene.incoming(status="Active", substatus="Accepted") for _ in range(11)]
    scene.settle()
    few, waiting = deals[:10], deals[10:]
    for batch in (few, waiting):
        for referral_id in batch:
            scene.people.close(referral_id, "Lost")
        scene.settle()
    assert {scene.record_of(referral_id)["stage"] for referral_id in few} == {scene.seller.stages.lost}
    assert {scene.record_of(referral_id)["stage"] for referral_id in waiting} == {scene.seller.stages.active}
    assert "BRAKE_PERCENT" in scene.audit(scene.record_of(waiting[0])["id"])[0]
    for referral_id in waiting:
        resubmit(scene, referral=referral_id)
    scene.settle()
    assert {scene.record_of(referral_id)["stage"] for referral_id in deals} == {scene.seller.stages.lost}
