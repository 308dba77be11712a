"""What is declared as the bodies that the metadata Web API takes. No I/O.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-column-definitions-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-relationships-using-web-api
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from shared.crm.dynamics365.schema.declared import AlternateKey, Column, Lookup, MadeAs, Publisher, Solution, Table

_NAMESPACE = "Microsoft.Dynamics.CRM."
Body = dict[str, Any]


def publisher_body(publisher: Publisher) -> Body:
    return {
        "uniquename": publisher.unique_name,
        "friendlyname": publisher.friendly_name,
        "customizationprefix": publisher.prefix,
        "customizationoptionvalueprefix": publisher.option_value_prefix,
    }


def solution_body(solution: Solution, unique_name: str, publisher_id: str) -> Body:
    """``unique_name`` may be another than the declared one."""
    is_own = unique_name == solution.unique_name
    return {
        "uniquename": unique_name,
        "friendlyname": solution.friendly_name if is_own else unique_name,
        "version": solution.version,
        "publisherid@odata.bind": f"/publishers({publisher_id})",
    }


def table_body(table: Table, made_as: MadeAs, language: int) -> Body:
    """The table with its primary column alone; ``HasNotes`` and ``HasActivities`` cannot be changed afterwards."""
    primary = made_as.primary_name
    return {
        "@odata.type": f"{_NAMESPACE}EntityMetadata",
        "SchemaName": made_as.name,
        "DisplayName": label(made_as.label, language),
        "DisplayCollectionName": label(made_as.label_plural, language),
        "Description": label(made_as.description, language),
        "OwnershipType": "UserOwned",
        "IsActivity": False,
        "HasNotes": False,
        "HasActivities": False,
        "ChangeTrackingEnabled": table.track_changes,
        "Attributes": [
            {
                "@odata.type": f"{_NAMESPACE}StringAttributeMetadata",
                "SchemaName": primary.name,
                "DisplayName": label(primary.label, language),
                "RequiredLevel": _not_required(),
                "IsPrimaryName": True,
                "FormatName": {"Value": "Text"},
                "MaxLength": primary.max_length,
            }
        ],
    }


def column_body(column: Column, language: int) -> Body:
    return {
        "@odata.type": f"{_NAMESPACE}{column.type}AttributeMetadata",
        "SchemaName": column.name,
        "DisplayName": label(column.label, language),
        "Description": label(column.description, language),
        "RequiredLevel": _not_required(),
        **_details(column, language),
    }


def _details(column: Column, language: int) -> Body:
    """What only columns of this type have."""
    options: Body
    match column.type:
        case "String":
            return {"MaxLength": column.max_length, "FormatName": {"Value": column.format}}
        case "Memo":
            return {"MaxLength": column.max_length, "FormatName": {"Value": "TextArea"}}
        case "Boolean":
            yes, no = _option(1, "Yes", language), _option(0, "No", language)
            options = {"OptionSetType": "Boolean", "TrueOption": yes, "FalseOption": no}
            return {"DefaultValue": False, "OptionSet": options}
        case "Picklist":
            options = {
                "@odata.type": f"{_NAMESPACE}OptionSetMetadata",
                "IsGlobal": False,
                "OptionSetType": "Picklist",
                "Options": [_option(option.value, option.label, language) for option in column.options],
            }
            return {"OptionSet": options}
        case "Integer":
            return {"MinValue": column.minimum, "MaxValue": column.maximum, "Format": "None"}
        case "Money":
            # PrecisionSource 2: as many decimals as the row's currency has.
            return {"MinValue": column.minimum, "MaxValue": column.maximum, "PrecisionSource": 2}


def relationship_body(table: str, lookup: Lookup, language: int) -> Body:
    """One parent to many rows of ``table``; the lookup is made with it."""
    cascade = lookup.cascade
    others = "Cascade" if cascade == "Cascade" else "NoCascade"
    return {
        "@odata.type": f"{_NAMESPACE}OneToManyRelationshipMetadata",
        "SchemaName": lookup.relationship,
        "ReferencedEntity": lookup.to,
        "ReferencingEntity": table,
        "ReferencedEntityNavigationPropertyName": lookup.relationship,
        "ReferencingEntityNavigationPropertyName": lookup.name,
        "CascadeConfiguration": {
            "Delete": cascade,
            "Assign": others,
            "Share": others,
            "Unshare": others,
            "Reparent": others,
            "Merge": "NoCascade",
        },
        "Lookup": {
            "@odata.type": f"{_NAMESPACE}LookupAttributeMetadata",
            "SchemaName": lookup.name,
            "DisplayName": label(lookup.label, language),
            "Description": label(lookup.description, language),
            "RequiredLevel": _not_required(),
        },
    }


def key_body(key: AlternateKey, language: int) -> Body:
    return {"SchemaName": key.name, "DisplayName": label(key.label, language), "KeyAttributes": list(key.columns)}


def tracked_body(definition: Mapping[str, Any]) -> Body:
    """The whole definition of a table, as it was read, with change tracking on: a PUT replaces all of it."""
    kept = {name: value for name, value in definition.items() if not name.startswith("@")}
    return {"@odata.type": f"{_NAMESPACE}EntityMetadata", **kept, "ChangeTrackingEnabled": True}


def publish_body(tables: Iterable[str]) -> Body:
    """https://learn.microsoft.com/power-apps/developer/model-driven-apps/publish-request-schema"""
    entities = "".join(f"<entity>{escape(table)}</entity>" for table in tables)
    return {"ParameterXml": f"<importexportxml><entities>{entities}</entities></importexportxml>"}


def label(text: str, language: int) -> Body:
    """A label in one language; ``UserLocalizedLabel`` is read-only."""
    localized = {"@odata.type": f"{_NAMESPACE}LocalizedLabel", "Label": text, "LanguageCode": language}
    return {"@odata.type": f"{_NAMESPACE}Label", "LocalizedLabels": [localized] if text else []}


def _option(value: int, text: str, language: int) -> Body:
    return {"Value": value, "Label": label(text, language)}


def _not_required() -> Body:
    managed = "canmodifyrequirementlevelsettings"
    return {"Value": "None", "CanBeChanged": True, "ManagedPropertyLogicalName": managed}
