"""The webhook at the app's own address: what is not Microsoft's, or no event, gets its status and queues nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import requests

from sandbox.partner_center import Event
from tests.end_to_end.scene import Scene
from tests.end_to_end.waiting import wait_for

pytestmark = pytest.mark.crms("dynamics365", "salesforce")
HELPER = "partner_center_to_crm_helper"


def event(referral_id: str, name: str = "referral-updated") -> bytes:
    uri = f"https://api.partnercenter.microsoft.com/engagements/v1/referrals/{referral_id}"
    return Event(name, uri, "referral", "2026-11-21T03:00:00.0000000Z").body()


def signed(scene: Scene, body: bytes) -> dict[str, str]:
    """The headers with which Partner Center would send ``body``."""
    partner_center = scene.world.partner_center
    certificate = f"{scene.world.partner_center_url}/cert/pcnotifications-dispatch.microsoft.com.cer"
    return dict(partner_center.signer.headers(body, certificate))


def send(scene: Scene, body: bytes, headers: Mapping[str, str], key: str | None = None) -> int:
    """The status that the app answers with; signed and with its key, unless told otherwise."""
    assert scene.world.host is not None
    given = scene.world.host.key("partner_center_to_crm") if key is None else key
    url = f"{scene.world.app_url}/api/partner-center"
    return requests.post(url, params={"code": given}, data=body, headers=dict(headers), timeout=30).status_code


def assert_nothing_was_queued(scene: Scene, before: tuple[int, int]) -> None:
    assert scene.queue_lengths() == {}
    assert handled(scene) == before


def handled(scene: Scene) -> tuple[int, int]:
    return scene.executed(HELPER), scene.executed("microsoft_referral_updates_to_crm")


def log_lines_of_webhooks(scene: Scene) -> list[str]:
    assert scene.world.host is not None
    return [line for line in scene.world.host.log.splitlines() if " webhook: " in line]


UNKNOWN = event(str(uuid.uuid4()))
REFUSED: dict[str, tuple[bytes, Callable[[Scene], dict[str, str]], int]] = {
    "unsigned": (UNKNOWN, lambda scene: {}, 401),
    "signed-by-another-body": (UNKNOWN, lambda scene: signed(scene, UNKNOWN + b" "), 401),
    "certificate-from-elsewhere": (
        UNKNOWN,
        lambda scene: {**signed(scene, UNKNOWN), "X-MS-Certificate-Url": "https://evil.example/cert.cer"},
        401,
    ),
    "certificate-over-http": (
        UNKNOWN,
        lambda scene: {
            **signed(scene, UNKNOWN),
            "X-MS-Certificate-Url": signed(scene, UNKNOWN)["X-MS-Certificate-Url"].replace("https://", "http://"),
        },
        401,
    ),
    "not-json": (b"referral-updated", lambda scene: signed(scene, b"referral-updated"), 400),
    "no-event": (b'["referral-updated"]', lambda scene: signed(scene, b'["referral-updated"]'), 400),
    "no-id": (event("not-a-guid"), lambda scene: signed(scene, event("not-a-guid")), 400),
    "oversized": (UNKNOWN + b" " * 65_536, lambda scene: signed(scene, UNKNOWN + b" " * 65_536), 413),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_a_signed_event_is_refused_with_one_log_line_and_queues_nothing(scene: Scene, case: str) -> None:
    body, headers, status = REFUSED[case]
    before, lines = handled(scene), len(log_lines_of_webhooks(scene))
    assert send(scene, body, headers(scene)) == status
    (line,) = wait_for(lambda: log_lines_of_webhooks(scene)[lines:], "the log line")
    assert f'"status":{status}}}' in line
    assert_nothing_was_queued(scene, before)


def test_a_wrong_function_key_is_refused_before_anything_is_looked_at(scene: Scene) -> None:
    before, lines = handled(scene), log_lines_of_webhooks(scene)
    assert send(scene, UNKNOWN, signed(scene, UNKNOWN), key="wrong") == 401
    assert log_lines_of_webhooks(scene) == lines
    assert_nothing_was_queued(scene, before)


def test_a_signed_event_of_another_kind_is_taken_and_ignored(scene: Scene) -> None:
    before, body = handled(scene), event(str(uuid.uuid4()), "invoice-ready")
    assert send(scene, body, signed(scene, body)) == 202
    assert_nothing_was_queued(scene, before)


def test_the_signature_may_come_in_either_header(scene: Scene) -> None:
    referral_id, _ = scene.accepted()
    body = event(referral_id)
    headers = signed(scene, body)
    assert send(scene, body, headers) == 202
    scene.settle()
    headers["x-ms-signature"] = headers.pop("Authorization")
    assert send(scene, body, headers) == 202
    scene.settle()


def test_a_replayed_event_changes_nothing(scene: Scene) -> None:
    referral_id, record_id = scene.accepted()
    body = event(referral_id)
    before = scene.referral(referral_id), scene.record(record_id)
    ran = scene.executed(HELPER)
    for _ in range(3):
        assert send(scene, body, signed(scene, body)) == 202
        scene.settle()
    assert scene.executed(HELPER) == ran + 3
    assert (scene.referral(referral_id), scene.record(record_id)) == before


def test_an_event_of_a_referral_that_is_not_there_ends_in_the_run_history(scene: Scene) -> None:
    unknown = str(uuid.uuid4())
    body = event(unknown)
    assert send(scene, body, signed(scene, body)) == 202
    scene.settle()
    failed = [run for run in scene.runs_of(unknown) if run.status.value == "failed"]
    assert len(failed) == 1


def test_the_registration_shows_where_it_points_and_no_key(scene: Scene) -> None:
    assert scene.world.host is not None
    shown = scene.world.call("GET", "webhook_registration", "webhook-registration")
    assert shown.status_code == 200
    assert shown.json()["points_here"] is True
    assert len(shown.json()["events"]) == 4
    assert scene.world.host.key("partner_center_to_crm") not in shown.text


def test_a_test_event_is_followed_to_its_end_and_a_third_within_a_minute_is_told_when(scene: Scene) -> None:
    assert scene.world.host is not None
    body = {"key": scene.world.host.key("partner_center_to_crm"), "overwrite": True, "test": True}
    registered = ask_registration(scene, "POST", body)
    tested = ask_registration(scene, "POST", {"test": True})
    for answer in (registered, tested):
        assert answer.status_code == 200, answer.text
        assert answer.json()["test"]["delivered"] is True
        assert [one["response_code"] for one in answer.json()["test"]["attempts"]] == ["Accepted"]
    assert registered.json()["points_here"] is True
    assert "kept_for_others" not in registered.json()
    later = ask_registration(scene, "GET", test=tested.json()["test"]["correlation_id"])
    assert later.json() == tested.json()
    third = ask_registration(scene, "POST", {"test": True})
    assert third.status_code == 429
    seconds = third.json()["retry_after_s"]
    assert third.headers["Retry-After"] == str(seconds)
    assert f"Try again in {seconds} seconds" in third.json()["remedy"]
    unknown = ask_registration(scene, "GET", test=str(uuid.uuid4()))
    assert (unknown.status_code, unknown.json()["error"]) == (404, "not_found")


def ask_registration(scene: Scene, method: str, body: Any = None, **query: str) -> requests.Response:
    return scene.world.call(method, "webhook_registration", "webhook-registration", body, **query)
