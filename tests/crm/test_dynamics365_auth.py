"""Tokens for Dynamics 365: azure-identity on the sandbox's Entra, and a credential made by hand for the clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from sandbox.certificates import make_certificates
from sandbox.entra import EntraSimulator
from sandbox.serving import Server
from shared.crm.dynamics365.auth import authorizer, build_credential, scope_of
from shared.domain.errors import ConfigurationError, RetryLater

CLIENT_ID = "5b0c6a5e-30c0-4c55-8f3d-6f6b9a0d3c11"
SECRET = "a-secret-of-the-sandbox"
DATAVERSE = "https://contoso.crm.dynamics.com"


class Credential:
    """Gives out numbered tokens that live for an hour of ``now``, or raises ``error``."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.asked: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append(options)
        if self.error:
            raise self.error
        return AccessToken(f"token {len(self.asked)} for {scopes[0]}", int(self.now) + 3600)


@pytest.fixture
def credential() -> Credential:
    return Credential()


def test_the_scope_is_everything_the_application_user_may_do() -> None:
    assert scope_of(f"{DATAVERSE}/") == f"{DATAVERSE}/.default"


def test_a_token_is_kept_until_five_minutes_before_its_end(credential: Credential) -> None:
    authorize = authorizer(credential, "s", lambda: credential.now)
    assert authorize(False) == authorize(False) == "token 1 for s"
    credential.now += 3600 - 301
    assert authorize(False) == "token 1 for s"
    credential.now += 1
    assert authorize(False) == "token 2 for s"


def test_a_fresh_token_passes_the_credentials_own_cache_by(credential: Credential) -> None:
    authorize = authorizer(credential, "s", lambda: credential.now)
    authorize(False)
    assert authorize(True) == "token 2 for s"
    assert authorize(False) == "token 2 for s"
    assert credential.asked == [{"claims": None}, {"claims": "{}"}]


def test_threads_that_start_together_sign_in_once(credential: Credential) -> None:
    authorize = authorizer(credential, "s", lambda: credential.now)
    together = threading.Barrier(8)
    seen: list[str] = []

    def work() -> None:
        together.wait(10)
        seen.append(authorize(False))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == ["token 1 for s"] * 8


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClientAuthenticationError("AADSTS7000222: the secret hunter2 has expired"), "sign_in_refused"),
        (ServiceRequestError("no route to host"), "sign_in_unreachable"),
    ],
)
def test_without_a_token_the_work_waits_and_the_reason_holds_no_secret(
    credential: Credential, error: Exception, code: str
) -> None:
    credential.error = error
    with pytest.raises(RetryLater) as refused:
        authorizer(credential, "s", lambda: credential.now)(False)
    assert refused.value.code == code
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("given", [("t", "", ""), ("", "c", ""), ("t", "c", ""), ("", "c", "s")])
def test_credentials_given_by_halves_are_a_mistake(given: tuple[str, str, str]) -> None:
    with pytest.raises(ConfigurationError, match="belong together"):
        build_credential(*given)


def test_a_malformed_tenant_is_a_mistake_that_shows_no_secret() -> None:
    with pytest.raises(ConfigurationError) as refused:
        build_credential("no/tenant?", CLIENT_ID, "hunter2")
    assert "hunter2" not in str(refused.value)


def test_without_credentials_it_is_the_managed_identity() -> None:
    assert isinstance(build_credential(), DefaultAzureCredential)
    assert isinstance(build_credential(managed_identity_client_id=CLIENT_ID), ManagedIdentityCredential)


@pytest.fixture
def entra(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Address and tenant of a sign-in service that the system trusts."""
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    simulator = EntraSimulator({CLIENT_ID: SECRET}, audiences=(DATAVERSE,))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.root_file))
    with Server(simulator.build, tls=certificates.server_context()) as server:
        yield server.url, simulator.tenant_id


def test_azure_identity_signs_in_and_gives_a_newer_token_when_asked(entra: tuple[str, str]) -> None:
    url, tenant_id = entra
    credential = build_credential(tenant_id, CLIENT_ID, SECRET, authority_host=url)
    authorize = authorizer(credential, scope_of(DATAVERSE))
    first = authorize(False)
    assert authorize(False) == first
    assert authorize(True) != first


def test_a_wrong_secret_waits_for_a_person(entra: tuple[str, str]) -> None:
    url, tenant_id = entra
    credential = build_credential(tenant_id, CLIENT_ID, "hunter2", authority_host=url)
    with pytest.raises(RetryLater) as refused:
        authorizer(credential, scope_of(DATAVERSE))(False)
    assert (refused.value.code, refused.value.after_s) == ("sign_in_refused", 300)
    assert "DYNAMICS365_CLIENT_SECRET" in refused.value.remedy
