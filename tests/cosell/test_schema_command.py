"""``python -m cosell schema`` as an administrator gives it, for both CRMs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cosell.command_line import main
from sandbox.crms import DATAVERSE_CLIENT, SalesforceSide
from sandbox.dataverse import DataverseSimulator
from sandbox.salesforce import SalesforceSimulator
from sandbox.world import World

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def dynamics365(tmp_path_factory: pytest.TempPathFactory, storage: str) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world"), storage=storage) as world:
        yield world


@pytest.fixture(scope="module")
def salesforce(tmp_path_factory: pytest.TempPathFactory, storage: str) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world"), crm="salesforce", storage=storage) as world:
        yield world


@pytest.fixture
def empty(dynamics365: World) -> DataverseSimulator:
    """Again without the connector's columns, whatever a test before has made."""
    simulator = dynamics365.dataverse
    for table in ("solution", "publisher", "role"):
        for row in simulator.rows(table):
            simulator.delete(table, row[f"{table}id"])
    simulator.security.granted.clear()
    simulator.security.roles_of.clear()
    simulator.uninstall("msft_")
    return simulator


@pytest.fixture
def schema(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Gives one command in this process; its exit code, output and errors."""

    def give(world: World | None, *arguments: str, **settings: str) -> tuple[int, str, str]:
        environ = dict(world.settings()) if world else {}
        if world:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", environ["REQUESTS_CA_BUNDLE"])
        code = main(["schema", *arguments], {**environ, **settings})
        said = capsys.readouterr()
        return code, said.out, said.err

    return give


def test_what_is_needed_is_shown_without_any_settings(schema: Command) -> None:
    code, out, _ = schema(None, "show", CRM="dynamics365")
    assert code == 0
    assert "alternate key msft_referralkey over msft_microsoftpartnercenterreferralidentifier" in out
    assert "Opportunity: Create, Read, Write, Append, AppendTo, Assign" in out
    code, out, _ = schema(None, "show", "--json", CRM="salesforce")
    assert (code, "field Referral_Identifier__c of Lead" in json.loads(out)["declared"]) == (0, True)
    assert schema(None, "show")[0] == 2


def test_the_environment_is_asked_for_only_with_its_settings(schema: Command) -> None:
    code, _, err = schema(None, "diff", CRM="dynamics365")
    assert (code, "DYNAMICS365_URL: it is missing" in err) == (1, True)
    code, _, err = schema(None, "diff", CRM="dynamics365", DYNAMICS365_URL="http://contoso.example")
    assert (code, "it must start with https://" in err) == (1, True)


def test_a_difference_is_exit_code_1_and_in_json(
    schema: Command, dynamics365: World, empty: DataverseSimulator
) -> None:
    code, out, _ = schema(dynamics365, "diff")
    assert (code, "Missing:\n  publisher cosellconnector (prefix msft)" in out) == (1, True)
    code, out, _ = schema(dynamics365, "diff", "--json")
    document = json.loads(out)
    assert (code, document["crm"], document["installed"], document["written"]) == (1, "Dynamics 365", False, False)
    assert "security role Co-sell connector" in document["missing"]


def test_it_asks_installs_once_and_finds_nothing_to_do_again(
    schema: Command, dynamics365: World, empty: DataverseSimulator
) -> None:
    code, _, err = schema(dynamics365, "apply")
    assert (code, "add --yes" in err) == (2, True)
    assert schema(dynamics365, "apply", "--json")[0] == 2
    for arguments in (("apply", "--dry-run"), ("apply", "--dry-run", "--json")):
        code, out, _ = schema(dynamics365, *arguments)
        assert (code, "table msft_microsoftsolutiondetail" in out) == (0, True)
    assert schema(dynamics365, "apply", "--yes", DRY_RUN="yes")[0] == 0
    assert empty.rows("solution") == []

    code, out, err = schema(dynamics365, "apply", "--yes", "--wait", "30", "--solution", "Contoso")
    assert (code, "Dynamics 365 has everything that the connector needs." in out) == (0, True)
    assert "... change tracking of opportunity" in err
    assert list(empty.metadata.components) == ["Contoso"]
    assert [row["uniquename"] for row in empty.rows("solution")] == ["Contoso"]
    assert len(empty.security.roles_of) == 1
    empty.metadata.components.clear()

    code, out, err = schema(dynamics365, "apply", "--solution", "Contoso")
    assert (code, err) == (0, "")
    assert schema(dynamics365, "diff", "--solution", "Contoso")[0] == 0


def test_another_declaration_and_application_can_be_named(
    schema: Command, dynamics365: World, empty: DataverseSimulator, tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    text = (Path(__file__).parents[2] / "infra" / "dynamics365" / "schema.toml").read_text(encoding="utf-8")
    own.write_text(text.replace('"Co-sell connector"\ndepth', '"Contoso co-sell"\ndepth'), encoding="utf-8")
    nobody = "00000000-0000-0000-0000-000000000001"
    code, out, _ = schema(dynamics365, "diff", "--file", str(own), "--application-id", nobody)
    assert (code, "security role Contoso co-sell" in out, nobody in out) == (1, True, True)
    code, _, err = schema(dynamics365, "diff", "--file", str(tmp_path / "none.toml"))
    assert (code, "none.toml cannot be read" in err) == (2, True)
    with pytest.raises(SystemExit):
        schema(dynamics365, "diff", "--application-id", "the app")


def test_a_conflict_is_told_and_nothing_is_written(
    schema: Command, dynamics365: World, empty: DataverseSimulator
) -> None:
    column = empty.schema.tables["lead"].columns["subject"]
    name = "msft_microsoftpartnercenterreferralsync"
    empty.schema.put_column("lead", type(column)(name, "String", "Sync", max_length=10))
    for arguments in (("diff",), ("apply", "--yes"), ("apply", "--dry-run")):
        code, out, _ = schema(dynamics365, *arguments)
        assert (code, f"Column {name} of lead is a String, not a Boolean." in out) == (1, True)
    assert empty.rows("solution") == []


def test_health_names_the_command_where_columns_are_missing(
    dynamics365: World, empty: DataverseSimulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dict(dynamics365.settings())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", settings["REQUESTS_CA_BUNDLE"])
    assert main(["health", "--json"], settings) == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    for name in ("columns", "alternate key", "change tracking"):
        assert "python -m cosell schema apply" in checks[f"Dynamics 365 {name}"]["remedy"]


# Salesforce


def org(world: World) -> SalesforceSimulator:
    assert isinstance(world.crm, SalesforceSide)
    return world.crm.simulator


def test_a_salesforce_org_that_has_everything_is_left_alone(schema: Command, salesforce: World) -> None:
    for sobject in ("Opportunity", "Lead"):
        org(salesforce).change_field(sobject, "Referral_Identifier__c", unique=True)
    code, out, _ = schema(salesforce, "apply")
    assert (code, "Salesforce has everything that the connector needs." in out) == (0, True)
    assert "sf project deploy" not in out


def test_what_a_salesforce_org_lacks_is_named_with_the_commands_that_install_it(
    schema: Command, salesforce: World
) -> None:
    simulator = org(salesforce)
    simulator.change_field("Opportunity", "Referral_Identifier__c", unique=False)
    simulator.change_field("Lead", "Referral_Identifier__c", unique=True)
    code, out, _ = schema(salesforce, "diff", "--target-org", "uat", "--json")
    document = json.loads(out)
    assert (code, document["missing"]) == (1, ["uniqueness of Referral_Identifier__c of Opportunity"])
    # Microsoft's package is there: its own fields must not be deployed over.
    deploy = ["sf", "project", "deploy", "start", "--target-org", "uat", "--manifest"]
    manifest = "manifest/beside-microsofts-package.xml"
    assert document["commands"] == [[*deploy, manifest, "--dry-run"], [*deploy, manifest]]
    assert (Path(document["folder"]) / manifest).is_file()


def test_without_settings_the_commands_are_printed_all_the_same(schema: Command) -> None:
    code, out, _ = schema(None, "apply", "--dry-run", CRM="salesforce")
    assert code == 0
    assert "SALESFORCE_LOGIN_URL: it is missing" in out
    assert "sf project deploy start --target-org cosell --source-dir force-app --dry-run" in out
    assert schema(None, "apply", CRM="salesforce")[0] == 1


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the ``sf`` program, first in the PATH: it notes where and how it was called."""
    script = tmp_path / "sf"
    script.write_text(
        f'#!/bin/sh\necho "$PWD $*" >> {tmp_path}/calls\necho deploying\ncase "$*" in *refused*) exit 3;; esac\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "calls"


def test_the_program_is_run_where_it_is_told_to_be(schema: Command, program: Path) -> None:
    code, _, err = schema(None, "apply", "--run", CRM="salesforce")
    assert (code, "add --yes" in err, program.exists()) == (2, True, False)
    code, out, _ = schema(None, "apply", "--run", "--dry-run", CRM="salesforce")
    assert (code, out.splitlines()[-1]) == (0, "A dry run: nothing was saved.")
    code, out, _ = schema(None, "apply", "--run", "--yes", "--json", CRM="salesforce")
    assert (code, json.loads(out)["written"]) == (0, True)
    folder = Path(__file__).parents[2] / "infra" / "salesforce"
    deploy = f"{folder} project deploy start --target-org cosell --source-dir force-app"
    assert program.read_text(encoding="utf-8").splitlines() == [f"{deploy} --dry-run"] * 2 + [deploy]


def test_a_program_that_fails_ends_it(schema: Command, program: Path) -> None:
    code, _, err = schema(None, "apply", "--run", "--yes", "--target-org", "refused", CRM="salesforce")
    assert (code, "ended with 3" in err) == (1, True)
    assert len(program.read_text(encoding="utf-8").splitlines()) == 1


def test_a_program_that_is_not_there_is_told_of(
    schema: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = schema(None, "apply", "--run", "--yes", CRM="salesforce")
    assert (code, "npm install --global @salesforce/cli" in err) == (1, True)


def test_the_role_goes_to_the_application_of_the_settings(
    schema: Command, dynamics365: World, empty: DataverseSimulator
) -> None:
    code, out, _ = schema(dynamics365, "diff")
    assert (code, f"role Co-sell connector for application user {DATAVERSE_CLIENT}" in out) == (1, True)
