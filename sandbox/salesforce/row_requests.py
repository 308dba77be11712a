"""Requests for one row, by id or by external id.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_retrieve.htm
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_upsert.htm
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.salesforce import errors
from sandbox.salesforce.ids import long_id
from sandbox.salesforce.messages import Answer, Request
from sandbox.salesforce.payloads import matching
from sandbox.salesforce.presenting import present, url_of
from sandbox.salesforce.rows import Row
from sandbox.salesforce.schema import Field, SObject
from sandbox.salesforce.writes import SeveralMatches, Writer

# Up to this version an upsert that updates answers 204 without a body.
_LAST_SILENT_UPSERT = 45


def create(request: Request, writer: Writer, sobject: SObject) -> Answer:
    row = writer.create(sobject, request.json())
    return Answer(201, {"id": row.id, "success": True, "errors": []}, {"Location": url_of(row, request.version)})


def operations(
    request: Request, writer: Writer, sobject: SObject, address: list[str]
) -> dict[str, Callable[[], Answer]]:
    """By method. ``address``: an id, or an external id field and its value."""
    if len(address) == 1 or (len(address) == 2 and address[0].casefold() == "id"):
        return _by_id(request, writer, sobject, address[-1])
    field = sobject.field(address[0])
    if len(address) != 2 or not address[1]:
        raise errors.no_such_resource()
    if field is None or not field.keys_upsert:
        raise errors.unknown_external_id(address[0])
    return _by_external_id(request, writer, sobject, field, address[1])


def _by_id(request: Request, writer: Writer, sobject: SObject, text: str) -> dict[str, Callable[[], Answer]]:
    row_id = long_id(text)
    if row_id is None:
        # What is no id is taken for the name of an external id field.
        raise errors.unknown_external_id(text)

    def read() -> Answer:
        row = writer.rows.live(sobject.name, row_id)
        if row is None:
            raise errors.row_not_found()
        return _shown(request, sobject, row)

    def update() -> Answer:
        row = writer.existing(sobject, row_id)
        _check_unmodified(request, row)
        writer.update(sobject, row, request.json())
        return Answer(204)

    def delete() -> Answer:
        writer.delete(sobject, writer.existing(sobject, row_id))
        return Answer(204)

    return {"GET": read, "PATCH": update, "DELETE": delete}


def _by_external_id(
    request: Request, writer: Writer, sobject: SObject, field: Field, value: str
) -> dict[str, Callable[[], Answer]]:
    def found() -> Row:
        rows = matching(writer.rows, sobject, field, value)
        if not rows:
            raise errors.row_not_found()
        if len(rows) > 1:
            raise SeveralMatches(rows, field.name, request.version)
        return rows[0]

    def upsert() -> Answer:
        if request.parameters.get("updateOnly", "").casefold() == "true":
            found()
        row, created = writer.upsert(sobject, field, value, request.json())
        if not created and request.version_number <= _LAST_SILENT_UPSERT:
            return Answer(204)
        body = {"id": row.id, "success": True, "errors": []}
        if request.version_number > _LAST_SILENT_UPSERT:
            body["created"] = created
        location = {"Location": url_of(row, request.version)} if created else {}
        return Answer(201 if created else 200, body, location)

    def delete() -> Answer:
        writer.delete(sobject, found())
        return Answer(204)

    return {"GET": lambda: _shown(request, sobject, found()), "PATCH": upsert, "DELETE": delete}


def _shown(request: Request, sobject: SObject, row: Row) -> Answer:
    since = request.moment("If-Modified-Since")
    if since is not None and row.text("LastModifiedDate") <= since:
        return Answer(304)
    names = request.parameters.get("fields")
    fields = [chosen_field(sobject, name.strip()) for name in names.split(",")] if names else sobject.fields.values()
    return Answer(200, present(row, fields, request.version))


def chosen_field(sobject: SObject, name: str) -> Field:
    field = sobject.field(name)
    if field is None:
        raise errors.unknown_field(name, sobject.name)
    return field


def _check_unmodified(request: Request, row: Row) -> None:
    """https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_conditionalrequest.htm"""
    since = request.moment("If-Unmodified-Since")
    if since is not None and row.text("LastModifiedDate") > since:
        raise errors.precondition_failed()
