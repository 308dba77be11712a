from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.partner_center.certificates import CertificateSource, WebhookVerifier
from shared.partner_center.event import REFERRAL_EVENTS, parse_event
from shared.partner_center.inbox import receive
from tests.fuzz.inputs import BOUNDED, JSON, TEXTS, each_with_one_thing_wrong, with_something_wrong

EVENT = {
    "EventName": "referral-updated",
    "ResourceUri": "https://api.partner.microsoft.com/v1.0/engagements/referrals/7c2d6a52-5a0e-4a51-9b1e-6f4d5d0f3a11",
    "ResourceName": "referral",
    "AuditUri": None,
    "ResourceChangeUtcDate": "2026-03-01T10:20:30.1234567+00:00",
}
HEADERS = {
    "Authorization": "Signature AAAA",
    "X-MS-Certificate-Url": "https://3psostorageacct.blob.core.windows.net/cert/pcnotifications-dispatch.microsoft.com.cer",
    "X-MS-Signature-Algorithm": "rsa-sha256",
}
URLS = st.one_of(
    TEXTS,
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["https", "http", "HTTPS", "ftp", "file", ""]),
        st.sampled_from(
            [
                "3psostorageacct.blob.core.windows.net",
                "3psostorageacct.blob.core.windows.net.",
                "3psostorageacct.blob.core.windows.net:8443",
                "3psostorageacct.blob.core.windows.net@contoso.example",
                "contoso.example#3psostorageacct.blob.core.windows.net",
                "169.254.169.254",
                "[::1]",
                "[::ffff:127.0.0.1]",
                "localhost",
                "[",
                "0x7f000001",
                "３psostorageacct.blob.core.windows.net",
            ]
        ),
        st.sampled_from(["", "/", "/cert/../../x", "/%00", "?x", "#y"]),
        TEXTS,
    ),
)
HEADER_SETS = st.dictionaries(
    st.sampled_from([*HEADERS, "authorization", "Signature", "Host", "X-Other"]), st.one_of(TEXTS, URLS), max_size=5
)


class NothingThere:
    """Instead of the network: remembers what would have been fetched, and answers nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []


def believed(headers: Mapping[str, str], body: bytes) -> None:
    """A signature that holds, so that the body is looked at."""


@BOUNDED
@given(st.one_of(st.binary(max_size=200), JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace"))))
@example(b"[" * 60_000)
@example(b'{"EventName": "referral-updated"' + b" " * 70_000)
def test_any_body_gets_a_documented_answer(body: bytes) -> None:
    receipt = receive({}, body, believed)
    assert receipt.status in (202, 400, 413)
    assert "\n" not in receipt.text
    assert receipt.event is None


@BOUNDED
@given(with_something_wrong(EVENT))
def test_an_event_with_something_wrong_is_an_event_or_refused(document: Any) -> None:
    body = json.dumps(document).encode("utf-8", "replace")
    try:
        event = parse_event(body)
    except Rejected as error:
        assert error.code in ("malformed_event", "not_a_guid")
        assert "\n" not in str(error)
    else:
        assert event is None or (event.name in REFERRAL_EVENTS and len(event.referral_id) == 36)


def test_every_place_of_an_event_may_be_wrong() -> None:
    for document in each_with_one_thing_wrong(EVENT):
        receipt = receive({}, json.dumps(document).encode(), believed)
        assert receipt.status in (202, 400)


@BOUNDED
@given(HEADER_SETS, st.sampled_from(sorted(HEADERS)), st.one_of(TEXTS, URLS))
def test_any_headers_are_refused_in_one_line_and_nothing_else_is_asked(
    headers: dict[str, str], name: str, value: str
) -> None:
    """The certificate host is one that cannot be reached; a header that names another is refused before any call."""
    verifier = WebhookVerifier(CertificateSource(["unreachable.invalid"]), ())
    for given_headers in (headers, {**HEADERS, name: value}):
        receipt = receive(given_headers, b"{}", verifier.verify)
        assert receipt.status in (400, 401)
        assert receipt.event is None
        assert "\n" not in receipt.text
        assert "\r" not in receipt.text
