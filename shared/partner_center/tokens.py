"""Where the Partner Center refresh token is kept between rotations: Key Vault, or a file on a single machine."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from shared.domain.errors import ConfigurationError, ConnectorError, RetryLater

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

SECRET_NAME = "partner-center-refresh-token"  # noqa: S105 - the secret's name


class RefreshTokenStore(Protocol):
    """Every method raises ``RetryLater`` or ``ConfigurationError``, without the token in its text."""

    def load(self) -> str | None:
        """The token saved last; ``None`` before the first."""
        ...

    def save(self, token: str) -> None:
        """``token`` is what the next ``load`` returns, in any process."""
        ...

    def age_s(self) -> float | None:
        """Seconds since the last save; ``None`` before the first. Entra lets an unused token die after 90 days."""
        ...


class FileTokenStore:
    """A JSON file that only its owner may read. For one machine: processes elsewhere do not see its rotations."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> str | None:
        saved = self._read()
        return None if saved is None else saved[0]

    def age_s(self) -> float | None:
        saved = self._read()
        return None if saved is None else max(0.0, (datetime.now(UTC) - saved[1]).total_seconds())

    def save(self, token: str) -> None:
        content = json.dumps({"refresh_token": token, "saved_at": datetime.now(UTC).isoformat()})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # mkstemp makes the file with mode 0600, and a replaced file is never seen half written.
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name, suffix=".new")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._path)
            except BaseException:
                with suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as problem:
            raise self._unusable(f"cannot be written ({type(problem).__name__})") from problem

    def _read(self) -> tuple[str, datetime] | None:
        try:
            saved = json.loads(self._path.read_text(encoding="utf-8"))
            token, saved_at = saved["refresh_token"], datetime.fromisoformat(saved["saved_at"])
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise self._unusable(f"cannot be read ({type(problem).__name__})") from problem
        except (ValueError, KeyError, TypeError):
            # Without the cause: its text may quote the file.
            raise self._unusable("does not hold a saved token") from None
        if not isinstance(token, str) or not token or saved_at.tzinfo is None:
            raise self._unusable("does not hold a saved token")
        return token, saved_at

    @staticmethod
    def _unusable(what: str) -> ConfigurationError:
        return ConfigurationError(
            f"The file that PARTNER_CENTER_TOKEN_FILE names {what}",
            code="token_file",
            remedy="Correct its permissions, or delete it and sign in to Partner Center again.",
        )


class TokenInHand:
    """One token that is kept nowhere: to try it before it is stored."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def load(self) -> str | None:
        return self._token

    def save(self, token: str) -> None:
        self._token = token

    def age_s(self) -> float | None:
        return None if self._token is None else 0.0


class KeyVaultTokenStore:
    """A Key Vault secret, a new version for each rotation. Without ``credential`` the machine's identity is used.

    ``verify_challenge_resource`` false lets the vault be on a host that is not Azure's.
    """

    def __init__(
        self,
        vault_url: str,
        secret_name: str = SECRET_NAME,
        credential: TokenCredential | None = None,
        *,
        verify_challenge_resource: bool = True,
    ) -> None:
        self._vault_url = vault_url
        self._secret_name = secret_name
        self._credential = credential
        self._verify_challenge_resource = verify_challenge_resource
        self._client: Any = None

    def load(self) -> str | None:
        secret = self._secret("read")
        return None if secret is None else (secret.value or None)

    def age_s(self) -> float | None:
        secret = self._secret("read")
        if secret is None or secret.properties.updated_on is None:
            return None
        updated_on: datetime = secret.properties.updated_on
        return max(0.0, (datetime.now(UTC) - updated_on).total_seconds())

    def save(self, token: str) -> None:
        from azure.core.exceptions import AzureError

        try:
            self._open().set_secret(self._secret_name, token, content_type="Partner Center refresh token")
        except AzureError as problem:
            raise self._unusable("write", problem) from None

    def close(self) -> None:
        """The connection to the vault is closed; it is opened again if it is needed."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _secret(self, action: str) -> Any:
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        try:
            return self._open().get_secret(self._secret_name)
        except ResourceNotFoundError:
            return None
        except AzureError as problem:
            raise self._unusable(action, problem) from None

    def _open(self) -> Any:
        # Imported here: only what needs a new token pays for these libraries.
        if self._client is None:
            from azure.identity import DefaultAzureCredential
            from azure.keyvault.secrets import SecretClient

            self._client = SecretClient(
                self._vault_url,
                self._credential or DefaultAzureCredential(),
                verify_challenge_resource=self._verify_challenge_resource,
                retry_total=1,
                connection_timeout=5,
                read_timeout=10,
            )
        return self._client

    def _unusable(self, action: str, problem: Exception) -> ConnectorError:
        status = getattr(problem, "status_code", None)
        what = f"Key Vault did not let us {action} the secret {self._secret_name} ({status or type(problem).__name__})"
        if status in (401, 403):
            remedy = "Give the app's identity the role Key Vault Secrets Officer on that vault."
            return ConfigurationError(what, code="key_vault", remedy=remedy, service="Key Vault", status=status)
        remedy = "It is tried again by itself; if this goes on, check KEY_VAULT_URL and the vault's firewall."
        return RetryLater(what, code="key_vault", remedy=remedy, service="Key Vault", status=status)
