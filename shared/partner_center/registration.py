"""The tenant's one webhook registration: shown, made, changed, tested.

Partner Center keeps a single address per tenant for all events, so whoever registers takes the events of everybody
else over. https://learn.microsoft.com/partner-center/developer/partner-center-webhooks
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from shared.answers import Response
from shared.domain.errors import NotFound, Rejected
from shared.partner_center.answers import SERVICE
from shared.partner_center.odata import guid
from shared.transport import Request, Transport, check_address

WEBHOOKS_URL = "https://api.partnercenter.microsoft.com/webhooks/v1"


@dataclass(frozen=True)
class Registration:
    """``url`` may hold a function key in its query: show ``address`` instead."""

    url: str = field(repr=False)
    events: tuple[str, ...]
    subscriber_id: str = ""
    last_modified: str = ""

    @property
    def address(self) -> str:
        return _without_query(self.url)


@dataclass(frozen=True)
class Attempt:
    """One delivery of a test event: what our endpoint answered, or what kept Partner Center from reaching it."""

    response_code: str
    response_message: str
    system_error: bool
    at: str


@dataclass(frozen=True)
class TestResult:
    """``status`` is ``completed`` once Partner Center has finished; no other value is documented."""

    __test__ = False  # not a test class, whatever its name says to pytest

    status: str
    attempts: tuple[Attempt, ...]


class WebhookRegistration:
    """``signature_header`` true asks for signatures in ``x-ms-signature``, false in ``Authorization``; ``None`` leaves
    it to Partner Center (``Authorization``). Verification takes both."""

    def __init__(
        self,
        transport: Transport,
        base_url: str = WEBHOOKS_URL,
        *,
        signature_header: bool | None = None,
        allow_loopback_http: bool = False,
    ) -> None:
        check_address(base_url, SERVICE, allow_loopback_http=allow_loopback_http)
        self._transport = transport
        self._url = f"{base_url.rstrip('/')}/registration"
        self._signature_header = signature_header
        self._allow_loopback_http = allow_loopback_http

    def events(self) -> tuple[str, ...]:
        """The names of all events that can be registered for."""
        response = self._send("GET", "webhook.events", "/events")
        names = response.json()
        if not isinstance(names, list):
            raise response.unreadable("something that is not a list of events")
        return tuple(str(name) for name in names)

    def get(self) -> Registration | None:
        """The registration of the tenant, whoever made it; ``None`` without one."""
        try:
            response = self._send("GET", "webhook.get", "")
        except NotFound:
            return None
        registration = _registration(response.json_object())
        return registration if registration.url else None

    def register(self, url: str, events: Iterable[str], *, overwrite: bool, keep_others: bool = True) -> Registration:
        """From now on ``events`` are sent to ``url``, with those registered before if ``keep_others``.

        Raises ``Rejected`` if another address is registered and ``overwrite`` is false; nothing is changed then.
        """
        self._check(url)
        wanted = tuple(dict.fromkeys(events))
        present = self.get()
        if present is None:
            response = self._send("POST", "webhook.register", "", self._body(url, wanted))
            return self._registered(response, url, wanted)
        if present.url != url and not overwrite:
            # The query is left out: it may hold a key.
            raise Rejected(
                f"Partner Center already sends the webhooks of this tenant to {present.address}",
                code="webhook_taken",
                field="WebhookUrl",
                remedy="Register again with overwrite to take them over; that address gets none from then on.",
                service=SERVICE,
            )
        if keep_others:
            named = {name.lower() for name in present.events}
            wanted = present.events + tuple(name for name in wanted if name.lower() not in named)
        return self._registered(self._send("PUT", "webhook.update", "", self._body(url, wanted)), url, wanted)

    def send_test_event(self) -> str:
        """The correlation id to ask :meth:`test_result` for.

        Partner Center takes two a minute, and only with a registration for ``test-created``.
        """
        response = self._send("POST", "webhook.test", "/validationEvents")
        answer = response.json()
        # Microsoft's pages show an object, its REST reference a bare string.
        identifier = _folded(answer).get("correlationid") if isinstance(answer, dict) else answer
        if not isinstance(identifier, str):
            raise response.unreadable("no correlation id")
        return guid(identifier, "correlation id")

    def test_result(self, correlation_id: str) -> TestResult:
        """How far the test event is; Partner Center keeps it for seven days."""
        path = f"/validationEvents/{guid(correlation_id, 'correlation id')}"
        body = _folded(self._send("GET", "webhook.test_result", path).json_object())
        results = body.get("results")
        attempts = [_folded(result) for result in results if isinstance(result, dict)] if results else []
        return TestResult(
            status=_text(body, "status"),
            attempts=tuple(
                Attempt(
                    response_code=_text(attempt, "responsecode"),
                    response_message=_text(attempt, "responsemessage"),
                    system_error=attempt.get("systemerror") is True,
                    at=_text(attempt, "datetimeutc"),
                )
                for attempt in attempts
            ),
        )

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            scheme, host = parts.scheme, parts.hostname or ""
        except ValueError:
            scheme = host = ""
        if not host or not (scheme == "https" or (scheme == "http" and self._allow_loopback_http)):
            raise Rejected(
                "The webhook address must be a full https address",
                code="webhook_address",
                field="WebhookUrl",
                remedy="Give the address of the partner_center_to_crm function with its key.",
                service=SERVICE,
            )

    def _body(self, url: str, events: tuple[str, ...]) -> dict[str, Any]:
        body: dict[str, Any] = {"WebhookUrl": url, "WebhookEvents": list(events)}
        if self._signature_header is not None:
            body["SignatureTokenToMsSignatureHeader"] = self._signature_header
        return body

    @staticmethod
    def _registered(response: Response, url: str, events: tuple[str, ...]) -> Registration:
        answered = _registration(response.json_object())
        return Registration(
            answered.url or url, answered.events or events, answered.subscriber_id, answered.last_modified
        )

    def _send(self, method: str, operation: str, path: str, content: Any = None) -> Response:
        headers = {"Content-Type": "application/json", "MS-RequestId": str(uuid.uuid4())}
        return self._transport.send(Request(method, f"{self._url}{path}", operation, headers=headers, json=content))


def _registration(document: Mapping[str, Any]) -> Registration:
    fields = _folded(document)
    events = fields.get("webhookevents")
    return Registration(
        url=_text(fields, "webhookurl"),
        events=tuple(str(name) for name in events) if isinstance(events, list) else (),
        subscriber_id=_text(fields, "subscriberid"),
        last_modified=_text(fields, "lastmodifiedtimestamp"),
    )


def _folded(document: Mapping[str, Any]) -> dict[str, Any]:
    """By lower-case name: the documentation, the REST reference and live answers differ in casing."""
    return {name.lower(): value for name, value in document.items()}


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _without_query(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
    except ValueError:
        return "an unreadable address"
