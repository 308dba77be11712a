"""With wrong settings the app serves nothing, and says all that is wrong at once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functions.loading import CHECKOUT

SECRET = "not-to-be-shown-9f3a"
RIGHT = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
    "CRM": "dynamics365",
    "PARTNER_CENTER_TENANT_ID": "11111111-1111-1111-1111-111111111111",
    "PARTNER_CENTER_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
    "PARTNER_CENTER_CLIENT_SECRET": SECRET,
    "PARTNER_CENTER_REFRESH_TOKEN": SECRET,
    "KEY_VAULT_URL": "https://contoso.vault.azure.net",
    "DYNAMICS365_URL": "https://contoso.crm.dynamics.com",
}
OWN_SETTINGS = ("AzureWebJobs", "CRM", "DYNAMICS365_", "KEY_VAULT", "PARTNER_CENTER_", "SALESFORCE_")
WRONG = {
    "CRM": "notes",
    "DRY_RUN": "perhaps",
    "RETRY_FOR_HOURS": "-1",
    "CRM_POLL_SCHEDULE": "often",
    "PARTNER_CENTER_TENANT_ID": "",
    "PARTNER_CENTER_REFERRALS_URL": f"http://{SECRET}@api.partner.microsoft.com",
}


EXIT_REFUSED = 1
"""What the local host says of an app that does not load."""


def run_host(settings: dict[str, str], folder: Path, port: int) -> tuple[int, str]:
    """The exit code and the log of a host that must not start."""
    folder.mkdir()
    file = folder / "settings.json"
    file.write_text(json.dumps({"Values": settings}), encoding="utf-8")
    command = [sys.executable, "-m", "sandbox.local_host", "--app", str(CHECKOUT), "--settings", str(file)]
    command += ["--port", str(port), "--keys-file", str(folder / "keys.json")]
    # The settings of whoever runs the tests must not mend what is wrong here.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN_SETTINGS)}
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def is_served(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_all_that_is_wrong_is_said_in_one_message_and_nothing_is_served(tmp_path: Path, free_port: int) -> None:
    code, log = run_host({**RIGHT, **WRONG}, tmp_path / "wrong", free_port)
    assert code == EXIT_REFUSED
    message = log[log.index("the local host cannot start") :]
    assert message.count("These settings are wrong or missing") == 1
    for name in WRONG:
        assert f"- {name}: " in message
    for name in RIGHT.keys() - WRONG.keys():
        assert f"- {name}: " not in message
    assert "ready http://" not in log
    assert not is_served(free_port)
    assert SECRET not in log
    assert "Traceback" not in log


def test_without_any_setting_each_one_that_is_needed_is_named_with_an_example(tmp_path: Path, free_port: int) -> None:
    code, log = run_host({}, tmp_path / "none", free_port)
    assert code == EXIT_REFUSED
    for name in ("CRM", "PARTNER_CENTER_TENANT_ID", "PARTNER_CENTER_CLIENT_ID", "PARTNER_CENTER_CLIENT_SECRET"):
        (line,) = [line for line in log.splitlines() if line.startswith(f"- {name}: ")]
        assert "it is missing" in line
        assert "for example " in line
    assert "- AzureWebJobsStorage: " in log
    assert "- KEY_VAULT_URL: " in log


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[records.opportunity.columns\n", "customize.toml"),
        ('[[records.opportunity.fields]]\nname = "notes"\nconverter = "magic"\n', "magic"),
    ],
    ids=["no-toml", "unknown-converter"],
)
def test_a_mistake_in_customize_toml_stops_the_start(tmp_path: Path, free_port: int, text: str, named: str) -> None:
    file = tmp_path / "customize.toml"
    file.write_text(text, encoding="utf-8")
    code, log = run_host({**RIGHT, "CUSTOMIZE_FILE": str(file)}, tmp_path / "host", free_port)
    assert code == EXIT_REFUSED
    assert named in log[log.index("the local host cannot start") :]
    assert not is_served(free_port)


@pytest.fixture
def free_port() -> int:
    """Free just now; the host would have to open it to serve anything."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
