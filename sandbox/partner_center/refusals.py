"""The error answers of the two hosts.

Referrals: ``{"error": {"code", "message", "target", "innerError"}}``
(MicrosoftDocs/partner-rest, error-codes.md). Webhooks: ``{"code", "description", "data", "source"}``
(https://learn.microsoft.com/partner-center/developer/error-codes).
"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A request, or an act of a person, that the service does not carry out; nothing was changed.

    ``target`` is the path of the field at fault, as JSON Patch writes it.
    """

    def __init__(self, status: int, code: str, message: str, target: str | None = None) -> None:
        super().__init__(f"{status} {code} {target or ''}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.target = target

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target is not None:
            error["target"] = self.target
        return {"error": error}

    def webhook_body(self) -> dict[str, Any]:
        return {"code": self.code, "description": self.message, "data": [], "source": "PartnerApiServiceWebhooks"}


def invalid(message: str, target: str | None = None) -> Refusal:
    return Refusal(400, "invalidRequest", message, target)


def not_found(referral_id: str) -> Refusal:
    return Refusal(404, "itemNotFound", f"No referral {referral_id} in your organisation.", "id")


def precondition_failed() -> Refusal:
    return Refusal(412, "preconditionFailed", "The referral was changed since the eTag in If-Match.", "If-Match")


def unauthenticated(message: str) -> Refusal:
    return Refusal(401, "unauthenticated", message)


def unsupported_media_type() -> Refusal:
    return Refusal(415, "invalidRequest", "Content-Type must be application/json.", "Content-Type")
