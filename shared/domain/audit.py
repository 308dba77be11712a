"""The audit as a seller reads it: one line per outcome in the CRM's audit field, newest first.

The form is Microsoft's: ``2026-03-01 10:20 - Partner Center Referral to CRM sync success.``
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.domain.base import RecordView
from shared.domain.converters import CHECK_MARK, CROSS_MARK, cut, strip_marks
from shared.domain.mapping import NO_LIMITS, RecordMapping
from shared.domain.merge import Conflict, Side
from shared.domain.plan import Rules, crossed, marked
from shared.domain.record import Record
from shared.domain.values import Solution, utf_16_length

TO_CRM = "Partner Center Referral to CRM"
TO_PARTNER_CENTER = "CRM to Partner Center Referral"


def success(direction: str, labels: Sequence[str] = ()) -> str:
    """A success in one direction, with the labels of the fields that travelled."""
    fields = f" ({', '.join(labels)})" if labels else ""
    return f"{direction} sync success{fields}."


def failure(direction: str, what: str) -> str:
    return f"{direction} sync failed: {what}"


def conflict_line(conflict: Conflict, mapping: RecordMapping) -> str:
    """Both values and who won; values of personal fields are not shown."""
    row = mapping.field(conflict.field) if mapping.has(conflict.field) else None
    label = row.label if row else conflict.field
    shown = "" if row is None or row.personal or conflict.is_personal else _both(conflict)
    if conflict.winner is None:
        return f"{label} was changed on both sides{shown} and waits: make both sides equal, and it goes on."
    winner = "the CRM's value was kept" if conflict.winner is Side.CRM else "Partner Center's value was kept"
    return f"{label} was changed on both sides{shown}; {winner}."


def landed_line(record: Record, paths: Sequence[str], mapping: RecordMapping) -> str:
    """Somebody, or automation, changed ``paths`` of the record, or its ``stage``, while it was being written."""
    labels = {"stage": "Stage", **{row.crm: row.label for row in mapping.all_fields}}
    names = ", ".join(labels.get(path, path) for path in paths)
    return (
        f"Somebody else changed the {record.kind} {record.id} while it was being written ({names}); that was kept, and "
        f"the {record.kind} is read again."
    )


def _both(conflict: Conflict) -> str:
    return f" (Partner Center: {_short(conflict.partner_center)}; CRM: {_short(conflict.crm)})"


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        value = ", ".join(one.id if isinstance(one, Solution) else "a person" for one in value) or None
    text = "blank" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def prepend(audit: str, lines: Sequence[str], at: datetime, max_length: int | None) -> str:
    """``audit`` with ``lines`` on top, each stamped ``at`` (UTC), cut to whole lines within ``max_length``."""
    stamp = at.strftime("%Y-%m-%d %H:%M")
    fresh = [f"{stamp} - {' '.join(line.split())}" for line in lines]
    kept: list[str] = []
    length = 0
    for line in [*fresh, *(old for old in audit.replace("\r\n", "\n").split("\n") if old.strip())]:
        length += utf_16_length(line) + 1
        if max_length is not None and length - 1 > max_length:
            break
        kept.append(line)
    return "\n".join(kept) if kept else cut(fresh[0], max_length)


def is_newest(audit: str, line: str) -> bool:
    """Whether ``line`` is what the audit says last, whenever it was written: telling it again would help nobody."""
    newest = audit.replace("\r\n", "\n").split("\n", 1)[0]
    return newest.partition(" - ")[2] == " ".join(line.split())


def report_values(
    record: RecordView, mapping: RecordMapping, rules: Rules, lines: Sequence[str], at: datetime, *, failed: bool
) -> dict[str, Any]:
    """What to write on the record to tell of an outcome: audit lines and the mark before the name.

    Empty when there is nothing new to tell. The mark is only ever written along with a line, and not where a long name
    would lose its end to it.
    """
    news = [line for line in lines if not (len(lines) == 1 and is_newest(record.audit, line))]
    if not news:
        return {}
    values: dict[str, Any] = {}
    columns = mapping.columns
    if columns.audit:
        limit = rules.limits.get(columns.audit, NO_LIMITS).max_length
        values[columns.audit] = prepend(record.audit, news, at, limit)
    if mapping.has("name") and rules.display_check_mark:
        bare = strip_marks(record.name_in_crm)
        name = crossed(bare, rules) if failed else marked(bare, rules)
        row = mapping.field("name")
        limit = rules.limits.get(row.crm, NO_LIMITS).max_length
        fits = limit is None or utf_16_length(name) <= limit
        if bare and fits and not _has_mark(record.name_in_crm, failed=failed):
            values[row.crm] = name
    return values


def _has_mark(name: str, *, failed: bool) -> bool:
    return name.startswith(CROSS_MARK if failed else CHECK_MARK)
