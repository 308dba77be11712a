"""Follows a test event from Partner Center to this app's webhook, and says in words how it went."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from shared.domain.errors import NotFound, RetryLater
from shared.partner_center.registration import Attempt, TestResult, WebhookRegistration

COMPLETED = "completed"
_SUCCESSES = {status.phrase.replace(" ", "").lower() for status in HTTPStatus if 200 <= status < 300}
_NOT_YET = TestResult(status="", attempts=())


@dataclass(frozen=True)
class Patience:
    """How long, and how often, a result is asked for. ``pause`` waits seconds; ``now_s`` never goes back.

    The pause doubles from ``first_pause_s``; no question is asked after ``longest_s``.
    """

    pause: Callable[[float], object] = time.sleep
    now_s: Callable[[], float] = time.monotonic
    first_pause_s: float = 0.25
    longest_pause_s: float = 4.0
    longest_s: float = 15.0


def follow_test_event(registration: WebhookRegistration, patience: Patience) -> dict[str, Any]:
    """A test event was sent; what became of it so far, as :func:`shown_result` shows it.

    Raises ``RetryLater`` (status 429) where two were sent within a minute.
    """
    correlation_id = _send(registration)
    ends_at_s = patience.now_s() + patience.longest_s
    pause_s = patience.first_pause_s
    while True:
        patience.pause(pause_s)
        result = _ask(registration, correlation_id)
        pause_s = min(pause_s * 2, patience.longest_pause_s)
        if _is_known(result) or patience.now_s() + pause_s > ends_at_s:
            return shown_result(correlation_id, result)


def _send(registration: WebhookRegistration) -> str:
    try:
        return registration.send_test_event()
    except RetryLater as error:
        if error.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise
        raise RetryLater(
            "Partner Center takes two test events a minute, and two were sent",
            code=error.code,
            remedy="Try again in a minute.",
            after_s=error.after_s,
            service=error.service,
            request_id=error.request_id,
            status=error.status,
        ) from error


def _ask(registration: WebhookRegistration, correlation_id: str) -> TestResult:
    """The event is on its way: a question that fails must not lose its correlation id."""
    try:
        return registration.test_result(correlation_id)
    except (RetryLater, NotFound):
        return _NOT_YET


def shown_result(correlation_id: str, result: TestResult) -> dict[str, Any]:
    """The delivery in plain values: every attempt with what the app answered, and one sentence on what to do."""
    delivered = bool(result.attempts) and _is_success(result.attempts[-1])
    return {
        "correlation_id": correlation_id,
        "status": result.status,
        "delivered": delivered,
        "attempts": [_shown_attempt(one) for one in result.attempts],
        "message": _in_words(correlation_id, result, delivered),
    }


def _shown_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": attempt.at,
        "response_code": attempt.response_code,
        "response_message": attempt.response_message,
        "system_error": attempt.system_error,
    }


def _in_words(correlation_id: str, result: TestResult, delivered: bool) -> str:
    if delivered:
        return "Delivered: Partner Center's events reach this app, and it accepts their signature."
    later = f"Ask again with GET ?test={correlation_id}."
    if not result.attempts:
        return f"Not delivered yet. {later}"
    last = result.attempts[-1]
    if last.system_error or not last.response_code:
        cause = "the app could not be reached: check that its address is public and its certificate valid"
    elif last.response_code.lower() in ("unauthorized", "401"):
        cause = "the app refused it: register again with the present function key, and see the log for the signature"
    else:
        cause = f"the app answered {last.response_code}: see the log of partner_center_to_crm"
    tries = len(result.attempts)
    again = "" if result.status.lower() == COMPLETED else f" Partner Center tries again. {later}"
    return f"Not delivered after {tries} {'try' if tries == 1 else 'tries'}; {cause}.{again}"


def _is_known(result: TestResult) -> bool:
    return result.status.lower() == COMPLETED or (bool(result.attempts) and _is_success(result.attempts[-1]))


def _is_success(attempt: Attempt) -> bool:
    """``responseCode`` is the name of a status, like ``OK``; a number is understood too."""
    code = attempt.response_code.strip().lower()
    return not attempt.system_error and (code in _SUCCESSES or (len(code) == 3 and code.isdigit() and code[0] == "2"))
