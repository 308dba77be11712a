"""Requests on one row, and on one property of a row.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/perform-conditional-operations-using-web-api
"""

from __future__ import annotations

from urllib.parse import quote

from sandbox.dataverse import errors
from sandbox.dataverse.addresses import RowAddress, existing, find_row, referenced
from sandbox.dataverse.messages import Answer, Request
from sandbox.dataverse.presenting import children, present
from sandbox.dataverse.queries import Query, parse_query
from sandbox.dataverse.reads import count, read_collection
from sandbox.dataverse.rows import Row, Rows
from sandbox.dataverse.schema import Table
from sandbox.dataverse.values import to_json
from sandbox.dataverse.writes import Writer

NAMESPACE = "Microsoft.Dynamics.CRM."


def create(writer: Writer, table: Table, request: Request) -> Answer:
    row = writer.create(table, request.json())
    if request.preferences.representation:
        return _shown(writer.rows, row, request, 201)
    return _located(request, f"{table.entity_set}({row.id})")


def on_row(writer: Writer, address: RowAddress, request: Request) -> Answer:
    if request.method == "GET":
        return _read(writer.rows, existing(writer.rows, address), request)
    if request.method == "PATCH":
        return _patch(writer, address, request)
    if request.method == "DELETE":
        row = existing(writer.rows, address)
        _check_version(row, request)
        writer.delete(row)
        return Answer(204)
    raise errors.not_allowed(request.method)


def on_property(writer: Writer, row: Row, segments: list[str], request: Request) -> Answer:
    """``set(id)/column``, ``set(id)/navigation``, and either with ``$ref``, ``$count`` or ``$value`` behind it."""
    table = writer.rows.schema.tables[row.table]
    name, tail = segments[0], segments[1:]
    if name.startswith(NAMESPACE):
        raise errors.no_such_resource(request.url)
    if tail == ["$ref"]:
        return _reference(writer, row, name, request)
    single, collection = table.by_navigation(name), writer.rows.schema.collection(table.name, name)
    if collection and request.method == "GET" and tail in ([], ["$count"]):
        child, lookup = collection
        read = count if tail else read_collection
        return read(writer.rows, child, request, children(writer.rows, row, child, lookup))
    if single and request.method == "GET" and not tail:
        reference = row.reference(single[0].name)
        target = writer.rows.follow(reference) if reference and reference.table == single[1] else None
        return _read(writer.rows, target, request) if target else Answer(204)
    column = table.by_property(name)
    if column is None or tail not in ([], ["$value"]):
        raise errors.unknown_segment(name if column is None else tail[0])
    if request.method == "GET":
        value = to_json(column, row.values.get(column.name))
        if tail:
            return Answer(204) if value is None else Answer(200, str(value))
        context = f"{request.root}$metadata#{table.entity_set}({row.id})/{name}"
        return Answer(204) if value is None else Answer(200, {"@odata.context": context, "value": value})
    if tail or column.is_lookup or request.method not in {"PUT", "DELETE"}:
        raise errors.not_allowed(request.method)
    _check_version(row, request)
    writer.update(row, {name: request.json().get("value") if request.method == "PUT" else None})
    return Answer(204)


def _read(rows: Rows, row: Row, request: Request) -> Answer:
    plain = "$expand" not in request.parameters and "odata.include-annotations" not in request.preferences.given
    if plain and request.condition("If-None-Match") == row.etag:
        return Answer(304, headers={"ETag": row.etag})
    return _shown(rows, row, request, 200)


def _shown(rows: Rows, row: Row, request: Request, status: int) -> Answer:
    table = rows.schema.tables[row.table]
    parameters = request.parameters
    if request.method == "PATCH":
        # Documented: $expand is ignored on an update.
        parameters = {name: value for name, value in parameters.items() if name != "$expand"}
    query: Query = parse_query(rows.schema, table, parameters)
    context = f"{request.root}$metadata#{table.entity_set}{query.context}/$entity"
    headers = {"ETag": row.etag}
    if request.preferences.representation:
        headers["Preference-Applied"] = "return=representation"
    return Answer(status, {"@odata.context": context, **present(rows, row, query, request.preferences)}, headers)


def _patch(writer: Writer, address: RowAddress, request: Request) -> Answer:
    """An update or, where the row is not there and no ``If-Match`` forbids it, a create."""
    row = find_row(writer.rows, address)
    if row is None and request.condition("If-Match"):
        raise address.missing()
    if row is not None:
        if request.condition("If-None-Match") == "*":
            raise errors.already_exists()
        _check_version(row, request)
    written, is_new = writer.upsert(address, request.json())
    if request.preferences.representation:
        return _shown(writer.rows, written, request, 201 if is_new else 200)
    text = f"{address.table.entity_set}({written.id})" if address.id else address.text
    return _located(request, text)


def _check_version(row: Row, request: Request) -> None:
    wanted = request.condition("If-Match")
    if wanted not in {None, "*", row.etag}:
        raise errors.stale_version()


def _reference(writer: Writer, row: Row, name: str, request: Request) -> Answer:
    """Sets or clears one lookup."""
    found = writer.rows.schema.tables[row.table].by_navigation(name)
    if found is None:
        raise errors.unknown_segment(name)
    entity_set = writer.rows.schema.tables[row.table].entity_set
    if request.method == "GET":
        reference = row.reference(found[0].name)
        if reference is None or reference.table != found[1]:
            return Answer(204)
        target = f"{request.root}{writer.rows.schema.tables[found[1]].entity_set}({reference.id})"
        return Answer(200, {"@odata.context": f"{request.root}$metadata#$ref", "@odata.id": target})
    if request.method == "PUT":
        target_row = referenced(writer.rows, request.json().get("@odata.id"), request.root, entity_set)
        target_set = writer.rows.schema.tables[target_row.table].entity_set
        writer.update(row, {f"{name}@odata.bind": f"{target_set}({target_row.id})"})
        return Answer(204)
    if request.method == "DELETE":
        writer.update(row, {name: None})
        return Answer(204)
    raise errors.not_allowed(request.method)


def _located(request: Request, path: str) -> Answer:
    return Answer(204, headers={"OData-EntityId": request.root + quote(path, safe="()=',")})
