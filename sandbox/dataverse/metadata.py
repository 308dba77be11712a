"""Reads of ``EntityDefinitions``: tables, their keys, their columns with limits and choices.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from sandbox.dataverse import errors
from sandbox.dataverse.filters import parse_filter
from sandbox.dataverse.messages import Answer, Request
from sandbox.dataverse.queries import split_outside
from sandbox.dataverse.schema import Column, Schema, Table, stable_id

_ENGLISH = 1033
_NAMESPACE = "Microsoft.Dynamics.CRM."
_CASTS = {
    "Customer": "Lookup",
    "Owner": "Lookup",
    "DateOnly": "DateTime",
    "Uniqueidentifier": "UniqueIdentifier",
}
_BASE_PROPERTIES = frozenset(
    {
        "MetadataId", "LogicalName", "SchemaName", "AttributeType", "AttributeTypeName", "DisplayName",
        "IsCustomAttribute", "IsManaged", "IsPrimaryId", "IsPrimaryName", "IsValidForCreate", "IsValidForUpdate",
        "IsValidForRead", "RequiredLevel", "EntityLogicalName",
    }
)  # fmt: skip


def read_metadata(schema: Schema, request: Request, segments: list[str]) -> Answer:
    name, predicate = _predicate(segments[0])
    if name != "EntityDefinitions":
        raise errors.unknown_segment(name)
    parameters = request.parameters
    if predicate is None and len(segments) == 1:
        return _many(request, "EntityDefinitions", [table_json(table) for table in schema.tables.values()], schema)
    table = _table(schema, predicate or "")
    if len(segments) == 1:
        body = _shaped(table_json(table), parameters, schema)
        return Answer(200, {"@odata.context": f"{request.root}$metadata#EntityDefinitions/$entity", **body})
    part, part_predicate = _predicate(segments[1])
    if part == "Keys":
        return _chosen(request, "Keys", keys_json(table), part_predicate, schema)
    if part == "Attributes":
        cast = segments[2].removeprefix(_NAMESPACE) if len(segments) > 2 else None
        return _chosen(request, "Attributes", _attributes(table, parameters, cast), part_predicate, schema)
    if part == "ManyToOneRelationships":
        return _chosen(request, part, relationships_json(table), part_predicate, schema)
    raise errors.unknown_segment(segments[1])


def label_json(text: str) -> dict[str, Any]:
    label = {"Label": text, "LanguageCode": _ENGLISH, "IsManaged": True, "HasChanged": None}
    return {"LocalizedLabels": [label], "UserLocalizedLabel": label}


def table_json(table: Table) -> dict[str, Any]:
    return {
        "MetadataId": table.metadata_id,
        "LogicalName": table.name,
        "SchemaName": table.schema_name,
        "EntitySetName": table.entity_set,
        "LogicalCollectionName": table.entity_set,
        "PrimaryIdAttribute": table.primary_id,
        "PrimaryNameAttribute": table.primary_name,
        "ChangeTrackingEnabled": table.change_tracking,
        "CanChangeTrackingBeEnabled": {
            "Value": True,
            "CanBeChanged": True,
            "ManagedPropertyLogicalName": "canchangetrackingbeenabled",
        },
        "IsOptimisticConcurrencyEnabled": True,
        "IsManaged": table.is_managed,
        "HasNotes": False,
        "HasActivities": False,
        "IsCustomEntity": "_" in table.name,
        "OwnershipType": "UserOwned" if "ownerid" in table.columns else "OrganizationOwned",
        "DisplayName": label_json(table.label),
        "DisplayCollectionName": label_json(table.label_plural),
    }


def keys_json(table: Table) -> list[dict[str, Any]]:
    found = {name: (members, "Active") for name, members in table.keys.items()}
    found |= {name: (index.columns, index.status) for name, index in table.unbuilt_keys.items()}
    return [
        {
            "MetadataId": stable_id("key", table.name, name),
            "SchemaName": name,
            "LogicalName": name.lower(),
            "EntityLogicalName": table.name,
            "KeyAttributes": list(members),
            "EntityKeyIndexStatus": status,
            "DisplayName": label_json(name),
        }
        for name, (members, status) in found.items()
    ]


def relationships_json(table: Table) -> list[dict[str, Any]]:
    """A lookup that leads to several tables is as many relationships."""
    return [
        {
            "MetadataId": stable_id("relationship", table.name, column.name, target),
            "SchemaName": column.collection.get(target, f"{table.name}_{column.name}_{target}"),
            "ReferencingEntity": table.name,
            "ReferencingAttribute": column.name,
            "ReferencingEntityNavigationPropertyName": navigation,
            "ReferencedEntity": target,
            "ReferencedEntityNavigationPropertyName": column.collection.get(target, f"{table.name}_{column.name}"),
            "IsManaged": column.is_managed,
        }
        for column in table.columns.values()
        for target, navigation in column.navigation.items()
    ]


def column_json(table: Table, column: Column) -> dict[str, Any]:
    cast = _CASTS.get(column.type, column.type)
    shown: dict[str, Any] = {
        "@odata.type": f"#{_NAMESPACE}{cast}AttributeMetadata",
        "MetadataId": stable_id("column", table.name, column.name),
        "EntityLogicalName": table.name,
        "LogicalName": column.name,
        "SchemaName": column.schema_name or next(iter(column.navigation.values()), column.name),
        "AttributeType": "DateTime" if column.type == "DateOnly" else column.type,
        "AttributeTypeName": {"Value": f"{cast}Type"},
        "DisplayName": label_json(column.label),
        "IsCustomAttribute": "_" in column.name and not column.name.endswith("_base"),
        "IsManaged": column.is_managed,
        "IsPrimaryId": column.name == table.primary_id,
        "IsPrimaryName": column.name == table.primary_name,
        "IsValidForCreate": column.create,
        "IsValidForUpdate": column.update,
        "IsValidForRead": True,
        "RequiredLevel": {"Value": column.required, "CanBeChanged": True},
    }
    return shown | _details(column)


def _details(column: Column) -> dict[str, Any]:
    """What only columns of this type have."""
    if column.type in {"String", "Memo"}:
        form = column.format or ("Text" if column.type == "String" else "TextArea")
        return {"MaxLength": column.max_length, "Format": form, "FormatName": {"Value": form}}
    if column.type in {"Money", "Decimal", "Double", "Integer"}:
        bounds = {"MinValue": column.min_value, "MaxValue": column.max_value}
        source = {"PrecisionSource": 2} if column.type == "Money" else {}
        return bounds | source | ({} if column.type == "Integer" else {"Precision": column.precision})
    if column.type in {"DateTime", "DateOnly"}:
        only = column.type == "DateOnly"
        return {
            "Format": "DateOnly" if only else "DateAndTime",
            "DateTimeBehavior": {"Value": "DateOnly" if only else "UserLocal"},
        }
    if column.is_lookup:
        return {"Targets": list(column.navigation)}
    if column.type == "Picklist":
        return {"DefaultFormValue": -1 if column.default is None else column.default}
    return {}


def _option_set(table: Table, column: Column) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "MetadataId": stable_id("options", table.name, column.name),
        "Name": f"{table.name}_{column.name}",
        "IsGlobal": False,
        "OptionSetType": column.type,
    }
    if column.type == "Boolean":
        yes, no = {"Value": 1, "Label": label_json("Yes")}, {"Value": 0, "Label": label_json("No")}
        return {**shown, "TrueOption": yes, "FalseOption": no}
    options: list[dict[str, Any]] = []
    for option in column.options:
        entry: dict[str, Any] = {"Value": option.value, "Label": label_json(option.label)}
        if column.type == "Status":
            entry |= {"@odata.type": f"#{_NAMESPACE}StatusOptionMetadata", "State": option.state}
        if column.type == "State":
            first = next(o.value for o in table.columns["statuscode"].options if o.state == option.value)
            entry |= {"@odata.type": f"#{_NAMESPACE}StateOptionMetadata", "DefaultStatus": first}
        options.append(entry)
    return {**shown, "Options": options}


def _attributes(table: Table, parameters: Mapping[str, str], cast: str | None) -> list[dict[str, Any]]:
    """All columns, or those of one type; their choices and details can be asked for only through a cast."""
    found = []
    for column in table.columns.values():
        shown = column_json(table, column)
        if cast is not None and shown["@odata.type"] != f"#{_NAMESPACE}{cast}":
            continue
        if cast is not None and (column.options or column.type == "Boolean"):
            shown |= {"OptionSet": _option_set(table, column), "GlobalOptionSet": None}
        if cast is None and "$select" in parameters:
            shown = {name: value for name, value in shown.items() if name in _BASE_PROPERTIES or "@" in name}
        found.append(shown)
    return found


def _predicate(segment: str) -> tuple[str, str | None]:
    name, parenthesis, rest = segment.partition("(")
    return name, rest.removesuffix(")") if parenthesis else None


def _named(predicate: str) -> tuple[str, str]:
    """Property and value of ``LogicalName='x'`` or of a bare id."""
    match = re.fullmatch(r"(?:(\w+)=)?'?([^']*)'?", predicate)
    return (match.group(1) or "MetadataId", match.group(2)) if match else ("MetadataId", predicate)


def find_table(schema: Schema, segment: str) -> Table:
    """The table of ``EntityDefinitions(LogicalName='x')`` or ``EntityDefinitions(<id>)``."""
    return _table(schema, _predicate(segment)[1] or "")


def _table(schema: Schema, predicate: str) -> Table:
    wanted, value = _named(predicate)
    for table in schema.tables.values():
        if table_json(table).get(wanted) == value:
            return table
    raise errors.DataverseError(404, "0x80040217", f"Could not find an entity with {wanted} {value}.")


def _chosen(request: Request, what: str, items: list[dict[str, Any]], predicate: str | None, schema: Schema) -> Answer:
    if predicate is None:
        return _many(request, what, items, schema)
    wanted, value = _named(predicate)
    for item in items:
        if item.get(wanted) == value:
            return Answer(200, _shaped(item, request.parameters, schema))
    raise errors.DataverseError(404, "0x80040217", f"Could not find an attribute or key with {wanted} {value}.")


def _many(request: Request, what: str, items: list[dict[str, Any]], schema: Schema) -> Answer:
    parameters = request.parameters
    if "$filter" in parameters:
        wanted = parse_filter(parameters["$filter"])
        for comparison in wanted.comparisons:
            _check_property(items, comparison.path.split("/")[0])
        items = [item for item in items if wanted.matches(partial(_at, item))]
    body = [_shaped(item, parameters, schema) for item in items]
    return Answer(200, {"@odata.context": f"{request.root}$metadata#{what}", "value": body})


def _at(item: Any, path: str) -> Any:
    for name in path.split("/"):
        item = item.get(name) if isinstance(item, dict) else None
    return item


def _check_property(items: list[dict[str, Any]], name: str) -> None:
    if items and not any(name in item for item in items):
        raise errors.unknown_column(name, f"{_NAMESPACE}MetadataBase")


def _shaped(item: dict[str, Any], parameters: Mapping[str, str], schema: Schema) -> dict[str, Any]:
    """``$select`` and ``$expand`` applied; a choice's options come only when they are expanded."""
    option_sets = {name: item[name] for name in ("OptionSet", "GlobalOptionSet") if name in item}
    plain = {name: value for name, value in item.items() if name not in option_sets}
    shown = plain
    if "$select" in parameters:
        names = [name.strip() for name in parameters["$select"].split(",")]
        for name in names:
            _check_property([plain], name)
        shown = {name: plain[name] for name in plain if name in {*names, "MetadataId", "@odata.type"}}
    for expand in split_outside(parameters.get("$expand", ""), ","):
        name, _, rest = expand.partition("(")
        nested = dict(option.partition("=")[::2] for option in rest.removesuffix(")").split(";") if option)
        if name in option_sets:
            inner = option_sets[name]
            shown = {**shown, name: _shaped(inner, nested, schema) if inner else None}
        elif name in {"Attributes", "Keys"} and "EntitySetName" in item:
            table = schema.tables[item["LogicalName"]]
            parts = keys_json(table) if name == "Keys" else _attributes(table, nested, None)
            shown = {**shown, name: [_shaped(part, nested, schema) for part in parts]}
        elif name:
            raise errors.unknown_column(name, f"{_NAMESPACE}MetadataBase")
    return shown
