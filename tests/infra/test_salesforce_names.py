"""The same names everywhere: what is installed, what the simulated org has, what the mapping and the guide name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from shared.settings import settings_table
from tests.infra.salesforce_rules import Element, Project, read_project

ROOT = Path(__file__).parents[2]
SALESFORCE = ROOT / "infra" / "salesforce"
MAPPING = ROOT / "shared" / "mappings" / "salesforce.toml"
GUIDE = ROOT / "docs" / "salesforce.md"

# Fields that Microsoft's package has and no part of a referral goes to.
ONLY_IN_MICROSOFTS_PACKAGE = {
    "Opportunity.Co_sell_Type__c",
    "Opportunity.Partner_Role__c",
    "Opportunity.Solution_Area__c",
    "Opportunity.Solution_Count__c",
    "Opportunity.Solution_Play__c",
    "Partner_Role__c.Active__c",
    "Solution_Area__c.Active__c",
    "Solution_Play__c.Active__c",
    "Solution_Play__c.Solution_Area__c",
}
SEEN_BY_ALL = {
    "Account.Name",
    "Lead.Company",
    "Lead.CurrencyIsoCode",
    "Opportunity.CloseDate",
    "Opportunity.CurrencyIsoCode",
    "Opportunity.Name",
}
SALESFORCES_OWN_WORDS = {
    "DUPLICATES_DETECTED",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "INVALID_FIELD",
    "REQUEST_LIMIT_EXCEEDED",
}
# Metadata's name of a type and the one that describe answers with, as the simulator does.
DESCRIBED_AS = {
    "Checkbox": "boolean",
    "Currency": "currency",
    "LongTextArea": "textarea",
    "Lookup": "reference",
    "MasterDetail": "reference",
    "Number": "double",
    "Picklist": "picklist",
    "Text": "string",
    "Url": "url",
}


@pytest.fixture(scope="module")
def project() -> Project:
    return read_project(SALESFORCE / "force-app")


@pytest.fixture(scope="module")
def simulated() -> dict[str, dict[str, Any]]:
    """The custom fields of the Salesforce simulator by ``Object.Field``."""
    schema = tomllib.loads((ROOT / "sandbox" / "salesforce" / "schema.toml").read_text(encoding="utf-8"))
    return {
        f"{sobject}.{name}": field
        for sobject, definition in schema["objects"].items()
        for name, field in definition["fields"].items()
        if name.endswith("__c")
    }


def described(field: Element) -> dict[str, Any]:
    """What describe would say of the field, in the words of the simulator's schema."""

    def number(part: str) -> int:
        return int(field.text(part) or 0)

    kind = DESCRIBED_AS[field.text("type") or ""]
    length = {"picklist": 255, "url": 255}.get(kind, number("length"))
    relationship = field.text("relationshipName")
    return {
        "type": kind,
        "length": length,
        "precision": number("precision"),
        "scale": number("scale"),
        "values": field.texts("valueSet/valueSetDefinition/value/fullName"),
        "restricted": field.is_true("valueSet/restricted"),
        "to": field.text("referenceTo") or "",
        "children": f"{relationship}__r" if relationship else "",
        "cascade": field.text("type") == "MasterDetail",
        "external_id": field.is_true("externalId") and not field.is_true("unique"),
        "default": {"true": True, "false": False}.get(field.text("defaultValue") or ""),
    }


def test_the_simulated_org_has_the_same_fields(project: Project, simulated: dict[str, dict[str, Any]]) -> None:
    absent: dict[str, Any] = {
        "length": 0,
        "precision": 0,
        "scale": 0,
        "values": [],
        "restricted": False,
        "to": "",
        "children": "",
        "cascade": False,
        "external_id": False,
        "default": None,
    }
    assert set(simulated) - ONLY_IN_MICROSOFTS_PACKAGE == set(project.fields)
    for name, field in project.fields.items():
        expected = described(field)
        there = {**absent, **simulated[name]}
        if field.is_true("unique"):
            there["external_id"] = False  # in Microsoft's package a key may repeat, or is none
        assert {part: there[part] for part in expected} == expected, name


def custom_names(part: object) -> set[str]:
    """Custom objects, fields and relationships that are named anywhere in ``part`` of a mapping file."""
    match part:
        case str():
            return set(re.findall(r"\b\w+?__[cr]\b", part))
        case dict():
            return {name for value in part.values() for name in custom_names(value)}
        case list():
            return {name for value in part for name in custom_names(value)}
        case _:
            return set()


