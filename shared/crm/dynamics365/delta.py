"""Delta links: what changed in a table since a cursor, page by page. No I/O.

https://learn.microsoft.com/power-apps/developer/data-platform/use-change-tracking-synchronize-data-external-systems
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shared.answers import Response


@dataclass(frozen=True)
class DeltaPage:
    """``next_path`` is the page after this; ``cursor`` is where the next read starts, on the last page only."""

    rows: tuple[Mapping[str, Any], ...]
    deleted_ids: tuple[str, ...]
    next_path: str | None
    cursor: str | None


@dataclass(frozen=True)
class DeltaQuery:
    """A cursor is the query of the last delta link: host and path are always our own, so no token goes elsewhere."""

    entity_set: str
    columns: tuple[str, ...]
    page_size: int

    @property
    def headers(self) -> Mapping[str, str]:
        # One preference list on every page; with annotations the service has left the delta link out.
        return {"Prefer": f"odata.track-changes,odata.maxpagesize={self.page_size}"}

    @property
    def first_path(self) -> str:
        return f"{self.entity_set}?$select={','.join(self.columns)}"

    def resume_path(self, cursor: str) -> str | None:
        """Where to go on from ``cursor``; ``None`` if it is not one or was made for other columns: read in full."""
        asked = parse_qs(cursor)
        columns = asked.get("$select", [",".join(self.columns)])[0].split(",")
        if "$deltatoken" not in asked or set(columns) != set(self.columns):
            return None
        return f"{self.entity_set}?{cursor}"

    def parse(self, response: Response) -> DeltaPage:
        """Raises ``RetryLater`` for an answer of another shape, so that the cursor stays where it is."""
        body = response.json_object()
        rows = body.get("value")
        next_query = self._query(response, body.get("@odata.nextLink"))
        cursor = self._query(response, body.get("@odata.deltaLink"))
        if not isinstance(rows, list) or (next_query is None) == (cursor is None):
            raise response.unreadable("a page of changes without a link to go on from")
        return DeltaPage(
            rows=tuple(row for row in rows if not _is_deleted(row)),
            deleted_ids=tuple(str(row["id"]).lower() for row in rows if _is_deleted(row)),
            next_path=f"{self.entity_set}?{next_query}" if next_query else None,
            cursor=cursor,
        )

    def _query(self, response: Response, link: object) -> str | None:
        if link is None:
            return None
        parts = urlsplit(str(link))
        if parts.path.rpartition("/")[2] != self.entity_set or not parts.query:
            raise response.unreadable("a link to another table")
        return parts.query


def _is_deleted(row: Mapping[str, Any]) -> bool:
    return str(row.get("@odata.context", "")).endswith("/$deletedEntity") or row.get("reason") == "deleted"
