"""Tokens of the simulated tenant: access tokens that other simulators can check, and refresh tokens that rotate."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True)
class Claims:
    """What a valid access token says. ``amr`` is empty for a token that no person stands behind."""

    app_id: str
    audience: str
    tenant_id: str
    subject: str
    amr: tuple[str, ...] = ()
    is_user: bool = False

    @property
    def has_mfa(self) -> bool:
        return "mfa" in self.amr


class TokenCheck(Protocol):
    """What a simulator asks of the token issuer."""

    def check(self, token: str, audience: str) -> Claims | None:
        """The token's claims, or None when it is unknown, expired or for another audience."""


@dataclass(frozen=True)
class Consent:
    """A person's standing consent to one client: what a refresh token stands for."""

    client_id: str
    user_id: str
    mfa: bool


@cache
def _signing_key() -> rsa.RSAPrivateKey:
    """One key for all tenants of this process: making one takes longer than starting a simulator."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class AccessTokens:
    """Issues and checks signed access tokens. A token is valid while it is registered here and before its ``exp``."""

    def __init__(self, tenant_id: str, now: Callable[[], datetime]) -> None:
        self._tenant_id = tenant_id
        self._now = now
        self._key = _signing_key()
        self.key_id = secrets.token_urlsafe(16)
        self._lock = threading.Lock()
        self._live: dict[str, tuple[datetime, Claims]] = {}

    def issue(self, claims: Claims, issuer: str, lifetime_s: int) -> str:
        issued = self._now()
        expires = issued + timedelta(seconds=lifetime_s)
        token = self._sign(
            {
                "aud": claims.audience,
                "iss": issuer,
                "iat": issued,
                "nbf": issued,
                "exp": expires,
                "appid": claims.app_id,
                "appidacr": "1",
                "oid": claims.subject,
                "sub": claims.subject,
                "tid": claims.tenant_id,
                "uti": uuid.uuid4().hex,
                "ver": "1.0",
                **({"amr": list(claims.amr), "scp": "user_impersonation"} if claims.is_user else {"idtyp": "app"}),
            }
        )
        with self._lock:
            self._live[token] = (expires, claims)
        return token

    def identity(self, client_id: str, user_id: str, issuer: str, lifetime_s: int, nonce: str = "") -> str:
        """An id_token, which tells the client, and nobody else, who consented."""
        issued = self._now()
        return self._sign(
            {
                "aud": client_id,
                "iss": issuer,
                "iat": issued,
                "exp": issued + timedelta(seconds=lifetime_s),
                "oid": user_id,
                "sub": user_id,
                "tid": self._tenant_id,
                "name": "Referral administrator",
                "preferred_username": "referrals@contoso.example",
                "ver": "2.0",
                **({"nonce": nonce} if nonce else {}),
            }
        )

    def check(self, token: str, audience: str) -> Claims | None:
        with self._lock:
            expires, claims = self._live.get(token, (datetime.min.replace(tzinfo=UTC), None))
        if claims is None or expires <= self._now() or claims.audience.rstrip("/") != audience.rstrip("/"):
            return None
        return claims

    def expire_all(self) -> None:
        with self._lock:
            self._live.clear()

    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set that signatures can be checked with."""
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**key, "use": "sig", "kid": self.key_id}]}

    def _sign(self, payload: dict[str, Any]) -> str:
        return jwt.encode(payload, self._key, algorithm="RS256", headers={"kid": self.key_id})


class RefreshTokens:
    """Refresh tokens by consent. Revoked ones stay known, so that their refusal can say what happened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._consents: dict[str, Consent] = {}
        self._revoked: set[str] = set()

    def add(self, consent: Consent) -> str:
        token = f"1.{secrets.token_urlsafe(48)}"
        with self._lock:
            self._consents[token] = consent
        return token

    def find(self, token: str) -> Consent | None:
        with self._lock:
            return self._consents.get(token)

    def is_revoked(self, token: str) -> bool:
        with self._lock:
            return token in self._revoked

    def revoke(self, token: str | None) -> None:
        """``token``, or every token there is with None, is refused from now on."""
        with self._lock:
            self._revoked.update(self._consents if token is None else {token})


def client_info(user_id: str, tenant_id: str) -> str:
    """The account identity that msal keys its cache by."""
    text = json.dumps({"uid": user_id, "utid": tenant_id})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
