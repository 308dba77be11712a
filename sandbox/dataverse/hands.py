"""Other people's hands: what sellers and customisers do in the environment while the connector is not looking.

Over HTTP, beside what :mod:`sandbox.control` adds:

=======  =========================================  ===============================================================
GET      ``/_control/rows/{table}``                 all rows, as the Web API shows them
POST     ``/_control/rows/{table}``                 inserts; the body is that of a Web API create; answers ``{"id"}``
PATCH    ``/_control/rows/{table}/{id}``            edits; the body is that of a Web API update
DELETE   ``/_control/rows/{table}/{id}``            deletes
POST     ``/_control/opportunities/{id}/{action}``  ``win``, ``lose`` or ``reopen``; ``{"status": 5}`` or no body
POST     ``/_control/delta-tokens/expire``          every delta token given out so far is refused from now on
=======  =========================================  ===============================================================

Tables are named by logical name. These calls are not counted as calls to the service.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from sandbox.control import CONTROL_PREFIX
from sandbox.dataverse import errors, sales
from sandbox.dataverse.messages import Preferences
from sandbox.dataverse.presenting import present
from sandbox.dataverse.queries import Query
from sandbox.dataverse.rows import Row, Rows
from sandbox.dataverse.schema import Table
from sandbox.dataverse.seed import SELLER_ID
from sandbox.dataverse.values import Value, json_text
from sandbox.dataverse.writes import Writer

_DEFAULT_STATUS = -1


class Hands:
    """Safe to use from any thread; each call is one transaction, by the seller ``SELLER_ID`` unless told otherwise.

    Who holds ``lock`` is alone with the environment: requests wait.
    """

    def __init__(self, rows: Rows, lock: threading.RLock) -> None:
        self._rows = rows
        self.lock = lock

    def insert(self, table: str, values: Mapping[str, Any], *, by: str = SELLER_ID) -> str:
        """The new row's id. ``values`` is the body of a Web API create, ``@odata.bind`` included."""
        with self.lock, self._rows.all_or_nothing():
            return self._writer(by).create(self._table(table), values).id

    def edit(self, table: str, row_id: str, values: Mapping[str, Any], *, by: str = SELLER_ID) -> None:
        with self.lock, self._rows.all_or_nothing():
            self._writer(by).update(self._row(table, row_id), values)

    def delete(self, table: str, row_id: str) -> None:
        with self.lock, self._rows.all_or_nothing():
            self._writer(SELLER_ID).delete(self._row(table, row_id))

    def win(self, opportunity_id: str, status: int = _DEFAULT_STATUS) -> None:
        self._close(opportunity_id, sales.WON, status)

    def lose(self, opportunity_id: str, status: int = _DEFAULT_STATUS) -> None:
        """``status``: 4 Canceled, 5 Out-Sold; Canceled unless told otherwise."""
        self._close(opportunity_id, sales.LOST, status)

    def _close(self, opportunity_id: str, state: int, status: int) -> None:
        with self.lock, self._rows.all_or_nothing():
            sales.close_opportunity(self._writer(SELLER_ID), self._row("opportunity", opportunity_id), state, status)

    def reopen(self, opportunity_id: str, status: int = 1) -> None:
        self.edit("opportunity", opportunity_id, {"statecode": 0, "statuscode": status})

    def qualify(self, lead_id: str, *, opportunity: bool = True) -> str | None:
        """A seller qualifies a lead with a new account and contact; the id of the opportunity that came of it."""
        created = {"CreateAccount": True, "CreateContact": True, "CreateOpportunity": opportunity}
        with self.lock, self._rows.all_or_nothing():
            lead = self._row("lead", lead_id)
            made = sales.qualify_lead(self._writer(SELLER_ID), lead, {**created, "Status": _DEFAULT_STATUS}, {})
            return next((row.id for row in made if row.table == "opportunity"), None)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row with every column, as the Web API shows them; amounts of money are Decimals."""
        with self.lock:
            self._table(table)
            return [present(self._rows, row, Query(), Preferences({})) for row in self._rows.of(table)]

    def row(self, table: str, row_id: str) -> dict[str, Any]:
        with self.lock:
            return present(self._rows, self._row(table, row_id), Query(), Preferences({}))

    def find(self, table: str, **values: Value) -> list[str]:
        """The ids of the rows that hold these values, in the order of their making; a reference by its row's id."""
        with self.lock:
            self._table(table)
            return [row.id for row in self._rows.of(table) if all(_held(row, c) == v for c, v in values.items())]

    def _writer(self, user_id: str) -> Writer:
        return Writer(self._rows, user_id, "")

    def _table(self, name: str) -> Table:
        table = self._rows.schema.tables.get(name)
        if table is None:
            raise errors.unknown_segment(name)
        return table

    def _row(self, table: str, row_id: str) -> Row:
        self._table(table)
        row = self._rows.find(table, row_id)
        if row is None:
            raise errors.row_missing(table, row_id)
        return row


def _held(row: Row, column: str) -> Value:
    reference = row.reference(column)
    return reference.id if reference else row.values.get(column)


def add_routes(app: web.Application, hands: Hands, expire_delta_tokens: Callable[[], None]) -> None:
    async def show(request: web.Request) -> Any:
        return hands.rows(request.match_info["table"])

    async def insert(request: web.Request) -> Any:
        return {"id": hands.insert(request.match_info["table"], await _body(request))}

    async def edit(request: web.Request) -> Any:
        hands.edit(request.match_info["table"], request.match_info["id"], await _body(request))

    async def delete(request: web.Request) -> Any:
        hands.delete(request.match_info["table"], request.match_info["id"])

    async def close(request: web.Request) -> Any:
        status = (await _body(request)).get("status")
        action = {"win": hands.win, "lose": hands.lose, "reopen": hands.reopen}[request.match_info["action"]]
        action(request.match_info["id"], **({} if status is None else {"status": status}))

    async def expire(_: web.Request) -> Any:
        expire_delta_tokens()

    add = app.router.add_route
    add("GET", f"{CONTROL_PREFIX}rows/{{table}}", _answering(show))
    add("POST", f"{CONTROL_PREFIX}rows/{{table}}", _answering(insert))
    add("PATCH", f"{CONTROL_PREFIX}rows/{{table}}/{{id}}", _answering(edit))
    add("DELETE", f"{CONTROL_PREFIX}rows/{{table}}/{{id}}", _answering(delete))
    add("POST", f"{CONTROL_PREFIX}opportunities/{{id}}/{{action:win|lose|reopen}}", _answering(close))
    add("POST", f"{CONTROL_PREFIX}delta-tokens/expire", _answering(expire))


def _answering(operation: Callable[[web.Request], Awaitable[Any]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """``operation``'s result as JSON, nothing as 204, a refusal with its status."""

    async def answer(request: web.Request) -> web.Response:
        try:
            result = await operation(request)
        except errors.DataverseError as error:
            return web.json_response(error.body(), status=error.status)
        if result is None:
            return web.Response(status=204)
        return web.Response(text=json_text(result), content_type="application/json")

    return answer


async def _body(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    try:
        body = json.loads(text, parse_float=Decimal) if text else {}
    except ValueError:
        raise errors.bad_argument("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise errors.bad_argument("The body must be a JSON object.")
    return body
