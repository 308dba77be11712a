"""The settings choose the adapter and its way to sign in; nothing is called for that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.certificates import Certificates
from sandbox.salesforce import INTEGRATION_USERNAME, ConnectedApp, SalesforceSimulator
from sandbox.serving import Server
from shared.crm.registry import build_crm
from shared.crm.salesforce.adapter import Salesforce
from shared.mapping_files import load_mapping
from shared.settings import load_settings
from tests.crm.salesforce.test_auth import PRIVATE, PUBLIC

SETTINGS = {
    "CRM": "salesforce",
    "SALESFORCE_CLIENT_ID": "3MVG9",
    "PARTNER_CENTER_TENANT_ID": "11111111-1111-1111-1111-111111111111",
    "PARTNER_CENTER_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
    "PARTNER_CENTER_CLIENT_SECRET": "partner-center-secret",
    "PARTNER_CENTER_REFRESH_TOKEN": "first",
    "PARTNER_CENTER_TOKEN_FILE": "token",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
GRANTS = {
    "secret": {"SALESFORCE_CLIENT_SECRET": "the-secret"},
    "key": {"SALESFORCE_USERNAME": INTEGRATION_USERNAME, "SALESFORCE_PRIVATE_KEY": PRIVATE},
}


@pytest.fixture
def simulator(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SalesforceSimulator, str]]:
    """An org that the whole process trusts."""
    app = ConnectedApp("3MVG9", INTEGRATION_USERNAME, "the-secret", PUBLIC, frozenset({INTEGRATION_USERNAME}))
    simulator = SalesforceSimulator([app])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.root_file))
    with Server(simulator.build, tls=certificates.server_context()) as server:
        yield simulator, server.url


@pytest.mark.parametrize("grant", list(GRANTS))
def test_the_adapter_signs_in_as_the_settings_say(
    simulator: tuple[SalesforceSimulator, str], grant: str, tmp_path: Path
) -> None:
    org, url = simulator
    where = {"SALESFORCE_LOGIN_URL": url, "PARTNER_CENTER_TOKEN_FILE": str(tmp_path / "token")}
    settings = load_settings({**SETTINGS, **where, **GRANTS[grant], "ON_HOLD_STAGE_NAME": "Prospecting"})
    crm = build_crm(settings, load_mapping(settings))
    assert isinstance(crm, Salesforce)
    assert org.control.calls == []
    assert crm.name == "Salesforce"
    assert "EUR" in crm.catalogue().currencies
    assert org.control.count("token") == 1
