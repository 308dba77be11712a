"""Webhook bodies, good and bad."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.partner_center.event import BODY_LIMIT_BYTES, REFERRAL_EVENTS, ReferralEvent, parse_event

REFERRAL_ID = "0ad1b2c3-1111-4222-8333-444455556666"
EVENT = {
    "EventName": "referral-created",
    "ResourceUri": f"https://api.partnercenter.microsoft.com/engagements/v1/referrals/{REFERRAL_ID}",
    "ResourceName": "referral",
    "AuditUri": None,
    "ResourceChangeUtcDate": "2026-02-23T02:05:23.2931817+00:00",
}


def body(**changes: Any) -> bytes:
    return json.dumps({**EVENT, **changes}).encode()


@pytest.mark.parametrize("name", REFERRAL_EVENTS)
def test_referral_events(name: str) -> None:
    event = parse_event(body(EventName=name))
    changed_at = datetime(2026, 2, 23, 2, 5, 23, 293181, tzinfo=UTC)
    assert event == ReferralEvent(name, REFERRAL_ID, changed_at)
    assert event.related is name.startswith("related-")


def test_casing_of_names_and_ids_does_not_matter() -> None:
    document = {name[0].lower() + name[1:]: value for name, value in EVENT.items()}
    document["resourceUri"] = str(EVENT["ResourceUri"]).upper()
    event = parse_event(json.dumps(document).encode())
    assert event is not None
    assert event.referral_id == REFERRAL_ID


@pytest.mark.parametrize(
    "uri",
    [
        f"https://api.partner.microsoft.com/v1.0/engagements/referrals/{REFERRAL_ID}/",
        f"http://elsewhere.test/{REFERRAL_ID}?x=y#z",
        REFERRAL_ID,
    ],
)
def test_only_the_last_segment_counts(uri: str) -> None:
    event = parse_event(body(ResourceUri=uri))
    assert event is not None
    assert event.referral_id == REFERRAL_ID


@pytest.mark.parametrize("name", ["test-created", "subscription-updated", "referral-deleted"])
def test_other_events_are_none(name: str) -> None:
    assert parse_event(body(EventName=name, ResourceUri="anything", ResourceChangeUtcDate=None)) is None


@pytest.mark.parametrize("stamp", ["2026-02-23T02:05:23Z", "2026-02-23T02:05:23", "2026-02-23T04:05:23+02:00"])
def test_time_of_change_is_utc(stamp: str) -> None:
    event = parse_event(body(ResourceChangeUtcDate=stamp))
    assert event is not None
    assert event.changed_at == datetime(2026, 2, 23, 2, 5, 23, tzinfo=UTC)
    assert event.changed_at.tzinfo is UTC


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"referral-created"',
        b"\xff\xfe\x00",
        pytest.param(b"[" * 60_000, id="deep"),
        b"{}",
        body(EventName=None),
        body(EventName=7),
        body(EventName=["referral-created"]),
        body(ResourceUri=None),
        body(ResourceUri=""),
        body(ResourceUri="https://[::1"),
        body(ResourceUri="https://elsewhere.test/referrals/12"),
        body(ResourceUri=f"https://elsewhere.test/referrals/{{{REFERRAL_ID}}}"),
        body(ResourceUri=f"https://elsewhere.test/referrals/{REFERRAL_ID.replace('-', '')}"),
        body(ResourceChangeUtcDate=None),
        body(ResourceChangeUtcDate="yesterday"),
        body(ResourceChangeUtcDate="0001-01-01T00:00:00+23:00"),
    ],
)
def test_malformed_events_are_rejected(malformed: bytes) -> None:
    with pytest.raises(Rejected):
        parse_event(malformed)


def test_size_is_limited() -> None:
    longest = body().ljust(BODY_LIMIT_BYTES)
    assert parse_event(longest) is not None
    with pytest.raises(Rejected):
        parse_event(longest + b" ")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(EVENT)) | st.text(), inner),
    max_leaves=10,
)


@given(st.binary() | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_an_event_none_or_rejected(content: bytes) -> None:
    try:
        event = parse_event(content)
    except Rejected as rejected:
        assert rejected.code in ("malformed_event", "not_a_guid")  # noqa: PT017
    else:
        assert event is None or event.name in REFERRAL_EVENTS
