"""The body of a create or an update: from JSON to values of the store, checked against what the caller may write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.salesforce import errors
from sandbox.salesforce.rows import Row, Rows
from sandbox.salesforce.schema import Field, SObject
from sandbox.salesforce.values import Value, from_json


def parse_body(
    rows: Rows, sobject: SObject, body: Mapping[str, Any], *, creating: bool, all_fields: bool = False
) -> dict[str, Value]:
    """The values sent. A parent may be named by an external id: ``{"Opportunity__r": {"Ext__c": "v"}}``.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_upsert.htm
    """
    sent: dict[str, Value] = {}
    refused: list[str] = []
    for name, raw in body.items():
        if name.casefold() == "attributes":
            continue
        if name.casefold() == "id":
            raise errors.id_in_body()
        field = sobject.field(name)
        if field is None:
            parent = sobject.parent(name)
            if parent is None or not isinstance(raw, dict):
                raise errors.unknown_field(name, sobject.name)
            sent[parent.name] = _parent_id(rows, parent, raw, all_fields=all_fields)
            field = parent
        else:
            sent[field.name] = from_json(field, raw)
        if field.read_only or not (field.create if creating else field.update):
            refused.append(field.name)
    if refused:
        raise errors.not_writable(refused)
    return sent


def _parent_id(rows: Rows, reference: Field, body: Mapping[str, Any], *, all_fields: bool) -> str:
    target = rows.schema.find(reference.to, all_fields=all_fields)
    keys = [name for name in body if name.casefold() != "attributes"]
    field = target.field(keys[0]) if target and len(keys) == 1 else None
    if target is None or field is None or not field.external_id:
        raise errors.unknown_field(keys[0] if keys else reference.relationship, reference.to)
    value = from_json(field, body[keys[0]])
    found = matching(rows, target, field, str(value))
    if not found:
        raise errors.foreign_key_not_found(str(value), field.name, target.name)
    if len(found) > 1:
        raise errors.foreign_key_ambiguous(str(value), field.name)
    return found[0].id


def matching(rows: Rows, sobject: SObject, field: Field, value: str) -> list[Row]:
    """The rows that an external id means: without case only where the field is unique."""
    if field.unique or not field.external_id:
        return [row for row in rows.of(sobject.name) if row.text(field.name).casefold() == value.casefold()]
    return [row for row in rows.of(sobject.name) if row.text(field.name) == value]
