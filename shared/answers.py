"""What an answer of a vendor means: the table from HTTP status to error, and the vendors' error bodies. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from shared.domain.errors import (
    ConfigurationError,
    ConnectorError,
    NotFound,
    Rejected,
    RetryLater,
    VersionConflict,
)

MESSAGE_LIMIT = 300
"""Characters kept of a service's error message."""

_E_MAIL = re.compile(r"[^\s@'\"<>(),:;=]+@[^\s@'\"<>(),:;=]+")
_REQUEST_ID_HEADERS = ("request-id", "x-ms-service-request-id", "x-ms-request-id", "ms-requestid", "client-request-id")


@dataclass(frozen=True)
class Response:
    """``body`` is empty where the service sent none. ``writes`` tells whether it answers a write."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Read without regard to case, where they come from a :class:`~shared.transport.Transport`."""
    body: bytes = field(repr=False)
    service: str = ""
    operation: str = ""
    writes: bool = False

    @property
    def request_id(self) -> str:
        """The service's own id of this call, to quote to its support; empty if it gave none."""
        by_name = {name.lower(): value for name, value in self.headers.items()}
        return next((by_name[name] for name in _REQUEST_ID_HEADERS if by_name.get(name)), "")

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")

    def json(self) -> Any:
        """Raises ``RetryLater`` for a body that is not JSON: the page of a proxy or of a service going down."""
        try:
            return json.loads(self.body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise self.unreadable("something that is not JSON") from None

    def json_object(self) -> dict[str, Any]:
        """As :meth:`json`, and raises ``RetryLater`` for JSON that is not an object."""
        value = self.json()
        if not isinstance(value, dict):
            raise self.unreadable("JSON of another shape than documented")
        return value

    def unreadable(self, what: str) -> RetryLater:
        unknown = " Whether the write took effect is unknown." if self.writes else ""
        return RetryLater(
            f"{self.service} answered {self.operation} with {what}.{unknown}",
            code="unreadable_answer",
            remedy="It is tried again by itself.",
            service=self.service,
            request_id=self.request_id,
            status=self.status,
        )


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True)
class ServiceError:
    """What a service says of its refusal; ``target`` is the field it names, if it does. Never branch on ``message``."""

    code: str = ""
    message: str = ""
    target: str = ""


def odata_error(response: Response) -> ServiceError:
    """The OData error body ``{"error": {"code", "message", "target"}}``; empty parts where the body has another shape.

    https://learn.microsoft.com/partner-center/developer/error-codes
    """
    body = parsed_or_none(response.body)
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return ServiceError()
    return ServiceError(line(error, "code"), line(error, "message"), line(error, "target"))


def parsed_or_none(body: bytes) -> Any:
    """The JSON value of ``body``, or ``None`` if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return str(value) if isinstance(value, str | int) else ""


def line(values: Mapping[str, Any], key: str) -> str:
    """What is told on of a service's own words: see :func:`trimmed`."""
    return trimmed(text(values, key))


def masked(message: str) -> str:
    """The same text without anybody's e-mail address."""
    return _E_MAIL.sub("(e-mail address)", message)


def trimmed(message: str) -> str:
    """One line of at most ``MESSAGE_LIMIT`` characters, with e-mail addresses masked: services like to quote input."""
    one_line = masked(" ".join(message.split()))
    return one_line if len(one_line) <= MESSAGE_LIMIT else f"{one_line[: MESSAGE_LIMIT - 1]}…"


def error_of(
    response: Response, now: datetime, read_error: Callable[[Response], ServiceError] = odata_error
) -> ConnectorError:
    """The error that a refusal means where the service has no rule of its own.

    ===================  =====================================================================================
    401                  ``RetryLater`` ``unauthorized``: consent or a role is being mended, deals must not fail
    403                  ``ConfigurationError`` ``forbidden``
    404, 410             ``NotFound``
    412                  ``VersionConflict``
    408, 423, 425, 429   ``RetryLater``
    5xx                  ``RetryLater``
    other 4xx            ``Rejected`` with the service's code
    1xx, 3xx             ``ConfigurationError`` ``redirected``: the address is not the service's
    ===================  =====================================================================================

    ``Retry-After`` becomes ``after_s`` of every ``RetryLater``.
    """
    status, service = response.status, response.service
    said = read_error(response)
    reason = f": {said.code} {said.message}".rstrip() if said.code or said.message else ""
    what = f"{service} answered {response.operation} with {status}{reason}"
    common: dict[str, Any] = {"service": service, "request_id": response.request_id, "status": status}
    if status == 401:
        remedy = (
            f"Check that the app's consent, roles and sign-in for {service} still hold; it is tried again by itself."
        )
        return RetryLater(what, code="unauthorized", remedy=remedy, after_s=retry_after_s(response, now), **common)
    if status == 403:
        remedy = f"Give the connector's {service} user the permission this needs."
        return ConfigurationError(what, code="forbidden", remedy=remedy, **common)
    if status in (404, 410):
        return NotFound(what, **common)
    if status == 412:
        return VersionConflict(what, **common)
    if status in (408, 423, 425, 429) or status >= 500:
        code = {429: "throttled", 503: "unavailable"}.get(status, "service_error")
        if status >= 500 and status != 503 and response.writes:
            what = f"{what}. Whether the write took effect is unknown"
        remedy = "It is tried again by itself."
        return RetryLater(what, code=code, remedy=remedy, after_s=retry_after_s(response, now), **common)
    if status >= 400:
        return Rejected(what, code=said.code or "rejected", field=said.target, **common)
    return ConfigurationError(
        what, code="redirected", remedy=f"Check the address of {service} in the app settings.", **common
    )


def retry_after_s(response: Response, now: datetime) -> float | None:
    """Seconds that ``Retry-After`` asks to wait, given as seconds or as an HTTP date; ``None`` where it says nothing.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    value = response.header("Retry-After").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value, re.ASCII):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
