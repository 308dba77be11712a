"""What of the day's work an operator is warned of in the log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from shared.call_count import CallCount
from shared.domain.errors import ConnectorError, LockTaken, Rejected, RetryLater
from shared.state.audit import AuditLine
from shared.state.envelope import Envelope
from shared.state.runs import Run
from shared.sync.journal import Journal, Work
from shared.sync.outcome import Outcome, Result

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


class Books:
    def append(self, line: AuditLine) -> None: ...
    def record(self, run: Run) -> None: ...


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
    assert line.getMessage().startswith("referral an-id: ")
    assert "function=auto_heal" in line.getMessage()
