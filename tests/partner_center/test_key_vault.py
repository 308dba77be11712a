"""The Key Vault store, with the real azure-keyvault-secrets against a small vault over TLS."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken

from sandbox.certificates import Certificates
from sandbox.serving import Server
from shared.domain.errors import ConfigurationError, RetryLater
from shared.partner_center.tokens import SECRET_NAME, KeyVaultTokenStore


class Vault:
    """One secret, behind the challenge that Key Vault begins with; ``status`` is answered instead, once set."""

    def __init__(self) -> None:
        self.values: list[tuple[str, int]] = []
        self.status = 200
        self.paths: set[str] = set()

    async def answer(self, request: web.Request) -> web.Response:
        if "Authorization" not in request.headers:
            challenge = 'Bearer authorization="https://login.contoso.test/tenant", resource="https://vault.azure.net"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        self.paths.add(request.path.rstrip("/"))
        if self.status != 200:
            return web.json_response({"error": {"code": "Refused", "message": "no"}}, status=self.status)
        if request.method == "PUT":
            self.values.append(((await request.json())["value"], int(time.time()) - 90))
        if not self.values:
            return web.json_response({"error": {"code": "SecretNotFound", "message": "none"}}, status=404)
        value, updated = self.values[-1]
        identifier = f"https://{request.host}/secrets/{SECRET_NAME}/{len(self.values):032}"
        attributes = {"enabled": True, "created": updated, "updated": updated}
        return web.json_response({"value": value, "id": identifier, "attributes": attributes})

    def build(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app


class Credential:
    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("token-of-the-app", int(time.time()) + 3600)


@pytest.fixture
def vault() -> Vault:
    return Vault()


@pytest.fixture
def store(vault: Vault, certificates: Certificates, trust_sandbox: None) -> Iterator[KeyVaultTokenStore]:
    with Server(vault.build, tls=certificates.server_context()) as server:
        opened = KeyVaultTokenStore(server.url, credential=Credential(), verify_challenge_resource=False)
        yield opened
        opened.close()


def test_empty_vault_has_no_token(store: KeyVaultTokenStore) -> None:
    assert (store.load(), store.age_s()) == (None, None)


def test_saved_token_is_loaded_with_its_age(store: KeyVaultTokenStore, vault: Vault) -> None:
    store.save("first")
    store.save("second")
    assert store.load() == "second"
    assert [value for value, _ in vault.values] == ["first", "second"]
    age_s = store.age_s()
    assert age_s is not None
    assert 90 <= age_s < 150
    assert vault.paths == {f"/secrets/{SECRET_NAME}"}


@pytest.mark.parametrize("status", [401, 403])
def test_missing_role_is_a_setting(store: KeyVaultTokenStore, vault: Vault, status: int) -> None:
    vault.status = status
    with pytest.raises(ConfigurationError, match="Key Vault Secrets Officer"):
        store.load()
    with pytest.raises(ConfigurationError):
        store.save("secret-token")


def test_vault_that_fails_comes_again(
    store: KeyVaultTokenStore, vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vault.status = 400
    with pytest.raises(RetryLater) as caught:
        store.save("secret-token")
    assert caught.value.status == 400
    assert "secret-token" not in caplog.text + str(caught.value)


def test_vault_that_cannot_be_reached_comes_again() -> None:
    store = KeyVaultTokenStore("https://localhost:1", credential=Credential(), verify_challenge_resource=False)
    with pytest.raises(RetryLater):
        store.load()
    store.close()