def unknown_names(mapping: dict[str, Any], project: Project) -> set[str]:
    """Custom names of ``mapping`` that nothing in ``project`` has; fields of a record by ``Object.Field``."""
    relationships = {f"{one.text('relationshipName')}__r" for one in project.fields.values()} | {
        f"{name.partition('.')[2].removesuffix('__c')}__r" for name in project.fields
    }
    known = {*project.objects, *relationships, *(name.partition(".")[2] for name in project.fields)}
    of_records = {
        f"{kind.capitalize()}.{name}"
        for kind, record in mapping["records"].items()
        for name in custom_names([record["columns"], [row["crm"] for row in record["fields"]]])
        if "__r" not in name
    }
    return (custom_names(mapping) - known) | (of_records - set(project.fields))


def test_every_custom_name_of_the_mapping_is_installed(project: Project) -> None:
    mapping = tomllib.loads(MAPPING.read_text(encoding="utf-8"))
    assert unknown_names(mapping, project) == set()
    assert {"Referral_Identifier__c", "Microsoft_Solutions__c"} <= custom_names(mapping)


def secured_standard_fields(mapping: dict[str, Any]) -> set[str]:
    """Standard fields of the mapping that a user sees only by field-level security, as permission sets name them.

    Required fields, names and the currency are seen by everybody who sees the record; an address is secured as a whole.
    """
    kinds = {kind: mapping["adapter"][kind]["object"] for kind in mapping["records"]}
    paths = {
        row["crm"] if "." in row["crm"] else f"{kinds[kind]}.{row['crm']}"
        for kind, record in mapping["records"].items()
        for row in record["fields"]
        if row["crm"][0] != "@" and "__" not in row["crm"]
    }
    contact, lead = mapping["adapter"]["contacts"], mapping["adapter"]["lead"]["person"]
    paths |= {f"Contact.{contact[part]}" for part in ("account", "email", "phone")}
    paths |= {f"Lead.{lead[part]}" for part in ("email", "phone")} | {"Opportunity.AccountId"}
    address = re.compile(r"\b(Billing|)(?:Street|City|State|PostalCode|Country)$")
    return {address.sub(r"\1Address", path) for path in paths} - SEEN_BY_ALL


def test_the_connector_may_write_every_standard_field_of_the_mapping(project: Project) -> None:
    given = project.permission_sets["Co_sell_Connector"].all("fieldPermissions")
    editable = {one.text("field") or "" for one in given if one.is_true("editable")}
    standard = {name for name in editable if not name.endswith("__c")}
    assert standard == secured_standard_fields(tomllib.loads(MAPPING.read_text(encoding="utf-8")))


def test_a_name_that_is_not_installed_is_told(project: Project) -> None:
    mapping = tomllib.loads(
        """
        [records.lead]
        columns = { sync = "Sync_With_Partner_Center__c", audit = "Audits__c" }
        fields = [{ name = "help", crm = "How_can_Microsoft_help__c" }]
        [adapter.solutions]
        object = "Microsoft_Solutions__c"
        collection = "Microsoft_Solutions__r"
        id = "Solution__r.Solution_Number__c"
        """
    )
    unknown = {"Audits__c", "Lead.Audits__c", "Lead.How_can_Microsoft_help__c", "Solution_Number__c"}
    assert unknown_names(mapping, project) == unknown


def test_the_guide_names_every_setting_of_salesforce_and_none_that_there_is_not() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    settings = {line.split()[0] for line in settings_table({}).splitlines()[1:]}
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z0-9]+)+)`", guide)) - SALESFORCES_OWN_WORDS
    assert named <= settings
    assert {name for name in settings if name.startswith("SALESFORCE_")} <= named


def test_the_guide_names_what_is_installed(project: Project) -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    labels = {field.text("label") for name, field in project.fields.items() if re.match("Lead|Opportunity", name)}
    labels |= {sobject.text("pluralLabel") for sobject in project.objects.values()}
    labels |= {one.text("label") for one in (*project.permission_sets.values(), *project.actions.values())}
    assert {label for label in labels if f"*{label}*" not in guide} == set()
    assert set(re.findall(r"--name (\w+)", guide)) == set(project.permission_sets)
    for file in ("add_to_layout.py", "manifest/beside-microsofts-package.xml", "force-app"):
        assert file in guide
        assert (SALESFORCE / file).exists()
