"""The session layer, against a server that answers as each case says."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sandbox.serving import Server
from shared.answers import MESSAGE_LIMIT, trimmed
from shared.correlation import correlation_id, new_correlation_id
from shared.domain.errors import (
    ConfigurationError,
    ConnectorError,
    NotFound,
    Rejected,
    RetryLater,
    VersionConflict,
)
from shared.transport import Request, Response, Timeout, Transport, check_address, counting_calls

TOKEN = "secret-token"
FRESH_TOKEN = "fresh-secret-token"
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Service:
    """Answers every call with ``answer`` and remembers what came in."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.silent = False
        self.cut = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, headers, await request.read()))
        if self.cut:
            assert request.transport is not None
            request.transport.abort()
        if self.silent:
            response = web.StreamResponse(headers={"Content-Length": "10"})
            await response.prepare(request)
            await response.write(b"12")
            return response
        return self.answers.pop(0) if self.answers else web.json_response({"fine": True})

    def build(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def url(service: Service) -> Iterator[str]:
    with Server(service.build) as server:
        yield server.url


@pytest.fixture
def transport() -> Iterator[Transport]:
    with make_transport() as made:
        yield made


def make_transport(**options: Any) -> Transport:
    return Transport(
        "Contoso CRM",
        lambda force: FRESH_TOKEN if force else TOKEN,
        allow_loopback_http=True,
        clock=lambda: NOW,
        **options,
    )


def get(url: str, **options: Any) -> Request:
    return Request("GET", f"{url}/deals?$filter=secret-query", "deal.get", **options)


def post(url: str, **options: Any) -> Request:
    return Request("POST", f"{url}/deals", "deal.create", **{"json": {"name": "Fabrikam"}, **options})


def error_body(code: str = "invalidRequest", message: str = "Not so", target: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "target": target}}


def refused(transport: Transport, request: Request) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        transport.send(request)
    return caught.value


def test_sends_token_correlation_id_and_json(service: Service, url: str, transport: Transport) -> None:
    expected = new_correlation_id()
    response = transport.send(post(url))
    method, headers, body = service.requests[0]
    assert (method, body) == ("POST", b'{"name": "Fabrikam"}')
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["content-type"] == "application/json"
    assert headers["client-request-id"] == expected == correlation_id.get()
    assert response.json_object() == {"fine": True}


def test_sends_bytes_as_they_are(service: Service, url: str, transport: Transport) -> None:
    transport.send(post(url, json=None, body=b"\x00\xffraw", headers={"Content-Type": "multipart/mixed"}))
    _, headers, body = service.requests[0]
    assert (body, headers["content-type"]) == (b"\x00\xffraw", "multipart/mixed")


def test_netrc_does_not_replace_the_token(
    service: Service, url: str, transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login ada password wrong\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", os.fspath(netrc))
    transport.send(get(url))
    assert service.requests[0][1]["authorization"] == f"Bearer {TOKEN}"


def test_cookies_are_not_kept(service: Service, url: str, transport: Transport) -> None:
    service.answers = [web.json_response({}, headers={"Set-Cookie": "session=1; Path=/"})]
    transport.send(get(url))
    transport.send(get(url))
    assert "cookie" not in service.requests[1][1]


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (301, ConfigurationError, "redirected"),
        (400, Rejected, "invalidRequest"),
        (403, ConfigurationError, "forbidden"),
        (404, NotFound, "not_found"),
        (405, Rejected, "invalidRequest"),
        (408, RetryLater, "service_error"),
        (409, Rejected, "invalidRequest"),
        (410, NotFound, "not_found"),
        (412, VersionConflict, "version_conflict"),
        (413, Rejected, "invalidRequest"),
        (422, Rejected, "invalidRequest"),
        (423, RetryLater, "service_error"),
        (425, RetryLater, "service_error"),
        (429, RetryLater, "throttled"),
        (500, RetryLater, "service_error"),
        (502, RetryLater, "service_error"),
        (503, RetryLater, "unavailable"),
        (504, RetryLater, "service_error"),
        (509, RetryLater, "service_error"),
    ],
)
def test_status_becomes_error(
    service: Service, url: str, transport: Transport, status: int, kind: type[ConnectorError], code: str
) -> None:
    service.answers = [
        web.json_response(error_body(), status=status, headers={"request-id": "r-1", "Location": "/other"})
    ]
    error = refused(transport, get(url))
    assert type(error) is kind
    assert (error.code, error.status, error.service, error.request_id) == (code, status, "Contoso CRM", "r-1")
    assert "invalidRequest Not so" in error.message
    assert "deal.get" in error.message
    assert len(service.requests) == 1  # nothing is repeated, and no redirect followed


