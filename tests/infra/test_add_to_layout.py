"""The script that adds the co-sell section to an org's own layouts, run as an admin runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.salesforce_rules import Element, read, read_project, schema_problems

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "infra" / "salesforce" / "add_to_layout.py"
LAYOUTS = Path(__file__).with_name("layouts")
OPPORTUNITY = "Opportunity-Contoso Layout.layout-meta.xml"
LEAD = "Lead-Contoso Layout.layout-meta.xml"


@pytest.fixture
def layouts(tmp_path: Path) -> Path:
    return shutil.copytree(LAYOUTS, tmp_path / "layouts")


def add_to(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *files], capture_output=True, text=True, timeout=30, check=False, cwd=ROOT
    )


def co_sell_section(layout: Element) -> Element:
    (section,) = [one for one in layout.all("layoutSections") if one.text("label") == "Microsoft co-sell"]
    return section


def added_lines(before: str, after: str) -> list[str]:
    """Lines of ``after`` that are not in ``before``, which must be in it whole and in order."""
    rest, added = before.splitlines(), []
    for line in after.splitlines():
        if rest and rest[0] == line:
            rest.pop(0)
        else:
            added.append(line)
    assert not rest, "something of the layout was lost"
    return added


def test_every_field_of_the_project_gets_onto_the_layouts(layouts: Path) -> None:
    assert add_to(layouts / OPPORTUNITY, layouts / LEAD).returncode == 0
    assert schema_problems(layouts) == []
    fields = set(read_project(ROOT / "infra" / "salesforce" / "force-app").fields)
    for name in (OPPORTUNITY, LEAD):
        sobject = name.partition("-")[0]
        shown = co_sell_section(read(layouts / name)).texts("layoutColumns/layoutItems/field")
        assert {f"{sobject}.{field}" for field in shown} == {one for one in fields if one.startswith(f"{sobject}.")}


def test_solutions_become_a_related_list_of_the_opportunity_beside_those_it_has(layouts: Path) -> None:
    add_to(layouts / OPPORTUNITY, layouts / LEAD)
    assert read(layouts / OPPORTUNITY).texts("relatedLists/relatedList") == [
        "RelatedContactRoleList",
        "Microsoft_Solutions__c.Opportunity__c",
    ]
    assert read(layouts / LEAD).texts("relatedLists/relatedList") == []


def test_all_that_was_on_the_layout_stays_as_it_was(layouts: Path) -> None:
    add_to(layouts / OPPORTUNITY)
    before, after = ((folder / OPPORTUNITY).read_text(encoding="utf-8") for folder in (LAYOUTS, layouts))
    added = added_lines(before, after)
    assert any("Microsoft co-sell" in line for line in added)
    assert not any("Contoso_Region__c" in line for line in added)


def test_a_second_run_changes_nothing(layouts: Path) -> None:
    add_to(layouts / OPPORTUNITY)
    once = (layouts / OPPORTUNITY).read_bytes()
    again = add_to(layouts / OPPORTUNITY)
    assert (layouts / OPPORTUNITY).read_bytes() == once
    assert "all there already" in again.stdout


def test_a_field_that_is_on_the_layout_is_not_put_there_twice(layouts: Path) -> None:
    file = layouts / OPPORTUNITY
    file.write_text(file.read_text(encoding="utf-8").replace("Contoso_Region__c", "Audit__c"), encoding="utf-8")
    add_to(file)
    assert read(file).texts("layoutSections/layoutColumns/layoutItems/field").count("Audit__c") == 1


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("Account-Contoso Layout.layout-meta.xml", "<Layout/>", "this one is of Account"),
        (OPPORTUNITY, "<Layout/>", "there is no <layoutSections>"),
    ],
)
def test_what_is_no_such_layout_is_left_alone_and_told(layouts: Path, name: str, text: str, told: str) -> None:
    (layouts / name).write_text(text, encoding="utf-8")
    run = add_to(layouts / name, layouts / LEAD)
    assert run.returncode == 1
    assert told in run.stderr
    assert (layouts / name).read_text(encoding="utf-8") == text
    assert co_sell_section(read(layouts / LEAD)).text("style") == "TwoColumnsLeftToRight"
