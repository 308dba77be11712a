"""The token endpoint is held to Microsoft's own clients, msal and azure-identity, over TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import msal  # type: ignore[import-untyped]
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential

from sandbox.entra import EntraSimulator
from tests.sandbox.caller import CLIENT_ID, CLIENT_SECRET

REFERRALS = "https://api.partner.microsoft.com"
WEBHOOKS = "https://api.partnercenter.microsoft.com"


class Tenant:
    """The simulator and the address it listens on, with the calls that the tests make."""

    def __init__(self, entra: EntraSimulator, url: str, root_file: Path) -> None:
        self.entra = entra
        self.url = url
        self.root_file = root_file

    def msal_client(self, secret: str = CLIENT_SECRET) -> Any:
        return msal.ConfidentialClientApplication(
            CLIENT_ID,
            client_credential=secret,
            authority=f"{self.url}/{self.entra.tenant_id}",
            instance_discovery=False,
            http_client=self._session(),
        )

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.verify = str(self.root_file)
        # Where REQUESTS_CA_BUNDLE is set, requests prefers it to a session's own setting.
        session.trust_env = False
        return session

    def credential(self, secret: str = CLIENT_SECRET, tenant_id: str | None = None) -> ClientSecretCredential:
        return ClientSecretCredential(
            tenant_id or self.entra.tenant_id,
            CLIENT_ID,
            secret,
            authority=self.url,
            disable_instance_discovery=True,
            connection_verify=str(self.root_file),
            retry_total=0,
        )

    def post(self, tenant: str | None = None, **form: str) -> requests.Response:
        address = f"{self.url}/{tenant or self.entra.tenant_id}/oauth2/v2.0/token"
        return requests.post(address, data=form, verify=str(self.root_file), timeout=10)


@pytest.fixture
def tenant(entra: EntraSimulator, entra_url: str, root_file: Path) -> Tenant:
    return Tenant(entra, entra_url, root_file)


@pytest.mark.parametrize("audience", [REFERRALS, WEBHOOKS])
def test_msal_exchanges_a_refresh_token_for_a_users_token_of_each_audience(tenant: Tenant, audience: str) -> None:
    refresh_token = tenant.entra.add_refresh_token(CLIENT_ID)
    answer = tenant.msal_client().acquire_token_by_refresh_token(refresh_token, [f"{audience}/.default"])
    claims = tenant.entra.check(answer["access_token"], audience)
    assert claims is not None
    assert (claims.app_id, claims.is_user, claims.has_mfa) == (CLIENT_ID, True, True)
    other = WEBHOOKS if audience == REFERRALS else REFERRALS
    assert tenant.entra.check(answer["access_token"], other) is None


def test_msal_finds_the_token_and_its_account_in_its_cache(tenant: Tenant) -> None:
    client = tenant.msal_client()
    scopes = [f"{REFERRALS}/.default"]
    first = client.acquire_token_by_refresh_token(tenant.entra.add_refresh_token(CLIENT_ID), scopes)
    again = client.acquire_token_silent(scopes, account=client.get_accounts()[0])
    assert again["access_token"] == first["access_token"]
    assert tenant.entra.control.count("POST .*/token") == 1


@pytest.mark.parametrize("revoke_old", [False, True])
def test_each_exchange_returns_a_new_refresh_token(tenant: Tenant, revoke_old: bool) -> None:
    tenant.entra.revoke_old = revoke_old
    client, scopes = tenant.msal_client(), [f"{REFERRALS}/.default"]
    old = tenant.entra.add_refresh_token(CLIENT_ID)
    new = client.acquire_token_by_refresh_token(old, scopes)["refresh_token"]
    assert new != old
    assert "access_token" in client.acquire_token_by_refresh_token(new, scopes)
    assert ("error" in client.acquire_token_by_refresh_token(old, scopes)) == revoke_old


def test_a_revoked_refresh_token_is_refused_as_entra_does(tenant: Tenant) -> None:
    refresh_token = tenant.entra.add_refresh_token(CLIENT_ID)
    tenant.entra.revoke_refresh_token(refresh_token)
    answer = tenant.msal_client().acquire_token_by_refresh_token(refresh_token, [f"{REFERRALS}/.default"])
    assert answer["error"] == "invalid_grant"
    assert answer["error_codes"] == [700082]
    assert answer["correlation_id"]
    assert answer["error_description"].startswith("AADSTS700082: ")


def test_azure_identity_gets_an_app_token(tenant: Tenant) -> None:
    with tenant.credential() as credential:
        token = credential.get_token("https://contoso.crm.dynamics.com/.default")
    claims = tenant.entra.check(token.token, "https://contoso.crm.dynamics.com")
    assert claims is not None
    assert (claims.is_user, claims.amr) == (False, ())
    assert tenant.entra.refusal(f"Bearer {token.token}", "https://contoso.crm.dynamics.com") is None


def test_azure_identity_is_refused_with_a_wrong_secret(tenant: Tenant) -> None:
    with tenant.credential(secret="wrong") as credential, pytest.raises(ClientAuthenticationError, match="7000215"):
        credential.get_token(f"{REFERRALS}/.default")


def test_azure_identity_is_refused_in_an_unknown_tenant(tenant: Tenant) -> None:
    unknown = "00000000-0000-0000-0000-0000000000ff"
    with tenant.credential(tenant_id=unknown) as credential, pytest.raises(ClientAuthenticationError):
        credential.get_token(f"{REFERRALS}/.default")


REFUSALS = [
    ({}, 400, 900144),
    ({"client_id": "nobody", "client_secret": "x"}, 400, 700016),
    ({"client_id": CLIENT_ID, "client_secret": "wrong"}, 401, 7000215),
    ({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}, 400, 900144),
    ({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "password"}, 400, 70003),
    (
        {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials", "scope": "user"},
        400,
        1002012,
    ),
    (
        {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "grant_type": "refresh_token",
            "refresh_token": "made up",
            "scope": f"{REFERRALS}/.default",
        },
        400,
        9002313,
    ),
]


@pytest.mark.parametrize(("form", "status", "number"), REFUSALS)
def test_refusals(tenant: Tenant, form: dict[str, str], status: int, number: int) -> None:
    answer = tenant.post(**form)
    assert (answer.status_code, answer.json()["error_codes"]) == (status, [number])


def test_a_refresh_token_of_another_client_and_two_resources_at_once_are_refused(tenant: Tenant) -> None:
    tenant.entra.clients["other"] = "other-secret"
    form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "refresh_token"}
    foreign = tenant.entra.add_refresh_token("other")
    answer = tenant.post(**form, refresh_token=foreign, scope=f"{REFERRALS}/.default")
    assert answer.json()["error_codes"] == [70000]
    both = f"{REFERRALS}/.default {WEBHOOKS}/.default openid"
    answer = tenant.post(**form, refresh_token=tenant.entra.add_refresh_token(CLIENT_ID), scope=both)
    assert answer.json()["error_codes"] == [28000]


def test_unknown_tenants_and_unregistered_resources_are_refused(tenant: Tenant) -> None:
    form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials"}
    assert tenant.post("nowhere", **form).json()["error_codes"] == [90002]
    tenant.entra.audiences = {REFERRALS}
    assert tenant.post(**form, scope=f"{REFERRALS}/.default").status_code == 200
    assert tenant.post(**form, scope=f"{WEBHOOKS}/.default").json()["error_codes"] == [500011]


def test_expired_tokens_are_refused(tenant: Tenant) -> None:
    token = tenant.entra.issue_token(REFERRALS)
    assert tenant.entra.refusal(f"Bearer {token}", REFERRALS) is None
    tenant.entra.expire_all_tokens()
    assert tenant.entra.refusal(f"Bearer {token}", REFERRALS) is not None
    tenant.entra.expires_in = 0
    assert tenant.entra.check(tenant.entra.issue_token(REFERRALS), REFERRALS) is None


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer made-up"])
def test_a_missing_or_made_up_token_is_refused(tenant: Tenant, header: str | None) -> None:
    assert tenant.entra.refusal(header, REFERRALS) is not None


def test_a_person_without_a_second_factor_has_no_mfa_claim(tenant: Tenant) -> None:
    refresh_token = tenant.entra.add_refresh_token(CLIENT_ID, mfa=False)
    answer = tenant.msal_client().acquire_token_by_refresh_token(refresh_token, [f"{REFERRALS}/.default"])
    claims = tenant.entra.check(answer["access_token"], REFERRALS)
    assert claims is not None
    assert claims.is_user
    assert not claims.has_mfa


def test_access_tokens_are_signed_with_the_published_key(tenant: Tenant) -> None:
    keys = requests.get(
        f"{tenant.url}/{tenant.entra.tenant_id}/discovery/v2.0/keys", verify=str(tenant.root_file), timeout=10
    ).json()
    key = jwt.PyJWKSet.from_dict(keys).keys[0]
    payload = jwt.decode(tenant.entra.issue_token(REFERRALS, user=True), key, algorithms=["RS256"], audience=REFERRALS)
    assert payload["amr"] == ["pwd", "mfa"]
    assert payload["exp"] - payload["iat"] == tenant.entra.expires_in


def test_the_control_endpoint_expires_and_revokes(tenant: Tenant) -> None:
    token, refresh_token = tenant.entra.issue_token(REFERRALS), tenant.entra.add_refresh_token(CLIENT_ID)
    for path in ("tokens/expire", "refresh-tokens/revoke"):
        requests.post(f"{tenant.url}/_control/{path}", verify=str(tenant.root_file), timeout=10).raise_for_status()
    assert tenant.entra.check(token, REFERRALS) is None
    answer = tenant.msal_client().acquire_token_by_refresh_token(refresh_token, [f"{REFERRALS}/.default"])
    assert answer["error_codes"] == [700082]
