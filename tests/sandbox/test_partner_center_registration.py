"""The webhook registration and its test events."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.certificates import Certificates
from sandbox.entra import EntraSimulator
from sandbox.partner_center import PartnerCenterSimulator
from sandbox.serving import Server
from tests.sandbox.caller import REGISTRATION, PartnerCenterCaller
from tests.sandbox.receiver import ALL_EVENTS, Receiver, register


def test_a_registration_is_made_seen_and_changed(partner_center: PartnerCenterCaller) -> None:
    body = {"webhookUrl": "https://contoso.example/a", "webhookEvents": ["referral-created"]}
    for method in ("GET", "PUT"):
        answer = partner_center.call(method, REGISTRATION, body)
        assert (answer.status_code, answer.json()["code"]) == (404, "404")
    made = partner_center.call("POST", REGISTRATION, body).json()
    assert (made["webhookUrl"], made["webhookEvents"]) == (body["webhookUrl"], body["webhookEvents"])
    assert partner_center.call("POST", REGISTRATION, body).status_code == 409
    changed = partner_center.call(
        "PUT", REGISTRATION, {"WebhookUrl": "https://contoso.example/b", "WebhookEvents": ALL_EVENTS}
    ).json()
    seen = partner_center.call("GET", REGISTRATION).json()
    assert seen["webhookUrl"] == changed["webhookUrl"] == "https://contoso.example/b"
    assert seen["webhookEvents"] == ALL_EVENTS
    assert seen["subscriberId"] == made["subscriberId"]
    assert seen["lastModifiedTimestamp"].endswith("Z")
    partner_center.simulator.webhook_api.pascal_case = True
    assert partner_center.call("GET", REGISTRATION).json()["WebhookUrl"] == "https://contoso.example/b"


def test_the_registrable_events_are_listed(partner_center: PartnerCenterCaller) -> None:
    events = partner_center.call("GET", f"{REGISTRATION}/events").json()
    assert set(ALL_EVENTS) <= set(events)
    assert len(events) == len(set(events)) == 25


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"WebhookUrl": "https://contoso.example", "WebhookEvents": []},
        {"WebhookUrl": "https://contoso.example", "WebhookEvents": ["deal-made"]},
        {"WebhookUrl": "ftp://contoso.example", "WebhookEvents": ALL_EVENTS},
        {"WebhookUrl": "https://", "WebhookEvents": ALL_EVENTS},
        {
            "WebhookUrl": "https://contoso.example",
            "WebhookEvents": ALL_EVENTS,
            "SignatureTokenToMsSignatureHeader": "yes",
        },
    ],
)
def test_registrations_that_are_refused(partner_center: PartnerCenterCaller, body: Any) -> None:
    answer = partner_center.call("POST", REGISTRATION, body)
    assert (answer.status_code, set(answer.json())) == (400, {"code", "description", "data", "source"})


def test_plain_http_callbacks_are_refused_by_default(entra: EntraSimulator, certificates: Certificates) -> None:
    simulator = PartnerCenterSimulator(entra, certificates)
    with Server(simulator.build, tls=certificates.server_context()) as server:
        caller = PartnerCenterCaller(simulator, entra, server.url, certificates.root_file)
        body = {"WebhookUrl": "http://localhost:7071/api", "WebhookEvents": ALL_EVENTS}
        assert caller.call("POST", REGISTRATION, body).status_code == 400


def test_who_may_register(partner_center: PartnerCenterCaller) -> None:
    audience = "https://api.partnercenter.microsoft.com"
    issue = partner_center.entra.issue_token
    allowed = {
        issue(audience): True,
        issue(audience, user=True): True,
        issue(audience, user=True, mfa=False): False,
        partner_center.user_token: False,
    }
    for token, may in allowed.items():
        answer = partner_center.call("GET", f"{REGISTRATION}/events", token=token)
        assert answer.status_code == (200 if may else 401)


def test_the_webhook_host_does_not_echo_the_correlation_id(partner_center: PartnerCenterCaller) -> None:
    sent = "5b0c6a5e-30c0-4c55-8f3d-6f6b9a0d3c11"
    answer = partner_center.call("GET", f"{REGISTRATION}/events", MS_CorrelationId=sent, MS_RequestId=sent)
    assert answer.headers["MS-CorrelationId"] != sent
    assert answer.headers["MS-RequestId"] == sent


def test_a_test_event_is_sent_and_followed(partner_center: PartnerCenterCaller, receiver: Receiver) -> None:
    path = f"{REGISTRATION}/validationEvents"
    assert partner_center.call("POST", path).status_code == 400
    register(partner_center, receiver.url)
    receiver.answers = [503]
    answer = partner_center.call("POST", path)
    correlation_id = answer.json()["correlationId"]
    assert answer.headers["MS-CorrelationId"] == correlation_id
    partner_center.simulator.wait_idle()
    assert receiver.received[0].event["ResourceName"] == "test"
    assert (
        receiver.received[0]
        .event["ResourceUri"]
        .endswith(f"/webhooks/v1/registration/validationEvents/{correlation_id}")
    )
    result = partner_center.call("GET", f"{path}/{correlation_id}").json()
    assert (result["correlationId"], result["status"]) == (correlation_id, "completed")
    assert [entry["responseCode"] for entry in result["results"]] == ["ServiceUnavailable", "OK"]
    assert not result["results"][0]["dateTimeUtc"].endswith("Z")
    assert partner_center.call("GET", f"{path}/00000000-0000-0000-0000-000000000000").status_code == 404


def test_a_third_test_event_within_a_minute_is_throttled(
    partner_center: PartnerCenterCaller, receiver: Receiver
) -> None:
    register(partner_center, receiver.url)
    path = f"{REGISTRATION}/validationEvents"
    assert [partner_center.call("POST", path).status_code for _ in range(2)] == [200, 200]
    throttled = partner_center.call("POST", path)
    seconds = int(throttled.headers["Retry-After"])
    assert 0 < seconds <= 60
    message = f"Rate limit is exceeded. Try again in {seconds} seconds."
    assert (throttled.status_code, throttled.json()) == (429, {"statusCode": 429, "message": message})


def test_a_registration_without_the_test_event_cannot_be_tested(
    partner_center: PartnerCenterCaller, receiver: Receiver
) -> None:
    register(partner_center, receiver.url, ["referral-created"])
    assert partner_center.call("POST", f"{REGISTRATION}/validationEvents").status_code == 400
