"""The multipart text of ``$batch``, as documented by Microsoft, byte for byte."""

from __future__ import annotations

import pytest

from shared.crm.dynamics365.batch import ChangeSet, Part, parse_batch, write_batch
from shared.domain.errors import RetryLater
from tests.crm.answers import answer

ROOT = "/api/data/v9.2"
# https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
CHANGE_SET_THEN_READ = (
    "--b1\r\n"
    'Content-Type: multipart/mixed; boundary="changes_0_b1"\r\n'
    "\r\n"
    "--changes_0_b1\r\n"
    "Content-Type: application/http\r\n"
    "Content-Transfer-Encoding: binary\r\n"
    "Content-ID: 1\r\n"
    "\r\n"
    "POST /api/data/v9.2/accounts HTTP/1.1\r\n"
    "Accept: application/json\r\n"
    "Content-Type: application/json; charset=utf-8; type=entry\r\n"
    "\r\n"
    '{"name": "Contoso \\u2714"}\r\n'
    "--changes_0_b1\r\n"
    "Content-Type: application/http\r\n"
    "Content-Transfer-Encoding: binary\r\n"
    "Content-ID: 2\r\n"
    "\r\n"
    "DELETE $1 HTTP/1.1\r\n"
    "Accept: application/json\r\n"
    "If-Match: *\r\n"
    "\r\n"
    "\r\n"
    "--changes_0_b1--\r\n"
    "\r\n"
    "--b1\r\n"
    "Content-Type: application/http\r\n"
    "Content-Transfer-Encoding: binary\r\n"
    "\r\n"
    "GET /api/data/v9.2/accounts?$top=1 HTTP/1.1\r\n"
    "Accept: application/json\r\n"
    "\r\n"
    "\r\n"
    "--b1--\r\n"
)
ANSWER = (
    b"--batchresponse_1\r\n"
    b"Content-Type: multipart/mixed; boundary=changesetresponse_2\r\n"
    b"\r\n"
    b"--changesetresponse_2\r\n"
    b"Content-Type: application/http\r\n"
    b"Content-Transfer-Encoding: binary\r\n"
    b"Content-ID: 1\r\n"
    b"\r\n"
    b"HTTP/1.1 204 No Content\r\n"
    b"OData-Version: 4.0\r\n"
    b"OData-EntityId: https://contoso.crm.dynamics.com/api/data/v9.2/accounts(1)\r\n"
    b"\r\n"
    b"\r\n"
    b"--changesetresponse_2--\r\n"
    b"--batchresponse_1\r\n"
    b"Content-Type: application/http\r\n"
    b"Content-Transfer-Encoding: binary\r\n"
    b"\r\n"
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/json; odata.metadata=minimal\r\n"
    b"\r\n"
    b'{"value": [{"name": "Contoso \xe2\x9c\x94"}]}\r\n'
    b"--batchresponse_1--\r\n"
)


def test_a_batch_is_written_as_documented() -> None:
    changes = ChangeSet(
        (
            Part("POST", "accounts", "account.create", {"name": "Contoso ✔"}),
            Part("DELETE", "$1", "account.delete", headers={"If-Match": "*"}),
        )
    )
    written = write_batch([changes, Part("GET", "accounts?$top=1", "account.find")], ROOT, "b1")
    assert written.decode("ascii") == CHANGE_SET_THEN_READ


def test_line_ends_inside_a_value_do_not_end_a_line_of_the_batch() -> None:
    written = write_batch([Part("POST", "x", "x", {"name": "a\r\n--b1--\r\n\u2028"})], ROOT, "b1")
    assert written.count(b"--b1--") == 2
    assert b"a\\r\\n--b1--\\r\\n\\u2028" in written
    assert b"\n" not in written.replace(b"\r\n", b"")


def test_answers_come_in_order_with_those_of_the_change_set_in_their_place() -> None:
    first, second = parse_batch(
        answer(ANSWER, Content_Type='multipart/mixed; boundary="batchresponse_1"', REQ_ID="r"),
        ["account.create", "account.find"],
    )
    assert (first.status, first.body, first.operation) == (204, b"", "account.create")
    assert first.header("odata-entityid").endswith("accounts(1)")
    assert (second.status, second.operation) == (200, "account.find")
    assert second.json() == {"value": [{"name": "Contoso ✔"}]}


def test_parts_carry_the_request_id_of_the_whole() -> None:
    outer = answer(ANSWER, Content_Type="multipart/mixed; boundary=batchresponse_1", x_ms_service_request_id="r-1")
    assert [part.request_id for part in parse_batch(outer)] == ["r-1", "r-1"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>", "text/html"),
        (b"<html>", "multipart/mixed; boundary=b"),
        (b"", "multipart/mixed"),
        (ANSWER.replace(b"HTTP/1.1 200 OK", b"what?"), "multipart/mixed; boundary=batchresponse_1"),
        (ANSWER.replace(b"HTTP/1.1 200 OK", b"HTTP/1.1 ok"), "multipart/mixed; boundary=batchresponse_1"),
    ],
)
def test_what_is_no_batch_answer_is_tried_again(body: bytes, content_type: str) -> None:
    with pytest.raises(RetryLater, match="batch answer"):
        parse_batch(answer(body, Content_Type=content_type))
