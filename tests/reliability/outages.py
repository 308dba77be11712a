"""Services in memory that are really called through the product's own session layer, and can be away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from shared.domain.errors import RetryLater
from shared.transport import Request, Transport
from tests.reliability.injected_time import Clock

RETRY_AFTER_S = 600
TOKEN_LIFE = timedelta(minutes=55)


@dataclass(frozen=True)
class Refusal:
    """How a service is away: no connection (``status`` 0), or an answer."""

    name: str
    status: int = 0
    retry_after_s: int | None = None


REFUSED = Refusal("connection refused")
UNAVAILABLE = Refusal("503", 503)
UNAVAILABLE_FOR_NOW = Refusal("503 with Retry-After", 503, RETRY_AFTER_S)
THROTTLED = Refusal("429 with Retry-After", 429, RETRY_AFTER_S)
UNAUTHORIZED = Refusal("401", 401)
REFUSALS = (REFUSED, UNAVAILABLE, UNAVAILABLE_FOR_NOW, THROTTLED, UNAUTHORIZED)


class _Wire(requests.Session):
    """Every request is answered by the service, at the moment that its clock shows."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    def request(self, method: str, url: str, **_: Any) -> requests.Response:  # type: ignore[override]
        return self._service.answer(url)


class Service:
    """``calls`` are the moments at which requests reached it, ``refused`` those of them that it refused."""

    def __init__(self, name: str, clock: Clock, token: Callable[[bool], str] | None = None) -> None:
        self.name = name
        self.calls: list[datetime] = []
        self.refused: list[datetime] = []
        self.too_early: list[datetime] = []
        self.away: Refusal | None = None
        self._clock = clock
        self._not_before = clock.now
        self._transport = Transport(
            name, token or (lambda fresh: "token"), session=_Wire(self), clock=clock, rests=True
        )

    def reach(self, operation: str) -> None:
        """One request to the service: raises what the session layer makes of its refusal."""
        self._transport.send(Request("GET", "https://service.example/", operation))

    def answer(self, url: str) -> requests.Response:
        now = self._clock()
        self.calls.append(now)
        if now < self._not_before:
            self.too_early.append(now)
        answer = requests.Response()
        answer.status_code, answer._content = 200, b"{}"
        if self.away is None:
            return answer
        self.refused.append(now)
        if self.away.status == 0:
            cause = NewConnectionError(None, "refused")  # type: ignore[arg-type]
            raise requests.ConnectionError(_Reason(cause))
        answer.status_code = self.away.status
        if self.away.retry_after_s is not None:
            answer.headers["Retry-After"] = str(self.away.retry_after_s)
            self._not_before = now + timedelta(seconds=self.away.retry_after_s)
        return answer


class _Reason(Exception):
    """As urllib3 hands on what kept it from connecting."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class TokenEndpoint:
    """Gives tokens that last an hour, to a service that asks with them; raises what the product does without one."""

    def __init__(self, clock: Clock) -> None:
        self.away = False
        self._clock = clock
        self._good_until = clock.now
        self.asked: list[datetime] = []

    def __call__(self, fresh: bool) -> str:
        if not fresh and self._clock.now < self._good_until:
            return "token"
        self.asked.append(self._clock())
        if self.away:
            raise RetryLater("Entra ID could not be asked for a token", code="token_service", service="Entra ID")
        self._good_until = self._clock.now + TOKEN_LIFE
        return "token"

    def expire(self) -> None:
        self._good_until = self._clock.now


class Behind:
    """``inside`` behind a service: each of its ``remote`` methods costs a request, which may be refused."""

    def __init__(self, inside: Any, service: Service, remote: frozenset[str]) -> None:
        self._inside = inside
        self._service = service
        self._remote = remote

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inside, name)
        if name not in self._remote:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._service.reach(name)
            return found(*arguments, **options)

        return call


class Storage:
    """Tables or queues that are away for a while; ``require`` raises as the product's storage layer does."""

    def __init__(self) -> None:
        self.is_away = False

    def require(self) -> None:
        if self.is_away:
            raise RetryLater("Could not reach the table or queue: storage cannot be reached", service="Storage")
