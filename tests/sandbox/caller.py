"""Calls the Partner Center simulator as the connector does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests

from sandbox.entra import EntraSimulator
from sandbox.partner_center import PartnerCenterSimulator

CLIENT_ID = "5b0c6a5e-30c0-4c55-8f3d-6f6b9a0d3c11"
CLIENT_SECRET = "a-secret-of-the-sandbox"
REFERRALS = "/v1.0/engagements/referrals"
REGISTRATION = "/webhooks/v1/registration"


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
