"""Signing in to Partner Center as an administrator does it: the real command and msal, against the Entra simulator."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.certificates import make_certificates
from sandbox.control import Fault
from sandbox.world import World
from shared.partner_center.consent import has_second_factor
from shared.partner_center.tokens import FileTokenStore

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("consent")
    certificates = make_certificates(folder / "certificates")
    with World(folder, storage="UseDevelopmentStorage=true", certificates=certificates) as running:
        yield running


@pytest.fixture
def command(world: World, tmp_path: Path) -> Iterator[Command]:
    person = world.entra.person
    yield Command(world, tmp_path)
    world.entra.person = person
    world.entra.public_clients = False
    world.partner_center.control.forget_faults()


class Command:
    """``python -m cosell consent ...`` with only the settings that a sign-in needs, and who sits before it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.store = FileTokenStore(folder / "token")
        self._world = world
        settings = world.settings()
        concerned = {name: value for name, value in settings.items() if name.startswith(("PARTNER", "AZURE_AUTHORITY"))}
        del concerned["PARTNER_CENTER_REFRESH_TOKEN"]
        self._environ = {
            **concerned,
            "PARTNER_CENTER_TOKEN_FILE": str(folder / "token"),
            "REQUESTS_CA_BUNDLE": settings["REQUESTS_CA_BUNDLE"],
            "PATH": "",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "cosell", "consent", *arguments],
            cwd=ROOT,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        return self._end(self.start(*arguments, "--json"))

    def sign_in(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """A person opens the address that the command shows, as a browser would."""
        process = self.start("sign-in", "--no-browser", "--json", *arguments)
        address = self._shown(process, r"^(https://localhost\S+)$")
        page = requests.get(address, verify=str(self._world.certificates.root_file), timeout=TIMEOUT_S)
        if page.ok:
            fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
            target = re.search(r'action="([^"]*)"', page.text)
            assert target is not None
            answer = {name: html.unescape(value) for name, value in fields.items()}
            requests.post(html.unescape(target[1]), data=answer, timeout=TIMEOUT_S).raise_for_status()
        return self._end(process)

    def sign_in_elsewhere(self) -> tuple[int, dict[str, Any]]:
        process = self.start("sign-in", "--device-code", "--json", "--yes")
        code = self._shown(process, r"enter the code (\w+)$")
        self._world.entra.enter_device_code(code)
        return self._end(process)

    @staticmethod
    def _shown(process: subprocess.Popen[str], pattern: str) -> str:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(pattern, line.strip()):
                return found[1]
        output, _ = process.communicate(timeout=TIMEOUT_S)
        raise AssertionError(f"it ended without {pattern}: {output}")

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
        output, _ = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, json.loads(output)


def states(document: dict[str, Any]) -> list[str]:
    return [check["state"] for check in document["checks"]]


def test_a_sign_in_is_checked_stored_shown_and_renewed(command: Command, world: World) -> None:
    code, said = command.sign_in("--yes")
    assert (code, said["stored"], states(said)) == (0, True, ["ok"] * 4)
    assert said["signed_in"] == {"user_object_id": world.entra.person.user_id, "tenant_id": world.entra.tenant_id}
    first = command.store.load()
    assert first

    code, said = command.run("show")
    assert (code, states(said)) == (0, ["ok"] * 5)
    assert "Stored 0 days ago" in said["checks"][0]["what"]
    assert command.store.load() == first

    code, said = command.run("renew", "--yes")
    assert (code, said["stored"]) == (0, True)
    assert command.store.load() not in (None, first)


def test_what_partner_center_would_refuse_is_not_stored(command: Command, world: World) -> None:
    world.entra.person = replace(world.entra.person, mfa=False)
    code, said = command.sign_in("--yes")
    assert (code, said["stored"]) == (1, False)
    assert {check["name"]: check["state"] for check in said["checks"]}["Second factor"] == "failed"
    assert command.store.load() is None


def test_a_person_without_the_role_is_told_which(command: Command, world: World) -> None:
    world.partner_center.control.order(Fault(path="/referrals", status=403, times=5))
    code, said = command.sign_in("--yes")
    assert (code, said["stored"]) == (1, False)
    (role,) = [check for check in said["checks"] if check["state"] == "failed"]
    assert "Referrals admin" in role["remedy"]
    assert command.store.load() is None


def test_a_dry_run_stores_nothing(command: Command) -> None:
    code, said = command.sign_in("--dry-run")
    assert (code, said["stored"], states(said)) == (0, False, ["ok"] * 4)
    assert command.store.load() is None


def test_a_device_code_is_entered_elsewhere_where_the_app_registration_allows_it(
    command: Command, world: World
) -> None:
    world.entra.public_clients = True
    code, said = command.sign_in_elsewhere()
    assert (code, said["stored"], states(said)) == (0, True, ["ok"] * 4)
    assert command.store.load()


def test_a_device_code_that_is_not_allowed_says_what_else_to_do(command: Command) -> None:
    code, said = command.sign_in_elsewhere()
    assert code == 1
    assert "AADSTS7000218" in said["error"]["message"]
    assert "browser" in said["error"]["remedy"]


def test_a_revoked_sign_in_is_shown_with_what_to_do(command: Command, world: World) -> None:
    token = world.entra.add_refresh_token(world.settings()["PARTNER_CENTER_CLIENT_ID"])
    command.store.save(token)
    world.entra.revoke_refresh_token(token)
    code, said = command.run("show")
    assert code == 1
    assert "consent sign-in" in next(check["remedy"] for check in said["checks"] if check["state"] == "failed")
    code, said = command.run("renew", "--dry-run")
    assert (code, said["error"]["code"]) == (1, "refresh_token_refused")


def test_nothing_stored_cannot_be_renewed(command: Command) -> None:
    code, said = command.run("renew", "--yes")
    assert (code, said["error"]["code"]) == (1, "refresh_token_missing")
    assert "consent sign-in" in said["error"]["remedy"]


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.e30.c", "a.W10.c"])
def test_a_token_that_does_not_show_how_the_person_signed_in(token: str) -> None:
    assert has_second_factor(token) is None
