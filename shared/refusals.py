"""What an HTTP function answers when an error is all it has to tell: status, headers and a body in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from shared.domain.errors import ConnectorError, NotFound, Rejected, RetryLater


@dataclass(frozen=True)
class Refusal:
    """``status`` is 400 for what the caller got wrong, 404, 429, and 503 for all else."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


def refusal_of(error: ConnectorError) -> Refusal:
    """Where the service said how long to wait, ``Retry-After`` and the remedy say so too."""
    body: dict[str, Any] = {"error": error.code, "message": error.message, "remedy": error.remedy}
    headers = {}
    if isinstance(error, RetryLater) and error.after_s is not None:
        seconds = math.ceil(error.after_s)
        body |= {"remedy": f"Try again in {seconds} seconds.", "retry_after_s": seconds}
        headers = {"Retry-After": str(seconds)}
    return Refusal(_status(error), body, headers)


def _status(error: ConnectorError) -> HTTPStatus:
    if isinstance(error, Rejected):
        return HTTPStatus.BAD_REQUEST
    if isinstance(error, NotFound):
        return HTTPStatus.NOT_FOUND
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return HTTPStatus.TOO_MANY_REQUESTS
    return HTTPStatus.SERVICE_UNAVAILABLE
