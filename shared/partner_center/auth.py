"""Access tokens for Partner Center: one refresh token of a signed-in user, exchanged for each of the two audiences.

https://learn.microsoft.com/partner-center/developer/enable-secure-app-model
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from shared.domain.errors import ConnectorError, RetryLater
from shared.partner_center.answers import SERVICE
from shared.partner_center.tokens import RefreshTokenStore
from shared.telemetry import Event, tell

REFERRALS_SCOPE = "https://api.partner.microsoft.com/.default"
WEBHOOKS_SCOPE = "https://api.partnercenter.microsoft.com/.default"

_MICROSOFT_AUTHORITIES = frozenset(
    {"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"}
)
_RENEW_BEFORE_S = 300.0
_TIMEOUT_S = 15
_REFUSED_AFTER_S = 300.0
_SIGN_IN_AGAIN = (
    "Sign in to Partner Center again: python -m cosell consent sign-in. The deals wait and follow by themselves."
)
_SECRET_REFUSED = frozenset({"invalid_client", "unauthorized_client"})
_SIGN_IN_REFUSED = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _AccessToken:
    value: str = field(repr=False)
    renew_at: float


class PartnerCenterTokens:
    """Keeps one access token per scope until five minutes before it expires; safe to share between threads.

    The stored refresh token wins over ``initial_refresh_token``, which is used before anything is stored, and when
    the stored one is refused: that is how a new sign-in reaches an app that is already running on an old token.
    """

    def __init__(
        self,
        tenant_id: str,
        client_id: str,
        client_secret: str,
        store: RefreshTokenStore,
        authority_host: str = "https://login.microsoftonline.com",
        initial_refresh_token: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._authority = authority_of(authority_host, tenant_id)
        self._client_id = client_id
        self._client_secret = client_secret
        self._store = store
        self._initial = initial_refresh_token
        self._clock = clock
        self._lock = threading.Lock()
        self._access: dict[str, _AccessToken] = {}
        self._refresh: str | None = None
        self._seen: str | None = None
        self._unsaved: str | None = None
        self._application: Any = None

    def authorizer(self, scope: str) -> Callable[[bool], str]:
        """A function as a transport wants it: a bearer token for ``scope``; given true, one newer than before.

        It raises ``RetryLater`` when no token can be had, also for a refused sign-in or client secret: a person mends
        that in minutes or days, and no deal may be given up meanwhile.
        """
        return lambda force: self._token(scope, force)

    def close(self) -> None:
        """The connection to the token endpoint is closed; it is opened again if it is needed."""
        with self._lock:
            if self._application is not None:
                self._application.http_client.close()
                self._application = None

    def _token(self, scope: str, force: bool) -> str:
        seen = self._access.get(scope)
        if not force and seen is not None and self._clock() < seen.renew_at:
            return seen.value
        with self._lock:
            held = self._access.get(scope)
            # Another thread exchanged while this one waited: that token is as new as any.
            if held is not None and held is not seen and self._clock() < held.renew_at:
                return held.value
            answer = self._exchange(scope)
            self._access[scope] = held = _AccessToken(
                answer["access_token"], self._clock() + float(answer.get("expires_in") or 0) - _RENEW_BEFORE_S
            )
            return held.value

    def _exchange(self, scope: str) -> dict[str, Any]:
        refused: RetryLater | None = None
        for refresh_token in self._candidates():
            answer = self._ask(refresh_token, scope)
            if "access_token" in answer:
                self._keep(refresh_token, answer.get("refresh_token") or refresh_token)
                return answer
            refused = refused or _refusal(answer)
            if answer.get("error") not in _SIGN_IN_REFUSED:
                raise refused
        raise refused or RetryLater(
            "There is no Partner Center refresh token that could be read",
            code="refresh_token_missing",
            after_s=_REFUSED_AFTER_S,
            remedy=_SIGN_IN_AGAIN,
            service="Entra ID",
        )

    def _candidates(self) -> Iterator[str]:
        """Each once: what is stored (perhaps by another worker, or by a new sign-in), the token in use, what could not
        be stored, and the one from the settings."""
        tried: set[str] = set()
        sources: tuple[Callable[[], str | None], ...] = (
            self._load,
            lambda: self._refresh,
            lambda: self._unsaved,
            lambda: self._initial,
        )
        for source in sources:
            token = source()
            if token and token not in tried:
                tried.add(token)
                yield token

    def _load(self) -> str | None:
        self._seen = None
        try:
            self._seen = self._store.load()
        except ConnectorError as problem:
            _tell("The stored Partner Center refresh token could not be read.", "refresh_token_unread", problem)
        return self._seen

    def _keep(self, used: str, latest: str) -> None:
        """``latest`` is stored, and only then in use; if it cannot be stored, ``used`` goes on serving.

        What another worker or a person's new sign-in stored since we read stays: it is what is used next.
        """
        if latest == self._refresh:
            return
        try:
            if self._store.load() == self._seen:
                self._store.save(latest)
        except ConnectorError as problem:
            # Entra does not revoke the old token on rotation, and the next exchange saves again.
            what = "The rotated Partner Center refresh token could not be saved: the old one serves on."
            _tell(what, "refresh_token_unsaved", problem)
            self._refresh, self._unsaved = used, latest
            return
        self._refresh, self._unsaved = latest, None

    def _ask(self, refresh_token: str, scope: str) -> dict[str, Any]:
        import requests
        from msal.exceptions import MsalError  # type: ignore[import-untyped]  # has no stubs

        try:
            answer: dict[str, Any] = self._open().acquire_token_by_refresh_token(refresh_token, scopes=[scope])
        except (requests.RequestException, MsalError, ValueError) as problem:
            # ValueError: msal could not make sense of the answer. Without the cause, which may quote it.
            raise RetryLater(
                f"Entra ID could not be asked for a Partner Center token ({type(problem).__name__})",
                code="token_service",
                remedy="It is tried again by itself; if this goes on, check PARTNER_CENTER_TENANT_ID and the network.",
                service="Entra ID",
            ) from None
        return answer

    def _open(self) -> Any:
        if self._application is None:
            self._application = open_application(self._authority, self._client_id, self._client_secret)
        return self._application


def authority_of(authority_host: str, tenant_id: str) -> str:
    return f"{authority_host.rstrip('/')}/{tenant_id}"


def open_application(authority: str, client_id: str, client_secret: str | None = None) -> Any:
    """msal's client of an app registration; without ``client_secret`` its public one."""
    import msal  # type: ignore[import-untyped]  # has no stubs

    options: dict[str, Any] = {
        "authority": authority,
        # Microsoft's list of authorities does not know hosts that are not Microsoft's.
        "instance_discovery": None if urlsplit(authority).hostname in _MICROSOFT_AUTHORITIES else False,
        "timeout": _TIMEOUT_S,
    }
    if client_secret is None:
        return msal.PublicClientApplication(client_id, **options)
    return msal.ConfidentialClientApplication(client_id, client_credential=client_secret, **options)


