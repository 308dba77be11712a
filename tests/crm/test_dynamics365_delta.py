"""Delta links as Microsoft documents them."""

from __future__ import annotations

from typing import Any

import pytest

from shared.crm.dynamics365.delta import DeltaQuery
from shared.domain.errors import RetryLater
from tests.crm.answers import answer

QUERY = DeltaQuery("opportunities", ("name", "statecode"), 50)
BASE = "https://contoso.crm.dynamics.com/api/data/v9.2"
TOKEN = "$deltatoken=919042%2108%2f22%2f2017%2008%3a10%3a44"


def page(rows: list[dict[str, Any]], **links: str) -> dict[str, Any]:
    return {"value": rows, **{f"@odata.{name}": link for name, link in links.items()}}


def test_the_first_read_asks_for_tracking_and_pages() -> None:
    assert QUERY.first_path == "opportunities?$select=name,statecode"
    assert QUERY.headers == {"Prefer": "odata.track-changes,odata.maxpagesize=50"}


def test_changes_and_deletions_are_told_apart() -> None:
    deleted = {"@odata.context": f"{BASE}/$metadata#opportunities/$deletedEntity", "id": "AB", "reason": "deleted"}
    link = f"{BASE}/opportunities?$select=name,statecode&{TOKEN}"
    read = QUERY.parse(answer(page([{"name": "a"}, deleted], deltaLink=link)))
    assert read.rows == ({"name": "a"},)
    assert read.deleted_ids == ("ab",)
    assert read.cursor == f"$select=name,statecode&{TOKEN}"
    assert read.next_path is None


def test_a_cursor_goes_on_at_our_own_address_whatever_host_the_link_had() -> None:
    link = f"https://elsewhere.example/api/data/v9.2/opportunities?$select=name,statecode&{TOKEN}"
    cursor = QUERY.parse(answer(page([], deltaLink=link))).cursor
    assert cursor is not None
    assert QUERY.resume_path(cursor) == f"opportunities?$select=name,statecode&{TOKEN}"


def test_the_next_page_comes_before_the_cursor() -> None:
    link = f"{BASE}/opportunities?$select=name,statecode&$skiptoken=%3Ccookie%20pagenumber=%222%22%20/%3E"
    read = QUERY.parse(answer(page([{"name": "a"}], nextLink=link)))
    assert read.cursor is None
    assert read.next_path == f"opportunities?{link.partition('?')[2]}"


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "$select=name,statecode", f"$select=name&{TOKEN}", f"$select=name,other&{TOKEN}"]
)
def test_a_cursor_of_other_columns_or_of_no_kind_is_not_resumed(cursor: str) -> None:
    assert QUERY.resume_path(cursor) is None


@pytest.mark.parametrize("cursor", [TOKEN, f"$select=statecode,name&{TOKEN}", f"%24select=name%2Cstatecode&{TOKEN}"])
def test_the_order_and_escaping_of_the_columns_do_not_matter(cursor: str) -> None:
    assert QUERY.resume_path(cursor) == f"opportunities?{cursor}"


@pytest.mark.parametrize(
    "body",
    [
        {"value": []},
        {"error": {}},
        page([], nextLink=f"{BASE}/opportunities?a=b", deltaLink=f"{BASE}/opportunities?a=b"),
        page([], deltaLink=f"{BASE}/accounts?{TOKEN}"),
        page([], deltaLink=f"{BASE}/opportunities"),
        [],
    ],
)
def test_an_answer_that_cannot_be_continued_moves_no_cursor(body: Any) -> None:
    with pytest.raises(RetryLater):
        QUERY.parse(answer(body))
