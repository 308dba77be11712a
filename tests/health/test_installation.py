"""A whole installation on the sandbox, sound and broken, asked over HTTP and by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.control import Control, Fault
from sandbox.world import World
from shared.health.partner_center import REFERRALS_ROLE, REFERRALS_SIGN_IN, WEBHOOK, WEBHOOKS_SIGN_IN

ROOT = Path(__file__).parents[2]
COMMAND_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The simulators and a storage of its own; the app runs once a test has started it."""
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="module")
def app(world: World) -> World:
    world.start_app()
    return world


@contextmanager
def ordered(control: Control, fault: Fault) -> Iterator[None]:
    """Inside the block, however many calls the running app makes beside the command."""
    fault.times = 1_000
    control.order(fault)
    try:
        yield
    finally:
        control.forget_faults()


def command(world: World, *arguments: str, **settings: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of ``python -m cosell health``, a worker that has cached nothing."""
    environ = {**os.environ, **world.settings(), **settings}
    done = subprocess.run(
        [sys.executable, "-m", "cosell", "health", "--json", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def states(document: Mapping[str, Any]) -> dict[str, str]:
    return {check["name"]: check["state"] for check in document["checks"]}


def check(document: Mapping[str, Any], name: str) -> dict[str, str]:
    found: dict[str, str] = next(check for check in document["checks"] if check["name"] == name)
    return found


def test_a_sound_installation_is_found_sound_at_little_cost(app: World) -> None:
    app.register_webhook()
    app.run_now("auto_heal")
    app.run_now("crm_to_partner_center")
    app.run_now("microsoft_solutions_to_partner_center")
    deadline = time.monotonic() + 20
    while True:
        code, document = command(app)
        unsound = {name: state for name, state in states(document).items() if state != "ok"}
        if not unsound or time.monotonic() > deadline:
            break
    assert (code, unsound) == (0, {})
    assert "All 4 referral events" in check(document, WEBHOOK)["what"]
    secrets = (app.settings()["PARTNER_CENTER_CLIENT_SECRET"], "AccountKey", "code=")
    assert not [secret for secret in secrets if secret in json.dumps(document)]


def test_the_app_answers_programs_and_people_and_asks_nobody_twice(app: World) -> None:
    app.partner_center.control.forget_calls()
    first = app.call("GET", "health", "health")
    page = app.call("GET", "health", "health", format="html")
    assert first.json()["checks"]
    assert first.status_code == page.status_code
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<h1>Health</h1>" in page.text
    assert app.partner_center.control.count("webhooks/v1/registration") == 1


def test_health_needs_a_key_and_live_does_not(app: World) -> None:
    assert requests.get(f"{app.app_url}/api/health", timeout=10).status_code == 401
    live = requests.get(f"{app.app_url}/api/live", timeout=10)
    assert (live.status_code, live.text) == (200, "alive\n")


def test_a_refused_sign_in_hides_nothing_else(world: World, tmp_path: Path) -> None:
    code, document = command(
        world,
        PARTNER_CENTER_REFRESH_TOKEN="0.invalid",
        PARTNER_CENTER_TOKEN_FILE=str(tmp_path / "none"),
        DRY_RUN="yes",
    )
    found = states(document)
    assert (code, document["state"]) == (1, "failed")
    assert (found[REFERRALS_SIGN_IN], found[REFERRALS_ROLE]) == ("failed", "unknown")
    assert (found[WEBHOOKS_SIGN_IN], found[WEBHOOK]) == ("failed", "unknown")
    assert "Sign in to Partner Center again" in check(document, REFERRALS_SIGN_IN)["remedy"]
    assert (found["Dynamics 365 sign-in"], found["Storage tables"]) == ("ok", "ok")
    assert found["Dry run"] == "warning"
    assert "0.invalid" not in json.dumps(document)


def test_a_missing_role_is_named(world: World) -> None:
    body = {"error": {"code": "accessDenied", "message": "No."}}
    with ordered(world.partner_center.control, Fault("/engagements/referrals", status=403, body=body)):
        code, document = command(world)
    assert code == 1
    assert states(document)[REFERRALS_SIGN_IN] == "ok"
    assert "Referrals admin or Referrals user" in check(document, REFERRALS_ROLE)["remedy"]


def test_a_service_that_hangs_and_a_storage_that_is_away_hide_nothing_else(world: World) -> None:
    away = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Zm9v;" + "".join(
        f"{name}Endpoint=http://127.0.0.1:9/devstoreaccount1;" for name in ("Blob", "Queue", "Table")
    )
    began = time.monotonic()
    with ordered(world.dataverse.control, Fault(r"\$batch", delay_s=8)):
        code, document = command(world, "--deadline", "3", AzureWebJobsStorage=away)
    assert time.monotonic() - began < 15
    found = states(document)
    assert code == 1
    assert (found["CRM"], check(document, "CRM")["what"]) == ("failed", "No answer within 3 s.")
    assert (found["Storage tables"], found["Storage queues"]) == ("failed", "failed")
    assert found[REFERRALS_ROLE] == "ok"


def test_wrong_settings_are_all_told_and_nobody_is_asked(tmp_path: Path) -> None:
    # A world in which no app runs: its timers ask too.
    with World(tmp_path, storage="UseDevelopmentStorage=true") as world:
        code, document = command(world, DYNAMICS365_URL="", PARTNER_CENTER_CLIENT_ID="", RETRY_FOR_HOURS="many")
        asked = world.partner_center.control.calls
    assert code == 1
    assert asked == []
    said = check(document, "Settings")["what"]
    assert [name in said for name in ("DYNAMICS365_URL", "PARTNER_CENTER_CLIENT_ID", "RETRY_FOR_HOURS")] == [True] * 3
    assert states(document)["CRM"] == "unknown"


def test_an_app_in_azure_with_wrong_settings_still_says_what_is_wrong(tmp_path: Path) -> None:
    wrong = {"AZURE_FUNCTIONS_ENVIRONMENT": "Production", "PARTNER_CENTER_CLIENT_ID": ""}
    with World(tmp_path, settings=wrong) as world:
        world.start_app()
        answer = world.call("GET", "health", "health")
    assert answer.status_code == 503
    assert "PARTNER_CENTER_CLIENT_ID: it is missing" in check(answer.json(), "Settings")["what"]
