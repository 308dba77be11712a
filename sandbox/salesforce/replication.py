"""``updated`` and ``deleted``: ids of a span of time.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_getupdated.htm
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.salesforce import errors
from sandbox.salesforce.rows import Rows
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.values import moment_text

_UPDATED_DAYS = 30
_DELETED_DAYS = 15


def updated(rows: Rows, sobject: SObject, parameters: Mapping[str, str]) -> dict[str, Any]:
    start, end = _span(rows, sobject, parameters, _UPDATED_DAYS)
    first, last = moment_text(start), moment_text(end)
    ids = [row.id for row in rows.of(sobject.name) if first <= row.text("SystemModstamp") < last]
    return {"ids": ids, "latestDateCovered": _covered(rows, end)}


def deleted(rows: Rows, sobject: SObject, parameters: Mapping[str, str]) -> dict[str, Any]:
    start, end = _span(rows, sobject, parameters, _DELETED_DAYS)
    gone = [
        {"id": each.id, "deletedDate": moment_text(each.at)}
        for each in rows.deletions(sobject.name)
        if start <= each.at < end
    ]
    earliest = rows.clock() - timedelta(days=_DELETED_DAYS)
    return {
        "deletedRecords": gone,
        "earliestDateAvailable": moment_text(earliest),
        "latestDateCovered": _covered(rows, end),
    }


def _covered(rows: Rows, end: datetime) -> str:
    """Nothing is covered yet that is still to come."""
    return moment_text(min(end, rows.clock()))


def _span(rows: Rows, sobject: SObject, parameters: Mapping[str, str], days: int) -> tuple[datetime, datetime]:
    """Whole minutes: the service ignores seconds."""
    if not sobject.replicate:
        raise errors.operation_not_allowed(sobject.name, "replication")
    start, end = (_minute(parameters.get(name, "")) for name in ("start", "end"))
    if start >= end:
        raise errors.bad_replication_date("endDate must be at least one minute greater than startDate")
    if start < rows.clock() - timedelta(days=days):
        raise errors.bad_replication_date(f"startDate cannot be more than {days} days ago")
    return start, end


def _minute(text: str) -> datetime:
    try:
        # A plus sign that was not encoded arrives as a space.
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        raise errors.bad_replication_date(f"invalid date: {text}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(second=0, microsecond=0)
