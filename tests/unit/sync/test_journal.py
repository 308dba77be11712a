"""What of the day's work an operator is warned of in the log, and what its audit row says of the CRM's limits."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from shared.call_count import CallCount
from shared.crm.port import ApiUsage
from shared.domain.errors import ConnectorError, LockTaken, Rejected, RetryLater
from shared.state.audit import AuditLine
from shared.state.envelope import Envelope
from shared.state.runs import Run
from shared.sync.journal import Journal, Work
from shared.sync.outcome import Outcome, Result

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


class Books:
    def __init__(self) -> None:
        self.lines: list[AuditLine] = []

    def append(self, line: AuditLine) -> None:
        self.lines.append(line)

    def record(self, run: Run) -> None: ...


@dataclass(frozen=True)
class Metered:
    told: ApiUsage | None
    name: str = "Contoso CRM"

    def usage(self) -> ApiUsage | None:
        return self.told


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (Outcome(Result.SYNCED, "Done."), "INFO"),
        (Outcome(Result.IGNORED, "Not ours."), "INFO"),
        (LockTaken("Another worker has it"), "INFO"),
        (RetryLater("Away"), "WARNING"),
        (Outcome(Result.WAITING, "A person decides."), "WARNING"),
        (Rejected("Wrong"), "WARNING"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_one_line_and_a_warning_only_where_something_is_amiss(
    caplog: pytest.LogCaptureFixture, outcome: Outcome | ConnectorError, level: str
) -> None:
    work = Work("auto_heal", Envelope("referral", "an-id", NOW, "a-correlation"), NOW, 12, CallCount())
    with caplog.at_level(logging.INFO):
        Journal(Books(), Books()).write(work, outcome, None)
    (line,) = caplog.records
    assert line.levelname == level
    assert line.getMessage().startswith("sync: referral an-id: ")
    assert '"function":"auto_heal"' in line.getMessage()


@pytest.mark.parametrize(
    ("told", "service", "expected"),
    [
        (ApiUsage(10_018, 100_000), "Contoso CRM", {"used": 10_018, "most": 100_000}),
        (ApiUsage(10_018, 100_000), "Partner Center", {}),
        (None, "Contoso CRM", {}),
    ],
    ids=["told", "not-called", "not-told"],
)
def test_the_audit_row_of_work_that_called_the_crm_says_how_much_of_its_limit_is_used(
    told: ApiUsage | None, service: str, expected: Mapping[str, int]
) -> None:
    calls = CallCount()
    calls.add(service, "opportunity.update")
    books = Books()
    work = Work("auto_heal", Envelope("referral", "an-id", NOW, "a-correlation"), NOW, 12, calls)
    Journal(books, Books(), Metered(told)).write(work, Outcome(Result.SYNCED, "Done."), None)
    (line,) = books.lines
    assert line.crm_usage == expected
