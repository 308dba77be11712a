from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.state.envelope import Envelope, Reason, parse

ENVELOPE = Envelope(
    kind="referral",
    id="3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    first_seen=datetime(2026, 3, 1, 10, 20, tzinfo=UTC),
    correlation_id="7d4b",
)
DOCUMENT = {
    "version": 1,
    "kind": "referral",
    "id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "first_seen": "2026-03-01T10:20:00+00:00",
    "attempt": 1,
    "correlation_id": "7d4b",
}


def test_the_form_on_the_wire() -> None:
    body = ENVELOPE.dump()
    assert json.loads(body) == DOCUMENT
    assert b" " not in body


def test_the_message_comes_back() -> None:
    for envelope in (ENVELOPE, ENVELOPE.next_attempt(), ENVELOPE.failed("rejected", "Fabrikam's deal has no country.")):
        assert parse(envelope.dump()) == envelope
        assert parse(envelope.dump().decode()) == envelope
    assert ENVELOPE.next_attempt().attempt == 2


def test_times_are_utc() -> None:
    zone = timezone(timedelta(hours=2))
    there = replace(ENVELOPE, first_seen=datetime(2026, 3, 1, 12, 20, tzinfo=zone))
    assert json.loads(there.dump())["first_seen"] == "2026-03-01T10:20:00+00:00"


def test_as_the_host_rewrites_it_with_indents_and_another_date_form() -> None:
    document = {**DOCUMENT, "first_seen": "2026-03-01T10:20:00Z", "added_by_a_later_release": True}
    assert parse(json.dumps(document, indent=2)) == ENVELOPE


def test_a_long_reason_is_cut_and_still_a_message() -> None:
    failed = ENVELOPE.failed("rejected", "x" * 100_000)
    assert failed.reason == Reason("rejected", "x" * 1999 + "…")
    assert len(failed.dump()) < 48 * 1024


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Rejected, match="too large"):
        replace(ENVELOPE, id="x" * 48 * 1024).dump()


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"id": 7},
        {"first_seen": "yesterday"},
        {"first_seen": "2026-03-01T10:20:00"},
        {"first_seen": None},
        {"attempt": 0},
        {"attempt": True},
        {"attempt": "1"},
        {"correlation_id": None},
        {"reason": "because"},
        {"reason": {"code": "x"}},
    ],
)
def test_other_documents_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as caught:
        parse(json.dumps({**DOCUMENT, **change}))
    assert caught.value.code == "bad_message"


@pytest.mark.parametrize("name", DOCUMENT)
def test_nothing_may_be_missing(name: str) -> None:
    with pytest.raises(Rejected):
        parse(json.dumps({key: value for key, value in DOCUMENT.items() if key != name}))


@given(st.binary(max_size=200) | st.just(b"[" * 100_000) | st.just(b"[]") | st.just(b"null"))
def test_any_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        parse(body)
