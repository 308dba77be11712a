"""Which calls and sign-ins leave a line of their own."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress

import pytest
from aiohttp import web

from sandbox.serving import Server
from shared.domain.errors import ConnectorError, RetryLater
from shared.telemetry import SEPARATOR
from shared.transport import Request, Transport


class Service:
    """Answers with these statuses, in turn."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)

    def build(self) -> web.Application:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response({}, status=self._statuses.pop(0))

        app = web.Application()
        app.router.add_get("/deal", answer)
        return app


def signed_in(_: bool) -> str:
    return "a-token"


def refused(_: bool) -> str:
    raise RetryLater("Entra ID refused a token", code="sign_in_refused", service="Entra ID")


@pytest.mark.parametrize(
    ("statuses", "authorize", "told"),
    [
        ([200], signed_in, []),
        ([404], signed_in, [("call", 404)]),
        ([503], signed_in, [("call", 503)]),
        ([401, 200], signed_in, [("call", 401)]),
        ([401, 401], signed_in, [("call", 401), ("call", 401), ("sign_in", "unauthorized")]),
        ([], refused, [("sign_in", "sign_in_refused")]),
    ],
    ids=["fine", "refused", "away", "expired-token", "token-refused-twice", "no-token"],
)
def test_what_is_told_of_one_request(
    statuses: list[int],
    authorize: Callable[[bool], str],
    told: list[tuple[str, object]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        caplog.at_level(logging.INFO),
        Server(Service(*statuses).build) as server,
        Transport("Contoso CRM", authorize, allow_loopback_http=True) as transport,
        suppress(ConnectorError),
    ):
        transport.send(Request("GET", f"{server.url}/deal", "deal.get"))
    found = [_of(record.getMessage()) for record in caplog.records if record.name == "shared.transport"]
    assert found == told


def _of(message: str) -> tuple[str, object]:
    event, fields = message.partition(": ")[0], json.loads(message.partition(SEPARATOR)[2])
    assert fields["service"] == "Contoso CRM"
    return event, fields["code"] if event == "sign_in" else fields["status"]
