"""How people sign in: the authorization code that a browser brings back, and the code that is entered elsewhere.

A person who is ready (``EntraSimulator.person``) signs in at once when the page is opened: the page is a form
that a browser would post to the application by itself.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow and .../v2-oauth2-device-code
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.entra import refusals
from sandbox.entra.tokens import Consent

DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
LOOPBACK = "http://localhost"


@dataclass(frozen=True)
class Person:
    """``mfa``: the sign-in is with a second factor."""

    user_id: str
    mfa: bool = True


@dataclass(frozen=True)
class Granted:
    """What a code stands for; ``nonce`` goes into the id_token."""

    consent: Consent
    scope: str
    nonce: str = ""


@dataclass(frozen=True)
class _Code:
    granted: Granted
    redirect_uri: str
    challenge: str


@dataclass
class _Device:
    client_id: str
    scope: str
    device_code: str
    person: Person | None = None


class SignIns:
    """Codes that were given out and not yet exchanged; each serves once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._codes: dict[str, _Code] = {}
        self._devices: dict[str, _Device] = {}

    def authorize(self, query: Mapping[str, str], client_ids: Mapping[str, str], person: Person) -> str:
        """The page that brings the code to the application. Raises ``TokenRefusal`` as the sign-in page would."""
        client_id = query.get("client_id", "")
        if client_id not in client_ids:
            raise refusals.unknown_client(client_id)
        redirect_uri = query.get("redirect_uri", "")
        where = urlsplit(redirect_uri)
        # Registered is http://localhost; of that host the port is ignored.
        # https://learn.microsoft.com/entra/identity-platform/reply-url#localhost-exceptions
        if f"{where.scheme}://{where.hostname}" != LOOPBACK or where.path not in ("", "/"):
            raise refusals.foreign_redirect(redirect_uri)
        for name in ("scope", "state", "code_challenge"):
            if not query.get(name):
                raise refusals.missing_parameter(name)
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            raise refusals.unsupported_response_type()
        code = f"1.{secrets.token_urlsafe(32)}"
        granted = Granted(Consent(client_id, person.user_id, person.mfa), query["scope"], query.get("nonce", ""))
        with self._lock:
            self._codes[code] = _Code(granted, redirect_uri, query["code_challenge"])
        fields = {"code": code, "state": query["state"], "session_state": secrets.token_hex(8)}
        return _form(redirect_uri, fields)

    def redeem(self, client_id: str, form: Mapping[str, str]) -> Granted:
        """What the code was given for, once, to who began with it."""
        with self._lock:
            code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.granted.consent.client_id != client_id:
            raise refusals.bad_code()
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != code.challenge:
            raise refusals.wrong_verifier()
        if form.get("redirect_uri") != code.redirect_uri:
            raise refusals.foreign_redirect(form.get("redirect_uri", ""))
        return code.granted

    def begin_device(self, client_id: str, scope: str) -> tuple[str, str]:
        """The code of the device, and the one that a person enters."""
        device_code, user_code = secrets.token_urlsafe(32), secrets.token_hex(4).upper()
        with self._lock:
            self._devices[user_code] = _Device(client_id, scope, device_code)
        return device_code, user_code

    def enter_device_code(self, user_code: str, person: Person) -> None:
        with self._lock:
            self._devices[user_code].person = person

    def redeem_device(self, client_id: str, form: Mapping[str, str]) -> Granted:
        with self._lock:
            user_code, device = next(
                ((code, each) for code, each in self._devices.items() if each.device_code == form.get("device_code")),
                ("", None),
            )
            if device is None or device.client_id != client_id:
                raise refusals.bad_code()
            if device.person is None:
                raise refusals.still_waiting()
            del self._devices[user_code]
        return Granted(Consent(client_id, device.person.user_id, device.person.mfa), device.scope)


def _form(address: str, fields: Mapping[str, str]) -> str:
    inputs = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in fields.items()
    )
    form = f'<form method="post" action="{html.escape(address)}">{inputs}</form>'
    return f'<html><body onload="document.forms[0].submit()">{form}</body></html>'
