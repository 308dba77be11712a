"""The webhook registration over HTTP, ``/webhooks/v1/registration``, and the certificate callbacks are signed with."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.entra import TokenCheck
from sandbox.partner_center.authorization import WEBHOOKS_AUDIENCE, check_token
from sandbox.partner_center.refusals import Refusal
from sandbox.partner_center.registration import EVENTS, Registration, TooManyTests, Webhooks
from sandbox.partner_center.signing import CERTIFICATE_PATH, Signer

PATH = "/webhooks/v1/registration"


@dataclass
class WebhookApiOptions:
    """``pascal_case``: answer as Microsoft's tutorial prints it, not as its REST reference does."""

    pascal_case: bool = False


class WebhookRoutes:
    def __init__(self, webhooks: Webhooks, signer: Signer, tokens: TokenCheck, options: WebhookApiOptions) -> None:
        self._webhooks = webhooks
        self._signer = signer
        self._tokens = tokens
        self.options = options

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(CERTIFICATE_PATH, self._certificate)
        app.router.add_get(f"{PATH}/events", self._answered(self._events))
        app.router.add_get(PATH, self._answered(self._view))
        app.router.add_post(PATH, self._answered(self._register))
        app.router.add_put(PATH, self._answered(self._register))
        app.router.add_post(f"{PATH}/validationEvents", self._answered(self._send_test))
        app.router.add_get(f"{PATH}/validationEvents/{{id}}", self._answered(self._test_result))

    def _answered(
        self, answer: Callable[[web.Request, str], Awaitable[Any]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def checked(request: web.Request) -> web.Response:
            # The service makes a correlation id of its own and does not echo the caller's.
            correlation_id = str(uuid.uuid4())
            try:
                check_token(self._tokens, request.headers.get("Authorization"), WEBHOOKS_AUDIENCE, user_only=False)
                body = await answer(request, correlation_id)
                correlation_id = body.get("correlationId", correlation_id) if isinstance(body, dict) else correlation_id
                response = web.json_response(body)
            except Refusal as refused:
                response = _refused(refused)
            response.headers["MS-CorrelationId"] = correlation_id
            response.headers["MS-RequestId"] = request.headers.get("MS-RequestId") or str(uuid.uuid4())
            return response

        return checked

    async def _certificate(self, _: web.Request) -> web.Response:
        return web.Response(body=self._signer.certificate_der, content_type="application/pkix-cert")

    async def _events(self, _: web.Request, __: str) -> list[str]:
        return list(EVENTS)

    async def _view(self, _: web.Request, __: str) -> dict[str, Any]:
        registration = self._webhooks.current()
        return self._cased({**_shown(registration), "lastModifiedTimestamp": registration.modified_at})

    async def _register(self, request: web.Request, _: str) -> dict[str, Any]:
        try:
            body = json.loads(await request.read())
        except ValueError as problem:
            raise Refusal(400, "400", "The body is not JSON.") from problem
        registration = self._webhooks.register(body, replaces=request.method == "PUT")
        if self._webhooks.public_url is None:
            self._webhooks.public_url = f"{request.scheme}://{request.host}"
        return self._cased(_shown(registration))

    async def _send_test(self, _: web.Request, __: str) -> dict[str, Any]:
        return {"correlationId": self._webhooks.send_test()}

    async def _test_result(self, request: web.Request, _: str) -> dict[str, Any]:
        return self._webhooks.test_result(request.match_info["id"])

    def _cased(self, body: dict[str, Any]) -> dict[str, Any]:
        if not self.options.pascal_case:
            return body
        return {name[0].upper() + name[1:]: value for name, value in body.items()}


def _shown(registration: Registration) -> dict[str, Any]:
    return {
        "subscriberId": registration.subscriber_id,
        "webhookUrl": registration.callback_url,
        "webhookEvents": list(registration.events),
        "signatureTokenToMsSignatureHeader": registration.in_ms_signature,
    }


def _refused(refused: Refusal) -> web.Response:
    response = web.json_response(refused.webhook_body(), status=refused.status)
    if isinstance(refused, TooManyTests):
        response.headers["Retry-After"] = str(refused.retry_after_s)
    if refused.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return response
