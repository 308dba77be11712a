"""The OAuth token endpoint and the sessions it opens: JWT bearer and client credentials.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_jwt_flow.htm
https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_client_credentials_flow.htm
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LOGIN_HOST = "https://login.salesforce.com"


@dataclass(frozen=True)
class ConnectedApp:
    """One app of the org. ``certificate``: PEM of the X.509 certificate, or of the bare public key, that assertions are
    checked with. ``run_as``: whom client credentials act for. ``approved``: who may be named by an assertion."""

    consumer_key: str
    run_as: str
    consumer_secret: str | None = None
    certificate: bytes | None = None
    approved: frozenset[str] = frozenset()


class TokenRefusal(Exception):
    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.body = {"error": error, "error_description": description}


@dataclass
class _Session:
    user_id: str
    used: datetime


@dataclass
class Tokens:
    """Sessions end ``idle_s`` after their last use, not at a time told beforehand.

    ``find_user`` answers the id of an active user by username, or None. The ``exp`` of an assertion lies no more than
    ``leeway_s`` before now, and no more than ``longest_assertion_s`` and the leeway after it.
    """

    apps: Sequence[ConnectedApp]
    organization_id: str
    find_user: Callable[[str], str | None]
    clock: Callable[[], datetime]
    audience: str = _LOGIN_HOST
    idle_s: float = 7200
    leeway_s: float = 60
    longest_assertion_s: float = 300

    def __post_init__(self) -> None:
        self._sessions: dict[str, _Session] = {}

    def answer(
        self, form: Mapping[str, str], authorization: str | None, instance_url: str, *, is_login_host: bool
    ) -> dict[str, Any]:
        """The token response; it has no ``expires_in``. Raises TokenRefusal."""
        grant = form.get("grant_type")
        if grant == JWT_BEARER:
            user_id = self._by_assertion(form.get("assertion", ""))
        elif grant == "client_credentials":
            if is_login_host:
                raise TokenRefusal("invalid_grant", "request not supported on this domain")
            user_id = self._by_secret(form, authorization)
        else:
            raise TokenRefusal("unsupported_grant_type", "grant type not supported")
        return self._opened(user_id, instance_url)

    def user_of(self, authorization: str | None) -> str | None:
        """The user behind a ``Bearer`` header; using a session keeps it alive."""
        scheme, _, token = (authorization or "").partition(" ")
        session = self._sessions.get(token.strip())
        if scheme.casefold() not in {"bearer", "oauth"} or session is None:
            return None
        now = self.clock()
        if now - session.used > timedelta(seconds=self.idle_s):
            return None
        session.used = now
        return session.user_id

    def expire_all(self) -> None:
        self._sessions.clear()

    def open_session(self, user_id: str) -> str:
        """An access token for ``user_id``, as if it had been asked for."""
        token = f"{self.organization_id[:15]}!{secrets.token_urlsafe(48)}"
        self._sessions[token] = _Session(user_id, self.clock())
        return token

    def _opened(self, user_id: str, instance_url: str) -> dict[str, Any]:
        return {
            "access_token": self.open_session(user_id),
            "signature": base64.b64encode(secrets.token_bytes(32)).decode(),
            "scope": "api",
            "instance_url": instance_url,
            "id": f"{_LOGIN_HOST}/id/{self.organization_id}/{user_id}",
            "token_type": "Bearer",
            "issued_at": str(int(self.clock().timestamp() * 1000)),
        }

    def _app(self, consumer_key: str) -> ConnectedApp | None:
        return next((app for app in self.apps if app.consumer_key == consumer_key), None)

    def _by_secret(self, form: Mapping[str, str], authorization: str | None) -> str:
        key, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.casefold() == "basic":
            try:
                key, _, secret = base64.b64decode(encoded).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise TokenRefusal("invalid_client", "invalid client credentials") from None
        app = self._app(key)
        known = app.consumer_secret if app else None
        if app is None or not known or not hmac.compare_digest(known.encode(), secret.encode()):
            raise TokenRefusal("invalid_client", "invalid client credentials")
        user_id = self.find_user(app.run_as)
        if user_id is None:
            raise TokenRefusal("inactive_user", "user is inactive")
        return user_id

    def _by_assertion(self, assertion: str) -> str:
        claims = _unverified(assertion)
        app = self._app(str(claims.get("iss")))
        if app is None or app.certificate is None:
            raise TokenRefusal("invalid_client_id", "client identifier invalid")
        try:
            # Only the signature: the claims are checked here, by this org's clock and with its words.
            jwt.PyJWS().decode(assertion, _public_key(app.certificate), algorithms=["RS256"])
        except jwt.InvalidTokenError:
            raise TokenRefusal("invalid_grant", "invalid assertion") from None
        if claims.get("aud") != self.audience:
            raise TokenRefusal("invalid_grant", "audience is invalid")
        self._check_expiry(claims.get("exp"))
        username = str(claims.get("prn") or claims.get("sub"))
        user_id = self.find_user(username)
        if user_id is None:
            raise TokenRefusal("invalid_grant", "authentication failure")
        if username not in app.approved:
            raise TokenRefusal("invalid_grant", "user hasn't approved this consumer")
        return user_id

    def _check_expiry(self, expiry: Any) -> None:
        now = self.clock().timestamp()
        # Clients send the number, and some of them send it as text.
        if not str(expiry).isdigit() or int(expiry) < now - self.leeway_s:
            raise TokenRefusal("invalid_grant", "expired authorization code")
        if int(expiry) > now + self.longest_assertion_s + self.leeway_s:
            raise TokenRefusal("invalid_grant", "invalid assertion")


def _unverified(assertion: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise TokenRefusal("invalid_grant", "invalid assertion") from None
    return claims


def _public_key(pem: bytes) -> Any:
    if b"BEGIN CERTIFICATE" in pem:
        return x509.load_pem_x509_certificate(pem).public_key()
    return load_pem_public_key(pem)
