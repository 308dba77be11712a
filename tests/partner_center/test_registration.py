"""The webhook registration against the simulator, up to a signed callback that our own verification accepts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from sandbox.certificates import Certificates
from sandbox.control import Fault
from sandbox.partner_center import PartnerCenterSimulator
from sandbox.serving import Server
from shared.domain.errors import ConfigurationError, NotFound, Rejected, RetryLater
from shared.partner_center.certificates import CertificateSource, WebhookVerifier, parse_certificates, trusted_roots
from shared.partner_center.event import REFERRAL_EVENTS, parse_event
from shared.partner_center.registration import Registration, WebhookRegistration
from shared.partner_center.signature import parse_signature_headers
from shared.transport import Transport
from tests.partner_center.conftest import OpenTransport
from tests.partner_center.test_client import DEAL

AUDIENCE = "https://api.partnercenter.microsoft.com"
OURS = "https://contoso.test/api/events?code=secret-key"
THEIRS = "https://fabrikam.test:8443/hook?sig=secret-signature"


@pytest.fixture
def transport(open_transport: OpenTransport) -> Transport:
    return open_transport(AUDIENCE)


@pytest.fixture
def registration(transport: Transport, partner_center_url: str) -> WebhookRegistration:
    return WebhookRegistration(transport, f"{partner_center_url}/webhooks/v1")


def test_events_that_can_be_registered_for(registration: WebhookRegistration) -> None:
    assert {*REFERRAL_EVENTS, "test-created"} <= set(registration.events())


def test_first_registration(registration: WebhookRegistration, partner_center: PartnerCenterSimulator) -> None:
    assert registration.get() is None
    made = registration.register(OURS, REFERRAL_EVENTS, overwrite=False)
    assert (made.url, made.events) == (OURS, REFERRAL_EVENTS)
    assert made.subscriber_id
    seen = registration.get()
    assert seen is not None
    assert (seen.url, seen.events) == (OURS, REFERRAL_EVENTS)
    assert partner_center.control.count("POST /webhooks/v1/registration") == 1


@pytest.mark.parametrize("pascal_case", [False, True])
def test_casing_of_answers_does_not_matter(
    registration: WebhookRegistration, partner_center: PartnerCenterSimulator, pascal_case: bool
) -> None:
    partner_center.webhook_api.pascal_case = pascal_case
    registration.register(OURS, REFERRAL_EVENTS, overwrite=False)
    seen = registration.get()
    assert seen is not None
    assert seen.url == OURS


def test_other_address_is_only_taken_over_when_told(
    registration: WebhookRegistration, partner_center: PartnerCenterSimulator
) -> None:
    registration.register(THEIRS, ["subscription-updated"], overwrite=False)
    with pytest.raises(Rejected) as caught:
        registration.register(OURS, REFERRAL_EVENTS, overwrite=False)
    assert "https://fabrikam.test:8443/hook" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "overwrite" in caught.value.remedy
    assert partner_center.control.count("PUT") == 0
    taken = registration.register(OURS, REFERRAL_EVENTS, overwrite=True)
    assert (taken.url, taken.events) == (OURS, ("subscription-updated", *REFERRAL_EVENTS))


def test_events_of_others_can_be_left_out(registration: WebhookRegistration) -> None:
    registration.register(OURS, ["subscription-updated"], overwrite=False)
    assert registration.register(OURS, REFERRAL_EVENTS, overwrite=False, keep_others=False).events == REFERRAL_EVENTS


def test_events_are_named_once(registration: WebhookRegistration) -> None:
    registration.register(OURS, REFERRAL_EVENTS, overwrite=False)
    again = registration.register(OURS, [*REFERRAL_EVENTS, *REFERRAL_EVENTS], overwrite=False)
    assert again.events == REFERRAL_EVENTS


@pytest.mark.parametrize(
    "url", ["", "contoso.test/hook", "http://contoso.test/hook", "ftp://contoso.test", "https://[::1"]
)
def test_address_must_be_https(
    registration: WebhookRegistration, partner_center: PartnerCenterSimulator, url: str
) -> None:
    with pytest.raises(Rejected, match="https"):
        registration.register(url, REFERRAL_EVENTS, overwrite=True)
    assert partner_center.control.calls == []


def test_keys_are_not_shown() -> None:
    shown = Registration(THEIRS, REFERRAL_EVENTS)
    assert shown.address == "https://fabrikam.test:8443/hook"
    assert "secret" not in repr(shown)
    assert Registration("https://[::1", ()).address == "an unreadable address"


class Endpoint:
    """Our endpoint: keeps what Partner Center sent."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.received.append((dict(request.headers), await request.read()))
        return web.Response(status=202)

    def build(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/hook", self.answer)
        return app


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def endpoint_url(endpoint: Endpoint, certificates: Certificates) -> Iterator[str]:
    with Server(endpoint.build, tls=certificates.server_context()) as server:
        yield f"{server.url}/hook"


@pytest.mark.parametrize("signature_header", [None, True, False])
def test_signed_callback_is_accepted(
    transport: Transport,
    partner_center: PartnerCenterSimulator,
    partner_center_url: str,
    certificates: Certificates,
    endpoint: Endpoint,
    endpoint_url: str,
    signature_header: bool | None,
) -> None:
    registration = WebhookRegistration(
        transport, f"{partner_center_url}/webhooks/v1", signature_header=signature_header
    )
    registration.register(endpoint_url, REFERRAL_EVENTS, overwrite=False)
    added = partner_center.store.create(DEAL)
    partner_center.wait_idle()
    [(headers, body)] = endpoint.received
    assert ("x-ms-signature" in {name.lower() for name in headers}) is bool(signature_header)
    source = CertificateSource([partner_center_url.removeprefix("https://")])
    WebhookVerifier(source, trusted_roots(certificates.signing_root_file)).verify(headers, body)
    event = parse_event(body)
    assert event is not None
    assert (event.name, event.referral_id) == ("referral-created", added["id"])
    assert parse_signature_headers(headers).certificate_url.startswith(partner_center_url)
    assert parse_certificates(partner_center.signer.certificate_der)[0].not_valid_after_utc > datetime.now(UTC)


def test_test_event_is_followed(
    registration: WebhookRegistration, partner_center: PartnerCenterSimulator, endpoint: Endpoint, endpoint_url: str
) -> None:
    registration.register(endpoint_url, [*REFERRAL_EVENTS, "test-created"], overwrite=False)
    identifier = registration.send_test_event()
    partner_center.wait_idle()
    result = registration.test_result(identifier)
    assert result.status == "completed"
    assert [attempt.system_error for attempt in result.attempts] == [False]
    assert result.attempts[0].response_code
    assert parse_event(endpoint.received[0][1]) is None


def test_test_event_without_registration(registration: WebhookRegistration) -> None:
    with pytest.raises((Rejected, NotFound)):
        registration.send_test_event()
    with pytest.raises(Rejected, match="not a GUID"):
        registration.test_result("../registration")


def answered(partner_center: PartnerCenterSimulator, path: str, body: Any, status: int = 200) -> None:
    partner_center.control.order(Fault(path, status=status, body=body))


def test_bare_correlation_id(registration: WebhookRegistration, partner_center: PartnerCenterSimulator) -> None:
    answered(partner_center, "validationEvents", "0AD1B2C3-1111-4222-8333-444455556666")
    assert registration.send_test_event() == "0ad1b2c3-1111-4222-8333-444455556666"


def test_unreadable_answers_come_again(
    registration: WebhookRegistration, partner_center: PartnerCenterSimulator
) -> None:
    answered(partner_center, "validationEvents", {"other": 1})
    with pytest.raises(RetryLater):
        registration.send_test_event()
    answered(partner_center, "events", {"other": 1})
    with pytest.raises(RetryLater):
        registration.events()


def test_empty_registration_is_none(registration: WebhookRegistration, partner_center: PartnerCenterSimulator) -> None:
    answered(partner_center, "registration", {"webhookUrl": None, "webhookEvents": None})
    assert registration.get() is None


def test_refusal_in_the_shape_of_the_webhook_host(
    registration: WebhookRegistration, partner_center: PartnerCenterSimulator
) -> None:
    answered(partner_center, "registration", {"code": 600007, "description": "Not so", "data": []}, 400)
    with pytest.raises(Rejected, match="600007 Not so"):
        registration.get()


def test_tokens_stay_on_https(transport: Transport) -> None:
    with pytest.raises(ConfigurationError):
        WebhookRegistration(transport, "http://api.partnercenter.microsoft.com/webhooks/v1")
