"""Registers this app with Partner Center's webhooks, says what is registered, and tries whether it arrives."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from shared.domain.errors import ConfigurationError, Rejected, RetryLater
from shared.following import Patience, follow_test_event, shown_result
from shared.partner_center.event import REFERRAL_EVENTS, TEST_EVENT
from shared.partner_center.registration import Registration, WebhookRegistration

PATH = "/api/partner-center"
_OPTIONS = {"key": str, "events": list, "overwrite": bool, "keep_others": bool, "test": bool}


def show(registration: WebhookRegistration, public_url: str | None) -> dict[str, Any]:
    """The tenant's registration, and whether it points here. Keys are not shown."""
    present = registration.get()
    if present is None:
        return {"registered": False, "points_here": False, "events": []}
    return {
        "registered": True,
        "points_here": _points_here(present, public_url),
        "address": present.address,
        "events": list(present.events),
        "last_modified": present.last_modified,
    }


def show_test(registration: WebhookRegistration, correlation_id: str) -> dict[str, Any]:
    """What has become of a test event that was sent within the last seven days."""
    return {"test": shown_result(correlation_id, registration.test_result(correlation_id))}


def register_or_test(
    registration: WebhookRegistration, public_url: str | None, body: bytes, patience: Patience
) -> dict[str, Any]:
    """Registers this app's address with the function key in ``body``; sends a test event and follows it if asked to.

    ``{"test": true}`` without a key leaves the address as it is. Raises ``Rejected`` for a body that is not
    understood, for an address of somebody else without ``overwrite``, and for a test that would go to somebody else;
    ``RetryLater`` when Partner Center's two test events a minute are used up.
    """
    if public_url is None:
        raise ConfigurationError(
            "The app does not know its own address", code="public_url", remedy="Set PUBLIC_URL to it and try again."
        )
    options = _options(body)
    if "key" in options:
        answer = _register(registration, public_url, options)
    else:
        _check_it_comes_here(registration.get(), public_url)
        answer = {}
    if options.get("test"):
        _listen_for_tests(registration)
        answer["test"] = _test(registration, patience, was_registered="key" in options)
    return answer


def _test(registration: WebhookRegistration, patience: Patience, *, was_registered: bool) -> dict[str, Any]:
    try:
        return follow_test_event(registration, patience)
    except RetryLater as error:
        if was_registered:
            error.message = f"The webhook is registered, but no test event was sent: {error.message}"
        raise


def _register(registration: WebhookRegistration, public_url: str, options: dict[str, Any]) -> dict[str, Any]:
    events = options.get("events") or list(REFERRAL_EVENTS)
    if options.get("test"):
        events = [*events, TEST_EVENT]
    url = f"{public_url.rstrip('/')}{PATH}?code={quote(options['key'], safe='')}"
    registration.register(
        url, events, overwrite=options.get("overwrite", False), keep_others=options.get("keep_others", True)
    )
    answer = show(registration, public_url)
    others = [name for name in answer["events"] if name not in (*events, TEST_EVENT)]
    if others:
        answer["kept_for_others"] = others
        answer["note"] = "These events were registered by someone else and now come to this app, which ignores them."
    return answer


def _check_it_comes_here(present: Registration | None, public_url: str) -> None:
    remedy = 'Register this app first: name the function key of partner_center_to_crm as "key", and "overwrite".'
    if present is None:
        raise Rejected("No webhook is registered, so no test event can be sent", code="not_registered", remedy=remedy)
    if not _points_here(present, public_url):
        raise Rejected(
            f"The test event would go to {present.address}, where Partner Center sends this tenant's webhooks",
            code="webhook_taken",
            remedy=remedy,
        )


def _listen_for_tests(registration: WebhookRegistration) -> None:
    """The registration holds the test event besides what it held; Partner Center sends none without."""
    present = registration.get()
    if present is not None and TEST_EVENT not in {name.lower() for name in present.events}:
        registration.register(present.url, [TEST_EVENT], overwrite=False)


def _points_here(present: Registration, public_url: str | None) -> bool:
    return public_url is not None and present.address == f"{public_url.rstrip('/')}{PATH}"


def _options(body: bytes) -> dict[str, Any]:
    try:
        options = json.loads(body or b"{}")
    except ValueError:
        options = None
    if not isinstance(options, dict) or any(
        name not in _OPTIONS or not isinstance(value, _OPTIONS[name]) for name, value in options.items()
    ):
        raise Rejected(f"The body must be a JSON object with any of: {', '.join(_OPTIONS)}", code="bad_request")
    is_test_alone = options.get("test") is True and set(options) == {"test"}
    if not options.get("key") and not is_test_alone:
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
