"""What a CRM says when it refuses, with something wrong in it: still one error of ours, in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.answers import Response
from shared.crm.dynamics365.errors import refusal as dynamics365_refusal
from shared.crm.salesforce.errors import refusal as salesforce_refusal
from shared.domain.errors import ConnectorError
from tests.fuzz.inputs import BOUNDED, JSON, TEXTS, each_with_one_thing_wrong, with_something_wrong

NOW = datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)
DYNAMICS365 = {
    "error": {
        "code": "0x80048d19",
        "message": "Error identified in Payload provided by the user for Entity :'opportunities'",
        "innererror": {"message": "column 'estimatedvalue'", "type": "Crm.Exception", "stacktrace": ""},
    }
}
SALESFORCE = [
    {
        "errorCode": "DUPLICATES_DETECTED",
        "message": "Use one of these records?",
        "fields": ["Name"],
        "duplicateResult": {
            "duplicateRule": "Standard_Account",
            "matchResults": [{"matchRecords": [{"record": {"attributes": {}, "Id": "001000000000001AAA"}}]}],
        },
    },
    {"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."},
]


@pytest.mark.parametrize(
    ("refusal", "sample"), [(dynamics365_refusal, DYNAMICS365), (salesforce_refusal, SALESFORCE)], ids=["d365", "sf"]
)
@BOUNDED
@given(data=st.data(), status=st.sampled_from([400, 401, 403, 404, 409, 412, 429, 500, 503]), header=TEXTS)
def test_any_refusal_is_one_error_in_one_line(
    refusal: Callable[[Response, datetime], ConnectorError], sample: Any, data: st.DataObject, status: int, header: str
) -> None:
    body = data.draw(
        st.one_of(
            with_something_wrong(sample).map(lambda value: json.dumps(value).encode("utf-8", "replace")),
            JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace")),
            st.binary(max_size=60),
        )
    )
    check(refusal(Response(status, {"Retry-After": header}, body, "the CRM", "record.update", True), NOW))


@pytest.mark.parametrize(
    ("refusal", "sample"), [(dynamics365_refusal, DYNAMICS365), (salesforce_refusal, SALESFORCE)], ids=["d365", "sf"]
)
def test_every_place_of_a_refusal_may_be_wrong(
    refusal: Callable[[Response, datetime], ConnectorError], sample: Any
) -> None:
    for document in each_with_one_thing_wrong(sample):
        check(refusal(Response(400, {}, json.dumps(document).encode(), "the CRM", "record.update", True), NOW))


def check(error: object) -> None:
    assert isinstance(error, ConnectorError)
    assert error.code
    assert len(error.message) < 3000
    assert not {"\r", "\n"} & set(f"{error.message}{error.code}")
