"""Orders for the faults of the service itself, by name."""

from __future__ import annotations

from sandbox.control import Fault
from sandbox.salesforce import errors

DATA_PATH = "/services/data/v"


def session_expired(*, path: str = DATA_PATH, times: int = 1, skip: int = 0) -> Fault:
    """401 after ``skip`` calls, though the token is still good."""
    return _refused(errors.session_invalid(), path, ".*", times, skip)


def daily_limit_exceeded(*, path: str = DATA_PATH, times: int = 1, skip: int = 0) -> Fault:
    """403, as the service answers when the day's allowance is used up; never 429."""
    return _refused(errors.daily_limit_exceeded(), path, ".*", times, skip)


def too_many_concurrent(*, path: str = DATA_PATH, times: int = 1, skip: int = 0) -> Fault:
    """More than 25 requests of 20 seconds and longer at once."""
    message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    return _refused(errors.SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", message), path, ".*", times, skip)


def row_locked(*, path: str = DATA_PATH, method: str = ".*", times: int = 1, skip: int = 0) -> Fault:
    return _refused(errors.row_locked(), path, method, times, skip)


def unavailable(*, path: str = DATA_PATH, times: int = 1, skip: int = 0) -> Fault:
    """503 with a page for people, as a gateway answers in maintenance."""
    page = "<html><head><title>Server Unavailable</title></head><body>We are down for maintenance.</body></html>"
    headers = {"Content-Type": "text/html"}
    return Fault(path=path, status=503, body=page, headers=headers, times=times, skip=skip)


def slow(delay_s: float, *, path: str = DATA_PATH, times: int = 1, skip: int = 0) -> Fault:
    """The answer comes late, and is a 503 then."""
    return Fault(path=path, status=503, delay_s=delay_s, times=times, skip=skip)


def cut_after_commit(*, path: str = DATA_PATH, method: str = ".*", times: int = 1, skip: int = 0) -> Fault:
    """The write is done, and the caller never hears of it."""
    return Fault(path=path, method=method, status=0, after_commit=True, times=times, skip=skip)


def _refused(error: errors.SalesforceError, path: str, method: str, times: int, skip: int) -> Fault:
    return Fault(path=path, method=method, status=error.status, body=error.body(), times=times, skip=skip)
