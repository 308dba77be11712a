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
                tenant_id, client_id, client_secret, authority=authority, disable_instance_discovery=foreign
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

    Asked for a fresh one, it asks the authority again, whatever is kept. Raises ``RetryLater`` while the authority
    cannot be reached, ``ConfigurationError`` when it refuses.
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
        with self._lock:
            if fresh or self._token is None or self._token.expires_on - _RENEW_BEFORE_S <= self._clock():
                self._token = self._new_token(fresh)
            return self._token.token

    def _new_token(self, fresh: bool) -> AccessToken:
        from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError
        from azure.identity import CredentialUnavailableError

        try:
            if not fresh:
                return self._credential.get_token(self._scope)
            # The credential has a cache of its own; asking with claims is what makes it pass that by.
            return self._credential.get_token(self._scope, claims="{}")
        except (ServiceRequestError, ServiceResponseError) as problem:
            raise RetryLater(
                f"The sign-in service of Dynamics 365 did not answer ({type(problem).__name__})",
                code="sign_in_unreachable",
                service=_SERVICE,
                remedy="It is tried again by itself.",
            ) from None
        except (CredentialUnavailableError, ClientAuthenticationError) as problem:
            raise ConfigurationError(
                f"The sign-in service gave no token for Dynamics 365 ({type(problem).__name__})",
                code="sign_in_refused",
                service=_SERVICE,
                remedy=_CHECK,
            ) from None
