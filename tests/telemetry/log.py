"""The app's log as Application Insights would hold it: read from a local host's log, and queries run over it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb_kql

from shared.telemetry import SEPARATOR, Event

QUERIES = Path(__file__).parents[2] / "infra" / "queries"
# 2026-11-21 05:33:34,545 WARNING flows.partner_center_to_crm: webhook: ...
_LOGGED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) ([A-Z]+) [\w.]+: (.*)$")
_SEVERITY = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3}


@dataclass(frozen=True)
class Line:
    """One line of the log; ``fields`` are empty for lines that are no events."""

    message: str
    at: datetime = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    level: str = "INFO"
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def event(self) -> str:
        return self.message.partition(": ")[0]


def read(log: str) -> list[Line]:
    """The lines of a local host's log, in order. Fails on an event whose fields are no JSON object."""
    return [_line(match) for match in map(_LOGGED.match, log.splitlines()) if match]


def _line(match: re.Match[str]) -> Line:
    seconds, thousandths, level, message = match.groups()
    at = datetime.fromisoformat(seconds).replace(tzinfo=UTC) + timedelta(milliseconds=int(thousandths))
    if message.partition(": ")[0] not in set(Event):
        return Line(message, at, level)
    fields = json.loads(message.partition(SEPARATOR)[2])
    assert isinstance(fields, dict)
    return Line(message, at, level, fields)


def query(name: str, **replaced: str) -> str:
    """The text of a file of ``infra/queries``, with ``replaced`` parts."""
    text = (QUERIES / f"{name}.kql").read_text(encoding="utf-8")
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    return text


def run(kusto: str, lines: Iterable[Line]) -> list[dict[str, Any]]:
    """The rows that the query finds in a table ``traces`` of these lines."""
    with duckdb_kql.connect() as connection:
        connection.execute("CREATE TABLE traces (timestamp TIMESTAMP, message VARCHAR, severityLevel INTEGER)")
        rows = [[line.at.replace(tzinfo=None), line.message, _SEVERITY[line.level]] for line in lines]
        if rows:
            connection.executemany("INSERT INTO traces VALUES (?, ?, ?)", rows)
        found = duckdb_kql.query(connection, kusto)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
