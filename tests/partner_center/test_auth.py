"""Tokens, with the real msal against the Entra simulator."""

from __future__ import annotations

import json
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox.control import Fault
from sandbox.entra import EntraSimulator
from shared.domain.errors import ConfigurationError, ConnectorError, RetryLater
from shared.partner_center.auth import REFERRALS_SCOPE, WEBHOOKS_SCOPE, PartnerCenterTokens
from shared.partner_center.tokens import FileTokenStore, RefreshTokenStore
from tests.partner_center.conftest import CLIENT_ID, CLIENT_SECRET

REFERRALS = "https://api.partner.microsoft.com"
WEBHOOKS = "https://api.partnercenter.microsoft.com"
TOKEN_CALL = "oauth2/v2.0/token"


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class MemoryStore:
    """Keeps the token here, and fails on demand."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.failing: ConnectorError | None = None

    def load(self) -> str | None:
        if self.failing:
            raise self.failing
        return self.token

    def save(self, token: str) -> None:
        if self.failing:
            raise self.failing
        self.token = token

    def age_s(self) -> float | None:
        return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


OpenTokens = Callable[..., PartnerCenterTokens]


@pytest.fixture
def open_tokens(entra: EntraSimulator, entra_url: str, clock: Clock) -> Iterator[OpenTokens]:
    with ExitStack() as opened:

        def make(
            store: RefreshTokenStore, *, secret: str = CLIENT_SECRET, initial: str | None = None, url: str = entra_url
        ) -> PartnerCenterTokens:
            tokens = PartnerCenterTokens(entra.tenant_id, CLIENT_ID, secret, store, url, initial, clock)
            opened.callback(tokens.close)
            return tokens

        yield make


def refused(tokens: PartnerCenterTokens) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        tokens.authorizer(REFERRALS_SCOPE)(False)
    return caught.value


def test_each_audience_has_its_token(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    tokens = open_tokens(MemoryStore(entra.add_refresh_token(CLIENT_ID)))
    referrals, webhooks = tokens.authorizer(REFERRALS_SCOPE)(False), tokens.authorizer(WEBHOOKS_SCOPE)(False)
    claims = entra.check(referrals, REFERRALS)
    assert claims is not None
    assert claims.is_user
    assert claims.has_mfa
    assert entra.check(webhooks, WEBHOOKS) is not None
    assert entra.check(webhooks, REFERRALS) is None


def test_tokens_are_kept_until_five_minutes_before_they_end(
    entra: EntraSimulator, open_tokens: OpenTokens, clock: Clock
) -> None:
    authorize = open_tokens(MemoryStore(entra.add_refresh_token(CLIENT_ID))).authorizer(REFERRALS_SCOPE)
    first = authorize(False)
    clock.now += 3600 - 301
    assert authorize(False) == first
    clock.now += 2
    assert authorize(False) != first
    assert entra.control.count(TOKEN_CALL) == 2


def test_force_brings_a_new_token(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    authorize = open_tokens(MemoryStore(entra.add_refresh_token(CLIENT_ID))).authorizer(REFERRALS_SCOPE)
    first = authorize(False)
    second = authorize(True)
    assert second != first
    assert authorize(False) == second


def test_many_threads_ask_once(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    authorize = open_tokens(MemoryStore(entra.add_refresh_token(CLIENT_ID))).authorizer(REFERRALS_SCOPE)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(authorize, [False] * 16))) == 1
    assert entra.control.count(TOKEN_CALL) == 1


def test_rotated_token_is_stored_and_used(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    entra.revoke_old = True
    store = MemoryStore(entra.add_refresh_token(CLIENT_ID))
    first = store.token
    authorize = open_tokens(store).authorizer(REFERRALS_SCOPE)
    authorize(False)
    second = store.token
    authorize(True)
    assert len({first, second, store.token}) == 3


def test_first_token_comes_from_the_settings(entra: EntraSimulator, open_tokens: OpenTokens, token_file: Path) -> None:
    store = FileTokenStore(token_file)
    initial = entra.add_refresh_token(CLIENT_ID)
    open_tokens(store, initial=initial).authorizer(REFERRALS_SCOPE)(False)
    assert store.load() not in (None, initial)
    entra.revoke_refresh_token(initial)
    open_tokens(store, initial=initial).authorizer(REFERRALS_SCOPE)(False)


def test_token_of_the_settings_mends_a_revoked_one(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    old = entra.add_refresh_token(CLIENT_ID)
    entra.revoke_refresh_token(old)
    store = MemoryStore(old)
    open_tokens(store, initial=entra.add_refresh_token(CLIENT_ID)).authorizer(REFERRALS_SCOPE)(False)
    assert store.token != old


def test_token_that_another_worker_stored_is_found(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    store = MemoryStore(entra.add_refresh_token(CLIENT_ID))
    authorize = open_tokens(store).authorizer(REFERRALS_SCOPE)
    authorize(False)
    entra.revoke_refresh_token()
    store.token = entra.add_refresh_token(CLIENT_ID)
    authorize(True)


def test_new_sign_in_is_taken_up_while_the_old_one_still_works(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    """Else the old one's rotation would be stored over it, within the hour."""
    store = MemoryStore(entra.add_refresh_token(CLIENT_ID))
    authorize = open_tokens(store).authorizer(REFERRALS_SCOPE)
    before = entra.check(authorize(False), REFERRALS)
    store.token = entra.add_refresh_token(CLIENT_ID)
    after = entra.check(authorize(True), REFERRALS)
    assert before is not None
    assert after is not None
    assert before.subject != after.subject