@pytest.mark.parametrize("status", [200, 201, 202, 204, 304])
def test_good_statuses_are_returned(service: Service, url: str, transport: Transport, status: int) -> None:
    service.answers = [web.Response(status=status)]
    assert transport.send(get(url)).status == status


def test_401_is_repeated_once_with_a_fresh_token(service: Service, url: str, transport: Transport) -> None:
    service.answers = [web.Response(status=401)]
    assert transport.send(post(url)).status == 200
    assert [headers["authorization"] for _, headers, _ in service.requests] == [
        f"Bearer {TOKEN}",
        f"Bearer {FRESH_TOKEN}",
    ]
    assert transport.calls == {"deal.create": 2}


def test_401_twice_waits_for_consent(service: Service, url: str, transport: Transport) -> None:
    service.answers = [web.Response(status=401), web.Response(status=401)]
    error = refused(transport, get(url))
    assert isinstance(error, RetryLater)
    assert error.code == "unauthorized"
    assert "consent" in error.remedy
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("header", "after_s"),
    [
        ("57", 57.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_retry_after(
    service: Service, url: str, transport: Transport, status: int, header: str, after_s: float | None
) -> None:
    service.answers = [web.Response(status=status, headers={"Retry-After": header})]
    error = refused(transport, get(url))
    assert isinstance(error, RetryLater)
    assert error.after_s == after_s


def test_rejection_names_the_field_and_trims_the_message(service: Service, url: str, transport: Transport) -> None:
    body = error_body(message="too long " * 200, target="details.currency")
    service.answers = [web.json_response(body, status=400)]
    error = refused(transport, post(url))
    assert isinstance(error, Rejected)
    assert error.field == "details.currency"
    assert len(error.message) < MESSAGE_LIMIT + 100


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"error": "text"}', b"\xff", pytest.param(b"[" * 100_000, id="deep")]
)
def test_error_bodies_of_any_shape(service: Service, url: str, transport: Transport, body: bytes) -> None:
    service.answers = [web.Response(status=400, body=body)]
    assert refused(transport, get(url)).message == "Contoso CRM answered deal.get with 400"


def test_service_rule_wins_over_the_table(service: Service, url: str) -> None:
    def duplicate(response: Response) -> ConnectorError | None:
        return VersionConflict("There already") if response.status == 409 else None

    service.answers = [web.Response(status=409), web.Response(status=404)]
    with make_transport(classify=duplicate) as transport:
        assert type(refused(transport, post(url))) is VersionConflict
        assert type(refused(transport, get(url))) is NotFound


@pytest.mark.parametrize(
    ("method", "idempotent", "consequence"),
    [
        ("GET", None, "Nothing was changed."),
        ("POST", None, "Whether the write took effect is unknown."),
        ("PATCH", None, "Whether the write took effect is unknown."),
        ("POST", True, "Nothing was changed."),
    ],
)
def test_cut_connection_tells_what_is_known(
    service: Service, url: str, transport: Transport, method: str, idempotent: bool | None, consequence: str
) -> None:
    service.cut = True
    error = refused(transport, Request(method, url, "deal.touch", idempotent=idempotent))
    assert isinstance(error, RetryLater)
    assert error.code == "connection"
    assert error.message.endswith(consequence)
    assert len(service.requests) == 1


def test_refused_connection_sent_nothing(transport: Transport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = refused(transport, post(f"http://127.0.0.1:{unused.getsockname()[1]}"))
    assert isinstance(error, RetryLater)
    assert error.message.endswith("Nothing was sent.")


def test_silence_times_out() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        make_transport(timeout=Timeout(connect_s=1, read_s=0.05)) as transport,
    ):
        error = refused(transport, post(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    assert isinstance(error, RetryLater)
    assert error.code == "timeout"
    assert error.message.endswith("Whether the write took effect is unknown.")


def test_stalled_body_is_no_answer(service: Service, url: str) -> None:
    service.silent = True
    with make_transport(timeout=Timeout(read_s=0.05)) as transport:
        error = refused(transport, post(url))
    assert isinstance(error, RetryLater)
    assert error.message.endswith("Whether the write took effect is unknown.")


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b'{"half": ', b'{"value": NaN}', pytest.param(b"[" * 100_000, id="deep")]
)
def test_answer_that_is_not_json_comes_again(service: Service, url: str, transport: Transport, body: bytes) -> None:
    service.answers = [web.Response(body=body)]
    response = transport.send(post(url))
    with pytest.raises(RetryLater, match=r"not JSON.*Whether the write took effect is unknown"):
        response.json()


