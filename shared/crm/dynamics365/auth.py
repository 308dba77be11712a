"""Tokens for Dataverse: a managed identity in Azure, or the client secret of an app registration.

https://learn.microsoft.com/power-apps/developer/data-platform/authenticate-oauth
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.domain.errors import ConfigurationError, RetryLater

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

_SERVICE = "Dynamics 365"
_MICROSOFT_AUTHORITIES = frozenset(
    {"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"}
)
_RENEW_BEFORE_S = 300
_REFUSED_AFTER_S = 300
# azure-core would try ten times over minutes; the queue is the one that repeats.
_ONE_TRY = {"retry_total": 1, "connection_timeout": 5, "read_timeout": 15}
_CHECK = (
    "Check DYNAMICS365_TENANT_ID, DYNAMICS365_CLIENT_ID and DYNAMICS365_CLIENT_SECRET, or, without them, the managed "
    "identity of the Function App, and that it is an application user of the environment."
)


def scope_of(base_url: str) -> str:
    """The permission to ask for: everything that the application user of the environment may do."""
    return f"{base_url.rstrip('/')}/.default"


def build_credential(
    tenant_id: str = "",
    client_id: str = "",
    client_secret: str = "",
    *,
    authority_host: str = "",
    managed_identity_client_id: str = "",
) -> TokenCredential:
    """The app registration's credential if tenant, client and secret are given; the managed identity's otherwise.

    No call is made yet. Raises ``ConfigurationError`` where only some of the three are given or one is malformed.
    """
    # azure.identity costs 0.3 s of a cold start: only a worker that talks to Dynamics 365 pays it.
    from azure.identity import ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential

    given = [bool(tenant_id), bool(client_id), bool(client_secret)]
    if any(given) and not all(given):
        raise ConfigurationError(
            "DYNAMICS365_TENANT_ID, DYNAMICS365_CLIENT_ID and DYNAMICS365_CLIENT_SECRET belong together, and only "
            "some are set",
            remedy="Set all three, or none to use the managed identity.",
            service=_SERVICE,
        )
    authority = authority_host or "login.microsoftonline.com"
    host = urlsplit(authority if "//" in authority else f"//{authority}").hostname or ""
    # Instance discovery asks Microsoft whether the authority is one of its own, and refuses any other.
    foreign = host not in _MICROSOFT_AUTHORITIES
    try:
        if all(given):
            return ClientSecretCredential(
                tenant_id, client_id, client_secret, authority=authority, disable_instance_discovery=foreign, **_ONE_TRY
            )
        if managed_identity_client_id:
            return ManagedIdentityCredential(client_id=managed_identity_client_id)
        return DefaultAzureCredential(authority=authority, exclude_interactive_browser_credential=True)
    except ValueError as problem:
        raise ConfigurationError(
            f"The credentials for Dynamics 365 are malformed ({type(problem).__name__})",
            remedy=_CHECK,
            service=_SERVICE,
        ) from None


def authorizer(
    credential: TokenCredential, scope: str, clock: Callable[[], float] = time.time
) -> Callable[[bool], str]:
    """For :class:`~shared.transport.Transport`: bearer tokens for ``scope``, kept until five minutes before they end.

    Given true, one that is newer than before. Raises ``RetryLater`` when no token can be had, also for a refused
    sign-in: a person mends that in minutes or days, and no deal may be given up meanwhile.
    """
    return _Authorizer(credential, scope, clock)


class _Authorizer:
    def __init__(self, credential: TokenCredential, scope: str, clock: Callable[[], float]) -> None:
        self._credential = credential
        self._scope = scope
        self._clock = clock
        self._lock = threading.Lock()
        self._token: AccessToken | None = None

    def __call__(self, fresh: bool) -> str:
        seen = self._token
        if seen is not None and not fresh and self._is_good(seen):
            return seen.token
        with self._lock:
            held = self._token
            # Another thread asked while this one waited: that token is as new as any.
            if held is None or held is seen or not self._is_good(held):
                self._token = held = self._new_token(fresh)
            return held.token

    def _is_good(self, token: AccessToken) -> bool:
        return self._clock() < token.expires_on - _RENEW_BEFORE_S

    def _new_token(self, fresh: bool) -> AccessToken:
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            # The credential has a cache of its own; asking with claims is what makes it pass that by.
            return self._credential.get_token(self._scope, claims="{}" if fresh else None)
        except ClientAuthenticationError as problem:
            # Without the cause: its text may hold what the settings hold.
            raise RetryLater(
                f"Entra ID gave no token for Dynamics 365 ({type(problem).__name__})",
                code="sign_in_refused",
                after_s=_REFUSED_AFTER_S,
                remedy=_CHECK,
                service="Entra ID",
            ) from None
        except AzureError as problem:
            raise RetryLater(
                f"Entra ID did not answer the sign-in for Dynamics 365 ({type(problem).__name__})",
                code="sign_in_unreachable",
                remedy="It is tried again by itself.",
                service="Entra ID",
            ) from None
