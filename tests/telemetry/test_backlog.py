"""What is told of the queues."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.errors import RetryLater
from shared.state.envelope import Envelope
from shared.state.queues import ALL_QUEUES, CRM_CHANGES, REFERRAL_EVENTS
from shared.sync.backlog import tell_backlog
from shared.telemetry import SEPARATOR

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


class Queues:
    """Lengths by queue, and how old the event at the front of each is; ``None`` for one that is hidden."""

    def __init__(self, lengths: Mapping[str, int], ages_s: Mapping[str, float | None]) -> None:
        self._lengths = lengths
        self._ages_s = ages_s

    def lengths(self) -> dict[str, int]:
        return {queue: self._lengths.get(queue, 0) for queue in ALL_QUEUES}

    def front(self, queue: str) -> bytes | None:
        age_s = self._ages_s[queue]
        if age_s is None:
            return None
        return Envelope("referral", "r-1", NOW - timedelta(seconds=age_s), "c-1").dump()


class Away:
    def lengths(self) -> dict[str, int]:
        raise RetryLater("Storage is away")

    def front(self, queue: str) -> bytes | None:
        raise AssertionError("never asked")


def told(caplog: pytest.LogCaptureFixture, queues: Any) -> list[dict[str, Any]]:
    with caplog.at_level(logging.INFO):
        tell_backlog(queues, lambda: NOW)
    return [json.loads(record.getMessage().partition(SEPARATOR)[2]) for record in caplog.records]


def test_the_oldest_event_of_all_queues_is_told(caplog: pytest.LogCaptureFixture) -> None:
    (fields,) = told(caplog, Queues({REFERRAL_EVENTS: 2, CRM_CHANGES: 1}, {REFERRAL_EVENTS: 30.0, CRM_CHANGES: 90.5}))
    assert (fields["waiting"], fields["poison"], fields["oldest_s"]) == (3, 0, 90.5)
    assert fields["queues"] == [{"queue": REFERRAL_EVENTS, "messages": 2}, {"queue": CRM_CHANGES, "messages": 1}]
    assert caplog.records[0].levelname == "INFO"


def test_what_waits_for_its_next_try_is_counted_and_has_no_age(caplog: pytest.LogCaptureFixture) -> None:
    (fields,) = told(caplog, Queues({CRM_CHANGES: 1}, {CRM_CHANGES: None}))
    assert fields["waiting"] == 1
    assert "oldest_s" not in fields


def test_poison_is_a_warning_and_no_backlog(caplog: pytest.LogCaptureFixture) -> None:
    (fields,) = told(caplog, Queues({f"{CRM_CHANGES}-poison": 4}, {}))
    assert (fields["waiting"], fields["poison"]) == (0, 4)
    assert caplog.records[0].levelname == "WARNING"


def test_empty_queues_are_told_of_too(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, Queues({}, {})) == [{"waiting": 0, "poison": 0}]


def test_a_storage_that_is_away_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, Away()) == []
