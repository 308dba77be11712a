"""Change tracking: the full first read, the delta link, and what changed and what was deleted since.

https://learn.microsoft.com/power-apps/developer/data-platform/use-change-tracking-synchronize-data-external-systems
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.dataverse import errors
from sandbox.dataverse.messages import MAX_PAGE_SIZE, Answer, Request
from sandbox.dataverse.presenting import present
from sandbox.dataverse.queries import Query, parse_query
from sandbox.dataverse.reads import envelope, next_link, open_cookie, preference_applied, with_parameter
from sandbox.dataverse.rows import Deletion, Row, Rows
from sandbox.dataverse.schema import Table

_TOKEN = re.compile(r"(\d+)!(\d\d/\d\d/\d{4} \d\d:\d\d:\d\d)")
_TOKEN_TIME = "%m/%d/%Y %H:%M:%S"
_REFUSED = ("$filter", "$orderby", "$expand", "$top")


@dataclass
class ChangeTracking:
    """``unreadable`` tables: the caller has no organisation-level read on them, which change tracking takes."""

    rows: Rows
    expired_status: int = 400
    unreadable: set[str] = field(default_factory=set)
    _expired_up_to: dict[str, int] = field(default_factory=dict)

    def expire_tokens(self, *tables: str) -> None:
        """Every delta token given out so far (for ``tables``, or for all) is expired from now on."""
        for table in tables or tuple(self.rows.schema.tables):
            self._expired_up_to[table] = self.rows.version
        # A token given out from now on must differ from those, even when nothing is written in between.
        self.rows.next_version()

    def read(self, table: Table, request: Request) -> Answer:
        """One page: of every row, without a token; of what changed, with one. The last page has the next token."""
        self._check(table, request)
        query = parse_query(self.rows.schema, table, request.parameters)
        token = request.parameters.get("$deltatoken")
        number, cookie = open_cookie(request, tracking=True)
        if cookie is None:
            since = None if token is None else self._version_of(table, token)
            cookie = {"since": since, "until": self.rows.version, "deleted": False, "after": since or 0}
        entries = list(self._entries(table, cookie))
        size = request.preferences.page_size or MAX_PAGE_SIZE
        page = entries[:size]
        body = envelope(request, table, query, "/$delta")
        body["value"] = [self._shown(table, request, query, entry) for entry in page]
        if len(entries) > size:
            last = page[-1]
            position = {**cookie, "deleted": isinstance(last, Deletion), "after": last.version}
            body["@odata.nextLink"] = next_link(request, number + 1, position, tracking=True)
        else:
            stamp = self.rows.clock().astimezone(UTC).strftime(_TOKEN_TIME)
            link = with_parameter(request, "$deltatoken", f"{cookie['until']}!{stamp}", drop=("$skiptoken",))
            body["@odata.deltaLink"] = link
        return Answer(200, body, preference_applied(request))

    def count(self, table: Table, request: Request) -> Answer:
        """``set/$count?$deltatoken=...``: how many changes there are."""
        self._check(table, request)
        since = self._version_of(table, request.parameters["$deltatoken"])
        cookie = {"since": since, "until": self.rows.version, "deleted": False, "after": since}
        return Answer(200, str(sum(1 for _ in self._entries(table, cookie))))

    def _check(self, table: Table, request: Request) -> None:
        for option in _REFUSED:
            if option in request.parameters:
                raise errors.option_refused_when_tracking(option)
        if not table.change_tracking:
            raise errors.not_tracked(table.name)
        if table.name in self.unreadable:
            raise errors.missing_privilege(request.caller_id, f"prvRead{table.schema_name}")

    def _entries(self, table: Table, cookie: dict[str, Any]) -> Iterator[Row | Deletion]:
        """Rows by version, then deletions by version; what changes while pages are read comes with the next token."""
        if not cookie["deleted"]:
            changed = [row for row in self.rows.of(table.name) if cookie["after"] < row.version <= cookie["until"]]
            yield from sorted(changed, key=lambda row: row.version)
        if cookie["since"] is not None:
            after = cookie["after"] if cookie["deleted"] else cookie["since"]
            yield from (gone for gone in self.rows.deletions(table.name) if after < gone.version <= cookie["until"])

    def _shown(self, table: Table, request: Request, query: Query, entry: Row | Deletion) -> dict[str, Any]:
        if isinstance(entry, Row):
            return present(self.rows, entry, query, request.preferences)
        context = f"{request.root}$metadata#{table.entity_set}/$deletedEntity"
        return {"@odata.context": context, "id": entry.id, "reason": "deleted"}

    def _version_of(self, table: Table, token: str) -> int:
        match = _TOKEN.fullmatch(token)
        try:
            version, stamp = (int(match.group(1)), match.group(2)) if match else (0, "")
            issued = datetime.strptime(stamp, _TOKEN_TIME).replace(tzinfo=UTC)
        except ValueError:
            raise errors.bad_query(f"The delta token '{token}' is not valid.") from None
        too_old = self.rows.clock() - issued > timedelta(days=self._days())
        if too_old or version <= self._expired_up_to.get(table.name, -1) or version > self.rows.version:
            raise errors.expired_delta_token(self.expired_status)
        return version

    def _days(self) -> int:
        organization = next(iter(self.rows.of("organization")), None)
        days = organization.values.get("expirechangetrackingindays") if organization else None
        return days if isinstance(days, int) else 7
