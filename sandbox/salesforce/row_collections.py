"""Up to 200 rows in one request; the answer is 200 and an array in the order of the rows, whatever became of them.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.salesforce import errors
from sandbox.salesforce.ids import long_id
from sandbox.salesforce.messages import Answer, Request
from sandbox.salesforce.presenting import present
from sandbox.salesforce.row_requests import chosen_field
from sandbox.salesforce.schema import Field, SObject
from sandbox.salesforce.writes import Writer

_MOST_ROWS = 200
_MOST_READ = 2000
_MOST_CHUNKS = 10
Find = Callable[[str], SObject]
Write = Callable[[], dict[str, Any]]


def operations(request: Request, writer: Writer, find: Find, rest: list[str]) -> dict[str, Callable[[], Answer]]:
    """By method. ``rest`` is what follows ``composite/sobjects``: nothing, an object, or an object and a field."""
    if not rest:
        return {
            "POST": lambda: _write(writer, *_records(request), lambda record: _create(writer, find, record)),
            "PATCH": lambda: _write(writer, *_records(request), lambda record: _update(writer, find, record)),
            "DELETE": lambda: _delete(request, writer),
        }
    sobject = find(rest[0])
    if len(rest) == 1:
        return {"POST": lambda: _read(request, writer, sobject)}
    field = sobject.field(rest[1])
    if len(rest) != 2 or field is None or not field.external_id:
        raise errors.unknown_external_id(rest[-1])
    return {"PATCH": lambda: _upsert(request, writer, sobject, field)}


def _records(request: Request) -> tuple[list[dict[str, Any]], bool]:
    document = request.json()
    records = document.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise errors.not_json("records must be an array of objects at [line:1, column:2]")
    _check_number(records, _MOST_ROWS)
    types = [_type_of(record) for record in records]
    if sum(1 for before, after in zip([None, *types], types, strict=False) if before != after) > _MOST_CHUNKS:
        message = "Cannot have more than 10 chunks in a single operation."
        raise errors.SalesforceError(400, "INVALID_INPUT", message)
    return records, document.get("allOrNone") is True


def _check_number(rows: Sequence[object], most: int) -> None:
    if len(rows) > most:
        message = f"record limit reached. cannot submit more than {most} records in this call"
        raise errors.SalesforceError(400, "EXCEEDED_ID_LIMIT", message)


def _type_of(record: dict[str, Any]) -> str:
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(name, str):
        raise errors.not_json("each record must have attributes with a type at [line:1, column:2]")
    return name


def _write(
    writer: Writer, records: list[dict[str, Any]], all_or_none: bool, write: Callable[[dict[str, Any]], dict[str, Any]]
) -> Answer:
    return _run(writer, [lambda record=record: write(record) for record in records], all_or_none)  # type: ignore[misc]


def _run(writer: Writer, writes: list[Write], all_or_none: bool) -> Answer:
    """Every row stands or falls by itself, or, with ``all_or_none``, all fall with the first."""
    results: list[dict[str, Any]] = []
    try:
        with writer.rows.savepoint():
            results = [_one(writer, write) for write in writes]
            if all_or_none and not all(result["success"] for result in results):
                raise _RolledBack
    except _RolledBack:
        results = [_rolled_back() if result["success"] else result for result in results]
    return Answer(200, results)


class _RolledBack(Exception):
    """Takes the savepoint back."""


def _one(writer: Writer, write: Write) -> dict[str, Any]:
    try:
        with writer.rows.savepoint():
            return write()
    except errors.SalesforceError as error:
        return {"success": False, "errors": error.row_errors()}


def _rolled_back() -> dict[str, Any]:
    message = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    error = errors.SalesforceError(400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", message)
    return {"success": False, "errors": error.row_errors()}


def _done(row_id: str) -> dict[str, Any]:
    return {"id": row_id, "success": True, "errors": []}


def _create(writer: Writer, find: Find, record: dict[str, Any]) -> dict[str, Any]:
    return _done(writer.create(_object(find, record), record).id)


def _object(find: Find, record: dict[str, Any]) -> SObject:
    name = _type_of(record)
    try:
        return find(name)
    except errors.SalesforceError:
        raise errors.no_such_object(name) from None


def _update(writer: Writer, find: Find, record: dict[str, Any]) -> dict[str, Any]:
    sobject = _object(find, record)
    named = [value for name, value in record.items() if name.casefold() == "id"]
    if not named:
        raise errors.SalesforceError(400, "MISSING_ARGUMENT", "Id not specified in an update call", [])
    row_id = long_id(str(named[0]))
    if row_id is None:
        raise errors.wrong_id_type("Record ID", "Id", str(named[0]))
    body = {name: value for name, value in record.items() if name.casefold() != "id"}
    return _done(writer.update(sobject, writer.existing(sobject, row_id), body).id)


def _delete(request: Request, writer: Writer) -> Answer:
    ids = [text for text in request.parameters.get("ids", "").split(",") if text]
    _check_number(ids, _MOST_ROWS)

    def delete(text: str) -> dict[str, Any]:
        row_id = long_id(text) or ""
        for sobject in writer.rows.schema.of_id(row_id):
            if writer.rows.find(sobject.name, row_id):
                writer.delete(sobject, writer.existing(sobject, row_id))
                return _done(row_id)
        raise errors.row_to_write_not_found()

    all_or_none = request.parameters.get("allOrNone", "").casefold() == "true"
    return _run(writer, [lambda text=text: delete(text) for text in ids], all_or_none)  # type: ignore[misc]


def _upsert(request: Request, writer: Writer, sobject: SObject, field: Field) -> Answer:
    records, all_or_none = _records(request)
    keys = [str(_key(record, field)[0]) for record in records]

    def upsert(record: dict[str, Any]) -> dict[str, Any]:
        value, body = _key(record, field)
        if _type_of(record).casefold() != sobject.name.casefold():
            raise errors.no_such_object(_type_of(record))
        if not isinstance(value, str) or not value:
            message = f"{field.name} not specified"
            raise errors.SalesforceError(400, "MISSING_ARGUMENT", message, [field.name])
        if keys.count(value) > 1:
            raise errors.duplicate_external_id(value)
        row, created = writer.upsert(sobject, field, value, body)
        return {**_done(row.id), "created": created}

    return _write(writer, records, all_or_none, upsert)


def _key(record: dict[str, Any], field: Field) -> tuple[Any, dict[str, Any]]:
    """The value of the external id, and the record without it."""
    values = [value for name, value in record.items() if name.casefold() == field.name.casefold()]
    rest = {name: value for name, value in record.items() if name.casefold() != field.name.casefold()}
    return (values[0] if values else None), rest


def _read(request: Request, writer: Writer, sobject: SObject) -> Answer:
    document = request.json()
    ids, names = document.get("ids"), document.get("fields")
    if not isinstance(ids, list) or not isinstance(names, list):
        raise errors.not_json("ids and fields must be arrays at [line:1, column:2]")
    _check_number(ids, _MOST_READ)
    fields = [chosen_field(sobject, str(name)) for name in names]
    rows = [writer.rows.live(sobject.name, long_id(str(each))) for each in ids]
    return Answer(200, [present(row, fields, request.version) if row else None for row in rows])
