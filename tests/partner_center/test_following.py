"""Test events sent by the app and followed: to the simulator, and from there to an endpoint that may refuse them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from sandbox.certificates import Certificates
from sandbox.control import Fault
from sandbox.partner_center import PartnerCenterSimulator
from sandbox.serving import Server
from shared.domain.errors import ConfigurationError, Rejected, RetryLater
from shared.following import Patience, shown_result
from shared.partner_center.event import REFERRAL_EVENTS
from shared.partner_center.registration import Attempt, TestResult, WebhookRegistration
from shared.refusals import refusal_of
from shared.registering import PATH, register_or_test, show_test
from tests.partner_center.conftest import OpenTransport
from tests.partner_center.test_registration import AUDIENCE, THEIRS

ALONE = b'{"test": true}'


class Endpoint:
    """Stands for the app: answers with ``statuses`` first, then with 202."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        return web.Response(status=self.statuses.pop(0) if self.statuses else 202)

    def build(self) -> web.Application:
        app = web.Application()
        app.router.add_post(PATH, self.answer)
        return app


class StillClock:
    """Time passes only while it is waited for; each wait first lets ``meanwhile`` happen."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self.pauses_s: list[float] = []
        self._meanwhile = meanwhile

    def pause(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self._meanwhile()

    def now_s(self) -> float:
        return sum(self.pauses_s)

    @property
    def patience(self) -> Patience:
        return Patience(pause=self.pause, now_s=self.now_s)


@pytest.fixture
def endpoint(certificates: Certificates) -> Iterator[Endpoint]:
    endpoint = Endpoint()
    with Server(endpoint.build, tls=certificates.server_context()) as server:
        endpoint.url = server.url
        yield endpoint


@pytest.fixture
def registration(open_transport: OpenTransport, partner_center_url: str) -> WebhookRegistration:
    return WebhookRegistration(open_transport(AUDIENCE), f"{partner_center_url}/webhooks/v1")


@pytest.fixture
def delivered(partner_center: PartnerCenterSimulator) -> StillClock:
    """By the end of every wait, what was sent has arrived."""
    return StillClock(partner_center.wait_idle)


def body(**options: Any) -> bytes:
    return json.dumps({"key": "a-key", **options}).encode()


def test_registering_with_a_test_tells_the_answers_of_the_app(
    registration: WebhookRegistration, endpoint: Endpoint, delivered: StillClock
) -> None:
    answer = register_or_test(registration, endpoint.url, body(test=True), delivered.patience)
    assert answer["points_here"] is True
    assert (answer["test"]["status"], answer["test"]["delivered"]) == ("completed", True)
    assert [one["response_code"] for one in answer["test"]["attempts"]] == ["Accepted"]
    assert show_test(registration, answer["test"]["correlation_id"]) == {"test": answer["test"]}
    assert len(delivered.pauses_s) == 1


def test_a_test_alone_leaves_the_address_and_the_other_events(
    registration: WebhookRegistration, endpoint: Endpoint, delivered: StillClock
) -> None:
    register_or_test(registration, endpoint.url, body(), delivered.patience)
    before = registration.get()
    assert before is not None
    answer = register_or_test(registration, endpoint.url, ALONE, delivered.patience)
    assert answer["test"]["delivered"] is True
    after = registration.get()
    assert after is not None
    assert (after.url, after.events) == (before.url, (*REFERRAL_EVENTS, "test-created"))


def test_every_refusal_of_the_app_is_told_with_what_to_do(
    registration: WebhookRegistration, endpoint: Endpoint, partner_center: PartnerCenterSimulator, delivered: StillClock
) -> None:
    endpoint.statuses = [401] * 10
    partner_center.deliveries.options.first_retry_s = 0.001
    partner_center.deliveries.options.longest_retry_s = 0.001
    answer = register_or_test(registration, endpoint.url, body(test=True), delivered.patience)
    assert answer["test"]["delivered"] is False
    assert {one["response_code"] for one in answer["test"]["attempts"]} == {"Unauthorized"}
    assert len(answer["test"]["attempts"]) == 10
    assert answer["test"]["message"].startswith("Not delivered after 10 tries; the app refused it: register again")


def test_it_is_not_waited_for_longer_than_said(
    registration: WebhookRegistration, endpoint: Endpoint, partner_center: PartnerCenterSimulator
) -> None:
    partner_center.deliveries.options.delay_s = 3600
    clock = StillClock(lambda: None)
    answer = register_or_test(registration, endpoint.url, body(test=True), clock.patience)
    assert 10 < clock.now_s() <= 15
    assert clock.pauses_s == sorted(clock.pauses_s)
    assert answer["test"]["attempts"] == []
    assert f"GET ?test={answer['test']['correlation_id']}" in answer["test"]["message"]


def test_a_question_that_fails_does_not_lose_the_event(
    registration: WebhookRegistration, endpoint: Endpoint, partner_center: PartnerCenterSimulator, delivered: StillClock
) -> None:
    register_or_test(registration, endpoint.url, body(), delivered.patience)
    for status in (503, 404):
        partner_center.control.order(Fault("validationEvents/", status=status))
    assert register_or_test(registration, endpoint.url, ALONE, delivered.patience)["test"]["delivered"] is True
    assert len(delivered.pauses_s) == 3


def test_a_third_within_a_minute_says_when_to_try_again(
    registration: WebhookRegistration, endpoint: Endpoint, delivered: StillClock
) -> None:
    register_or_test(registration, endpoint.url, body(test=True), delivered.patience)
    register_or_test(registration, endpoint.url, ALONE, delivered.patience)
    with pytest.raises(RetryLater) as caught:
        register_or_test(registration, endpoint.url, ALONE, delivered.patience)
    refusal = refusal_of(caught.value)
    assert refusal.status == 429
    assert refusal.body["message"] == "Partner Center takes two test events a minute, and two were sent"
    assert refusal.body["remedy"] == f"Try again in {refusal.headers['Retry-After']} seconds."
    assert 0 < int(refusal.headers["Retry-After"]) <= 60
    with pytest.raises(RetryLater, match="The webhook is registered, but no test event was sent"):
        register_or_test(registration, endpoint.url, body(test=True), delivered.patience)


def test_nothing_is_sent_to_somebody_else(
    registration: WebhookRegistration, endpoint: Endpoint, partner_center: PartnerCenterSimulator, delivered: StillClock
) -> None:
    with pytest.raises(Rejected, match="No webhook is registered"):
        register_or_test(registration, endpoint.url, ALONE, delivered.patience)
    registration.register(THEIRS, REFERRAL_EVENTS, overwrite=False)
    with pytest.raises(Rejected, match=r"would go to https://fabrikam\.test:8443/hook,"):
        register_or_test(registration, endpoint.url, ALONE, delivered.patience)
    assert partner_center.control.count("POST /webhooks/v1/registration/validationEvents") == 0


@pytest.mark.parametrize("given", [b"{}", b'{"test": false}', b'{"test": true, "overwrite": true}', b'{"test": 1}'])
def test_only_a_test_needs_no_key(registration: WebhookRegistration, delivered: StillClock, given: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        register_or_test(registration, "https://contoso.test", given, delivered.patience)
    assert refusal_of(caught.value).status == 400


def test_an_app_that_does_not_know_its_address_says_so(
    registration: WebhookRegistration, delivered: StillClock
) -> None:
    with pytest.raises(ConfigurationError, match="PUBLIC_URL") as caught:
        register_or_test(registration, None, ALONE, delivered.patience)
    assert refusal_of(caught.value).status == 503


@pytest.mark.parametrize(
    ("code", "system_error", "delivered"),
    [("OK", False, True), ("Accepted", False, True), ("204", False, True), ("OK", True, False), ("404", False, False)],
)
def test_what_counts_as_delivered(code: str, system_error: bool, delivered: bool) -> None:
    attempt = Attempt(code, "", system_error, "2026-03-01T08:00:00")
    assert shown_result("an id", TestResult("completed", (attempt,)))["delivered"] is delivered


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (Attempt("", "No answer.", True, ""), "could not be reached"),
        (Attempt("NotFound", "", False, ""), "the app answered NotFound"),
    ],
)
def test_what_went_wrong_is_said(attempt: Attempt, said: str) -> None:
    ended = shown_result("an id", TestResult("completed", (attempt,)))["message"]
    assert said in ended
    assert "Ask again" not in ended
    assert "Ask again" in shown_result("an id", TestResult("pending", (attempt,)))["message"]
