from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sandbox.local_host.bindings import Schedule, expand_settings, parse_route, parse_timespan, queue_messages


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        (b'{"a":1}', [b'{"a":1}']),
        (b"\xff\x00", [b"\xff\x00"]),
        ("Contoso", [b"Contoso"]),
        ("", [b""]),
        ('"quoted"', [b'"quoted"']),
        ('{"deal":"Ünited","n":1}', ['{\n  "deal": "Ünited",\n  "n": 1\n}'.encode()]),
        (' {"a":{}} ', [b'{\n  "a": {}\n}']),
        ('["x",{"y":[1]},2,null,true]', [b"x", b'{\n  "y": [\n    1\n  ]\n}', b"2", b"", b"True"]),
        ("[]", []),
    ],
)
def test_queue_output_becomes_the_messages_the_host_writes(value: str | bytes, messages: list[bytes]) -> None:
    assert queue_messages(value) == messages


def test_queue_output_that_the_worker_encoded_is_always_json() -> None:
    assert queue_messages('"x"', is_json=True) == [b"x"]
    assert queue_messages('["x", "y"]', is_json=True) == [b"x", b"y"]


@pytest.mark.parametrize("text", ['{"a":1}\n{"a":2}', "[not json]", "{}{}"])
def test_queue_output_that_only_looks_like_json_fails(text: str) -> None:
    with pytest.raises(ValueError, match=r"line (1|2) column"):
        queue_messages(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:02", 2), ("01:10:00", 4200), ("2.03:00:00", 183600), ("00:00:00.250", 0.25), (" 0:0:1 ", None)]
    + [(wrong, None) for wrong in ("", "5", "00:00", "1:2:3:4", "-00:00:01", "a:bb:cc")],
)
def test_timespan(text: str, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(ValueError, match="is not a time span"):
            parse_timespan(text)
    else:
        assert parse_timespan(text) == seconds


def test_settings_are_put_into_texts() -> None:
    assert expand_settings("%PREFIX%-orders", {"PREFIX": "contoso"}) == "contoso-orders"
    assert expand_settings("0 */5 * * * *", {}) == "0 */5 * * * *"
    with pytest.raises(ValueError, match="the app setting PREFIX, which is not set"):
        expand_settings("%PREFIX%-orders", {})


@pytest.mark.parametrize(
    ("expression", "moment", "tick"),
    [
        ("* * * * * *", "2026-11-21T01:59:58", "2026-11-21T01:59:59"),
        ("* * * * * *", "2026-11-21T01:59:58.999999", "2026-11-21T01:59:59"),
        ("*/30 * * * * *", "2026-11-21T01:59:58", "2026-11-21T02:00:00"),
        ("0 */5 * * * *", "2026-11-21T02:00:00", "2026-11-21T02:05:00"),
        ("*/5 * * * *", "2026-11-21T02:00:00", "2026-11-21T02:05:00"),
        # 2027-02-01 is the first first of a month that is a Monday: both have to match, unlike cron
        ("0 0 9 1 * 1", "2026-11-21T02:00:00", "2027-02-01T09:00:00"),
        ("0 30 9 * JAN MON", "2026-11-21T02:00:00", "2027-01-04T09:30:00"),
    ],
)
def test_schedule(expression: str, moment: str, tick: str) -> None:
    after = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert Schedule(expression).next_after(after) == datetime.fromisoformat(tick).replace(tzinfo=UTC)


@pytest.mark.parametrize("expression", ["", "* * * *", "0 0 0 * * 7", "0 0 25 * * *", "00:05:00", "0 0 0 1 1 * 2027"])
def test_schedule_that_is_none(expression: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        Schedule(expression)


@pytest.mark.parametrize(
    ("expression", "is_monitored"),
    [("0 * * * * *", True), ("0 0 9 * * *", True), ("*/30 * * * * *", False), ("0,10 0 * * * *", False)],
)
def test_status_is_kept_only_for_schedules_of_a_minute_or_more(expression: str, is_monitored: bool) -> None:
    assert Schedule(expression).is_monitored(datetime(2026, 11, 21, tzinfo=UTC)) is is_monitored


GUID = "0b7e5a5e-54c3-4f0c-9f4e-0c1c0a8f3d11"


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/health", "api/health", {}),
        ("api/health", "API/Health", {}),
        ("api/health", "api/health/x", None),
        ("api/a.b", "api/axb", None),
        ("api/runs/{run_id}", "api/runs/7", {"run_id": "7"}),
        ("api/runs/{run_id}", "api/runs", None),
        ("api/runs/{run_id?}", "api/runs", {}),
        ("api/runs/{run_id:guid}", f"api/runs/{GUID}", {"run_id": GUID}),
        ("api/runs/{run_id:guid}", "api/runs/7", None),
        ("api/runs/{number:int}", "api/runs/-7", {"number": "-7"}),
        ("api/runs/{number:int}", "api/runs/7x", None),
        ("api/{*rest}", "api/a/b", {"rest": "a/b"}),
        ("api/{*rest}", "api", {}),
    ],
)
def test_route(template: str, path: str, values: dict[str, str] | None) -> None:
    assert parse_route(template).match(path) == values


def test_routes_are_asked_from_the_most_particular_to_the_least() -> None:
    templates = ["api/{*rest}", "api/runs/{run_id}", "api/runs/{run_id:int}", "api/runs/last"]
    routes = sorted((parse_route(template) for template in templates), key=lambda route: route.precedence)
    assert [route.template for route in routes] == templates[::-1]


@pytest.mark.parametrize("template", ["a{b}c", "{a}-{b}", "{a:regex(x)}", "{a:datetime}", "{"])
def test_route_that_cannot_be_read_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="route"):
        parse_route(template)
