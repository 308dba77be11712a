"""``python -m cosell share``: lists as people keep them, what is told by line, and what is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from cosell.command_line import main
from sandbox.world import World
from shared.domain.errors import Rejected
from shared.share_list import Wish, parse_share_list, read_share_list
from tests.end_to_end.seller_in_dynamics365 import Dynamics365Seller

UNKNOWN = "0a0b0c0d-0000-4000-8000-000000000001"


def test_a_list_names_each_opportunity_once_and_may_have_columns_of_its_own() -> None:
    rows = [
        (1, ("Owner", "Opportunity ID", "How can Microsoft help?", "Referral Visibility")),
        (2, ("Ada", "006A", "General or other", "yes")),
        (3, ("", "", "", "")),
        (4, ("Bo", "006B")),
        (5, ("Bo", "006A", "", "")),
    ]
    assert parse_share_list(rows, "list.csv") == (Wish(5, "006A"), Wish(4, "006B"))


def test_an_export_of_dynamics_365_is_such_a_list(tmp_path: Path) -> None:
    file = tmp_path / "export.xlsx"
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["(Do Not Modify) Opportunity", "Topic"])
    book.active.append([UNKNOWN, "Northwind"])
    book.save(file)
    assert read_share_list(file) == (Wish(2, UNKNOWN),)


def test_a_list_without_ids_is_refused() -> None:
    with pytest.raises(Rejected, match="no column Opportunity Id"):
        parse_share_list([(1, ("Topic",)), (2, ("Northwind",))], "list.csv")
    with pytest.raises(Rejected, match="no column Opportunity Id"):
        parse_share_list([], "list.csv")


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory, storage: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world"), storage=storage) as world:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(world.certificates.root_file))
        yield world


def test_chosen_opportunities_are_checked_switched_after_a_yes_and_passed_over_the_next_time(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seller, settings = Dynamics365Seller(world.dataverse), world.settings()
    ready = world.crm.enter_opportunity()
    lacking = world.crm.enter_opportunity()
    seller.edit(ready, {"sync": False, "help": None})
    seller.edit(lacking, {"sync": False, "deal_value": None})
    file = tmp_path / "list.csv"
    file.write_text(f"Id,Help,Visible\n{ready},ProofOfConceptOrDemo,yes\n{lacking},,\n{UNKNOWN},,\n", encoding="utf-8")

    assert main(["share", str(file), "--dry-run"], settings) == 1
    said = capsys.readouterr().out
    assert "1 to be switched to sync" in said
    assert f"line 3, {lacking}" in said
    assert "Est. revenue: Enter the deal value" in said
    assert f"line 4, {UNKNOWN}" in said
    assert main(["share", str(file)], settings) == 2
    assert "add --yes" in capsys.readouterr().err
    assert main(["share", "--ids", ready, "--yes"], {**settings, "DRY_RUN": "yes"}) == 0
    assert "A dry run" in capsys.readouterr().out
    assert seller.record(ready)["sync"] is False

    assert main(["share", str(file), "--yes", "--json"], settings) == 1
    standings = {one["id"]: one["standing"] for one in json.loads(capsys.readouterr().out)["opportunities"]}
    assert standings == {ready: "switched", lacking: "lacking", UNKNOWN: "unknown"}
    record = seller.record(ready)
    assert (record["sync"], record["help"], record["visibility"]) == (True, "ProofOfConceptOrDemo", True)
    assert seller.record(lacking)["sync"] is False

    world.dataverse.control.forget_calls()
    assert main(["share", "--ids", f"{ready},{ready}", "--yes"], settings) == 0
    assert "1 switched to sync already" in capsys.readouterr().out
    assert world.dataverse.control.count("PATCH") == 0


@pytest.mark.parametrize("arguments", [[], ["list.csv", "--ids", "A"], ["list.csv", "--json"]])
def test_what_cannot_be_meant_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["share", *arguments], {}) == 2
    assert capsys.readouterr()