def _tell(what: str, code: str, problem: ConnectorError) -> None:
    tell(_log, logging.WARNING, Event.SIGN_IN, f"{what} {problem}", service=SERVICE, code=code)


def _refusal(answer: dict[str, Any]) -> RetryLater:
    """What the token endpoint's error means. Only its codes are told on: the description names users and tenants.

    https://learn.microsoft.com/entra/identity-platform/reference-error-codes
    """
    error = str(answer.get("error") or "unknown")[:60]
    codes = ", ".join(f"AADSTS{code}" for code in answer.get("error_codes") or () if isinstance(code, int))
    what = f"Entra ID refused a Partner Center token: {error}{f' ({codes})' if codes else ''}"
    request_id = str(answer.get("correlation_id") or "")
    if error in _SECRET_REFUSED:
        code, remedy = (
            "client_secret_refused",
            "Put a valid secret of the app registration into PARTNER_CENTER_CLIENT_SECRET.",
        )
    elif error in _SIGN_IN_REFUSED:
        code, remedy = "refresh_token_refused", _SIGN_IN_AGAIN
    else:
        return RetryLater(what, code="token_service", service="Entra ID", request_id=request_id)
    return RetryLater(
        what, code=code, remedy=remedy, after_s=_REFUSED_AFTER_S, service="Entra ID", request_id=request_id
    )
