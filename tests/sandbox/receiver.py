"""A webhook of ours, for the tests of callbacks."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.partner_center.registration import REFERRAL_EVENTS
from tests.sandbox.caller import REGISTRATION, PartnerCenterCaller

ALL_EVENTS = [*REFERRAL_EVENTS, "test-created"]


@dataclass
class Callback:
    headers: dict[str, str]
    raw: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.raw)
        return event


@dataclass
class Receiver:
    """A webhook of ours. ``answers`` are the statuses of the next callbacks, 200 when there are none left."""

    answers: list[int] = field(default_factory=list)
    received: list[Callback] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def build(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/events", self._on_callback)
        return app

    async def _on_callback(self, request: web.Request) -> web.Response:
        raw = await request.read()
        with self.lock:
            self.received.append(Callback({name.lower(): value for name, value in request.headers.items()}, raw))
            status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, headers={"Location": self.url} if status == 302 else {})

    def names(self) -> list[str]:
        return [callback.event["EventName"] for callback in self.received]


def register(caller: PartnerCenterCaller, url: str, events: list[str] | None = None, **more: Any) -> dict[str, Any]:
    body = {"WebhookUrl": url, "WebhookEvents": events or ALL_EVENTS, **more}
    answer = caller.call("POST", REGISTRATION, body)
    assert answer.status_code == 200, answer.text
    registered: dict[str, Any] = answer.json()
    return registered
