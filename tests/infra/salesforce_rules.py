"""What is wrong with a folder of Salesforce metadata, found without an org.

Two judges. The Metadata WSDL that the simple-salesforce package carries knows every element and its place, and calls
nearly all of them optional. The rules here are what the org demands beyond it, from the Metadata API guide:
https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/ (CustomField, CustomObject, PermissionSet).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

from lxml import etree  # type: ignore[import-untyped]

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
_XSD = "http://www.w3.org/2001/XMLSchema"
_ROOTS = ("CustomField", "CustomObject", "CustomTab", "Layout", "ListView", "Package", "PermissionSet", "QuickAction")

_NUMBER = frozenset({"precision", "scale"})
_PARENT = frozenset({"referenceTo", "relationshipLabel", "relationshipName"})
NEEDED: Mapping[str, frozenset[str]] = {
    "Checkbox": frozenset({"defaultValue"}),
    "Currency": _NUMBER,
    "LongTextArea": frozenset({"length", "visibleLines"}),
    "Lookup": _PARENT | {"deleteConstraint"},
    "MasterDetail": _PARENT | {"relationshipOrder"},
    "Number": _NUMBER,
    "Picklist": frozenset({"valueSet"}),
    "Text": frozenset({"length"}),
    "Url": frozenset(),
}
_OBJECT_NEEDS = ("deploymentStatus", "label", "nameField", "pluralLabel", "sharingModel")
_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
_LONGEST = {"label": 40, "inlineHelpText": 510, "description": 1000}
_LONGEST_NAME = 40 + len("__c")


@dataclass(frozen=True)
class Element:
    """An XML element by the names of its children, without the namespace."""

    xml: ElementTree.Element

    def text(self, path: str) -> str | None:
        return self.xml.findtext(_path(path))

    def texts(self, path: str) -> list[str]:
        return [found.text or "" for found in self.xml.iterfind(_path(path))]

    def all(self, path: str) -> list[Element]:
        return [Element(found) for found in self.xml.iterfind(_path(path))]

    def is_true(self, path: str) -> bool:
        return self.text(path) == "true"

    @property
    def names(self) -> set[str]:
        return {child.tag.rpartition("}")[2] for child in self.xml}


def _path(names: str) -> str:
    return "/".join(f"{{{NAMESPACE}}}{name}" for name in names.split("/"))


def read(file: Path) -> Element:
    return Element(ElementTree.parse(file).getroot())


@cache
def _schema() -> etree.XMLSchema:
    wsdl = etree.fromstring((files("simple_salesforce") / "metadata.wsdl").read_bytes())
    schema = next(found for found in wsdl.iter(f"{{{_XSD}}}schema") if found.get("targetNamespace") == NAMESPACE)
    prefix = next(name for name, address in schema.nsmap.items() if address == NAMESPACE)
    for root in _ROOTS:
        etree.SubElement(schema, f"{{{_XSD}}}element", name=root, type=f"{prefix}:{root}")
    return etree.XMLSchema(etree.fromstring(etree.tostring(schema)))


def schema_problems(folder: Path) -> list[str]:
    """What the WSDL says against each XML file under ``folder``.

    The converter appends fields and list views to an object's own elements, in no order of the WSDL, and orgs take
    that: of its ``.object`` files the order of the outermost elements is not judged.
    """
    schema, found = _schema(), []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        document = etree.parse(file)
        if file.suffix == ".object":
            document.getroot()[:] = sorted(document.getroot(), key=lambda child: str(child.tag))
        if not schema.validate(document):
            found += [f"{file.name}, line {error.line}: {error.message}" for error in schema.error_log]
    return found


@dataclass(frozen=True)
class Project:
    """The source form of a project: fields by ``Object.Field``, the rest by the name of its file."""

    fields: Mapping[str, Element]
    objects: Mapping[str, Element]
    permission_sets: Mapping[str, Element]
    layouts: Mapping[str, Element]
    actions: Mapping[str, Element]
    tabs: Mapping[str, Element]

    def in_permission_sets(self) -> set[str]:
        """Fields that take field-level security: https://help.salesforce.com/s/articleView?id=sf.admin_fls.htm"""
        return {
            name
            for name, field in self.fields.items()
            if field.text("type") != "MasterDetail" and not field.is_true("required")
        }


def read_project(source: Path) -> Project:
    def named(pattern: str, ending: str) -> dict[str, Element]:
        return {file.name.removesuffix(ending): read(file) for file in sorted(source.rglob(pattern))}

    fields = {
        f"{file.parents[1].name}.{file.name.partition('.')[0]}": file for file in source.rglob("*.field-meta.xml")
    }
    return Project(
        {name: read(file) for name, file in sorted(fields.items())},
        named("*.object-meta.xml", ".object-meta.xml"),
        named("*.permissionset-meta.xml", ".permissionset-meta.xml"),
        named("*.layout-meta.xml", ".layout-meta.xml"),
        named("*.quickAction-meta.xml", ".quickAction-meta.xml"),
        named("*.tab-meta.xml", ".tab-meta.xml"),
    )