class StoreOfTwo(MemoryStore):
    """Another process stores ``theirs`` between our reading and our next look."""

    theirs: str

    def load(self) -> str | None:
        seen = super().load()
        self.token = self.theirs
        return seen


def test_sign_in_stored_while_we_ask_is_not_overwritten(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    store = StoreOfTwo(entra.add_refresh_token(CLIENT_ID))
    store.theirs = entra.add_refresh_token(CLIENT_ID)
    open_tokens(store).authorizer(REFERRALS_SCOPE)(False)
    assert store.token == store.theirs


def test_failed_save_does_not_stop_the_sync(
    entra: EntraSimulator, open_tokens: OpenTokens, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore(entra.add_refresh_token(CLIENT_ID))
    store.failing = RetryLater("Key Vault is away", remedy="Wait.")
    initial = entra.add_refresh_token(CLIENT_ID)
    authorize = open_tokens(store, initial=initial).authorizer(REFERRALS_SCOPE)
    authorize(False)
    authorize(True)
    assert "sign_in: The rotated Partner Center refresh token could not be saved" in caplog.text
    assert '"code":"refresh_token_unsaved"' in caplog.text
    assert "Wait." in caplog.text
    store.failing = None
    authorize(True)
    assert store.token not in (None, initial)


def test_unsaved_token_serves_when_the_old_one_is_gone(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    entra.revoke_old = True
    store = MemoryStore()
    store.failing = RetryLater("Key Vault is away")
    authorize = open_tokens(store, initial=entra.add_refresh_token(CLIENT_ID)).authorizer(REFERRALS_SCOPE)
    authorize(False)
    authorize(True)


def test_revoked_sign_in_makes_deals_wait(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    token = entra.add_refresh_token(CLIENT_ID)
    entra.revoke_refresh_token(token)
    error = refused(open_tokens(MemoryStore(token)))
    assert isinstance(error, RetryLater)
    assert (error.code, error.after_s) == ("refresh_token_refused", 300)
    assert "Sign in" in error.remedy
    assert "AADSTS700082" in error.message
    assert error.request_id


def test_wrong_secret_makes_deals_wait(entra: EntraSimulator, open_tokens: OpenTokens) -> None:
    error = refused(open_tokens(MemoryStore(entra.add_refresh_token(CLIENT_ID)), secret="wrong-one"))
    assert isinstance(error, RetryLater)
    assert (error.code, error.after_s) == ("client_secret_refused", 300)
    assert "PARTNER_CENTER_CLIENT_SECRET" in error.remedy


def test_missing_token_makes_deals_wait(open_tokens: OpenTokens) -> None:
    error = refused(open_tokens(MemoryStore()))
    assert isinstance(error, RetryLater)
    assert error.code == "refresh_token_missing"


@pytest.mark.parametrize("path", [TOKEN_CALL, "openid-configuration"])
@pytest.mark.parametrize("body", [None, {"error": "temporarily_unavailable"}])
def test_token_service_that_is_down(
    entra: EntraSimulator, open_tokens: OpenTokens, path: str, body: dict[str, str] | None
) -> None:
    entra.control.order(Fault(path, status=503, times=3, body=body))
    error = refused(open_tokens(MemoryStore(entra.add_refresh_token(CLIENT_ID))))
    assert isinstance(error, RetryLater)
    assert error.code == "token_service"


def test_token_service_that_cannot_be_reached(open_tokens: OpenTokens) -> None:
    error = refused(open_tokens(MemoryStore("0.Aone"), url="https://localhost:1"))
    assert isinstance(error, RetryLater)
    assert error.code == "token_service"


def test_no_secret_is_told(
    entra: EntraSimulator, open_tokens: OpenTokens, caplog: pytest.LogCaptureFixture, token_file: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    first = entra.add_refresh_token(CLIENT_ID)
    store = FileTokenStore(token_file)
    tokens = open_tokens(store, initial=first)
    access = tokens.authorizer(REFERRALS_SCOPE)(False)
    second = store.load()
    entra.revoke_refresh_token()
    with pytest.raises(RetryLater) as caught:
        tokens.authorizer(REFERRALS_SCOPE)(True)
    said = caplog.text + str(caught.value) + repr(vars(tokens)["_access"])
    for secret in (first, second, access, CLIENT_SECRET):
        assert secret
        assert secret not in said


def test_file_is_for_its_owner_only(token_file: Path) -> None:
    store = FileTokenStore(token_file)
    assert (store.load(), store.age_s()) == (None, None)
    store.save("first")
    store.save("second")
    assert store.load() == FileTokenStore(token_file).load() == "second"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert os.listdir(token_file.parent) == [token_file.name]  # noqa: PTH208 - names are what is compared
    age_s = store.age_s()
    assert age_s is not None
    assert 0 <= age_s < 60


@pytest.mark.parametrize(
    "content",
    [
        "",
        "secret-text",
        "[]",
        "{}",
        json.dumps({"refresh_token": "", "saved_at": "2026-01-01T00:00:00+00:00"}),
        json.dumps({"refresh_token": "secret-text", "saved_at": "2026-01-01T00:00:00"}),
        json.dumps({"refresh_token": "secret-text", "saved_at": "new year"}),
    ],
)
def test_damaged_file_is_told_without_its_content(tmp_path: Path, content: str) -> None:
    file = tmp_path / "refresh.json"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        FileTokenStore(file).load()
    assert "PARTNER_CENTER_TOKEN_FILE" in str(caught.value)
    assert "secret-text" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_file_in_an_impossible_place(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        FileTokenStore(occupied / "refresh.json").save("token")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        FileTokenStore(tmp_path).load()
