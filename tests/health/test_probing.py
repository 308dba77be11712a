"""No probe hides another, whether it raises, breaks or hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from shared.call_count import CallCount, record_call
from shared.domain.errors import ConfigurationError, RetryLater
from shared.domain.finding import Condition, Finding
from shared.health.probing import run_probes

FINE = Finding("fine", Condition.OK, "It works.")


def fine() -> Sequence[Finding]:
    record_call("Partner Center", "referral.list")
    return [FINE]


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """Set at the end, so that no thread outlives its test by much."""
    released = threading.Event()
    yield released
    released.set()


def test_checks_come_in_the_order_of_the_probes(hanging: threading.Event) -> None:
    second_is_done = threading.Event()

    def first() -> Sequence[Finding]:
        assert second_is_done.wait(5)
        return [Finding("a", Condition.OK, ""), Finding("b", Condition.WARNING, "")]

    def second() -> Sequence[Finding]:
        second_is_done.set()
        return [FINE]

    checks = run_probes({"first": first, "second": second}, 5)
    assert [check.name for check in checks] == ["a", "b", "fine"]


def test_a_probe_that_raises_is_a_failed_check_with_its_remedy() -> None:
    def refused() -> Sequence[Finding]:
        raise ConfigurationError("The role is missing", remedy="Give it.", service="Contoso", request_id="r-1")

    first, second = run_probes({"role": refused, "other": fine}, 5)
    assert (first.name, first.condition, first.remedy) == ("role", Condition.FAILED, "Give it.")
    assert first.what == "The role is missing [Contoso request r-1]."
    assert second.condition is Condition.OK


def test_an_error_without_a_remedy_gets_that_of_its_service() -> None:
    def away() -> Sequence[Finding]:
        raise RetryLater("Storage cannot be reached", service="Storage")

    (check,) = run_probes({"tables": away}, 5)
    assert "AzureWebJobsStorage" in check.remedy


def test_a_probe_that_breaks_tells_its_kind_and_not_its_text(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Sequence[Finding]:
        raise ValueError("a secret")

    (check,) = run_probes({"odd": broken}, 5)
    assert check.condition is Condition.FAILED
    assert "ValueError" in check.what
    assert "secret" not in check.what
    assert "The health check odd broke" in caplog.text


def test_a_hanging_probe_fails_alone_and_costs_the_deadline_once(hanging: threading.Event) -> None:
    def hangs() -> Sequence[Finding]:
        hanging.wait()
        return [FINE]

    began = time.monotonic()
    first, last, again = run_probes({"hangs": hangs, "fine": fine, "hangs too": hangs}, 0.3)
    assert time.monotonic() - began < 3
    assert (first.name, first.condition, first.what) == ("hangs", Condition.FAILED, "No answer within 0.3 s.")
    assert (last.name, last.condition) == ("fine", Condition.OK)
    assert again.condition is Condition.FAILED


def test_the_calls_of_every_probe_are_told() -> None:
    told: list[CallCount] = []
    both = threading.Barrier(3)

    def count(calls: CallCount) -> None:
        told.append(calls)
        both.wait(5)

    run_probes({"one": fine, "two": fine}, 5, count)
    both.wait(5)
    assert [calls.by_service() for calls in told] == [{"Partner Center": 1}] * 2
