"""A person's sign-in to Partner Center, once: what the app then acts on is the refresh token it yields.

https://learn.microsoft.com/partner-center/developer/enable-secure-app-model
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.domain.errors import ConnectorError
from shared.partner_center.auth import REFERRALS_SCOPE, authority_of, open_application

TIMEOUT_S = 900.0
"""How long a person has to sign in; a device code is valid for as long."""
_SECOND_FACTOR = "mfa"
_REFUSED = {
    50011: "Add the redirect URI http://localhost (platform Web) to the app registration.",
    700016: "Check PARTNER_CENTER_CLIENT_ID and PARTNER_CENTER_TENANT_ID.",
    7000215: "Put a valid secret of the app registration into PARTNER_CENTER_CLIENT_SECRET.",
    7000218: "The app registration allows no public client flows: sign in with the browser, without --device-code.",
    65004: "The sign-in was declined; sign in again and accept what the app asks for.",
    70020: "The code expired before it was entered; begin again.",
}
"""What to do, by the number of Entra's error: https://learn.microsoft.com/entra/identity-platform/reference-error-codes"""


@dataclass(frozen=True)
class SignIn:
    """Who signed in, by ids, and what may be done in that person's name from now on."""

    refresh_token: str = field(repr=False)
    user_object_id: str
    tenant_id: str


@dataclass(frozen=True)
class Application:
    """The app registration that a person signs in to."""

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    authority_host: str = "https://login.microsoftonline.com"


def sign_in_with_browser(
    application: Application, show: Callable[[str], None], *, port: int = 0, timeout_s: float = TIMEOUT_S
) -> SignIn:
    """Waits for the person who opens the address that ``show`` is given; ``ConnectorError`` if nobody does, or Entra
    refuses. The answer comes to ``http://localhost``, of which Entra ignores the port.

    https://learn.microsoft.com/entra/identity-platform/reply-url#localhost-exceptions
    """
    from msal.oauth2cli.authcode import AuthCodeReceiver  # type: ignore[import-untyped]  # has no stubs

    client = open_application(
        authority_of(application.authority_host, application.tenant_id),
        application.client_id,
        application.client_secret,
    )
    receiver = AuthCodeReceiver(port=port)
    try:
        flow = client.initiate_auth_code_flow(
            [REFERRALS_SCOPE],
            redirect_uri=f"http://localhost:{receiver.get_port()}",
            prompt="select_account",
            response_mode="form_post",
        )
        show(flow["auth_uri"])
        try:
            response = receiver.get_auth_response(timeout=timeout_s, state=flow["state"])
        except RuntimeError:
            response = None
    finally:
        receiver.close()
    if not response:
        raise _nobody_came()
    try:
        return _signed_in(client.acquire_token_by_auth_code_flow(flow, response))
    except ValueError:  # what came back was not the answer to this sign-in; without the cause, which quotes it
        raise ConnectorError(
            "What came back was not the answer to this sign-in", code="sign_in", remedy="Begin again."
        ) from None


def sign_in_with_device_code(application: Application, show: Callable[[str], None]) -> SignIn:
    """``show`` is given what the person has to do, on any device. The app registration must allow public client flows.

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code
    """
    authority = authority_of(application.authority_host, application.tenant_id)
    client = open_application(authority, application.client_id)
    flow = client.initiate_device_flow([REFERRALS_SCOPE])
    if "user_code" not in flow:
        raise _refusal(flow)
    show(f"Open {flow['verification_uri']} and enter the code {flow['user_code']}")
    return _signed_in(client.acquire_token_by_device_flow(flow))


def has_second_factor(access_token: str) -> bool | None:
    """Whether the person gave a second factor, without which Partner Center refuses every call; ``None`` where the
    token does not show it.

    https://learn.microsoft.com/partner-center/security/partner-security-requirements-mandating-mfa
    """
    try:
        payload = access_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        methods = claims["amr"]
    except (IndexError, binascii.Error, ValueError, KeyError, TypeError):
        return None
    return _SECOND_FACTOR in methods if isinstance(methods, list) else None


def _signed_in(answer: dict[str, Any]) -> SignIn:
    if "refresh_token" not in answer:
        raise _refusal(answer)
    claims = answer.get("id_token_claims") or {}
    return SignIn(str(answer["refresh_token"]), str(claims.get("oid") or ""), str(claims.get("tid") or ""))


def _refusal(answer: dict[str, Any]) -> ConnectorError:
    """Only codes are told on: the description may name users and tenants."""
    numbers = [number for number in answer.get("error_codes") or () if isinstance(number, int)]
    codes = f" ({', '.join(f'AADSTS{number}' for number in numbers)})" if numbers else ""
    return ConnectorError(
        f"Entra ID refused the sign-in: {str(answer.get('error') or 'no refresh token was given')[:60]}{codes}",
        code="sign_in",
        remedy=next((_REFUSED[number] for number in numbers if number in _REFUSED), "Begin again."),
        service="Entra ID",
        request_id=str(answer.get("correlation_id") or ""),
    )


def _nobody_came() -> ConnectorError:
    return ConnectorError(
        "Nobody signed in in time",
        code="sign_in",
        remedy="Begin again. Where the browser is on another machine than this command, use --device-code.",
    )
