from __future__ import annotations

import pytest
import requests

from sandbox.local_host.process import HostProcess
from tests.local_host.conftest import wait_for


def call(host: HostProcess, method: str, path: str, key: str = "", **more: object) -> requests.Response:
    headers = {"x-functions-key": key} if key else {}
    return requests.request(method, host.url + path, headers=headers, timeout=30, **more)  # type: ignore[arg-type]


def test_the_function_sees_the_request_and_the_caller_its_answer(host: HostProcess) -> None:
    body = bytes(range(256))
    response = requests.post(
        f"{host.url}/api/greetings/Contoso?a=1&empty=&b=2&b=3",
        data=body,
        headers={"x-functions-key": host.key("greet"), "X-Deal": "Fabrikam"},
        timeout=30,
    )
    assert response.status_code == 203
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-answered-by"] == "greet"
    assert response.cookies["visited"] == "yes"
    assert response.json() == {
        "method": "POST",
        "company": "Contoso",
        "params": {"a": "1", "b": "2,3"},
        "header": "Fabrikam",
        "body": body.hex(),
    }


@pytest.mark.parametrize(
    ("method", "path", "key_of", "status"),
    [
        ("GET", "/api/greetings/Contoso", "greet", 203),
        ("GET", "/api/greetings/Contoso", "master", 203),
        ("GET", "/api/greetings/Contoso", "carry", 401),
        ("GET", "/api/greetings/Contoso", "", 401),
        ("PUT", "/api/greetings/Contoso", "greet", 404),
        ("GET", "/api/greetings/Contoso9", "greet", 404),
        ("GET", "/greetings/Contoso", "greet", 404),
        ("GET", "/api/open", "", 200),
        ("GET", "/api/OPEN/", "", 200),
        ("POST", "/api/open", "", 404),
        ("GET", "/api/locked", "locked", 401),
        ("GET", "/api/locked", "master", 200),
        ("GET", "/api/nothing", "", 500),
        ("GET", "/api/leave", "", 500),
        ("GET", "/api/carry", "master", 404),
        ("GET", "/admin/host/status", "greet", 401),
        ("GET", "/admin/host/status", "master", 200),
        ("POST", "/admin/functions/tick", "tick", 401),
        ("POST", "/admin/functions/unknown", "master", 404),
        ("POST", "/admin/functions/greet", "master", 400),
    ],
)
def test_routes_and_keys(host: HostProcess, method: str, path: str, key_of: str, status: int) -> None:
    assert call(host, method, path, host.key(key_of) if key_of else "").status_code == status


def test_the_key_may_be_in_the_query(host: HostProcess) -> None:
    assert call(host, "GET", f"/api/greetings/Contoso?code={host.key('greet')}").status_code == 203
    assert call(host, "GET", "/api/greetings/Contoso?code=wrong").status_code == 401


def test_text_is_answered_as_text(host: HostProcess) -> None:
    response = call(host, "GET", "/api/open")
    assert (response.text, response.headers["content-type"]) == ("come in, Contoso", "text/plain; charset=utf-8")


def test_a_function_that_leaves_takes_only_its_own_call_down(host: HostProcess) -> None:
    assert call(host, "GET", "/api/leave").status_code == 500
    assert call(host, "GET", "/api/open").status_code == 200
    wait_for(lambda: "SystemExit(7)" in host.log, "the reason in the log")


def test_the_status_names_the_functions(host: HostProcess) -> None:
    status = call(host, "GET", "/admin/host/status", host.key("master")).json()
    assert status["state"] == "Running"
    assert status["functions"] == sorted(host.function_names)
    assert {"greet", "carry", "tick"} <= set(status["functions"])
