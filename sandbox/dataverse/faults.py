"""Orders for the faults of the service itself, by name.

https://learn.microsoft.com/power-apps/developer/data-platform/api-limits
"""

from __future__ import annotations

from sandbox.control import Fault
from sandbox.dataverse.errors import DataverseError

DATA_PATH = "/api/data/v9"


def too_many_requests(*, retry_after_s: int = 5, path: str = DATA_PATH, times: int = 1, skip: int = 0) -> Fault:
    """More than 6,000 requests in five minutes."""
    message = "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
    return _limit("0x80072322", message, retry_after_s, path, times, skip)


def too_much_execution_time(*, retry_after_s: int = 5, path: str = DATA_PATH, times: int = 1, skip: int = 0) -> Fault:
    """More than 20 minutes of execution in five minutes."""
    message = (
        "Combined execution time of incoming requests exceeded limit of 1,200,000 milliseconds over time window of "
        "300 seconds. Decrease number of concurrent requests or reduce the duration of requests and try again later."
    )
    return _limit("0x80072321", message, retry_after_s, path, times, skip)


def too_many_concurrent(*, retry_after_s: int = 5, path: str = DATA_PATH, times: int = 1, skip: int = 0) -> Fault:
    """More than 52 requests at once."""
    message = "Number of concurrent requests exceeded the limit of 52."
    return _limit("0x80072326", message, retry_after_s, path, times, skip)


def unavailable(*, path: str = DATA_PATH, times: int = 1, skip: int = 0) -> Fault:
    return Fault(path=path, status=503, times=times, skip=skip)


def cut_after_commit(*, path: str = DATA_PATH, method: str = ".*", times: int = 1, skip: int = 0) -> Fault:
    """The write is done, and the caller never hears of it."""
    return Fault(path=path, method=method, status=0, after_commit=True, times=times, skip=skip)


def _limit(code: str, message: str, retry_after_s: int, path: str, times: int, skip: int) -> Fault:
    headers = {
        "Retry-After": str(retry_after_s),
        "x-ms-ratelimit-burst-remaining-xrm-requests": "0",
        "x-ms-ratelimit-time-remaining-xrm-requests": "0",
    }
    body = DataverseError(429, code, message).body()
    return Fault(path=path, status=429, headers=headers, body=body, times=times, skip=skip)
