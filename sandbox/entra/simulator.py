"""The tenant itself: who may ask for tokens, and the HTTP routes that msal and azure-identity use.

Over HTTP, beside what :mod:`sandbox.control` adds:

=======  ===================================  ===========================================
POST     ``/_control/tokens/expire``          every access token issued so far is expired
POST     ``/_control/refresh-tokens/revoke``  every refresh token issued so far is refused
=======  ===================================  ===========================================
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from sandbox.control import Control
from sandbox.entra import refusals
from sandbox.entra.refusals import TokenRefusal
from sandbox.entra.sign_in import DEVICE_CODE_GRANT, Granted, Person, SignIns
from sandbox.entra.tokens import AccessTokens, Claims, Consent, RefreshTokens, client_info

TENANT_ID = "3c1f9a52-7d0b-4f6e-9a7e-51d6a2c8b410"
# Scopes of OpenID Connect: they name no resource.
OPENID_SCOPES = frozenset({"openid", "profile", "offline_access", "email"})


class EntraSimulator:
    """One tenant. Give the object itself to other simulators: it is their :class:`TokenCheck`.

    ``audiences`` None issues tokens for any resource. ``revoke_old`` refuses a refresh token once it was exchanged;
    Entra itself leaves the old one valid
    (https://learn.microsoft.com/entra/identity-platform/refresh-tokens). ``public_clients`` lets applications without
    a secret sign people in. ``person`` is who signs in when a sign-in page is opened.
    """

    def __init__(
        self,
        clients: Mapping[str, str],
        *,
        tenant_id: str = TENANT_ID,
        audiences: Collection[str] | None = None,
        expires_in: int = 3600,
        revoke_old: bool = False,
        public_clients: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.tenant_id = tenant_id
        self.clients = dict(clients)
        self.audiences = audiences
        self.expires_in = expires_in
        self.revoke_old = revoke_old
        self.public_clients = public_clients
        self.person = Person(str(uuid.uuid4()))
        self.control = Control()
        self._sign_ins = SignIns()
        self._access = AccessTokens(tenant_id, now)
        self._refresh = RefreshTokens()

    def add_refresh_token(self, client_id: str, *, mfa: bool = True) -> str:
        """A refresh token as a person's sign-in to ``client_id`` yields it; ``mfa`` travels into its access tokens."""
        return self._refresh.add(Consent(client_id, str(uuid.uuid4()), mfa))

    def enter_device_code(self, user_code: str) -> None:
        """``person`` enters the code that a device shows, and signs in."""
        self._sign_ins.enter_device_code(user_code, self.person)

    def revoke_refresh_token(self, token: str | None = None) -> None:
        """``token``, or all of them, gets 400 invalid_grant from now on."""
        self._refresh.revoke(token)

    def expire_all_tokens(self) -> None:
        """Every access token issued so far is refused from now on; refresh tokens stay as they are."""
        self._access.expire_all()

    def issue_token(self, audience: str, *, client_id: str = "sandbox", user: bool = False, mfa: bool = True) -> str:
        """An access token without the detour over HTTP, for tests of a single simulator."""
        amr = ("pwd", "mfa") if mfa else ("pwd",)
        claims = Claims(client_id, audience, self.tenant_id, str(uuid.uuid4()), amr if user else (), is_user=user)
        return self._access.issue(claims, self.issuer("https://localhost"), self.expires_in)

    def check(self, token: str, audience: str) -> Claims | None:
        return self._access.check(token, audience)

    def refusal(self, authorization: str | None, audience: str) -> str | None:
        """Why a request with this Authorization header is refused at ``audience``, or None when it is not."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "no bearer token"
        if self.check(token.strip(), audience) is None:
            return "the token is unknown, expired or for another audience"
        return None

    def issuer(self, base: str) -> str:
        return f"{base}/{self.tenant_id}/v2.0"

    def build(self) -> web.Application:
        app = web.Application(middlewares=[self.control.middleware()])
        self.control.add_routes(app)
        app.router.add_post("/_control/tokens/expire", self._on_expire)
        app.router.add_post("/_control/refresh-tokens/revoke", self._on_revoke)
        app.router.add_get("/common/discovery/instance", self._on_instance_discovery)
        app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", self._on_openid_configuration)
        app.router.add_get("/{tenant}/discovery/v2.0/keys", self._on_keys)
        app.router.add_get("/{tenant}/oauth2/v2.0/authorize", self._on_authorize)
        app.router.add_post("/{tenant}/oauth2/v2.0/devicecode", self._on_device_code)
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self._on_token)
        return app

    async def _on_expire(self, _: web.Request) -> web.Response:
        self.expire_all_tokens()
        return web.Response(status=204)

    async def _on_revoke(self, _: web.Request) -> web.Response:
        self.revoke_refresh_token()
        return web.Response(status=204)

    async def _on_instance_discovery(self, request: web.Request) -> web.Response:
        host = request.host
        address = f"{_base(request)}/{self.tenant_id}/v2.0/.well-known/openid-configuration"
        metadata = [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}]
        body = {"tenant_discovery_endpoint": address, "api-version": "1.1", "metadata": metadata}
        return web.json_response(body)

    async def _on_openid_configuration(self, request: web.Request) -> web.Response:
        try:
            self._check_tenant(request)
        except TokenRefusal as refused:
            return _refuse(request, refused)
        tenant = f"{_base(request)}/{self.tenant_id}"
        return web.json_response(
            {
                "issuer": self.issuer(_base(request)),
                "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
                "token_endpoint": f"{tenant}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{tenant}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{tenant}/discovery/v2.0/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "response_types_supported": ["code", "id_token", "code id_token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": sorted(OPENID_SCOPES),
            }
        )

    async def _on_keys(self, _: web.Request) -> web.Response:
        return web.json_response(self._access.public_keys())

    async def _on_authorize(self, request: web.Request) -> web.Response:
        try:
            self._check_tenant(request)
            page = self._sign_ins.authorize(request.query, self.clients, self.person)
        except TokenRefusal as refused:
            return _refuse(request, refused)
        return web.Response(text=page, content_type="text/html")

    async def _on_device_code(self, request: web.Request) -> web.Response:
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        try:
            self._check_tenant(request)
            client_id = form.get("client_id", "")
            if client_id not in self.clients:
                raise refusals.unknown_client(client_id)
            self._resource(form.get("scope", ""))
        except TokenRefusal as refused:
            return _refuse(request, refused)
        device_code, user_code = self._sign_ins.begin_device(client_id, form["scope"])
        address = f"{_base(request)}/common/oauth2/deviceauth"
        return web.json_response(
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": address,
                "expires_in": 900,
                "interval": 1,
                "message": f"Open {address} and enter the code {user_code} to authenticate.",
            }
        )

    async def _on_token(self, request: web.Request) -> web.Response:
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        try:
            self._check_tenant(request)
            client_id = self._authenticated_client(request, form)
            match form.get("grant_type"):
                case None:
                    raise refusals.missing_parameter("grant_type")
                case "client_credentials":
                    answer = self._app_token(client_id, form, _base(request))
                case "refresh_token":
                    answer = self._user_token(client_id, form, _base(request))
                case "authorization_code":
                    answer = self._signed_in(self._sign_ins.redeem(client_id, form), _base(request))
                case grant if grant == DEVICE_CODE_GRANT:
                    answer = self._signed_in(self._sign_ins.redeem_device(client_id, form), _base(request))
                case other:
                    raise refusals.unsupported_grant(other)
        except TokenRefusal as refused:
            return _refuse(request, refused)
        return web.json_response(answer, headers={"Cache-Control": "no-store"})

    def _check_tenant(self, request: web.Request) -> None:
        tenant = request.match_info["tenant"]
        if tenant.lower() not in {self.tenant_id, "common", "organizations"}:
            raise refusals.unknown_tenant(tenant)

    def _authenticated_client(self, request: web.Request, form: Mapping[str, str]) -> str:
        client_id, secret = _basic_credentials(request) or (form.get("client_id", ""), form.get("client_secret", ""))
        if not client_id:
            raise refusals.missing_parameter("client_id")
        if client_id not in self.clients:
            raise refusals.unknown_client(client_id)
        if not secret and form.get("grant_type") == DEVICE_CODE_GRANT:
            if not self.public_clients:
                raise refusals.secret_needed()
            return client_id
        if secret != self.clients[client_id]:
            raise refusals.wrong_secret(client_id)
        return client_id

    def _app_token(self, client_id: str, form: Mapping[str, str], base: str) -> dict[str, Any]:
        scope = form.get("scope", "")
        # Apps get what they were granted as a whole: the scope must be the resource's .default.
        if not scope.endswith("/.default"):
            raise refusals.bad_scope(scope)
        claims = Claims(client_id, self._resource(scope), self.tenant_id, client_id)
        return self._answer(claims, base)

    def _user_token(self, client_id: str, form: Mapping[str, str], base: str) -> dict[str, Any]:
        old = form.get("refresh_token")
        if not old:
            raise refusals.missing_parameter("refresh_token")
        consent = self._refresh.find(old)
        if consent is None:
            raise refusals.malformed_refresh_token()
        if self._refresh.is_revoked(old):
            raise refusals.revoked_refresh_token()
        if consent.client_id != client_id:
            raise refusals.foreign_refresh_token()
        answer = self._signed_in(Granted(consent, form.get("scope", "")), base)
        if self.revoke_old:
            self._refresh.revoke(old)
        return answer

    def _signed_in(self, granted: Granted, base: str) -> dict[str, Any]:
        consent, resource = granted.consent, self._resource(granted.scope)
        amr = ("pwd", "mfa") if consent.mfa else ("pwd",)
        claims = Claims(consent.client_id, resource, self.tenant_id, consent.user_id, amr, is_user=True)
        answer = self._answer(claims, base)
        answer["scope"] = f"{resource}/user_impersonation {resource}/.default"
        answer["refresh_token"] = self._refresh.add(consent)
        answer["id_token"] = self._access.identity(
            consent.client_id, consent.user_id, self.issuer(base), self.expires_in, granted.nonce
        )
        answer["client_info"] = client_info(consent.user_id, self.tenant_id)
        return answer

    def _resource(self, scope: str) -> str:
        """The one resource that ``scope`` names: everything before the last slash of its entries."""
        named = {entry.rpartition("/")[0] for entry in scope.split() if entry not in OPENID_SCOPES}
        if not named or "" in named:
            raise refusals.bad_scope(scope)
        if len(named) > 1:
            raise refusals.several_resources()
        resource = named.pop()
        if self.audiences is not None and resource.rstrip("/") not in {known.rstrip("/") for known in self.audiences}:
            raise refusals.unknown_resource(resource)
        return resource

    def _answer(self, claims: Claims, base: str) -> dict[str, Any]:
        token = self._access.issue(claims, self.issuer(base), self.expires_in)
        return {
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "ext_expires_in": self.expires_in,
            "access_token": token,
        }


def _base(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _basic_credentials(request: web.Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote(client_id), unquote(secret)


def _refuse(request: web.Request, refused: TokenRefusal) -> web.Response:
    return web.json_response(refused.body(request.headers.get("client-request-id")), status=refused.status)
