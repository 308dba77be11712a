"""One request to a vendor in, one answer or one :class:`~shared.domain.errors.ConnectorError` out.

Every client sends through this session layer, so that time-outs, tokens, correlation ids, call counts and the mapping
of statuses to errors are the same everywhere. Nothing is repeated here except a call refused with 401, once, with a
fresh token: whether anything else may be repeated is the queue's and the sync's to decide.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError

from shared.answers import Response, ServiceError, error_of, odata_error
from shared.call_count import CallCount, counting_calls, record_call
from shared.correlation import correlation_id
from shared.domain.errors import ConfigurationError, ConnectorError, RetryLater
from shared.rest_period import RestPeriod
from shared.telemetry import Event, tell

__all__ = ["CallCount", "Request", "Response", "Timeout", "Transport", "check_address", "counting_calls"]

_log = logging.getLogger(__name__)
# urllib3 writes paths with their queries at DEBUG, and a filter may hold a person's address.
logging.getLogger("urllib3").setLevel(logging.INFO)

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SLOW_MS = 5_000
"""From here on a call is told of in the log like one that was refused."""


@dataclass(frozen=True)
class Timeout:
    """``read_s`` is the longest silence of the service while we wait for its answer."""

    connect_s: float = 5.0
    read_s: float = 30.0


@dataclass(frozen=True)
class Request:
    """``operation`` is a short stable name for logs and budgets, like ``referral.get``; the URL never is.

    Give ``json`` or ``body``, not both. ``idempotent`` says whether an unknown outcome can do harm; left out, the
    method decides: reads are.
    """

    method: str
    url: str = field(repr=False)
    operation: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Any = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    idempotent: bool | None = None

    @property
    def writes(self) -> bool:
        if self.idempotent is not None:
            return not self.idempotent
        return self.method.upper() not in _SAFE_METHODS

    def content(self) -> bytes | None:
        return self.body if self.json is None else json.dumps(self.json, allow_nan=False).encode()


class _Bearer(requests.auth.AuthBase):
    """Given as ``auth`` because a header alone would lose to an entry in the machine's ``.netrc``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = f"Bearer {self._token}"
        return prepared


