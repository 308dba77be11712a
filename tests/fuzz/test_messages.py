"""Bytes that somebody else put into a queue of ours."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.errors import Rejected, RetryLater
from shared.state.envelope import parse
from tests.fuzz.inputs import BOUNDED, JSON, with_something_wrong

MESSAGE = {
    "version": 1,
    "kind": "referral",
    "id": "7c2d6a52-5a0e-4a51-9b1e-6f4d5d0f3a11",
    "first_seen": "2026-03-01T10:20:30+00:00",
    "attempt": 1,
    "correlation_id": "c-1",
    "reason": {"code": "given_up", "message": "Given up after 72 hours."},
}


@BOUNDED
@given(st.one_of(st.binary(max_size=120), JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace"))))
@example(b"\xff\xfe\x00")
@example(b"[" * 50_000)
def test_any_bytes_are_a_message_or_are_refused(body: bytes) -> None:
    try:
        parse(body)
    except Rejected as error:
        assert error.code == "bad_message"


@BOUNDED
@given(with_something_wrong(MESSAGE))
@example({**MESSAGE, "version": 10**30})
@example({**MESSAGE, "first_seen": "0001-01-01T00:00:00+23:59"})
def test_a_message_with_something_wrong_is_refused_or_read(document: Any) -> None:
    try:
        envelope = parse(json.dumps(document))
    except Rejected as error:
        assert error.code == "bad_message"
    except RetryLater as error:
        assert error.code == "newer_message"
    else:
        assert parse(envelope.dump()) == envelope
