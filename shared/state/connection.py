"""Where the storage account is, and how to sign in to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.domain.errors import ConfigurationError, ConnectorError, RetryLater

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.settings import Settings

SERVICE = "Storage"
# Storage answers in milliseconds or not at all; what these do not mend, the message's own retries do.
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
RETRIES = 2
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class StorageConnection:
    """Either a connection string, or both addresses and an identity (``client_id`` of a user-assigned one)."""

    connection_string: str | None = field(default=None, repr=False)
    table_url: str = ""
    queue_url: str = ""
    client_id: str | None = None

    def credential(self) -> TokenCredential:
        """The app's managed identity in Azure, whoever has signed in on a developer's machine."""
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential(managed_identity_client_id=self.client_id)


def storage_connection(settings: Settings) -> StorageConnection:
    """The host's own storage account. As in the host, an exact setting name wins over the identity's prefix."""
    if settings.storage_connection_string is not None:
        return StorageConnection(settings.storage_connection_string.get_secret_value().rstrip(";"))
    account = settings.storage_account_name
    return StorageConnection(
        table_url=settings.storage_table_url or f"https://{account}.table.core.windows.net",
        queue_url=settings.storage_queue_url or f"https://{account}.queue.core.windows.net",
        client_id=settings.storage_client_id,
    )


@contextmanager
def refuse_malformed() -> Iterator[None]:
    """Around the reading of a connection string; the SDK's own text may repeat the key."""
    try:
        yield
    except ValueError:
        raise ConfigurationError(
            "AzureWebJobsStorage is not a connection string",
            code="settings",
            remedy="Copy it from the storage account's access keys, or use AzureWebJobsStorage__accountName.",
        ) from None


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Errors of the SDK inside the block come out as ours; ``what`` says what was being done, like "read link r-1"."""
    from azure.core import exceptions

    try:
        yield
    except exceptions.ClientAuthenticationError as error:
        raise _refused(what, error) from error
    except exceptions.HttpResponseError as error:
        if error.status_code in {401, 403}:
            raise _refused(what, error) from error
        code = str(getattr(error, "error_code", "")).replace("_", "").lower()
        if error.status_code in _TRANSIENT or code.endswith(("beingdeleted", "tablenotfound", "queuenotfound")):
            raise RetryLater(
                f"Could not {what}: storage is not ready for it", after_s=_retry_after_s(error), **_details(error)
            ) from error
        raise ConnectorError(
            f"Could not {what}: storage refused it", code="storage_refused", **_details(error)
        ) from error
    except exceptions.AzureError as error:  # no connection, or no answer in time
        raise RetryLater(f"Could not {what}: storage cannot be reached", service=SERVICE) from error


def _refused(what: str, error: Any) -> ConfigurationError:
    return ConfigurationError(
        f"Could not {what}: storage refused the app's identity",
        code="storage_access",
        remedy="Give it the roles Storage Table Data Contributor and Storage Queue Data Contributor on the account.",
        **_details(error),
    )


def _retry_after_s(error: Any) -> float | None:
    asked = error.response.headers.get("Retry-After", "") if error.response is not None else ""
    return float(asked) if asked.isdecimal() else None


def _details(error: Any) -> dict[str, Any]:
    headers = error.response.headers if error.response is not None else {}
    return {
        "service": SERVICE,
        "status": error.status_code,
        "request_id": headers.get("x-ms-request-id", ""),
    }