def project_problems(project: Project) -> list[str]:
    """What an org would refuse although the WSDL allows it."""
    return [
        *_field_problems(project),
        *_object_problems(project),
        *_permission_problems(project),
        *_page_problems(project),
    ]


def _field_problems(project: Project) -> Iterator[str]:
    for name, field in project.fields.items():
        api_name = name.partition(".")[2]
        kind = field.text("type") or "none"
        if field.text("fullName") != api_name:
            yield f"{name}: fullName is {field.text('fullName')}, the file is named otherwise"
        if not _NAME.fullmatch(api_name) or len(api_name) > _LONGEST_NAME:
            yield f"{name}: no valid API name"
        if kind not in NEEDED:
            yield f"{name}: unknown type {kind}"
            continue
        for missing in sorted((NEEDED[kind] | {"label"}) - field.names):
            yield f"{name}: a {kind} needs {missing}"
        for part, longest in _LONGEST.items():
            if len(field.text(part) or "") > longest:
                yield f"{name}: {part} is longer than {longest}"
        if field.is_true("unique") and kind == "Text" and field.text("caseSensitive") is None:
            yield f"{name}: a unique text must say whether case matters"
        target = field.text("referenceTo")
        if target and target.endswith("__c") and target not in project.objects:
            yield f"{name}: refers to {target}, which is not there"
    children = Counter((field.text("referenceTo"), field.text("relationshipName")) for field in project.fields.values())
    for (target, relationship), times in children.items():
        if target and times > 1:
            yield f"{target}: {times} child relationships are named {relationship}"


def _object_problems(project: Project) -> Iterator[str]:
    for name, sobject in project.objects.items():
        for missing in sorted(set(_OBJECT_NEEDS) - sobject.names):
            yield f"{name}: a custom object needs {missing}"
        masters = [
            field
            for field_name, field in project.fields.items()
            if field_name.startswith(f"{name}.") and field.text("type") == "MasterDetail"
        ]
        if bool(masters) != (sobject.text("sharingModel") == "ControlledByParent"):
            yield f"{name}: sharing by the parent goes with a master-detail field"
    for tab in project.tabs:
        if tab not in project.objects:
            yield f"{tab}: a tab without its object"


def _permission_problems(project: Project) -> Iterator[str]:
    for name, permission_set in project.permission_sets.items():
        given = permission_set.all("fieldPermissions")
        listed = Counter(one.text("field") or "" for one in given)
        custom = {field for field in listed if field.endswith("__c")}
        for field in sorted(custom - project.in_permission_sets()):
            yield f"{name}: {field} does not exist, or takes no field-level security"
        for field in sorted(project.in_permission_sets() - custom):
            yield f"{name}: {field} is missing"
        for field in sorted(field for field, times in listed.items() if times > 1):
            yield f"{name}: {field} is there twice"
        for one in given:
            if one.is_true("editable") and not one.is_true("readable"):
                yield f"{name}: {one.text('field')} is editable, but not readable"
        for one in permission_set.all("objectPermissions"):
            yield from _object_permission_problems(name, one, project)
        for tab in permission_set.texts("tabSettings/tab"):
            if tab not in project.tabs:
                yield f"{name}: there is no tab {tab}"


def _object_permission_problems(name: str, given: Element, project: Project) -> Iterator[str]:
    sobject = given.text("object") or ""
    if sobject.endswith("__c") and sobject not in project.objects:
        yield f"{name}: there is no object {sobject}"
    for permission, premise in (
        ("allowCreate", "allowRead"),
        ("allowEdit", "allowRead"),
        ("allowDelete", "allowEdit"),
        ("viewAllRecords", "allowRead"),
        ("modifyAllRecords", "allowDelete"),
    ):
        if given.is_true(permission) and not given.is_true(premise):
            yield f"{name}: {sobject}: {permission} needs {premise}"


def _page_problems(project: Project) -> Iterator[str]:
    pages = [
        *(
            (name, page.texts("layoutSections/layoutColumns/layoutItems/field"))
            for name, page in project.layouts.items()
        ),
        *(
            (name, page.texts("quickActionLayout/quickActionLayoutColumns/quickActionLayoutItems/field"))
            for name, page in project.actions.items()
        ),
    ]
    for name, fields in pages:
        sobject = re.split(r"[-.]", name)[0]
        for field in fields:
            if field.endswith("__c") and f"{sobject}.{field}" not in project.fields:
                yield f"{name}: there is no field {sobject}.{field}"
