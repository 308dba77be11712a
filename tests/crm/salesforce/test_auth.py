"""Signing in to the sandbox's Salesforce in both ways, staying signed in, and what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox.certificates import Certificates
from sandbox.control import Fault
from sandbox.salesforce import INTEGRATION_USERNAME, ConnectedApp, SalesforceSimulator, faults
from sandbox.serving import Server
from shared.crm.salesforce.auth import SalesforceSession, audience_of, client_credentials, jwt_bearer
from shared.domain.errors import ConfigurationError, RetryLater
from shared.transport import Timeout
from tests.contract.rigs import SalesforceRig
from tests.crm.salesforce.conftest import OrgMaker

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM, FORMAT = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()
PRIVATE = KEY.private_bytes(PEM, FORMAT, PLAIN).decode()
PUBLIC = KEY.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
APP = ConnectedApp("3MVG9", INTEGRATION_USERNAME, "the-secret", PUBLIC, frozenset({INTEGRATION_USERNAME}))
AUDIENCE = "https://login.salesforce.com"


class Host:
    """A My Domain host with the token endpoint; ``http`` trusts it."""

    def __init__(self, simulator: SalesforceSimulator, url: str, root_file: str) -> None:
        self.simulator = simulator
        self.url = url
        self.http = requests.Session()
        self.http.verify = root_file
        self.http.trust_env = False

    def by_secret(self, secret: str = "the-secret") -> SalesforceSession:
        return SalesforceSession(self.url, client_credentials("3MVG9", secret), http=self.http)

    def by_key(self, username: str = INTEGRATION_USERNAME, audience: str = AUDIENCE) -> SalesforceSession:
        return SalesforceSession(self.url, jwt_bearer("3MVG9", username, PRIVATE, audience), http=self.http)


@pytest.fixture
def host(certificates: Certificates) -> Iterator[Host]:
    simulator = SalesforceSimulator([APP])
    with Server(simulator.build, tls=certificates.server_context()) as server:
        yield Host(simulator, server.url, str(certificates.root_file))


def test_a_signed_assertion_opens_a_session(host: Host) -> None:
    signed_in = host.by_key().signed_in()
    assert signed_in.instance_url == host.url
    assert signed_in.user_id == host.simulator.hands.user_id(INTEGRATION_USERNAME)
    assert signed_in.token not in repr(signed_in)


def test_client_credentials_open_a_session_that_is_kept(host: Host) -> None:
    session = host.by_secret()
    first = session.authorize(False)
    assert session.authorize(False) == first
    assert session.authorize(True) != first
    assert host.simulator.control.count("token") == 2


@pytest.mark.parametrize(
    ("username", "audience", "said"),
    [
        ("nobody@contoso.example", AUDIENCE, "authentication failure"),
        ("alex.kim@contoso.example", AUDIENCE, "hasn't approved"),
        (INTEGRATION_USERNAME, "https://test.salesforce.com", "audience is invalid"),
    ],
)
def test_a_refused_assertion_waits_for_a_person(host: Host, username: str, audience: str, said: str) -> None:
    with pytest.raises(RetryLater, match=said) as refused:
        host.by_key(username, audience).authorize(False)
    assert (refused.value.code, refused.value.after_s) == ("sign_in_refused", 300)
    assert "SALESFORCE_PRIVATE_KEY" in refused.value.remedy


def test_a_wrong_secret_is_refused_and_not_shown(host: Host) -> None:
    with pytest.raises(RetryLater, match="invalid_client") as refused:
        host.by_secret("hunter2").authorize(False)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("token", status=503),
        Fault("token", status=200, body={"access_token": "t"}),
        Fault("token", status=200, body=["?"]),
        Fault("token", status=302, headers={"Location": "https://example.com"}),
        Fault("token", status=0, after_commit=True),
    ],
    ids=["503", "no address", "no object", "redirect", "cut"],
)
def test_a_sign_in_that_is_not_answered_is_tried_later(host: Host, fault: Fault) -> None:
    host.simulator.control.order(fault)
    session = host.by_secret()
    with pytest.raises(RetryLater) as refused:
        session.authorize(False)
    assert refused.value.code == "sign_in_unreachable"
    assert session.authorize(False)


def test_a_token_is_never_sent_to_an_address_without_tls(host: Host) -> None:
    body = {"access_token": "t", "instance_url": "http://contoso.my.salesforce.com", "id": "x/y"}
    host.simulator.control.order(Fault("token", status=200, body=body))
    with pytest.raises(ConfigurationError, match="https"):
        host.by_secret().signed_in()
    with pytest.raises(ConfigurationError, match="https"):
        SalesforceSession("http://contoso.my.salesforce.com", client_credentials("a", "b")).signed_in()


def test_threads_that_start_together_sign_in_once(host: Host) -> None:
    session, together = host.by_secret(), threading.Barrier(6)
    seen: list[str] = []

    def work() -> None:
        together.wait(10)
        seen.append(session.authorize(False))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(seen) == 6
    assert len(set(seen)) == 1
    assert host.simulator.control.count("token") == 1


@pytest.mark.parametrize(
    "key",
    [
        "no key at all",
        PUBLIC.decode(),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, FORMAT, PLAIN).decode(),
        KEY.private_bytes(PEM, FORMAT, serialization.BestAvailableEncryption(b"pass")).decode(),
    ],
    ids=["text", "public", "elliptic", "encrypted"],
)
def test_what_is_no_rsa_key_is_a_mistake_that_shows_nothing(key: str) -> None:
    with pytest.raises(ConfigurationError, match="SALESFORCE_PRIVATE_KEY") as refused:
        jwt_bearer("3MVG9", INTEGRATION_USERNAME, key, AUDIENCE)()
    assert key[:40] not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://contoso.my.salesforce.com", "https://login.salesforce.com"),
        ("https://contoso--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"),
        ("https://test.salesforce.com", "https://test.salesforce.com"),
        ("https://localhost:8443", "https://login.salesforce.com"),
    ],
)
def test_assertions_are_for_the_login_host_of_production_or_sandboxes(url: str, audience: str) -> None:
    assert audience_of(url) == audience


def test_a_session_that_ended_is_opened_again_once(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    rig.crm.catalogue()
    rig.simulator.expire_sessions()
    rig.simulator.control.forget_calls()
    assert rig.crm.save_solution_details([]).created == 0
    assert rig.simulator.control.count("POST .*token") == 1


def test_a_session_that_stays_refused_is_not_tried_for_ever(org: OrgMaker) -> None:
    rig: SalesforceRig = org()
    rig.crm.catalogue()
    rig.simulator.control.order(faults.session_expired(times=2))
    rig.simulator.control.forget_calls()
    with pytest.raises(RetryLater) as refused:
        rig.crm.save_solution_details([])
    assert refused.value.code == "unauthorized"
    assert rig.calls() == 3


def test_a_host_that_is_silent_is_not_waited_for_long(host: Host) -> None:
    host.simulator.control.order(Fault("token", status=200, delay_s=1))
    quick = SalesforceSession(
        host.url, client_credentials("3MVG9", "the-secret"), http=host.http, timeout=Timeout(1, 0.1)
    )
    with pytest.raises(RetryLater, match="Timeout"):
        quick.authorize(False)
