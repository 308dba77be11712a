"""The answers of Entra when it issues no token, with the error numbers that its clients branch on.

Numbers: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(eq=False)
class TokenRefusal(Exception):
    """``number`` is the AADSTS number, ``error`` the OAuth error code."""

    error: str
    number: int
    message: str
    status: int = 400

    def body(self, correlation_id: str | None) -> dict[str, Any]:
        trace_id, correlation_id = str(uuid.uuid4()), correlation_id or str(uuid.uuid4())
        timestamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        return {
            "error": self.error,
            "error_description": f"AADSTS{self.number}: {self.message} "
            f"Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}",
            "error_codes": [self.number],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.number}",
        }


def missing_parameter(name: str) -> TokenRefusal:
    return TokenRefusal("invalid_request", 900144, f"The request body must contain the following parameter: '{name}'.")


def unknown_tenant(tenant: str) -> TokenRefusal:
    return TokenRefusal("invalid_request", 90002, f"Tenant '{tenant}' not found. Check the tenant ID.")


def unknown_client(client_id: str) -> TokenRefusal:
    return TokenRefusal(
        "unauthorized_client", 700016, f"Application with identifier '{client_id}' was not found in the directory."
    )


def wrong_secret(client_id: str) -> TokenRefusal:
    message = f"Invalid client secret provided for app '{client_id}'. Send the secret value, not the secret ID."
    return TokenRefusal("invalid_client", 7000215, message, status=401)


def unsupported_grant(grant: str) -> TokenRefusal:
    return TokenRefusal("unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'.")


def bad_scope(scope: str) -> TokenRefusal:
    return TokenRefusal("invalid_scope", 1002012, f"The provided value for scope {scope} is not valid.")


def several_resources() -> TokenRefusal:
    return TokenRefusal("invalid_scope", 28000, "The scope contains more than one resource.")


def unknown_resource(resource: str) -> TokenRefusal:
    return TokenRefusal("invalid_resource", 500011, f"The resource principal named {resource} was not found.")


def foreign_redirect(address: str) -> TokenRefusal:
    message = f"The redirect URI '{address}' does not match the redirect URIs configured for the application."
    return TokenRefusal("invalid_request", 50011, message)


def unsupported_response_type() -> TokenRefusal:
    return TokenRefusal("unsupported_response_type", 700054, "Only 'code' with a S256 challenge is enabled.")


def bad_code() -> TokenRefusal:
    return TokenRefusal("invalid_grant", 70008, "The provided authorization code has expired, was used, or is unknown.")


def wrong_verifier() -> TokenRefusal:
    return TokenRefusal("invalid_grant", 501481, "The Code_Verifier does not match the code_challenge supplied.")


def still_waiting() -> TokenRefusal:
    return TokenRefusal("authorization_pending", 70016, "OAuth 2.0 device flow error. Authorization is pending.")


def secret_needed() -> TokenRefusal:
    message = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
    return TokenRefusal("invalid_client", 7000218, message, status=401)


def malformed_refresh_token() -> TokenRefusal:
    return TokenRefusal("invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.")


def foreign_refresh_token() -> TokenRefusal:
    return TokenRefusal("invalid_grant", 70000, "The refresh token was issued to another client.")


def revoked_refresh_token() -> TokenRefusal:
    return TokenRefusal(
        "invalid_grant", 700082, "The refresh token has expired due to inactivity or was revoked; sign in again."
    )
