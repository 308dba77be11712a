"""The outcome of all checks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.domain.finding import Condition, Finding

VERSION = "0.1.0"
"""Of the connector; the same as in pyproject.toml, which is not deployed."""

_WORST_FIRST = (Condition.FAILED, Condition.UNKNOWN, Condition.WARNING, Condition.OK)


@dataclass(frozen=True)
class Check:
    """A finding, and how long it took to find it out. ``name`` stays from release to release."""

    name: str
    condition: Condition
    what: str
    remedy: str = ""
    took_ms: int = 0

    @classmethod
    def of(cls, finding: Finding, took_ms: int = 0) -> Check:
        return cls(finding.name, finding.condition, finding.what, finding.remedy, took_ms)


@dataclass(frozen=True)
class Report:
    checks: tuple[Check, ...]
    checked_at: datetime

    @property
    def condition(self) -> Condition:
        """The worst there is: failed, unknown, warning, ok."""
        present = {check.condition for check in self.checks}
        return next((condition for condition in _WORST_FIRST if condition in present), Condition.UNKNOWN)

    @property
    def has_failed(self) -> bool:
        return any(check.condition is Condition.FAILED for check in self.checks)

    def count(self, condition: Condition) -> int:
        return sum(1 for check in self.checks if check.condition is condition)


def report_document(report: Report) -> dict[str, Any]:
    """For programs, as JSON. Names stay; new ones may come."""
    return {
        "version": VERSION,
        "state": report.condition.value,
        "checked_at": report.checked_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "checks": [
            {
                "name": check.name,
                "state": check.condition.value,
                "what": check.what,
                "remedy": check.remedy,
                "took_ms": check.took_ms,
            }
            for check in report.checks
        ],
    }


def report_text(report: Report) -> str:
    """For people at a terminal: one line a check, and below it what to do."""
    return "\n".join([findings_text(report.checks), "", summary(report.checks)])


def findings_text(checks: Sequence[Check]) -> str:
    width = max((len(check.name) for check in checks), default=0)
    lines: list[str] = []
    for check in checks:
        first, *more = check.what.splitlines() or [""]
        lines.append(f"{check.condition.value.upper():8} {check.name:{width}}  {first}")
        remedy = [f"-> {check.remedy}"] if check.remedy and check.condition is not Condition.OK else []
        lines += [f"{'':8} {'':{width}}  {line}" for line in (*more, *remedy)]
    return "\n".join(lines)


def summary(checks: Sequence[Check]) -> str:
    counts = {condition: sum(1 for check in checks if check.condition is condition) for condition in _WORST_FIRST}
    said = ", ".join(f"{count} {condition.value}" for condition, count in counts.items() if count)
    return f"{len(checks)} checks: {said}." if said else "Nothing was checked."
