"""The one place of this package that sends: a request, or several as a batch.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from shared.answers import Response
from shared.crm.dynamics365.batch import ChangeSet, Part, parse_batch, write_batch
from shared.crm.dynamics365.errors import classifier, refusal
from shared.transport import Request, Timeout, Transport

SERVICE = "Dynamics 365"
API = "api/data/v9.2"
_HEADERS = {"OData-Version": "4.0", "OData-MaxVersion": "4.0", "If-None-Match": "null"}


def build_transport(
    authorize: Callable[[bool], str], *, timeout: Timeout | None = None, allow_loopback_http: bool = False
) -> Transport:
    """The session layer for one environment, with Dataverse's errors and its name for our correlation id."""
    return Transport(
        SERVICE,
        authorize,
        classify=classifier(),
        timeout=timeout or Timeout(),
        rests=True,
        correlation_header="x-ms-client-request-id",
        allow_loopback_http=allow_loopback_http,
    )


class WebApi:
    """``paths`` everywhere are relative to the service root, ``{base_url}/api/data/v9.2/``."""

    def __init__(
        self, transport: Transport, base_url: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._transport = transport
        self._address = f"{base_url.rstrip('/')}/{API}"
        self._clock = clock

    def send(
        self, method: str, path: str, operation: str, *, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        request = Request(method, f"{self._address}/{path}", operation, {**_HEADERS, **(headers or {})}, json=json)
        return self._transport.send(request)

    def batch(
        self, operation: str, items: Sequence[Part | ChangeSet], *, tolerate: Sequence[int] = ()
    ) -> list[Response]:
        """The answers, change sets unfolded. The first refused part is raised, unless its status is in ``tolerate``."""
        boundary = f"batch_{uuid.uuid4()}"
        headers = {**_HEADERS, "Content-Type": f'multipart/mixed; boundary="{boundary}"'}
        if tolerate:
            headers["Prefer"] = "odata.continue-on-error"
        request = Request(
            "POST",
            f"{self._address}/$batch",
            operation,
            headers,
            body=write_batch(items, urlsplit(self._address).path, boundary),
            idempotent=not any(isinstance(item, ChangeSet) for item in items),
        )
        parts = [part for item in items for part in (item.parts if isinstance(item, ChangeSet) else (item,))]
        outer = self._transport.send(request)
        answers = parse_batch(outer, [part.operation for part in parts])
        for answer in answers:
            if answer.status >= 400 and answer.status not in tolerate:
                raise refusal(answer, self._clock())
        if len(answers) != len(parts):
            raise outer.unreadable(f"{len(answers)} answers to {len(parts)} requests")
        return answers
