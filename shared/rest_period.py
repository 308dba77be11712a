"""A service that asks to be left alone for a while is, by everything that this worker does."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from shared.answers import Response, retry_after_s
from shared.domain.errors import ConnectorError, NotSent, RetryLater

LONGEST_REST = timedelta(hours=1)
"""A wait beyond this is broken off by one call: no slip of a service may silence a worker for days."""
_ASKS = frozenset({429, 503})


class RestPeriod:
    """The time until which ``service`` asked not to be called, with ``Retry-After`` on 429 or 503.

    Calls made meanwhile would be refused as well, and count: Dataverse and Partner Center lengthen the wait of who goes
    on calling (learn.microsoft.com/power-apps/developer/data-platform/api-limits).
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._cause: RetryLater | None = None
        self._until: datetime | None = None

    def begin(self, refusal: Response, error: ConnectorError, now: datetime) -> None:
        """From now on, if ``refusal`` asks for it; ``error`` is what it means."""
        wait_s = retry_after_s(refusal, now)
        if isinstance(error, RetryLater) and wait_s and refusal.status in _ASKS:
            self._cause, self._until = error, now + min(timedelta(seconds=wait_s), LONGEST_REST)

    def require_over(self, operation: str, now: datetime) -> None:
        """Raises ``NotSent`` with the rest of the wait while it lasts; nothing is to be sent then."""
        cause, until = self._cause, self._until
        if cause is None or until is None or now >= until:
            return
        raise NotSent(
            f"{self._service} answered {cause.status} and asked to be left alone until {until:%H:%M:%S} UTC; "
            f"{operation} was not sent",
            code=cause.code,
            after_s=math.ceil((until - now).total_seconds()),
            remedy="It is tried again by itself.",
            service=self._service,
            status=cause.status,
        )
