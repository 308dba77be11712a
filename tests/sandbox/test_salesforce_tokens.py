"""The token endpoint: who gets a session, and what the others are told."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
import requests

from sandbox.certificates import Certificates
from sandbox.salesforce import INTEGRATION_USERNAME, SELLER_USERNAME, ConnectedApp, SalesforceSimulator
from sandbox.salesforce.tokens import JWT_BEARER
from sandbox.serving import Server
from tests.sandbox.salesforce_api import Clock

KEY = "3MVG9-consumer-key"
SECRET = "a secret of the sandbox"
INACTIVE = "robin.former@contoso.example"


@dataclass
class Endpoint:
    simulator: SalesforceSimulator
    clock: Clock
    url: str
    private_key: str

    def ask(self, host: str = "acme.my.salesforce.com", auth: str = "", **form: str) -> requests.Response:
        headers = {"Host": host} | ({"Authorization": auth} if auth else {})
        return requests.post(f"{self.url}/services/oauth2/token", data=form, headers=headers, timeout=10)

    def assertion(self, algorithm: str = "RS256", key: str | None = None, **changes: Any) -> str:
        claims = {
            "iss": KEY,
            "sub": INTEGRATION_USERNAME,
            "aud": "https://login.salesforce.com",
            "exp": int(self.clock().timestamp()) + 180,
        }
        return jwt.encode({**claims, **changes}, key or self.private_key, algorithm=algorithm)

    def present(self, assertion: str, host: str = "login.salesforce.com") -> requests.Response:
        return self.ask(host, grant_type=JWT_BEARER, assertion=assertion)


@pytest.fixture
def endpoint(certificates: Certificates) -> Iterator[Endpoint]:
    app = ConnectedApp(
        KEY,
        INTEGRATION_USERNAME,
        SECRET,
        certificates.signing_certificate_file.read_bytes(),
        frozenset({INTEGRATION_USERNAME, INACTIVE}),
    )
    clock = Clock()
    simulator = SalesforceSimulator([app], base_url="https://acme.my.salesforce.com", clock=clock)
    with Server(simulator.build) as server:
        yield Endpoint(simulator, clock, server.url, certificates.signing_key_file.read_text())


def granted(endpoint: Endpoint, answer: requests.Response) -> bool:
    """Whether the answer is a token response whose token opens the API."""
    if answer.status_code != 200:
        return False
    body = answer.json()
    assert set(body) == {"access_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at"}
    assert (body["token_type"], body["instance_url"]) == ("Bearer", "https://acme.my.salesforce.com")
    assert body["id"].startswith("https://login.salesforce.com/id/00D")
    assert body["issued_at"] == str(int(endpoint.clock().timestamp() * 1000))
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    limits = requests.get(f"{endpoint.url}/services/data/v66.0/limits", headers=headers, timeout=10)
    return limits.status_code == 200


def refused(answer: requests.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["error"], answer.json()["error_description"]


def test_client_credentials_in_the_body_or_as_basic(endpoint: Endpoint) -> None:
    grant = {"grant_type": "client_credentials"}
    assert granted(endpoint, endpoint.ask(**grant, client_id=KEY, client_secret=SECRET))
    basic = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert granted(endpoint, endpoint.ask(auth=f"Basic {basic}", **grant))


@pytest.mark.parametrize(
    "form",
    [{"client_id": KEY}, {"client_id": KEY, "client_secret": "x"}, {"client_id": "x", "client_secret": SECRET}, {}],
)
def test_wrong_client_credentials(endpoint: Endpoint, form: dict[str, str]) -> None:
    """fidelic-conformance auth-002, auth-005."""
    answer = endpoint.ask(grant_type="client_credentials", **form)
    assert refused(answer) == (400, "invalid_client", "invalid client credentials")
    broken = endpoint.ask(auth="Basic ***", grant_type="client_credentials")
    assert refused(broken) == (400, "invalid_client", "invalid client credentials")


@pytest.mark.parametrize("host", ["login.salesforce.com", "test.salesforce.com"])
def test_login_hosts_refuse_client_credentials(endpoint: Endpoint, host: str) -> None:
    form = {"grant_type": "client_credentials", "client_id": KEY, "client_secret": SECRET}
    assert refused(endpoint.ask(host, **form)) == (400, "invalid_grant", "request not supported on this domain")
    with Server(endpoint.simulator.build_login) as server:
        answer = requests.post(f"{server.url}/services/oauth2/token", data=form, timeout=10)
        assert refused(answer)[2] == "request not supported on this domain"
        assert requests.get(f"{server.url}/services/data/v66.0/limits", timeout=10).status_code == 404


def test_other_grants_are_not_supported(endpoint: Endpoint) -> None:
    """fidelic-conformance auth-003."""
    answer = endpoint.ask(grant_type="password", username="x", password="x")
    assert refused(answer) == (400, "unsupported_grant_type", "grant type not supported")


def test_an_assertion_opens_a_session_on_both_hosts(endpoint: Endpoint) -> None:
    assert granted(endpoint, endpoint.present(endpoint.assertion()))
    assert granted(endpoint, endpoint.present(endpoint.assertion(), "acme.my.salesforce.com"))
    now = int(endpoint.clock().timestamp())
    for good in ({"exp": now}, {"exp": now + 300}, {"exp": str(now + 60)}, {"prn": INTEGRATION_USERNAME, "sub": "x"}):
        assert granted(endpoint, endpoint.present(endpoint.assertion(**good))), good


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"iss": "x"}, "invalid_client_id", "client identifier invalid"),
        ({"sub": "nobody@contoso.example"}, "invalid_grant", "authentication failure"),
        ({"sub": INACTIVE}, "invalid_grant", "authentication failure"),
        ({"sub": SELLER_USERNAME}, "invalid_grant", "user hasn't approved this consumer"),
        ({"aud": "https://acme.my.salesforce.com"}, "invalid_grant", "audience is invalid"),
        ({"exp": 1}, "invalid_grant", "expired authorization code"),
        ({"exp": None}, "invalid_grant", "expired authorization code"),
        ({"exp": 4_000_000_000}, "invalid_grant", "invalid assertion"),
    ],
)
def test_claims_that_are_refused(endpoint: Endpoint, changes: dict[str, Any], error: str, description: str) -> None:
    assert refused(endpoint.present(endpoint.assertion(**changes))) == (400, error, description)


def test_signatures_that_are_refused(endpoint: Endpoint) -> None:
    head, body, signature = endpoint.assertion().split(".")
    forged = base64.urlsafe_b64encode(b"x" * 256).decode().rstrip("=")
    for assertion in (
        f"{head}.{body}.{forged}",
        f"{head}.{body}.",
        f"{head}.{body[:-4]}AAAA.{signature}",
        endpoint.assertion("HS256", "a shared secret that is long enough for HS256"),
        endpoint.assertion("RS512"),
        "nonsense",
    ):
        assert refused(endpoint.present(assertion)) == (400, "invalid_grant", "invalid assertion")


def test_expired_sessions_are_found_out_by_a_401(endpoint: Endpoint) -> None:
    token = endpoint.present(endpoint.assertion()).json()["access_token"]
    endpoint.simulator.expire_sessions()
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(f"{endpoint.url}/services/data/v66.0/limits", headers=headers, timeout=10)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")
