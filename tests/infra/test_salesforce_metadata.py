"""What an admin installs in a Salesforce org: deployable, as far as can be told offline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.salesforce_rules import (
    Project,
    project_problems,
    read,
    read_project,
    schema_problems,
)

ROOT = Path(__file__).parents[2]
SALESFORCE = ROOT / "infra" / "salesforce"
SOURCE = SALESFORCE / "force-app"
BESIDE = SALESFORCE / "manifest" / "beside-microsofts-package.xml"
CONVERTER = Path(__file__).with_name("convert_salesforce.mjs")

# Keys that Microsoft's package lacks: there the field is a plain text, or an external id that may repeat.
UNIQUE_HERE = {
    "Lead.Referral_Identifier__c",
    "Microsoft_Solution_Detail__c.Solution_Identifier__c",
    "Opportunity.Referral_Identifier__c",
}


@pytest.fixture(scope="module")
def project() -> Project:
    return read_project(SOURCE)


def convert(source: Path, folder: Path, *manifest: Path) -> subprocess.CompletedProcess[str]:
    quiet = {"HOME": str(folder), "SF_DISABLE_LOG_FILE": "true", "SF_DISABLE_TELEMETRY": "true"}
    return subprocess.run(
        ["node", CONVERTER, source, folder / "out", *manifest],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **quiet},
    )


def test_the_project_has_no_mistake_that_shows_offline(project: Project) -> None:
    assert schema_problems(SALESFORCE / "manifest") == []
    assert schema_problems(SOURCE) == []
    assert project_problems(project) == []


needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node and the sandbox's packages")


@needs_node
def test_salesforces_own_converter_takes_the_project(tmp_path: Path, project: Project) -> None:
    run = convert(SOURCE, tmp_path)
    assert run.returncode == 0, run.stderr
    assert schema_problems(tmp_path / "out") == []
    converted = {component.partition(" ")[2] for component in json.loads(run.stdout)}
    parts = (project.fields, project.objects, project.permission_sets, project.layouts, project.actions, project.tabs)
    assert converted >= {name for part in parts for name in part}
    opportunity = read(tmp_path / "out" / "objects" / "Opportunity.object")
    assert opportunity.names == {"fields"}, "a standard object gets fields, and keeps all else as the org has it"


@needs_node
def test_beside_microsofts_package_only_what_it_lacks_is_installed(tmp_path: Path) -> None:
    run = convert(SOURCE, tmp_path, BESIDE)
    assert run.returncode == 0, run.stderr
    assert schema_problems(tmp_path / "out") == []
    installed = [component.split(" ")[1] for component in json.loads(run.stdout)]
    assert not [name for name in installed if name.startswith("Microsoft_Solution")], "these tables are the package's"
    assert {"Opportunity.Referral_Identifier__c", "Lead.Referral_Identifier__c"} <= set(installed)


@needs_node
def test_the_converter_refuses_a_file_that_is_no_metadata(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "force-app")
    tabs = tmp_path / "force-app" / "main" / "default" / "tabs"
    (tabs / "Referral.tabb-meta.xml").write_text("<CustomTabb/>", encoding="utf-8")
    run = convert(tmp_path / "force-app", tmp_path)
    assert run.returncode != 0
    assert "TypeInferenceError" in run.stderr


LINK = "objects/Opportunity/fields/Referral_Link__c.field-meta.xml"
IDENTIFIER = "objects/Opportunity/fields/Referral_Identifier__c.field-meta.xml"
VISIBILITY = "objects/Opportunity/fields/Referral_Visibility__c.field-meta.xml"
SOLUTION = "objects/Microsoft_Solutions__c/fields/Solution__c.field-meta.xml"
CATALOGUE = "objects/Microsoft_Solution_Detail__c/Microsoft_Solution_Detail__c.object-meta.xml"
CONNECTOR = "permissionsets/Co_sell_Connector.permissionset-meta.xml"
SELLER = "permissionsets/Co_sell_Seller.permissionset-meta.xml"
ACTION = "quickActions/Opportunity.Co_sell_with_Microsoft.quickAction-meta.xml"

SEEDED = {
    "unknown element": (IDENTIFIER, "<length>100</length>", "<size>100</size>", "size"),
    "unknown value": (LINK, "<type>Url</type>", "<type>Uri</type>", "'Uri' is not an element of the set"),
    "wrong order": (
        LINK,
        "<required>false</required>\n    <type>Url</type>",
        "<type>Url</type>\n    <required>false</required>",
        "element is not expected",
    ),
    "no number": (IDENTIFIER, ">100<", ">long<", "'long' is not a valid value"),
    "length missing": (IDENTIFIER, "    <length>100</length>\n", "", "a Text needs length"),
    "label missing": (LINK, "    <label>Referral Link</label>\n", "", "a Url needs label"),
    "label of a permission set missing": (SELLER, "    <label>Co-sell Seller</label>\n", "", "Expected is"),
    "sharing missing": (CATALOGUE, "    <sharingModel>Read</sharingModel>\n", "", "a custom object needs sharingModel"),
    "label too long": (
        VISIBILITY,
        "<label>",
        "<label>Microsoft Partner Center ",
        "label is longer than 40",
    ),
    "lookup to nothing": (SOLUTION, "Microsoft_Solution_Detail__c", "Microsoft_Solution__c", "which is not there"),
    "misspelt in a permission set": (
        CONNECTOR,
        "Opportunity.Referral_Link__c",
        "Opportunity.Referal_Link__c",
        "Opportunity.Referral_Link__c is missing",
    ),
    "security of a master-detail field": (
        SELLER,
        "Microsoft_Solutions__c.Price__c",
        "Microsoft_Solutions__c.Opportunity__c",
        "takes no field-level security",
    ),
    "delete without edit": (
        SELLER,
        "<allowDelete>true</allowDelete>\n        <allowEdit>true</allowEdit>",
        "<allowDelete>true</allowDelete>\n        <allowEdit>false</allowEdit>",
        "allowDelete needs allowEdit",
    ),
    "misspelt on a page": (ACTION, "Audit__c", "Audits__c", "there is no field Opportunity.Audits__c"),
}


@pytest.mark.parametrize(("file", "old", "new", "told"), SEEDED.values(), ids=SEEDED.keys())
def test_a_mistake_is_found(tmp_path: Path, file: str, old: str, new: str, told: str) -> None:
    source = shutil.copytree(SOURCE, tmp_path / "force-app")
    changed = source / "main" / "default" / file
    text = changed.read_text(encoding="utf-8")
    assert old in text
    changed.write_text(text.replace(old, new, 1), encoding="utf-8")
    found = schema_problems(source) + project_problems(read_project(source))
    assert told in "\n".join(found)


def test_the_keys_are_unique_here_alone(project: Project) -> None:
    unique = {name for name, field in project.fields.items() if field.is_true("unique")}
    assert unique == UNIQUE_HERE
    assert all(project.fields[name].is_true("externalId") for name in unique)


def test_sellers_cannot_write_what_the_connector_writes(project: Project) -> None:
    def editable(permission_set: str) -> set[str]:
        given = project.permission_sets[permission_set].all("fieldPermissions")
        return {one.text("field") or "" for one in given if one.is_true("editable")}

    assert project.in_permission_sets() <= editable("Co_sell_Connector")
    assert editable("Co_sell_Seller") == {
        "Lead.Sync_With_Partner_Center__c",
        "Microsoft_Solutions__c.Price__c",
        "Microsoft_Solutions__c.Quantity__c",
        "Microsoft_Solutions__c.Solution__c",
        "Opportunity.How_can_Microsoft_help__c",
        "Opportunity.Referral_Visibility__c",
        "Opportunity.Sync_With_Partner_Center__c",
    }
