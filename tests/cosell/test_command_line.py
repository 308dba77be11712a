"""The commands as an administrator gives them: what they say, where, and with which exit code."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosell.command_line import main
from cosell.solutions import Progress
from sandbox.world import World

ROOT = Path(__file__).parents[2]
TABLE = "msft_microsoftsolutiondetail"
TIMEOUT_S = 60
LIST = "Solution Identifier*,Solution Name*,Type,Publisher Name\nSOL-1,Supply Chain,3P,Contoso\nSOL-2,Fraud Watch,,\n"


def settings_file(folder: Path, values: object) -> Path:
    file = folder / "local.settings.json"
    file.write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
    return file


def test_settings_are_shown_with_what_is_wrong_and_without_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"], {"CRM": "dynamics365", "PARTNER_CENTER_CLIENT_SECRET": "hush"}) == 1
    said = capsys.readouterr()
    assert "DISPLAY_CHECK_MARK" in said.out
    assert "DYNAMICS365_URL: it is missing" in said.err
    assert main(["settings", "--json"], {"CRM": "dynamics365", "PARTNER_CENTER_CLIENT_SECRET": "hush"}) == 1
    said = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(said.out)["settings"]}
    assert (rows["CRM"]["required"], rows["CRM"]["is_set"], rows["DRY_RUN"]["is_set"]) == (True, True, False)
    assert "hush" not in said.out + said.err


def test_settings_come_from_a_file_over_the_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"CRM": "salesforce"}
    file = settings_file(tmp_path, {"CRM": "dynamics365", "DEAL_VALUE_FIELD": "new_value"})
    assert main(["mapping", "--settings", str(file)], environ) == 0
    assert environ["CRM"] == "dynamics365"
    said = capsys.readouterr().out
    assert "new_value" in said
    assert "on_hold: On Hold" in said


def test_the_mapping_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mapping", "--json"], {"CRM": "dynamics365", "ON_HOLD_STAGE_NAME": "Parked"}) == 0
    document = json.loads(capsys.readouterr().out)
    fields = {row["name"]: row for row in document["records"]["opportunity"]["fields"]}
    assert (fields["deal_value"]["crm"], document["stages"]["on_hold"]) == ("estimatedvalue", "Parked")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_mistake_in_the_mapping_is_an_error_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    file = tmp_path / "customize.toml"
    file.write_text("\n[stage]", encoding="utf-8")
    environ = {"CRM": "dynamics365", "CUSTOMIZE_FILE": str(file)}
    assert main(["mapping", *["--json"] * as_json], environ) == 1
    said = capsys.readouterr()
    assert "line 2, stage: there is no such key" in (said.out if as_json else said.err)
    assert not as_json or json.loads(said.out)["error"]["code"] == "mapping"


@pytest.mark.parametrize(
    "arguments",
    [[], ["solutions"], ["helth"], ["health", "--deadline", "soon"], ["solutions", "import"]],
)
def test_what_is_not_understood_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments, {})
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ('{"Values": {"A": "secret"', "is not JSON (line 1)"),
        ('{"Values": {"A": 1}}', 'has no "Values" with texts'),
        ("[]", 'has no "Values" with texts'),
        ('{"IsEncrypted": true, "Values": {"A": "secret"}}', "func settings decrypt"),
    ],
)
def test_a_settings_file_that_is_none_is_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str
) -> None:
    file = tmp_path / "local.settings.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert main(["settings", "--settings", str(file)], {}) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "secret" not in said


def test_a_mapping_without_a_crm_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mapping"], {}) == 2
    assert "CRM is not set" in capsys.readouterr().err


def test_bad_rows_stop_the_import_before_anybody_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"{LIST},Nameless,,\n", encoding="utf-8")
    assert main(["solutions", "import", str(file)], {}) == 1
    said = capsys.readouterr().err
    assert "list.csv line 4: it has no Solution Identifier" in said
    assert "Nothing was written" in said
    assert main(["solutions", "import", str(file), "--json"], {}) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["written"], document["bad_rows"][0]["line"]) == (False, 4)


def test_nobody_can_be_asked_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "list.csv"
    file.write_text(LIST, encoding="utf-8")
    assert main(["solutions", "import", str(file), "--json"], {}) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_progress_is_told_from_two_seconds_on() -> None:
    times = iter([0.0, 1.9, 2.0, 2.0, 3.9, 4.1, 4.1])
    said: list[str] = []
    progress = Progress(1_500, said.append, lambda: next(times))
    for written in (100, 200, 300, 400):
        progress(written)
    assert said == ["200 of 1,500 rows written", "400 of 1,500 rows written"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, storage: str) -> Iterator[World]:
    """The simulators; the app is not needed, and the storage is not written to."""
    with World(tmp_path_factory.mktemp("world"), storage=storage) as world:
        yield world


def cosell(world: World, *arguments: str | Path, typed: str | None = None, **settings: str) -> tuple[int, str, str]:
    """Exit code, output and errors of ``python -m cosell solutions import``; ``typed`` at a terminal, if given."""
    terminal = ours = None
    if typed is not None:
        ours, terminal = pty.openpty()
        os.write(ours, typed.encode())
    done = subprocess.run(
        [sys.executable, "-m", "cosell", "solutions", "import", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **world.settings(), **settings},
        stdin=subprocess.DEVNULL if terminal is None else terminal,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    for descriptor in (ours, terminal):
        if descriptor is not None:
            os.close(descriptor)
    return done.returncode, done.stdout, done.stderr


def written(world: World) -> dict[str, str]:
    return {row["msft_solutionidentifier"]: row["msft_name"] for row in world.dataverse.rows(TABLE)}


def test_an_import_asks_writes_once_and_finds_nothing_to_do_again(world: World, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(LIST, encoding="utf-8")
    code, out, err = cosell(world, file)
    assert (code, written(world)) == (2, {})
    assert "add --yes" in err

    code, out, _ = cosell(world, file, typed="no\n")
    assert (code, written(world)) == (1, {})
    assert "Nothing was written." in out

    assert cosell(world, file, "--yes", DRY_RUN="yes")[0] == 0
    assert written(world) == {}

    code, out, _ = cosell(world, file, typed="y\n")
    assert (code, written(world)) == (0, {"SOL-1": "Supply Chain", "SOL-2": "Fraud Watch"})
    assert "2 to create, 0 to update, 0 unchanged" in out
    assert "2 created, 0 updated, 0 unchanged." in out

    world.dataverse.control.forget_calls()
    code, out, _ = cosell(world, file, "--yes")
    assert (code, "Everything is there already." in out) == (0, True)
    assert world.dataverse.control.count("POST|PATCH") == 1  # the batch that reads the metadata

    file.write_text(f"{LIST}SOL-3,{'x' * 201},,\nSOL-2,Twice,,\nSOL-4,New,,\n", encoding="utf-8")
    code, out, err = cosell(world, file, "--yes")
    assert (code, "line 5: SOL-2 is on line 3 already" in err, len(written(world))) == (1, True, 2)
    code, out, err = cosell(world, file, "--yes", "--skip-bad", "--json")
    document = json.loads(out)
    assert (code, document["created"], document["unchanged"], document["written"]) == (0, 1, 2, True)
    assert [row["line"] for row in document["bad_rows"]] == [4, 5]
    assert "201 characters" in document["bad_rows"][0]["reason"]
    assert set(written(world)) == {"SOL-1", "SOL-2", "SOL-4"}


def test_a_crm_that_refuses_the_sign_in_is_an_error_in_words(world: World, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(LIST, encoding="utf-8")
    code, _, err = cosell(world, file, "--yes", DYNAMICS365_CLIENT_SECRET="wrong secret")
    assert code == 1
    assert "Entra ID gave no token for Dynamics 365" in err
    assert "Traceback" not in err
    assert "wrong secret" not in err
