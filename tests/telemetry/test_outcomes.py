"""What the line of an outcome says of a deal's own content: names of fields, never what is in them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from shared.call_count import CallCount
from shared.domain.merge import Conflict, Side
from shared.state.audit import AuditLine
from shared.state.envelope import Envelope
from shared.state.runs import Run
from shared.sync.journal import Journal, Work
from shared.sync.outcome import Outcome, Result

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


class Books:
    def __init__(self) -> None:
        self.messages: list[str] = []

    def append(self, line: AuditLine) -> None:
        self.messages.append(line.message)

    def record(self, run: Run) -> None:
        self.messages.append(run.message)


def test_both_values_of_a_conflict_are_in_the_books_and_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    message = (
        "Notes was changed on both sides (Partner Center: Call Ada Berg; CRM: Call back); the CRM's value was kept."
    )
    conflict = Conflict("notes", "Call Ada Berg", "Call back", Side.CRM)
    work = Work("auto_heal", Envelope("referral", "r-1", NOW, "c-1"), NOW, 12, CallCount())
    books = Books()
    with caplog.at_level(logging.INFO):
        Journal(books, books).write(work, Outcome(Result.SYNCED, message, conflicts=(conflict,)), None)
    assert books.messages == [message, message]
    assert "Call" not in caplog.text
    assert "changed on both sides: notes" in caplog.text
