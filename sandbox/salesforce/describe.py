"""What the org says of its objects and fields.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
"""

from __future__ import annotations

from typing import Any

from sandbox.salesforce.rows import Rows
from sandbox.salesforce.schema import CURRENCY_FIELD, Field, SObject, document

_SOAP = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "currency": "xsd:double",
    "double": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
}
_VALUE_TABLES = {("Opportunity", "StageName"): "OpportunityStage", ("Lead", "Status"): "LeadStatus"}


def describe_global(rows: Rows, version: str) -> dict[str, Any]:
    sobjects = [_summary(sobject, version) for _, sobject in sorted(rows.schema.visible.items())]
    return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": sobjects}


def describe(rows: Rows, sobject: SObject, version: str) -> dict[str, Any]:
    children = [
        {
            "childSObject": child.name,
            "field": field.name,
            "relationshipName": field.children or None,
            "cascadeDelete": field.cascade,
        }
        for child, field in rows.schema.references_to(sobject.name)
        if child.name in rows.schema.visible
    ]
    fields = [_field(rows, sobject, field) for field in sobject.fields.values()]
    return {**_summary(sobject, version), "fields": fields, "childRelationships": children, "recordTypeInfos": []}


def _summary(sobject: SObject, version: str) -> dict[str, Any]:
    url = f"/services/data/v{version}/sobjects/{sobject.name}"
    return {
        "name": sobject.name,
        "label": sobject.label,
        "labelPlural": sobject.label_plural,
        "keyPrefix": sobject.prefix,
        "custom": sobject.is_custom,
        "createable": sobject.create,
        "updateable": sobject.update,
        "deletable": sobject.delete,
        "undeletable": sobject.delete and sobject.recycle,
        "queryable": True,
        "retrieveable": True,
        "replicateable": sobject.replicate,
        "urls": {"sobject": url, "describe": f"{url}/describe", "rowTemplate": f"{url}/{{ID}}"},
    }


def _field(rows: Rows, sobject: SObject, field: Field) -> dict[str, Any]:
    writable = not field.read_only
    defaulted = field.default is not None or field.name in {"OwnerId", "Status", CURRENCY_FIELD}
    return {
        "name": field.name,
        "label": field.label,
        "type": field.type,
        "soapType": _SOAP.get(field.type, "xsd:string"),
        "length": field.length,
        "precision": field.precision,
        "scale": field.scale,
        "digits": 9 if field.type == "int" else 0,
        "custom": field.name.endswith("__c"),
        "nillable": not field.required and field.type not in {"boolean", "id"},
        "createable": sobject.create and field.create and writable,
        "updateable": sobject.update and field.update and writable,
        "defaultedOnCreate": defaulted or (sobject.create and not field.create),
        "defaultValue": field.default,
        "externalId": field.external_id,
        "unique": field.unique,
        "caseSensitive": False,
        "idLookup": field.id_lookup or field.external_id or field.type == "id",
        "calculated": False,
        "autoNumber": bool(sobject.auto_number) and field.name == "Name",
        "nameField": field.name == "Name",
        "filterable": not field.is_long_text,
        "sortable": not field.is_long_text,
        "groupable": not field.is_long_text,
        "restrictedPicklist": field.restricted,
        "picklistValues": _values(rows, sobject, field),
        "referenceTo": [field.to] if field.to else [],
        "relationshipName": field.relationship or None,
    }


def _values(rows: Rows, sobject: SObject, field: Field) -> list[dict[str, Any]]:
    table = _VALUE_TABLES.get((sobject.name, field.name))
    if table:
        found = sorted(rows.of(table), key=lambda row: int(row.values["SortOrder"] or 0))
        return [
            _value(
                row.text("ApiName"),
                row.text("MasterLabel"),
                active=row.values.get("IsActive") is not False,
                default=row.values.get("IsDefault") is True,
            )
            for row in found
        ]
    countries = document()["countries"] if field.name.endswith("CountryCode") else {}
    return [_value(value, countries.get(value, value)) for value in field.values]


def _value(value: str, label: str, *, active: bool = True, default: bool = False) -> dict[str, Any]:
    return {"value": value, "label": label, "active": active, "defaultValue": default, "validFor": None}