class Transport:
    """Sends requests to one service; safe to share between threads.

    ``authorize(False)`` returns a bearer token, ``authorize(True)`` one that is newer than any returned before.
    ``classify`` may turn a refusal (any status outside 2xx and 304) into the service's own error; where it returns
    ``None``, the table in :func:`shared.answers.error_of` holds, with what ``read_error`` finds in the body.
    ``calls`` counts what was sent, by operation. With ``rests``, nothing is sent before the time that the service
    named in ``Retry-After`` is over; without, that is the caller's own matter.
    """

    def __init__(
        self,
        service: str,
        authorize: Callable[[bool], str],
        *,
        classify: Callable[[Response], ConnectorError | None] | None = None,
        read_error: Callable[[Response], ServiceError] = odata_error,
        timeout: Timeout = Timeout(),  # noqa: B008 - frozen
        correlation_header: str = "client-request-id",
        allow_loopback_http: bool = False,
        rests: bool = False,
        session: requests.Session | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.service = service
        self.calls: Counter[str] = Counter()
        self._authorize = authorize
        self._classify = classify
        self._read_error = read_error
        self._timeout = timeout
        self._correlation_header = correlation_header
        self._allow_loopback_http = allow_loopback_http
        self._rest = RestPeriod(service) if rests else None
        self._session = session or _new_session()
        self._clock = clock
        self._lock = threading.Lock()

    def send(self, request: Request) -> Response:
        """The answer, if its status is 2xx or 304; every other outcome is raised as a ``ConnectorError``.

        ``RetryLater`` with code ``timeout`` or ``connection`` leaves open whether a write took effect, and says so.
        """
        check_address(request.url, self.service, allow_loopback_http=self._allow_loopback_http)
        if self._rest is not None:
            self._rest.require_over(request.operation, self._clock())
        response = self._send_once(request, self._token(fresh=False))
        if response.status == 401:
            response = self._send_once(request, self._token(fresh=True))
        if 200 <= response.status < 300 or response.status == 304:
            return response
        error = self._classify(response) if self._classify else None
        error = error or error_of(response, self._clock(), self._read_error)
        if self._rest is not None:
            self._rest.begin(response, error, self._clock())
        if response.status == 401:
            self._tell_sign_in(error)
        raise error

    def _token(self, *, fresh: bool) -> str:
        try:
            return self._authorize(fresh)
        except ConnectorError as error:
            self._tell_sign_in(error)
            raise

    def _tell_sign_in(self, error: ConnectorError) -> None:
        what = f"{self.service}: {error}"
        tell(_log, logging.WARNING, Event.SIGN_IN, what, service=self.service, code=error.code, status=error.status)

    def close(self) -> None:
        """Connections kept open are closed; the transport opens new ones if it is used again."""
        self._session.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send_once(self, request: Request, token: str) -> Response:
        correlation = correlation_id.get() or str(uuid.uuid4())
        content = request.content()
        headers = {"Accept": "application/json", self._correlation_header: correlation, **request.headers}
        if request.json is not None:
            headers.setdefault("Content-Type", "application/json")
        with self._lock:
            self.calls[request.operation] += 1
        record_call(self.service, request.operation)
        started = time.monotonic()
        response: Response | None = None
        try:
            answer = self._session.request(
                request.method,
                request.url,
                headers=headers,
                data=content,
                auth=_Bearer(token),
                timeout=(self._timeout.connect_s, self._timeout.read_s),
                allow_redirects=False,
            )
            response = Response(
                answer.status_code, answer.headers, answer.content, self.service, request.operation, request.writes
            )
        except (requests.RequestException, HTTPError, ValueError) as problem:
            # Without the cause: its text may hold the URL with its query, or the token.
            raise self._no_answer(request, problem) from None
        finally:
            self._tell_call(request, response, round((time.monotonic() - started) * 1000), correlation)
        return response

    def _tell_call(self, request: Request, response: Response | None, duration_ms: int, correlation: str) -> None:
        """Everyday calls are counted in the outcome's line; told one by one they would be most of the log."""
        status = response.status if response else 0
        is_everyday = 200 <= status < 400 and duration_ms < SLOW_MS
        tell(
            _log,
            logging.DEBUG if is_everyday else logging.INFO,
            Event.CALL,
            f"{self.service} {request.operation}: {status or 'no answer'} in {duration_ms} ms",
            service=self.service,
            operation=request.operation,
            status=status,
            duration_ms=duration_ms,
            request_id=response.request_id if response else "",
            correlation_id=correlation,
        )

    def _no_answer(self, request: Request, problem: Exception) -> ConnectorError:
        if isinstance(problem, ValueError):  # an invalid URL or header: it never left this machine
            return ConfigurationError(
                f"{self.service} {request.operation}: malformed address or header ({type(problem).__name__})",
                code="malformed_request",
                remedy="Check its address and credentials in the app settings.",
                service=self.service,
            )
        if isinstance(problem, requests.Timeout):
            code, what = "timeout", "did not answer in time"
        elif isinstance(problem, requests.exceptions.SSLError):
            code, what = "tls", "could not be trusted or did not speak TLS"
        else:
            code, what = "connection", "could not be reached, or cut the connection"
        if _never_sent(problem):
            consequence = "Nothing was sent."
        elif request.writes:
            consequence = "Whether the write took effect is unknown."
        else:
            consequence = "Nothing was changed."
        return RetryLater(
            f"{self.service} {what} ({request.operation}, {type(problem).__name__}). {consequence}",
            code=code,
            service=self.service,
            remedy="It is tried again by itself.",
        )


def _never_sent(problem: Exception) -> bool:
    """True only where the request certainly stayed here: no connection, or a certificate refused."""
    cause = getattr(problem.args[0], "reason", None) if problem.args else None
    return (
        isinstance(problem, requests.ConnectTimeout)
        or isinstance(cause, NewConnectionError)
        or (isinstance(problem, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(problem))
    )


def check_address(url: str, service: str, *, allow_loopback_http: bool = False) -> None:
    """Returns if tokens may be sent to ``url``: https, or http to this machine where that is allowed.

    Raises ``ConfigurationError`` otherwise; the message names scheme and host only.
    """
    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname or "", parts.scheme.lower()
    except ValueError:
        host = scheme = ""
    loopback = allow_loopback_http and scheme == "http" and host in _LOOPBACK
    if not host or "@" in parts.netloc or not (scheme == "https" or loopback):
        raise ConfigurationError(
            f"{service} must be reached over https, without a user name in the address, not at {scheme or '?'}://{host}",
            code="address_not_https",
            remedy="Correct the address in the app settings.",
            service=service,
        )


def _new_session() -> requests.Session:
    session = requests.Session()
    # One session for all worker threads: its pool is locked, and without cookies it holds no state.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", HTTPAdapter(pool_maxsize=32))
    session.mount("http://", HTTPAdapter(pool_maxsize=32))
    return session
