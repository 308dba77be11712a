"""What changed in an object since a cursor, page by page, with deleted rows, in an order that loses none.

A row is seen up to some seconds after the time it is stamped with, so each read begins again a while before the last
one ended, and leaves out what it told of already. The cursor holds both: where to begin, and what was told since.
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/system_fields.htm
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.crm.port import SolutionChange, SolutionChangePage
from shared.crm.salesforce import soql
from shared.crm.salesforce.describe import records
from shared.crm.salesforce.layout import Layout, Row, version_of
from shared.crm.salesforce.rest_api import RestApi
from shared.crm.salesforce.values import moment

MAX_PAGE = 1999
"""One row more is asked for, to know whether there are more; 2,000 is the most that one answer holds."""
RECYCLE_BIN = timedelta(days=14)
"""Deleted rows are found for 15 days; a cursor that is older needs a full read."""
_MOST_REMEMBERED_CHARACTERS = 100_000
_COLUMNS = ("Id", "SystemModstamp", "LastModifiedById", "IsDeleted")


@dataclass(frozen=True)
class Cursor:
    """``seen`` holds what was told of since ``since``: row id to version."""

    source: str
    since: datetime
    seen: Mapping[str, str] = field(default_factory=dict)

    def dump(self) -> str:
        """Newest first, as far as there is room: what is left out is told of once more, which does no harm."""
        by_version: dict[str, list[str]] = {}
        for row_id, version in sorted(self.seen.items(), key=lambda item: item[1], reverse=True):
            by_version.setdefault(version, []).append(row_id)
        kept, length = {}, 0
        for version, ids in by_version.items():
            length += len(version) + 22 * len(ids)
            if length > _MOST_REMEMBERED_CHARACTERS:
                break
            kept[version] = ids
        return json.dumps({"object": self.source, "since": soql.moment(self.since), "seen": kept})

    @classmethod
    def load(cls, text: str | None, source: str) -> Cursor | None:
        """``None`` for a text that is no cursor, or one of another object: then everything is read."""
        try:
            stored = json.loads(text or "")
            if stored["object"] != source:
                return None
            seen = {str(row_id): str(version) for version, ids in stored["seen"].items() for row_id in ids}
            return cls(source, moment(stored["since"]), seen)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


@dataclass(frozen=True)
class RowPage:
    """``rows`` are those not told of before; ``cursor`` is set on the last page only."""

    rows: tuple[Row, ...]
    cursor: str | None
    full: bool


@dataclass(frozen=True)
class ChangedRows:
    """``overlap`` is how far each read reaches back behind the begin of the one before it: longer than rows stay unseen
    and clocks differ. ``settles_after`` is how long after its stamp a row may change under the same stamp."""

    api: RestApi
    source: str
    columns: Sequence[str]
    page_size: int
    overlap: timedelta
    clock: Callable[[], datetime]
    settles_after: timedelta

    def read(self, cursor: str | None, operation: str) -> Iterator[RowPage]:
        started = self.clock()
        last = Cursor.load(cursor, self.source)
        if last is not None and last.since < started - RECYCLE_BIN:
            last = None
        since = last.since if last else None
        seen = dict(last.seen) if last else {}
        stamps: dict[str, datetime] = {}
        after: tuple[datetime, str] | None = None
        while True:
            rows, has_more = self._page(since, after, operation)
            news = tuple(row for row in rows if seen.get(str(row["Id"])) != _told_as(row))
            seen |= {str(row["Id"]): _told_as(row) for row in rows if not self.is_unsettled(row)}
            stamps |= {str(row["Id"]): moment(row["SystemModstamp"]) for row in rows}
            if not has_more:
                yield RowPage(news, self._next(started, since, seen, stamps), last is None)
                return
            yield RowPage(news, None, last is None)
            after = (moment(rows[-1]["SystemModstamp"]), str(rows[-1]["Id"]))

    def is_unsettled(self, row: Row) -> bool:
        """Whether the row may have been saved once more, by the same person, with the same stamp: the same version.

        A stamp names a whole second, and the save shows up to three seconds later. And this clock is not Salesforce's:
        if it is ahead, a second that has hardly begun there looks long over.
        """
        return moment(row["SystemModstamp"]) + self.settles_after > self.clock()

    def _next(
        self, started: datetime, since: datetime | None, seen: Mapping[str, str], stamps: Mapping[str, datetime]
    ) -> str:
        begin = started - self.overlap if since is None else max(since, started - self.overlap)
        kept = {row_id: version for row_id, version in seen.items() if stamps.get(row_id, begin) >= begin}
        # What this read did not see again had left the window, or was written anew since and is told of then.
        kept = {row_id: version for row_id, version in kept.items() if row_id in stamps}
        return Cursor(self.source, begin.astimezone(UTC), kept).dump()

    def _page(
        self, since: datetime | None, after: tuple[datetime, str] | None, operation: str
    ) -> tuple[list[dict[str, Any]], bool]:
        """The next rows, and whether there are more. Rows of one transaction have one stamp, and go by their ids."""
        conditions = ""
        if after is not None:
            stamp = soql.moment(after[0])
            in_second = soql.both(
                soql.compare("SystemModstamp", "=", stamp), soql.compare("Id", ">", soql.quoted(after[1]))
            )
            conditions = soql.either(soql.compare("SystemModstamp", ">", stamp), in_second)
        elif since is not None:
            conditions = soql.compare("SystemModstamp", ">=", soql.moment(since))
        query = soql.select(
            self.source,
            (*_COLUMNS, *self.columns),
            where=conditions,
            order=("SystemModstamp", "Id"),
            limit=self.page_size + 1,
        )
        answer = self.api.query(query, operation, deleted=since is not None)
        rows = records(answer)
        has_more = len(rows) > self.page_size or answer.json_object().get("done") is False
        rows = rows[: self.page_size]
        if has_more and (not rows or (moment(rows[-1]["SystemModstamp"]), str(rows[-1]["Id"])) == after):
            raise answer.unreadable("a page that was read already")
        return rows, has_more


def _told_as(row: Row) -> str:
    return f"{version_of(row)}{' deleted' if row.get('IsDeleted') else ''}"


def solution_changes(
    rows: Callable[[str, Sequence[str]], ChangedRows], layout: Layout, cursor: str | None
) -> Iterator[SolutionChangePage]:
    """As :meth:`shared.crm.port.CrmPort.solution_changes`, for the solution rows under records of ``layout``."""
    definition = layout.objects.solutions
    if definition is None:
        return
    for page in rows(definition.object, (definition.parent,)).read(cursor, "solution.changes"):
        changes = (
            SolutionChange(
                id=str(row["Id"]),
                version=None if row.get("IsDeleted") else version_of(row),
                record_id=row.get(definition.parent),
                deleted=bool(row.get("IsDeleted")),
            )
            for row in page.rows
        )
        yield SolutionChangePage(tuple(changes), page.cursor, page.full)
