"""Sign-in to Salesforce: as a user by a signed assertion (JWT bearer), or as the app's own user (client credentials).

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_jwt_flow.htm
https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_client_credentials_flow.htm
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from shared.answers import line, parsed_or_none, text
from shared.domain.errors import ConfigurationError, RetryLater
from shared.transport import Timeout, check_address

SERVICE = "Salesforce"
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - an address
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# The pages disagree on how far ahead the end may lie; three minutes is within all of them.
_ASSERTION_LIFE_S = 180
_REFUSED_AFTER_S = 300
_CHECK = (
    "Check SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID and SALESFORCE_PRIVATE_KEY with SALESFORCE_USERNAME, or "
    "SALESFORCE_CLIENT_SECRET; and that the connected app is approved for that user."
)

Grant = Callable[[], Mapping[str, str]]
"""The form that asks for a token; made anew each time, since an assertion ends."""


@dataclass(frozen=True)
class SignedIn:
    """``user_id`` is the connector's own user."""

    token: str = field(repr=False)
    instance_url: str
    user_id: str


def client_credentials(client_id: str, client_secret: str) -> Grant:
    """For the app's run-as user. Works on the org's My Domain address only."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
    return lambda: form


def jwt_bearer(
    client_id: str, username: str, private_key: str, audience: str, clock: Callable[[], float] = time.time
) -> Grant:
    """For ``username``, by assertions signed with the PEM ``private_key``; raises ``ConfigurationError`` for no key."""

    def form() -> Mapping[str, str]:
        claims = {"iss": client_id, "sub": username, "aud": audience, "exp": int(clock()) + _ASSERTION_LIFE_S}
        return {"grant_type": _JWT_BEARER, "assertion": _signed(claims, private_key)}

    return form


def audience_of(login_url: str) -> str:
    """Whom an assertion is for: production's or the sandboxes' login host, whatever the org's own address is."""
    host = urlsplit(login_url).hostname or ""
    is_sandbox = host == "test.salesforce.com" or ".sandbox." in host
    return f"https://{'test' if is_sandbox else 'login'}.salesforce.com"


def _signed(claims: Mapping[str, Any], private_key: str) -> str:
    # cryptography costs a cold start that client credentials need not pay.
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigurationError(
            "SALESFORCE_PRIVATE_KEY is no RSA key in PEM without a password",
            remedy="Set it to the key of the certificate that the connected app holds.",
            service=SERVICE,
        ) from None
    signed = b".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return b".".join((signed, _encoded(key.sign(signed, PKCS1v15(), SHA256())))).decode()


def _encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


class SalesforceSession:
    """The session of one org, safe to share between threads: one sign-in at a time, kept until Salesforce ends it.

    Tokens come without an end of their own; that one has ended is told by 401, and the transport asks for another then.
    """

    def __init__(
        self,
        login_url: str,
        grant: Grant,
        *,
        timeout: Timeout = Timeout(read_s=15),  # noqa: B008 - frozen
        http: requests.Session | None = None,
    ) -> None:
        self.login_url = login_url.rstrip("/")
        self._address = f"{self.login_url}{TOKEN_PATH}"
        self._grant = grant
        self._timeout = timeout
        self._http = http or requests.Session()
        self._lock = threading.Lock()
        self._held: SignedIn | None = None

    def authorize(self, fresh: bool) -> str:
        """For :class:`~shared.transport.Transport`. Raises ``RetryLater`` when no token can be had, also for a refused
        sign-in: a person mends that in minutes or days, and no deal may be given up meanwhile."""
        return self.signed_in(fresh=fresh).token

    def signed_in(self, *, fresh: bool = False) -> SignedIn:
        seen = self._held
        if seen is not None and not fresh:
            return seen
        with self._lock:
            # Another thread signed in while this one waited: that session is as new as any.
            if self._held is None or self._held is seen:
                self._held = self._sign_in()
            return self._held

    def _sign_in(self) -> SignedIn:
        check_address(self._address, SERVICE)
        try:
            answer = self._http.post(
                self._address,
                data=dict(self._grant()),
                headers={"Accept": "application/json"},
                timeout=(self._timeout.connect_s, self._timeout.read_s),
                allow_redirects=False,
            )
        except requests.RequestException as problem:
            # Without the cause: its text may hold the form.
            raise _unreachable(type(problem).__name__) from None
        body = parsed_or_none(answer.content)
        body = body if isinstance(body, dict) else {}
        if answer.status_code != 200:
            raise _refused(answer.status_code, body)
        token, instance_url = text(body, "access_token"), text(body, "instance_url").rstrip("/")
        if not token or not instance_url:
            raise _unreachable("an answer without a token or address")
        check_address(instance_url, SERVICE)
        return SignedIn(token, instance_url, text(body, "id").rpartition("/")[2])


def _refused(status: int, body: Mapping[str, Any]) -> RetryLater:
    error, why = line(body, "error"), line(body, "error_description")
    if status >= 500 or not error:
        return _unreachable(f"status {status}")
    return RetryLater(
        f"Salesforce refused the sign-in: {error} ({why})",
        code="sign_in_refused",
        after_s=_REFUSED_AFTER_S,
        remedy=_CHECK,
        service=SERVICE,
        status=status,
    )


def _unreachable(what: str) -> RetryLater:
    return RetryLater(
        f"Salesforce did not answer the sign-in ({what})",
        code="sign_in_unreachable",
        remedy="It is tried again by itself.",
        service=SERVICE,
    )
