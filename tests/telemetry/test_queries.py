"""Each file of ``infra/queries`` over what the app logged on the sandbox: the rows that an alert would count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sandbox.control import Call
from shared.telemetry import Event
from tests.telemetry.conftest import OLD, Day
from tests.telemetry.log import Line, query, run
from tests.telemetry.reading_queries import events_of, mistakes

ALERTS = (
    "failed_syncs",
    "poison",
    "backlog_age",
    "no_successful_sync",
    "webhook_signature_failures",
    "token_failing",
    "crm_limit_nearly_used",
)
FOR_PEOPLE = ("one_deal", "slowest", "calls_by_service")
SEEDED = {
    "an event that is never logged": ("poison", 'startswith "backlog: "', 'startswith "backlogs: "'),
    "a field that no line has": ("failed_syncs", "line.request_id", "line.requestId"),
    "a field of another event": ("webhook_signature_failures", "line.status", "line.attempt"),
    "an outcome that does not exist": ("failed_syncs", '== "failed"', '== "fail"'),
    "an outcome in a list": ("no_successful_sync", '("succeeded", "waiting")', '("succeeded", "success")'),
    "a code that no error has": ("token_failing", '"sign_in_unreachable"', '"sign_in_unreached"'),
    "a function that is not there": ("no_successful_sync", '"auto_heal"]', '"autoheal"]'),
}
"""The query, what is replaced in it, and by what."""


def names_of(day: Day) -> list[str]:
    assert day.scene.world.host is not None
    return day.scene.world.host.function_names


def test_every_query_is_one_of_these(queries: Mapping[str, str]) -> None:
    assert set(queries) == {*ALERTS, *FOR_PEOPLE}


def test_every_event_is_logged_and_asked_for(day: Day, queries: Mapping[str, str]) -> None:
    assert {one.event for one in day.lines if one.fields} == set(Event)
    assert {event for text in queries.values() for event in events_of(text)} == set(Event)


@pytest.mark.parametrize("name", [*ALERTS, *FOR_PEOPLE])
def test_a_query_names_only_what_the_app_logs(day: Day, name: str) -> None:
    assert mistakes(query(name), day.lines, names_of(day)) == []


@pytest.mark.parametrize("case", SEEDED)
def test_a_mistake_in_a_query_is_found(day: Day, case: str) -> None:
    name, right, wrong = SEEDED[case]
    assert mistakes(query(name, **{right: wrong}), day.lines, names_of(day)) != []


def test_a_failed_sync_is_found_with_its_reason(day: Day) -> None:
    (row,) = run(query("failed_syncs"), day.lines)
    assert (row["subject_kind"], row["subject_id"], row["code"]) == ("referral", day.unknown_id, "not_found")
    assert (row["service"], row["function"]) == ("Partner Center", "partner_center_to_crm_helper")
    assert row["request_id"]
    assert row["what"].startswith(f"referral {day.unknown_id}: Partner Center answered")


def test_its_message_in_the_poison_queue_is_found(day: Day) -> None:
    (row,) = run(query("poison"), day.lines)
    assert (row["subject_id"], row["reason"], row["function"]) == (day.unknown_id, "not_found", "failed_syncs")


def test_messages_that_stay_in_a_poison_queue_are_found_too(day: Day) -> None:
    (backlog,) = day.of("backlog", waiting=1)
    stuck = replace(backlog, message=backlog.message.replace('"poison":0', '"poison":2'))
    assert [row["left"] for row in run(query("poison"), [stuck])] == [2]


def test_a_message_that_waited_for_hours_is_found(day: Day) -> None:
    (row,) = run(query("backlog_age"), day.lines)
    assert row["waited_s"] >= OLD.total_seconds()
    assert row["waiting"] == 1


def test_a_deal_that_was_taken_late_is_found(day: Day) -> None:
    (deal,) = day.of("sync", subject_id=day.record_id, outcome="retrying")
    late = replace(deal, message=deal.message.replace(f'"age_s":{deal.fields["age_s"]},', '"age_s":901.0,'))
    (row,) = run(query("backlog_age"), [late])
    assert (row["subject_id"], row["outcome"]) == (day.record_id, "retrying")


def test_the_dead_mans_switch_is_silent_while_things_get_through(day: Day) -> None:
    assert run(query("no_successful_sync"), day.lines) == []


def test_a_look_that_finds_nothing_counts_as_getting_through(day: Day) -> None:
    idle = day.of("poll", function="auto_heal", outcome="succeeded", code="unchanged")
    assert [row["function"] for row in run(query("no_successful_sync"), idle)] == ["crm_to_partner_center"]


def test_it_tells_of_a_log_without_lines() -> None:
    rows = run(query("no_successful_sync"), [])
    assert {row["function"] for row in rows} == {"crm_to_partner_center", "auto_heal"}


def test_it_tells_of_a_timer_that_fails_each_time(day: Day) -> None:
    lines = [
        replace(one, message=one.message.replace('"outcome":"succeeded"', '"outcome":"retrying"'))
        if one.fields.get("function") == "crm_to_partner_center"
        else one
        for one in day.lines
    ]
    assert [row["function"] for row in run(query("no_successful_sync"), lines)] == ["crm_to_partner_center"]


def test_it_tells_of_deals_of_which_none_succeeds(day: Day) -> None:
    lines = [one for one in day.lines if not (one.event == "sync" and one.fields["outcome"] == "succeeded")]
    assert [row["function"] for row in run(query("no_successful_sync"), lines)] == ["all"]


def test_a_webhook_that_microsoft_did_not_sign_is_found(day: Day) -> None:
    (row,) = run(query("webhook_signature_failures"), day.lines)
    assert (row["code"], row["status"]) == ("signature_missing", 401)


def test_a_refused_sign_in_is_found(day: Day) -> None:
    (row,) = run(query("token_failing"), day.lines)
    assert (row["service"], row["code"]) == ("Partner Center", "refresh_token_refused")


@pytest.mark.parametrize(("times", "found"), [(4, 0), (5, 1)])
def test_a_token_service_that_is_away_is_only_told_of_when_that_lasts(day: Day, times: int, found: int) -> None:
    (refused,) = day.of("sign_in")
    away = replace(refused, message=refused.message.replace('"code":"refresh_token_refused"', '"code":"token_service"'))
    assert len(run(query("token_failing"), [away] * times)) == found


def test_limits_that_are_nearly_used_are_found(day: Day) -> None:
    found = {row["limit_of"]: row["used_percent"] for row in run(query("crm_limit_nearly_used"), day.lines)}
    assert set(found) == {"budget: Partner Center", "the CRM's own limit"}
    assert 80 <= found["the CRM's own limit"] <= 100


def test_the_journey_of_a_deal_is_found_by_any_of_its_ids(day: Day) -> None:
    nothing = "00000000-0000-0000-0000-000000000000"
    (webhook,) = day.of("webhook", subject_id=day.unknown_id)
    for wanted in (day.unknown_id, webhook.fields["correlation_id"]):
        rows = run(query("one_deal", **{nothing: wanted}), day.lines)
        assert [row["event"] for row in rows] == ["webhook", "call", "sync", "sync"]
        assert [row["outcome"] for row in rows] == ["queued", "", "failed", "ignored"]
    of_record = run(query("one_deal", **{nothing: day.record_id}), day.lines)
    assert of_record == run(query("one_deal", **{nothing: day.referral_id}), day.lines)
    assert of_record[0]["event"] == "webhook"
    assert [row["outcome"] for row in of_record if row["event"] == "sync"][-1] == "retrying"
    assert {row["event"] for row in of_record} == {"webhook", "sync", "call", "sign_in"}


def test_slow_functions_and_calls_are_summed_up(day: Day) -> None:
    slowest = run(query("slowest"), day.lines)
    assert slowest[0]["p95_ms"] == max(row["p95_ms"] for row in slowest) > 0
    made = {row["service"]: row["calls"] for row in run(query("calls_by_service"), day.lines)}
    told = [one.fields.get("calls", []) for one in day.lines]
    assert made == {
        service: sum(spent["calls"] for calls in told for spent in calls if spent["service"] == service)
        for service in ("Partner Center", "Salesforce")
    }
    refused = {row["service"]: row["refused"] for row in run(query("calls_by_service"), day.lines)}
    assert refused["Partner Center"] == len(day.of("call", status=404)) + len(day.of("call", status=401)) > 0


def test_one_correlation_id_leads_from_the_webhook_to_both_sides_and_the_books(day: Day) -> None:
    created = day.of("sync", subject_id=day.referral_id, code="created")[0]
    correlation_id = created.fields["correlation_id"]
    assert day.of("webhook", correlation_id=correlation_id, subject_id=day.referral_id)
    assert_calls_carry(day.scene.world.partner_center.control.calls, correlation_id, {"GET", "PATCH"})
    assert_calls_carry(day.scene.seller.control.calls, correlation_id, {"POST"})
    assert correlation_id in {line.correlation_id for line in day.scene.audit_rows(day.referral_id)}
    assert correlation_id in {run.correlation_id for run in day.scene.runs_of(day.referral_id)}


def assert_calls_carry(calls: list[Call], correlation_id: str, methods: set[str]) -> None:
    assert {call.method for call in calls if call.correlation_id == correlation_id} == methods


def test_no_line_holds_a_secret_or_a_person(day: Day) -> None:
    world = day.scene.world
    assert world.host is not None
    settings = world.settings()
    secrets = [value for name, value in settings.items() if any(word in name for word in ("SECRET", "TOKEN", "KEY"))]
    secrets += [world.host.key(name) for name in ("master", "partner_center_to_crm")]
    people = list(_people(day.scene.referral(day.referral_id)))
    assert len(secrets) > 4
    assert len(people) > 4
    assert [said for said in (*secrets, *people) if said in day.text] == []


def _people(value: Any) -> list[str]:
    """Addresses, numbers and full names of everybody in a referral."""
    if isinstance(value, list):
        return [found for one in value for found in _people(one)]
    if not isinstance(value, dict):
        return []
    own = [value.get("email"), value.get("phoneNumber"), f"{value.get('firstName')} {value.get('lastName')}"]
    return [one for one in own if one and one != "None None"] + [
        found for inner in value.values() for found in _people(inner)
    ]


def test_every_line_of_an_event_is_read_back_as_it_was_written(day: Day) -> None:
    """What a query sees of a line's fields is what Python sees of them."""
    split = 'traces | where message contains " | " | project line = tostring(parse_json(substring(message, ' + (
        'indexof(message, " | ") + 3)).correlation_id), message'
    )
    events: list[Line] = [one for one in day.lines if one.fields]
    found = {row["message"]: row["line"] for row in run(split, events)}
    assert found == {one.message: one.fields.get("correlation_id", "") for one in events}
