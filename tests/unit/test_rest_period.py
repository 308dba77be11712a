"""What a service asks for with Retry-After holds for everything that goes to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.answers import Response, error_of
from shared.domain.errors import NotSent
from shared.rest_period import LONGEST_REST, RestPeriod

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


def after(status: int, **headers: str) -> RestPeriod:
    """What is left of one refusal at ``NOW``."""
    rest = RestPeriod("Partner Center")
    refusal = Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")
    rest.begin(refusal, error_of(refusal, NOW), NOW)
    return rest


@pytest.mark.parametrize(("status", "code"), [(429, "throttled"), (503, "unavailable")])
def test_nothing_is_sent_before_the_time_is_over(status: int, code: str) -> None:
    rest = after(status, Retry_After="600")
    with pytest.raises(NotSent) as asked:
        rest.require_over("referral.get", NOW + timedelta(seconds=30.5))
    error = asked.value
    assert (error.code, error.after_s, error.status, error.service) == (code, 570, status, "Partner Center")
    assert str(error).startswith(
        f"Partner Center answered {status} and asked to be left alone until 10:10:00 UTC; referral.get was not sent."
    )
    rest.require_over("referral.get", NOW + timedelta(seconds=600))


@pytest.mark.parametrize(
    ("status", "headers"), [(429, {}), (503, {"Retry_After": "0"}), (500, {"Retry_After": "600"}), (401, {})]
)
def test_other_refusals_are_the_callers_own_matter(status: int, headers: dict[str, str]) -> None:
    after(status, **headers).require_over("referral.get", NOW)


def test_no_slip_of_a_service_silences_a_worker_for_days() -> None:
    rest = after(503, Retry_After=str(30 * 24 * 3600))
    with pytest.raises(NotSent):
        rest.require_over("referral.get", NOW + LONGEST_REST - timedelta(seconds=1))
    rest.require_over("referral.get", NOW + LONGEST_REST)
