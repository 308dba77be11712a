"""Reads of many rows: filtered, ordered, counted, in pages.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/page-results
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote

from sandbox.dataverse import errors
from sandbox.dataverse.messages import MAX_PAGE_SIZE, Answer, Request
from sandbox.dataverse.presenting import present
from sandbox.dataverse.queries import Query, matching, parse_query
from sandbox.dataverse.rows import Row, Rows
from sandbox.dataverse.schema import Table

_COOKIE = re.compile(r'<cookie pagenumber="(\d+)" pagingcookie="([\w=-]*)" istracking="(True|False)" />')
_TOTAL = "Microsoft.Dynamics.CRM.totalrecordcount"


def read_collection(rows: Rows, table: Table, request: Request, candidates: list[Row]) -> Answer:
    """One page of ``candidates``. ``$top`` counts only where no page size is asked for."""
    query = parse_query(rows.schema, table, request.parameters)
    found = matching(rows, candidates, query)
    total = len(found)
    page_size = request.preferences.page_size
    if page_size is None and query.top is not None:
        found = found[: query.top]
    number, cookie = open_cookie(request, tracking=False)
    if cookie is not None:
        found = found[_start_after(found, cookie) :]
    size = page_size or MAX_PAGE_SIZE
    page = found[:size]
    body = envelope(request, table, query)
    if query.count:
        body["@odata.count"] = min(total, MAX_PAGE_SIZE)
    if request.preferences.wants_annotation(_TOTAL):
        body[f"@{_TOTAL}"] = min(total, MAX_PAGE_SIZE) if query.count else -1
        body[f"@{_TOTAL}limitexceeded"] = query.count and total > MAX_PAGE_SIZE
    body["value"] = [present(rows, row, query, request.preferences) for row in page]
    if len(found) > size:
        position = {"last": page[-1].id, "read": (cookie or {"read": 0})["read"] + size}
        body["@odata.nextLink"] = next_link(request, number + 1, position, tracking=False)
    return Answer(200, body, preference_applied(request))


def count(rows: Rows, table: Table, request: Request, candidates: list[Row]) -> Answer:
    found = matching(rows, candidates, parse_query(rows.schema, table, request.parameters))
    return Answer(200, str(min(len(found), MAX_PAGE_SIZE)))


def envelope(request: Request, table: Table, query: Query, suffix: str = "") -> dict[str, Any]:
    return {"@odata.context": f"{request.root}$metadata#{table.entity_set}{query.context}{suffix}"}


def preference_applied(request: Request) -> dict[str, str]:
    known = ("odata.maxpagesize", "odata.track-changes", "odata.include-annotations")
    given = request.preferences.given
    applied = [
        f'{name}="{given[name]}"' if "*" in given[name] else f"{name}={given[name]}".rstrip("=")
        for name in known
        if name in given
    ]
    return {"Preference-Applied": ",".join(applied)} if applied else {}


def with_parameter(request: Request, name: str, value: str, *, drop: tuple[str, ...] = ()) -> str:
    """The address of ``request`` with one parameter more."""
    kept = [
        piece
        for piece in request.query.split("&")
        if piece and not any(key in {name, *drop} for key, _ in parse_qsl(piece, keep_blank_values=True))
    ]
    query = "&".join([*kept, f"{name}={quote(value, safe='')}"])
    return f"{request.root}{quote(request.path)}?{query}"


def next_link(request: Request, number: int, position: dict[str, Any], *, tracking: bool) -> str:
    packed = base64.urlsafe_b64encode(json.dumps(position).encode()).decode()
    cookie = f'<cookie pagenumber="{number}" pagingcookie="{packed}" istracking="{tracking}" />'
    return with_parameter(request, "$skiptoken", cookie)


def open_cookie(request: Request, *, tracking: bool) -> tuple[int, dict[str, Any] | None]:
    """Page number and position that ``$skiptoken`` holds; page 1 and None without one."""
    text = request.parameters.get("$skiptoken")
    if text is None:
        return 1, None
    match = _COOKIE.fullmatch(text)
    try:
        if match is None or match.group(3) != str(tracking):
            raise ValueError(text)
        position = json.loads(base64.urlsafe_b64decode(match.group(2)))
        expected = {"since", "until", "deleted", "after"} if tracking else {"last", "read"}
        if set(position) != expected:
            raise ValueError(text)
        return int(match.group(1)), position
    except (ValueError, binascii.Error):
        raise errors.bad_query("Malformed XML in the Paging Cookie.") from None


def _start_after(found: list[Row], cookie: dict[str, Any]) -> int:
    """Where the next page starts: after the last row read or, if that one is gone, after as many rows."""
    for index, row in enumerate(found):
        if row.id == cookie["last"]:
            return index + 1
    return int(cookie["read"])
