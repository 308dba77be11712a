"""The one webhook registration that a tenant has, and its test events.

https://learn.microsoft.com/partner-center/developer/partner-center-webhooks
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from sandbox.partner_center.delivery import Delivery, Destination, Dispatcher, Event
from sandbox.partner_center.refusals import Refusal
from sandbox.partner_center.signing import CERTIFICATE_PATH
from sandbox.partner_center.store import Change

API = "https://api.partnercenter.microsoft.com"
TEST_EVENT = "test-created"
REFERRAL_EVENTS = ("referral-created", "referral-updated", "related-referral-created", "related-referral-updated")
EVENTS = (
    *REFERRAL_EVENTS,
    TEST_EVENT,
    "subscription-updated",
    "usagerecords-thresholdExceeded",
    "invoice-ready",
    "azure-fraud-event-detected",
    "reseller-relationship-accepted-by-customer",
    "dap-admin-relationship-approved",
    "dap-admin-relationship-terminated",
    "dap-admin-relationship-terminated-by-microsoft",
    "granular-admin-relationship-activated",
    "granular-admin-relationship-approved",
    "granular-admin-relationship-expired",
    "granular-admin-relationship-terminated",
    "granular-admin-access-assignment-created",
    "granular-admin-access-assignment-activated",
    "granular-admin-access-assignment-updated",
    "granular-admin-access-assignment-deleted",
    "new-commerce-migration-created",
    "new-commerce-migration-completed",
    "new-commerce-migration-failed",
    "new-commerce-migration-schedule-failed",
)
TEST_EVENTS_PER_MINUTE = 2


@dataclass(frozen=True)
class Registration:
    callback_url: str
    events: tuple[str, ...]
    in_ms_signature: bool
    subscriber_id: str
    modified_at: str


class Webhooks:
    """Registers a callback and turns changes of referrals into events for it.

    ``public_url`` is where the simulator is reached, for the certificate's address; unset, it is learned from the
    request that registers. ``certificate_url`` replaces that address in the headers altogether.
    """

    def __init__(
        self, dispatcher: Dispatcher, *, allow_http_callbacks: bool, partner_id: str, now: Callable[[], datetime]
    ) -> None:
        self.public_url: str | None = None
        self.certificate_url: str | None = None
        self.registration: Registration | None = None
        self._allow_http = allow_http_callbacks
        self._dispatcher = dispatcher
        self._partner_id = partner_id
        self._now = now
        self._tests: dict[str, Delivery] = {}
        self._test_times: deque[datetime] = deque()

    def register(self, body: Any, *, replaces: bool) -> Registration:
        """POST (``replaces`` false) and PUT of the registration; field names in any casing."""
        if self.registration is not None and not replaces:
            raise Refusal(409, "409", "There is a registration already; change it with PUT.")
        if self.registration is None and replaces:
            raise Refusal(404, "404", "There is no registration to change.")
        fields = {str(name).lower(): value for name, value in body.items()} if isinstance(body, dict) else {}
        callback_url, events = fields.get("webhookurl"), fields.get("webhookevents")
        in_ms_signature = fields.get("signaturetokentomssignatureheader", False)
        self._check_url(callback_url)
        if not isinstance(events, list) or not events or any(event not in EVENTS for event in events):
            raise Refusal(400, "400", "WebhookEvents must be a list of known events.")
        if not isinstance(in_ms_signature, bool):
            raise Refusal(400, "400", "SignatureTokenToMsSignatureHeader must be true or false.")
        subscriber_id = self.registration.subscriber_id if self.registration else str(uuid.uuid4())
        modified_at = self._now().strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        assert isinstance(callback_url, str)
        self.registration = Registration(callback_url, tuple(events), in_ms_signature, subscriber_id, modified_at)
        return self.registration

    def current(self) -> Registration:
        if self.registration is None:
            raise Refusal(404, "404", "There is no registration.")
        return self.registration

    def announce(self, change: Change) -> None:
        """Raises the event of a changed referral, if the registration wants it."""
        self._raise(
            Event(
                change.event_name,
                f"{API}/engagements/v1/referrals/{change.referral_id}",
                "referral",
                change.at.removesuffix("Z") + "+00:00",
            )
        )

    def send_test(self) -> str:
        """Raises ``test-created`` and returns its correlation id; at most twice a minute."""
        if self.registration is None or TEST_EVENT not in self.registration.events:
            raise Refusal(400, "400", f"Register for {TEST_EVENT} first.")
        now = self._now()
        while self._test_times and now - self._test_times[0] >= timedelta(minutes=1):
            self._test_times.popleft()
        if len(self._test_times) >= TEST_EVENTS_PER_MINUTE:
            left = timedelta(minutes=1) - (now - self._test_times[0])
            raise TooManyTests(max(1, int(left.total_seconds())))
        self._test_times.append(now)
        correlation_id = str(uuid.uuid4())
        # Microsoft's sample has http here, and https nowhere.
        address = f"{API.replace('https', 'http')}/webhooks/v1/registration/validationEvents/{correlation_id}"
        delivery = self._raise(Event(TEST_EVENT, address, "test", now.strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")))
        assert delivery is not None
        self._tests[correlation_id] = delivery
        return correlation_id

    def test_result(self, correlation_id: str) -> dict[str, Any]:
        delivery = self._tests.get(correlation_id.lower())
        if delivery is None:
            raise Refusal(404, "404", "There is no such test event.")
        return {
            "correlationId": correlation_id.lower(),
            "partnerId": self._partner_id,
            "status": "completed" if delivery.finished else "pending",
            "callbackUrl": delivery.destination.callback_url,
            "results": [_result(status, at) for status, at in zip(delivery.statuses, delivery.tried_at, strict=False)],
        }

    def _raise(self, event: Event) -> Delivery | None:
        registration = self.registration
        if registration is None or event.event_name not in registration.events:
            return None
        certificate_url = self.certificate_url or f"{self.public_url or API}{CERTIFICATE_PATH}"
        destination = Destination(registration.callback_url, certificate_url, registration.in_ms_signature)
        return self._dispatcher.send(event, destination)

    def _check_url(self, url: Any) -> None:
        parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
        schemes = ("https", "http") if self._allow_http else ("https",)
        if parts.scheme not in schemes or not parts.hostname:
            raise Refusal(400, "400", "WebhookUrl must be an https address.")


class TooManyTests(Refusal):
    """429 with a body that is neither host's error shape (api-throttling-guidance)."""

    def __init__(self, retry_after_s: int) -> None:
        message = f"Rate limit is exceeded. Try again in {retry_after_s} seconds."
        super().__init__(429, "429", message)
        self.retry_after_s = retry_after_s

    def webhook_body(self) -> dict[str, Any]:
        return {"statusCode": 429, "message": self.message}


def _result(status: int, at: datetime) -> dict[str, Any]:
    """One try of a test event; ``dateTimeUtc`` has no zone, as in Microsoft's sample."""
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return {
        "responseCode": phrase.replace(" ", ""),
        "responseMessage": "" if status else "No answer from the callback address.",
        "systemError": status == 0,
        "dateTimeUtc": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f"),
    }
