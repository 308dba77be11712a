"""Registers this app with Partner Center's webhooks, and says what is registered."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from shared.domain.errors import ConfigurationError, Rejected
from shared.partner_center.event import REFERRAL_EVENTS
from shared.partner_center.registration import WebhookRegistration

PATH = "/api/partner-center"
TEST_EVENT = "test-created"
_OPTIONS = {"key": str, "events": list, "overwrite": bool, "keep_others": bool, "test": bool}


def show(registration: WebhookRegistration, public_url: str | None) -> dict[str, Any]:
    """The tenant's registration, and whether it points here. Keys are not shown."""
    present = registration.get()
    if present is None:
        return {"registered": False, "points_here": False, "events": []}
    return {
        "registered": True,
        "points_here": public_url is not None and present.address == f"{public_url.rstrip('/')}{PATH}",
        "address": present.address,
        "events": list(present.events),
        "last_modified": present.last_modified,
    }


def register(registration: WebhookRegistration, public_url: str | None, body: bytes) -> dict[str, Any]:
    """Registers this app's address with the function key in ``body``, and sends a test event if asked to.

    Raises ``Rejected`` for a body that is not understood and for an address of somebody else without ``overwrite``.
    """
    if public_url is None:
        raise ConfigurationError(
            "The app does not know its own address", code="public_url", remedy="Set PUBLIC_URL to it and try again."
        )
    options = _options(body)
    events = options.get("events") or list(REFERRAL_EVENTS)
    if options.get("test"):
        events = [*events, TEST_EVENT]
    url = f"{public_url.rstrip('/')}{PATH}?code={quote(options['key'], safe='')}"
    registration.register(
        url, events, overwrite=options.get("overwrite", False), keep_others=options.get("keep_others", True)
    )
    answer = show(registration, public_url)
    others = [name for name in answer["events"] if name not in events]
    if others:
        answer["kept_for_others"] = others
        answer["note"] = "These events were registered by someone else and now come to this app, which ignores them."
    if options.get("test"):
        answer["test_correlation_id"] = registration.send_test_event()
    return answer


def _options(body: bytes) -> dict[str, Any]:
    try:
        options = json.loads(body or b"{}")
    except ValueError:
        options = None
    if not isinstance(options, dict) or any(
        name not in _OPTIONS or not isinstance(value, _OPTIONS[name]) for name, value in options.items()
    ):
        raise Rejected(f"The body must be a JSON object with any of: {', '.join(_OPTIONS)}", code="bad_request")
    if not options.get("key"):
        raise Rejected(
            "The body names no key: the function key that Partner Center must send with each webhook",
            code="bad_request",
            remedy="Take it from: az functionapp function keys list --function-name partner_center_to_crm ...",
        )
    unknown = [name for name in options.get("events", []) if name not in (*REFERRAL_EVENTS, TEST_EVENT)]
    if unknown:
        raise Rejected(
            f"Not an event of referrals: {', '.join(map(str, unknown))[:200]}",
            code="bad_request",
            remedy=f"Use any of {', '.join(REFERRAL_EVENTS)}.",
        )
    return options
