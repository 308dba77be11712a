"""Other people's hands and the delivery switches over HTTP, for a demo or a test in another process.

=======  ==============================================  =======================================================
GET      ``/_control/referrals``                         every referral of either side
POST     ``/_control/referrals``                         one arrives, or a list answer's ``value``; 201
PATCH    ``/_control/referrals/{id}``                    edits by path: ``{"/details/dealValue": 7}``
POST     ``/_control/referrals/{id}/{act}``              ``accept``, ``decline``, ``close``, ``expire``;
                                                         ``{"substatus", "reason"}`` where they apply
POST     ``/_control/engagements/{id}/microsoft-accepts``  Microsoft's seller accepts; ``{"msxId"}`` optional
GET      ``/_control/deliveries``                        the log of callbacks
PATCH    ``/_control/deliveries``                        the switches of :class:`DeliveryOptions`, by name
GET      ``/_control/idle?timeout_s=10``                 204 when no callback is under way, 503 when one still is
=======  ==============================================  =======================================================
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

from aiohttp import web

from sandbox.control import CONTROL_PREFIX
from sandbox.partner_center.delivery import Delivery, DeliveryOptions, Dispatcher
from sandbox.partner_center.people import People
from sandbox.partner_center.refusals import Refusal, invalid
from sandbox.partner_center.store import ReferralStore

SWITCHES = {option.name: option.type for option in fields(DeliveryOptions) if option.name != "drop"}


class ControlRoutes:
    def __init__(self, store: ReferralStore, people: People, dispatcher: Dispatcher) -> None:
        self._store = store
        self._people = people
        self._dispatcher = dispatcher

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(f"{CONTROL_PREFIX}referrals", self._answered(self._all))
        app.router.add_post(f"{CONTROL_PREFIX}referrals", self._answered(self._add, status=201))
        app.router.add_patch(f"{CONTROL_PREFIX}referrals/{{id}}", self._answered(self._edit))
        app.router.add_post(f"{CONTROL_PREFIX}referrals/{{id}}/{{act}}", self._answered(self._act))
        app.router.add_post(
            f"{CONTROL_PREFIX}engagements/{{id}}/microsoft-accepts", self._answered(self._microsoft_accepts)
        )
        app.router.add_get(f"{CONTROL_PREFIX}deliveries", self._answered(self._deliveries))
        app.router.add_patch(f"{CONTROL_PREFIX}deliveries", self._answered(self._switch))
        app.router.add_get(f"{CONTROL_PREFIX}idle", self._idle)

    def _answered(
        self, answer: Callable[[web.Request, dict[str, Any]], Awaitable[Any]], *, status: int = 200
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def checked(request: web.Request) -> web.Response:
            try:
                return web.json_response(await answer(request, await _object(request)), status=status)
            except Refusal as refused:
                return web.json_response(refused.body(), status=refused.status)

        return checked

    async def _all(self, _: web.Request, __: dict[str, Any]) -> Any:
        return self._store.all()

    async def _add(self, _: web.Request, document: dict[str, Any]) -> Any:
        added = self._people.add_referrals(document)
        return added if "value" in document else added[0]

    async def _edit(self, request: web.Request, changes: dict[str, Any]) -> Any:
        return self._people.edit_referral(request.match_info["id"], changes)

    async def _act(self, request: web.Request, order: dict[str, Any]) -> Any:
        referral_id = request.match_info["id"]
        match request.match_info["act"]:
            case "accept":
                return self._people.accept(referral_id)
            case "decline":
                return self._people.decline(referral_id, **_only(order, "reason"))
            case "close":
                return self._people.close(referral_id, **_only(order, "substatus", "reason"))
            case "expire":
                return self._people.expire(referral_id)
            case other:
                raise Refusal(404, "itemNotFound", f"There is no act {other}.")

    async def _microsoft_accepts(self, request: web.Request, order: dict[str, Any]) -> Any:
        return self._people.microsoft_accepts(request.match_info["id"], order.get("msxId"))

    async def _deliveries(self, _: web.Request, __: dict[str, Any]) -> Any:
        return [_shown(delivery) for delivery in self._dispatcher.log]

    async def _switch(self, _: web.Request, switches: dict[str, Any]) -> Any:
        options = self._dispatcher.options
        for name, value in switches.items():
            if name not in SWITCHES or not isinstance(value, bool | int | float):
                raise invalid(f"There is no switch {name} with such a value.", name)
        for name, value in switches.items():
            setattr(options, name, value)
        return {name: getattr(options, name) for name in SWITCHES}

    async def _idle(self, request: web.Request) -> web.Response:
        timeout_s = float(request.query.get("timeout_s", "10"))
        try:
            await asyncio.to_thread(self._dispatcher.wait_idle, timeout_s)
        except TimeoutError as problem:
            return web.Response(status=503, text=str(problem))
        return web.Response(status=204)


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as problem:
        raise invalid("The body is not JSON.") from problem
    if not isinstance(body, dict):
        raise invalid("The body must be an object.")
    return body


def _only(order: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: order[name] for name in names if name in order}


def _shown(delivery: Delivery) -> dict[str, Any]:
    return {
        "event": json.loads(delivery.event.body()),
        "callbackUrl": delivery.destination.callback_url.partition("?")[0],
        "statuses": delivery.statuses,
        "attempts": delivery.attempts,
        "delivered": delivery.delivered,
        "dropped": delivery.dropped,
        "finished": delivery.finished,
    }
