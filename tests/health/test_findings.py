"""What answers mean: each table row is a state of an installation and what the operator is told of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.errors import ConfigurationError, ConnectorError, RetryLater
from shared.domain.finding import Condition
from shared.domain.link import LinkStatus
from shared.health.partner_center import (
    REFERRALS_ROLE,
    referrals_findings,
    refresh_token_finding,
    webhook_findings,
)
from shared.health.state import (
    calls_finding,
    cursor_finding,
    direction_finding,
    links_finding,
    queue_findings,
)
from shared.partner_center.event import REFERRAL_EVENTS
from shared.partner_center.registration import Registration
from shared.state.runs import Run, RunStatus

HERE = "https://contoso.azurewebsites.net/api/partner-center"
ELSEWHERE = "https://fabrikam.example/hook"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OK, WARNING, FAILED, UNKNOWN = Condition.OK, Condition.WARNING, Condition.FAILED, Condition.UNKNOWN

REVOKED = RetryLater(
    "Entra ID refused a token", code="refresh_token_refused", remedy="Sign in again.", service="Entra ID"
)
UNAUTHORIZED = RetryLater("Answered with 401", status=401, service="Partner Center")
FORBIDDEN = ConfigurationError("Answered with 403", status=403, service="Partner Center")
AWAY = RetryLater("Did not answer in time", code="timeout", service="Partner Center")


def registered(url: str = f"{HERE}?code=the-key", *events: str) -> Registration:
    return Registration(url, events or REFERRAL_EVENTS)


@pytest.mark.parametrize(
    ("error", "conditions", "words"),
    [
        (None, (OK, OK), ""),
        (REVOKED, (FAILED, UNKNOWN), "Sign in again."),
        (UNAUTHORIZED, (FAILED, UNKNOWN), "4990cffe-04e8-4e8b-808a-1175604b879f"),
        (FORBIDDEN, (OK, FAILED), "Referrals admin or Referrals user"),
        (AWAY, (OK, FAILED), "connectors-troubleshoot"),
    ],
)
def test_a_read_of_referrals(error: ConnectorError | None, conditions: tuple[Condition, Condition], words: str) -> None:
    findings = referrals_findings(error)
    assert tuple(finding.condition for finding in findings) == conditions
    assert words in "".join(finding.remedy for finding in findings)
    assert findings[1].name == REFERRALS_ROLE


@pytest.mark.parametrize(
    ("answer", "endpoint", "conditions", "said", "remedy"),
    [
        (registered(), HERE, (OK, OK), "All 4 referral events come to this app.", ""),
        (registered(HERE, *map(str.upper, REFERRAL_EVENTS)), HERE, (OK, OK), "All 4 referral events", ""),
        (registered(HERE, *REFERRAL_EVENTS, "invoice-ready"), HERE, (OK, OK), "ignored here: invoice-ready", ""),
        (None, HERE, (OK, FAILED), "No webhook is registered", "webhook-registration"),
        (registered(ELSEWHERE), HERE, (OK, FAILED), f"go to {ELSEWHERE}", '"overwrite": true'),
        (registered(HERE, *REFERRAL_EVENTS[:2]), HERE, (OK, FAILED), "without related-referral-created, rel", "POST"),
        (registered(), None, (OK, WARNING), "does not know its own address", "PUBLIC_URL"),
        (REVOKED, HERE, (FAILED, UNKNOWN), "Not looked at", ""),
        (UNAUTHORIZED, HERE, (FAILED, UNKNOWN), "Not looked at", ""),
        (FORBIDDEN, HERE, (OK, FAILED), "403", "Admin agent"),
        (AWAY, HERE, (OK, FAILED), "Did not answer in time", "connectors-troubleshoot"),
    ],
)
def test_a_webhook_registration(
    answer: Registration | ConnectorError | None,
    endpoint: str | None,
    conditions: tuple[Condition, Condition],
    said: str,
    remedy: str,
) -> None:
    findings = webhook_findings(answer, endpoint)
    assert tuple(finding.condition for finding in findings) == conditions
    assert said in findings[1].what
    assert remedy in findings[1].remedy
    assert "the-key" not in str(findings)


def test_a_registration_that_was_tested_is_not_taken_for_one_of_others() -> None:
    findings = webhook_findings(registered(HERE, *REFERRAL_EVENTS, "test-created"), HERE)
    assert findings[1].what == "All 4 referral events come to this app."


@pytest.mark.parametrize(
    ("days", "has_first", "condition", "said"),
    [
        (0, False, OK, "Stored 0 days ago"),
        (59, False, OK, "Stored 59 days ago"),
        (60, True, WARNING, "Stored 60 days ago"),
        (90, True, FAILED, "Stored 90 days ago"),
        (None, True, OK, "PARTNER_CENTER_REFRESH_TOKEN is used first"),
        (None, False, FAILED, "There is none."),
    ],
)
def test_the_age_of_the_refresh_token(days: int | None, has_first: bool, condition: Condition, said: str) -> None:
    finding = refresh_token_finding(None if days is None else days * 86_400.0, has_first)
    assert finding.condition is condition
    assert said in finding.what


@pytest.mark.parametrize(
    ("ago", "condition"),
    [
        (timedelta(minutes=59), OK),
        (timedelta(hours=1), WARNING),
        (timedelta(hours=24), FAILED),
        (None, WARNING),
    ],
)
def test_how_long_ago_a_timer_got_through(ago: timedelta | None, condition: Condition) -> None:
    finding = cursor_finding("Last look at the CRM", None if ago is None else NOW - ago, NOW)
    assert finding.condition is condition
    assert ("Never" in finding.what) is (ago is None)


@pytest.mark.parametrize(
    ("lengths", "conditions", "said"),
    [
        ({"crm-changes": 0, "crm-changes-poison": 0}, (OK, OK), "Nothing waits."),
        ({"crm-changes": 1000, "crm-changes-poison": 0}, (OK, OK), "crm-changes: 1,000."),
        ({"crm-changes": 1001, "crm-changes-poison": 0}, (WARNING, OK), "crm-changes: 1,001."),
        ({"crm-changes": 0, "crm-changes-poison": 2}, (OK, WARNING), "crm-changes-poison: 2."),
    ],
)
def test_what_waits_in_the_queues(lengths: dict[str, int], conditions: tuple[Condition, Condition], said: str) -> None:
    findings = queue_findings(lengths)
    assert tuple(finding.condition for finding in findings) == conditions
    assert said in "".join(finding.what for finding in findings)


def run(function: str, status: RunStatus, minutes_ago: int) -> Run:
    return Run("r", function, "referral", "s", status, "", "", NOW - timedelta(minutes=minutes_ago), 1)


def direction(*runs: Run) -> tuple[Condition, str]:
    finding = direction_finding("Partner Center to CRM", runs, ("helper", "updates"), 7, NOW)
    return finding.condition, finding.what


def test_the_last_sync_of_a_direction_and_what_failed_since() -> None:
    assert direction() == (OK, "None in 7 days.")
    assert direction(run("updates", RunStatus.SUCCEEDED, 5)) == (OK, "Last successful 5 minutes ago.")
    assert direction(run("other", RunStatus.FAILED, 1), run("helper", RunStatus.SUCCEEDED, 120)) == (
        OK,
        "Last successful 2 hours ago.",
    )
    assert direction(
        run("helper", RunStatus.FAILED, 1),
        run("helper", RunStatus.RETRYING, 2),
        run("helper", RunStatus.WAITING, 3),
        run("helper", RunStatus.SUCCEEDED, 4),
        run("helper", RunStatus.FAILED, 5),
    ) == (WARNING, "Last successful 4 minutes ago; since then 1 failed and 1 put off.")
    assert direction(run("helper", RunStatus.FAILED, 1)) == (WARNING, "None in 7 days; since then 1 failed.")


def test_deals_are_counted_by_what_is_to_be_done() -> None:
    counts = {LinkStatus.SYNCED: 1200, LinkStatus.WAITING: 3, LinkStatus.FAILED: 0}
    finding = links_finding(counts, is_whole=True)
    assert (finding.condition, finding.what) == (OK, "1,203 deals linked; 3 wait for a person, 0 failed.")
    finding = links_finding({LinkStatus.FAILED: 1}, is_whole=False)
    assert (finding.condition, finding.what) == (WARNING, "At least 1 deal linked; 0 wait for a person, 1 failed.")


def test_calls_are_shown_against_their_budget() -> None:
    assert calls_finding({}, {}).what == "None."
    spent = {"Partner Center": 7_999, "Dynamics 365": 12}
    finding = calls_finding(spent, {"Partner Center": 10_000})
    assert (finding.condition, finding.what) == (OK, "Partner Center 7,999 of 10,000; Dynamics 365 12.")
    finding = calls_finding({"Partner Center": 8_000}, {"Partner Center": 10_000})
    assert (finding.condition, "Nearly spent: Partner Center" in finding.what) == (WARNING, True)
