"""Answers of Partner Center and of what stands before it: each is a document or one of our errors, in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from shared.answers import Response, error_of, retry_after_s
from shared.domain.errors import ConnectorError
from shared.domain.patch import PatchOperation
from shared.partner_center.answers import partner_center_error
from shared.partner_center.client import Referrals
from shared.transport import Request
from tests.fuzz.inputs import BOUNDED, JSON, TEXTS, with_something_wrong

NOW = datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)
ID = "7c2d6a52-5a0e-4a51-9b1e-6f4d5d0f3a11"
BODIES = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"", b"<html><body>Service unavailable</body></html>", b"\xef\xbb\xbf{}", b"[" * 50_000]),
    JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace")),
    with_something_wrong({"error": {"code": "2001", "message": "Bad.", "target": "name", "innerError": {}}}).map(
        lambda value: json.dumps(value).encode("utf-8", "replace")
    ),
    with_something_wrong(
        {"value": [{"id": ID}], "@odata.nextLink": "http://api.partner.microsoft.com/referrals?$skip=1"}
    ).map(lambda value: json.dumps(value).encode("utf-8", "replace")),
)
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Content-Type", "Location", "request-id", "MS-RequestId"]),
    st.one_of(TEXTS, st.sampled_from(["1e9", "-5", "Sun, 99 Foo 2026", "Wed, 21 Oct 2026 07:28:00 GMT", "٣"])),
    max_size=3,
)
STATUSES = st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 409, 412, 413, 429, 500, 502, 503, 504, 599])


class Answering:
    """A transport that gets these answers, one after another and the last one for ever."""

    def __init__(self, answers: list[tuple[int, dict[str, str], bytes]]) -> None:
        self._answers = answers

    def send(self, request: Request) -> Response:
        status, headers, body = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        response = Response(status, headers, body, "Partner Center", request.operation, request.method != "GET")
        if 200 <= status < 300:
            return response
        raise error_of(response, NOW, partner_center_error)


CALLS: list[Callable[[Referrals], Any]] = [
    lambda referrals: referrals.get(ID),
    lambda referrals: [len(page) for page in referrals.updated_since(NOW)],
    lambda referrals: referrals.of_engagement(ID),
    lambda referrals: referrals.created_for("record-1", NOW),
    lambda referrals: referrals.create({"name": "Contoso"}),
    lambda referrals: referrals.patch(ID, [PatchOperation("replace", "/details/notes", "Later.")], '"1"'),
]


def refused(code: str) -> list[tuple[int, dict[str, str], bytes]]:
    return [(400, {}, json.dumps({"error": {"code": code, "message": "Bad."}}).encode())]


@BOUNDED
@example(CALLS[0], refused("\r\n2026-03-01 forged line"))
@example(CALLS[0], refused("x" * 5000))
@given(st.sampled_from(CALLS), st.lists(st.tuples(STATUSES, HEADERS, BODIES), min_size=1, max_size=3))
def test_any_answer_is_a_document_or_an_error_in_one_line(
    call: Callable[[Referrals], Any], answers: list[tuple[int, dict[str, str], bytes]]
) -> None:
    referrals = Referrals(Answering(answers))  # type: ignore[arg-type]
    try:
        assert call(referrals) is not None
    except ConnectorError as error:
        assert error.service == "Partner Center"
        assert len(error.message) < 1000
        assert not {"\r", "\n"} & set(error.message)


@BOUNDED
@given(st.one_of(TEXTS, st.integers().map(str), st.datetimes().map(str)))
@example("9" * 9)
@example("Thu, 01 Jan 0001 00:00:00 +2359")
def test_any_retry_after_is_a_time_to_wait_or_none(value: str) -> None:
    waited = retry_after_s(Response(429, {"retry-after": value}, b""), NOW)
    assert waited is None or 0 <= waited <= timedelta(days=366 * 10_000).total_seconds()
