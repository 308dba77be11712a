"""The outside world of the Entra and Partner Center tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.certificates import Certificates, make_certificates
from sandbox.entra import EntraSimulator
from sandbox.partner_center import DeliveryOptions, PartnerCenterSimulator
from sandbox.serving import Server

CLIENT_ID = "5b0c6a5e-30c0-4c55-8f3d-6f6b9a0d3c11"
CLIENT_SECRET = "a-secret-of-the-sandbox"
REFERRALS = "/v1.0/engagements/referrals"
REGISTRATION = "/webhooks/v1/registration"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def root_file(certificates: Certificates) -> Path:
    return certificates.root_file


@pytest.fixture
def entra() -> EntraSimulator:
    return EntraSimulator({CLIENT_ID: CLIENT_SECRET})


@pytest.fixture
def entra_url(entra: EntraSimulator, certificates: Certificates) -> Iterator[str]:
    with Server(entra.build, tls=certificates.server_context()) as server:
        yield server.url


class PartnerCenterCaller:
    """Calls the simulator as the partner's user with a second factor, and as the partner's app for webhooks."""

    def __init__(self, simulator: PartnerCenterSimulator, entra: EntraSimulator, url: str, root_file: Path) -> None:
        self.simulator = simulator
        self.entra = entra
        self.url = url
        self.root_file = root_file
        self.user_token = entra.issue_token("https://api.partner.microsoft.com", user=True)
        self.app_token = entra.issue_token("https://api.partnercenter.microsoft.com")

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> requests.Response:
        """``headers`` are given with underscores for dashes; an empty one is not sent."""
        bearer = token or (self.app_token if path.startswith("/webhooks") else self.user_token)
        sent = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        return requests.request(
            method,
            f"{self.url}{path}",
            data=None if body is None else json.dumps(body),
            headers={name: value for name, value in sent.items() if value},
            verify=str(self.root_file),
            timeout=20,
        )

    def create(self, body: Any) -> dict[str, Any]:
        answer = self.call("POST", REFERRALS, body)
        assert answer.status_code == 200, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def patch(self, referral_id: str, changes: dict[str, Any], **headers: str) -> requests.Response:
        """Replaces by path; a path that ends in ``/-`` adds."""
        operations = [
            {"op": "add" if path.endswith("/-") else "replace", "path": path, "value": value}
            for path, value in changes.items()
        ]
        return self.call("PATCH", f"{REFERRALS}/{referral_id}", operations, **headers)

    def get(self, referral_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"{REFERRALS}/{referral_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def list(self, query: str = "") -> dict[str, Any]:
        answer = self.call("GET", f"{REFERRALS}{query}")
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page


@pytest.fixture
def partner_center(entra: EntraSimulator, certificates: Certificates) -> Iterator[PartnerCenterCaller]:
    simulator = PartnerCenterSimulator(
        entra,
        certificates,
        allow_http_callbacks=True,
        delivery=DeliveryOptions(first_retry_s=0.01, retry_growth=1.2),
    )
    with Server(simulator.build, tls=certificates.server_context()) as server:
        yield PartnerCenterCaller(simulator, entra, server.url, certificates.root_file)
