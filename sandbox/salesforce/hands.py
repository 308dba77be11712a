"""Other people's hands: what sellers and administrators do in the org while the connector is not looking.

Over HTTP, beside what :mod:`sandbox.control` adds:

=======  ====================================  ====================================================================
GET      ``/_control/rows/{object}``           all rows with all fields; ``?deleted=true``: the recycle bin too
POST     ``/_control/rows/{object}``           inserts; the body is that of a REST create; answers ``{"id"}``
PATCH    ``/_control/rows/{object}/{id}``      edits; the body is that of a REST update
DELETE   ``/_control/rows/{object}/{id}``      deletes
POST     ``/_control/rows/{object}/{id}/undelete``  brings back, with what was deleted along with it
POST     ``/_control/rows/{object}/{id}/touch``  automation changes the SystemModstamp, and nothing else
POST     ``/_control/rows/{object}/{id}/lock``  ``{"times": 2}``: the next writes of the row cannot have its lock
POST     ``/_control/leads/{id}/convert``      the fields of :class:`~.conversion.Conversion`; answers the new ids
POST     ``/_control/opportunities/{id}/{action}``  ``win`` or ``lose``
=======  ====================================  ====================================================================

These calls are not counted as calls to the service.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from sandbox.control import CONTROL_PREFIX
from sandbox.salesforce import errors
from sandbox.salesforce.automation import Automation
from sandbox.salesforce.conversion import Conversion, Converted, convert_lead
from sandbox.salesforce.ids import long_id
from sandbox.salesforce.rows import Row, Rows
from sandbox.salesforce.rules import OrgRules
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.seed import SELLER_USERNAME
from sandbox.salesforce.values import json_text, moment_text
from sandbox.salesforce.writes import Writer


class Hands:
    """Safe to use from any thread; each call is one transaction, by the seller ``SELLER_USERNAME`` unless told
    otherwise. Fields hidden from the API are open to people. Who holds ``lock`` is alone with the org: requests
    wait.
    """

    def __init__(
        self,
        rows: Rows,
        rules: OrgRules,
        automation: Automation,
        lock: threading.RLock,
        lead_fields: Mapping[str, str],
    ) -> None:
        self._rows = rows
        self._rules = rules
        self._automation = automation
        self.lock = lock
        self._lead_fields = lead_fields

    def insert(self, sobject: str, values: Mapping[str, Any], *, by: str = SELLER_USERNAME) -> str:
        """The new row's id."""
        with self.lock, self._rows.transaction():
            return self._writer(by).create(self._object(sobject), values).id

    def edit(self, sobject: str, row_id: str, values: Mapping[str, Any], *, by: str = SELLER_USERNAME) -> None:
        with self.lock, self._rows.transaction():
            self._writer(by).update(self._object(sobject), self._row(sobject, row_id), values)

    def delete(self, sobject: str, row_id: str) -> None:
        with self.lock, self._rows.transaction():
            self._writer(SELLER_USERNAME).delete(self._object(sobject), self._row(sobject, row_id))

    def undelete(self, sobject: str, row_id: str) -> None:
        with self.lock, self._rows.transaction():
            row = self._rows.find(self._object(sobject).name, long_id(row_id) or "")
            if row is None or not row.is_deleted:
                raise errors.SalesforceError(400, "UNDELETE_FAILED", "entity is not in the recycle bin", [])
            self._writer(SELLER_USERNAME).undelete(row)

    def touch(self, sobject: str, row_id: str) -> None:
        """What automation does in the background: the SystemModstamp moves, LastModifiedDate stays."""
        with self.lock, self._rows.transaction():
            row = self._row(sobject, row_id)
            self._rows.put(row.sobject, row.id, row.values)

    def backdate(self, sobject: str, row_id: str, created: str) -> None:
        """As imports of older rows do, by *Set Audit Fields upon Record Creation*; ``created`` as in ISO 8601."""
        with self.lock, self._rows.transaction():
            moment = moment_text(datetime.fromisoformat(created))
            self._rows.derive(self._row(sobject, row_id), {"CreatedDate": moment})

    def lock_row(self, sobject: str, row_id: str, times: int = 1) -> None:
        """The next ``times`` writes that need the lock of this row, its children's among them, do not get it."""
        with self.lock:
            self._rules.locked[self._row(sobject, row_id).id] = times

    def win(self, opportunity_id: str) -> None:
        self.edit("Opportunity", opportunity_id, {"StageName": "Closed Won"})

    def lose(self, opportunity_id: str) -> None:
        self.edit("Opportunity", opportunity_id, {"StageName": "Closed Lost"})

    def convert_lead(self, lead_id: str, chosen: Conversion | None = None) -> Converted:
        """``chosen.fields`` None: the mapping of custom fields that the org was set up with."""
        with self.lock, self._rows.transaction():
            wanted = chosen or Conversion()
            if wanted.fields is None:
                wanted = Conversion(**{**asdict(wanted), "fields": dict(self._lead_fields)})
            return convert_lead(self._writer(SELLER_USERNAME), self._row("Lead", lead_id), wanted)

    def rows(self, sobject: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        """Every row with every field, in the order of their making; numbers with digits are Decimals."""
        with self.lock:
            return [dict(row.values) for row in self._rows.of(self._object(sobject).name, deleted=deleted)]

    def row(self, sobject: str, row_id: str) -> dict[str, Any]:
        with self.lock:
            return dict(self._row(sobject, row_id).values)

    def find(self, sobject: str, **values: Any) -> list[str]:
        """The ids of the rows that hold these values, in the order of their making."""
        with self.lock:
            rows = self._rows.of(self._object(sobject).name)
            return [row.id for row in rows if all(row.values.get(name) == v for name, v in values.items())]

    def user_id(self, username: str) -> str:
        with self.lock:
            found = [row.id for row in self._rows.of("User") if row.text("Username") == username]
        if not found:
            raise errors.row_not_found()
        return found[0]

    def _writer(self, username: str) -> Writer:
        return Writer(self._rows, self._rules, self._automation, self.user_id(username), "66.0", through_api=False)

    def _object(self, name: str) -> SObject:
        found = self._rows.schema.find(name, all_fields=True)
        if found is None:
            raise errors.no_such_object(name)
        return found

    def _row(self, sobject: str, row_id: str) -> Row:
        row = self._rows.live(self._object(sobject).name, long_id(row_id))
        if row is None:
            raise errors.row_not_found()
        return row


def add_routes(app: web.Application, hands: Hands) -> None:
    async def show(request: web.Request) -> Any:
        return hands.rows(request.match_info["object"], deleted=request.query.get("deleted") == "true")

    async def insert(request: web.Request) -> Any:
        return {"id": hands.insert(request.match_info["object"], await _body(request))}

    async def edit(request: web.Request) -> Any:
        hands.edit(*_address(request), await _body(request))

    async def delete(request: web.Request) -> Any:
        hands.delete(*_address(request))

    async def act(request: web.Request) -> Any:
        if request.match_info["action"] == "lock":
            hands.lock_row(*_address(request), **await _body(request))
        else:
            {"undelete": hands.undelete, "touch": hands.touch}[request.match_info["action"]](*_address(request))

    async def convert(request: web.Request) -> Any:
        return asdict(hands.convert_lead(request.match_info["id"], Conversion(**await _body(request))))

    async def close(request: web.Request) -> Any:
        {"win": hands.win, "lose": hands.lose}[request.match_info["action"]](request.match_info["id"])

    row = f"{CONTROL_PREFIX}rows/{{object}}"
    add = app.router.add_route
    add("GET", row, _answering(show))
    add("POST", row, _answering(insert))
    add("PATCH", f"{row}/{{id}}", _answering(edit))
    add("DELETE", f"{row}/{{id}}", _answering(delete))
    add("POST", f"{row}/{{id}}/{{action:undelete|touch|lock}}", _answering(act))
    add("POST", f"{CONTROL_PREFIX}leads/{{id}}/convert", _answering(convert))
    add("POST", f"{CONTROL_PREFIX}opportunities/{{id}}/{{action:win|lose}}", _answering(close))


def _address(request: web.Request) -> tuple[str, str]:
    return request.match_info["object"], request.match_info["id"]


def _answering(operation: Callable[[web.Request], Awaitable[Any]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """``operation``'s result as JSON, nothing as 204, a refusal with its status."""

    async def answer(request: web.Request) -> web.Response:
        try:
            result = await operation(request)
        except errors.SalesforceError as error:
            return web.json_response(error.body(), status=error.status)
        except TypeError as problem:
            return web.json_response([{"errorCode": "INVALID_ARGUMENT", "message": str(problem)}], status=400)
        if result is None:
            return web.Response(status=204)
        return web.Response(text=json_text(result), content_type="application/json")

    return answer


async def _body(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    try:
        body = json.loads(text, parse_float=Decimal) if text else {}
    except ValueError:
        raise errors.not_json("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise errors.not_json("The body must be a JSON object.")
    return body