def test_answer_of_another_shape_comes_again(service: Service, url: str, transport: Transport) -> None:
    service.answers = [web.json_response([1])]
    with pytest.raises(RetryLater, match="another shape"):
        transport.send(get(url)).json_object()


@pytest.mark.parametrize(
    "address",
    [
        "http://api.contoso.com/v1",
        "http://localhost/v1",
        "ftp://api.contoso.com",
        "https://ada:word@api.contoso.com/v1",
        "https://",
        "//api.contoso.com",
        "",
        "https://[::1",
    ],
)
def test_tokens_only_travel_over_https(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_address(address, "Contoso CRM")
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://localhost:7071", "http://127.0.0.1/x", "http://[::1]:1/x", "https://a.b"])
def test_loopback_http_where_allowed(address: str) -> None:
    check_address(address, "Contoso CRM", allow_loopback_http=True)


@pytest.mark.parametrize("address", ["http://127.0.0.1.contoso.com", "http://10.0.0.1", "http://localhost@contoso.com"])
def test_loopback_is_taken_literally(address: str) -> None:
    with pytest.raises(ConfigurationError):
        check_address(address, "Contoso CRM", allow_loopback_http=True)


def test_malformed_token_is_a_setting(url: str) -> None:
    with Transport("Contoso CRM", lambda _: "two\nlines", allow_loopback_http=True) as transport:
        error = refused(transport, get(url))
    assert isinstance(error, ConfigurationError)
    assert "lines" not in str(error)


def test_calls_are_counted_per_block_and_thread(url: str, transport: Transport) -> None:
    def work(times: int) -> dict[str, int]:
        with counting_calls() as count:
            for _ in range(times):
                transport.send(get(url))
        return count.by_service()

    with counting_calls() as outside, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(5))) == [{}, *({"Contoso CRM": times} for times in range(1, 5))]
    assert outside.total == 0
    assert transport.calls == {"deal.get": 10}


def test_blocks_of_counts_nest(url: str, transport: Transport) -> None:
    with counting_calls() as outer:
        transport.send(get(url))
        with counting_calls() as inner:
            transport.send(post(url))
    transport.send(get(url))
    assert outer.of("Contoso CRM") == {"deal.get": 1, "deal.create": 1}
    assert (outer.total, inner.total) == (2, 1)


def test_log_line_holds_no_secret(
    service: Service, url: str, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    correlation = new_correlation_id()
    service.answers = [web.json_response(error_body(message="ada@contoso.com is blocked"), status=400)]
    error = refused(transport, get(url))
    transport.send(post(url, headers={"request-id": "r-1"}))
    service.cut = True
    cut = refused(transport, get(url))
    lines = [record.getMessage() for record in caplog.records if record.name == "shared.transport"]
    assert len(lines) == 3
    assert f'"correlation_id":"{correlation}"' in lines[0]
    assert lines[0].startswith("call: Contoso CRM deal.get: 400 in ")
    assert lines[2].startswith("call: Contoso CRM deal.get: no answer in ")
    said = (
        caplog.text + str(error) + str(cut) + repr(cut.__cause__) + repr(post(url)) + repr(get(url, body=b"Fabrikam"))
    )
    for secret in (TOKEN, "secret-query", "Fabrikam", "ada@contoso.com"):
        assert secret not in said
    assert cut.__suppress_context__


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("No user <ada@contoso.com>.", "No user <(e-mail address)>."),
        ("two\n  lines", "two lines"),
        ("x" * MESSAGE_LIMIT, "x" * MESSAGE_LIMIT),
        ("x" * (MESSAGE_LIMIT + 1), "x" * (MESSAGE_LIMIT - 1) + "…"),
    ],
)
def test_messages_are_trimmed(message: str, shown: str) -> None:
    assert trimmed(message) == shown
