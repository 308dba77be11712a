"""Fills *Microsoft Solution Details*: reads the whole object, and writes the rows that differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.crm.port import SavedDetails, SolutionDetail
from shared.crm.salesforce import soql
from shared.crm.salesforce.auth import SERVICE
from shared.crm.salesforce.describe import SchemaQuery, SObject, records
from shared.crm.salesforce.errors import INSTALL_SCHEMA, row_refusal
from shared.crm.salesforce.objects import SolutionDetailsObject
from shared.crm.salesforce.rest_api import RestApi
from shared.crm.salesforce.values import from_json, to_json
from shared.domain.errors import ConfigurationError, Rejected, RetryLater
from shared.domain.values import utf_16_length

ROWS_IN_CALL = 200
"""As many rows as one collection takes."""
PAGE_ROWS = 1000
_PARTS = ("id", "name", "type", "publisher")
Row = Mapping[str, Any]


def save_solution_details(
    api: RestApi,
    definition: SolutionDetailsObject | None,
    details: Sequence[SolutionDetail],
    *,
    clock: Callable[[], datetime],
    dry_run: bool,
    progress: Callable[[int], None] | None,
) -> SavedDetails:
    """As :meth:`shared.crm.port.CrmPort.save_solution_details`. One call for the fields, one for each page of rows that
    are there, and one for each ``ROWS_IN_CALL`` rows created or changed."""
    if definition is None:
        raise ConfigurationError(
            "The field mapping does not say where Salesforce has Microsoft Solution Details",
            code="mapping",
            remedy="Add [adapter.solution_details] to customize.toml, as in the mapping file.",
            service=SERVICE,
        )
    query = SchemaQuery((definition.object,))
    schema = query.parse(api.composite("metadata.read", query.parts(), all_or_none=False))
    place = _Place.of(definition, schema.objects.get(definition.object))
    draft = draft_details(place, _read_rows(api, place), details)
    refused = dict(draft.refused)
    done = 0
    for method, drafted in () if dry_run else (("POST", draft.created), ("PATCH", draft.updated)):
        for start in range(0, len(drafted), ROWS_IN_CALL):
            chosen = drafted[start : start + ROWS_IN_CALL]
            refused |= _write(api, method, chosen, clock)
            done += len(chosen)
            if progress:
                progress(done)
    lost = refused.keys() - draft.refused.keys()
    created = sum(one.key not in lost for one in draft.created)
    updated = sum(one.key not in lost for one in draft.updated)
    return SavedDetails(created, updated, draft.unchanged, refused)


@dataclass(frozen=True)
class DraftedRow:
    key: str
    body: Mapping[str, Any]


@dataclass
class DetailsDraft:
    created: list[DraftedRow] = field(default_factory=list)
    updated: list[DraftedRow] = field(default_factory=list)
    unchanged: int = 0
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """``columns``: which field holds which part of a detail."""

    sobject: SObject
    columns: Mapping[str, str]

    @classmethod
    def of(cls, definition: SolutionDetailsObject, sobject: SObject | None) -> _Place:
        columns = {part: getattr(definition, part) for part in _PARTS if getattr(definition, part)}
        if sobject is None:
            missing = [f"object {definition.object}"]
        else:
            missing = [f"field {one} of {sobject.name}" for one in columns.values() if one not in sobject.fields]
        if sobject is None or missing:
            raise ConfigurationError(
                f"The Salesforce org does not have: {'; '.join(missing)}",
                code="schema",
                remedy=INSTALL_SCHEMA,
                service=SERVICE,
            )
        return cls(sobject, columns)

    def body(self, detail: SolutionDetail) -> dict[str, Any]:
        """Raises ``Rejected`` for what a field cannot hold."""
        body = {}
        for part, name in self.columns.items():
            value, column = getattr(detail, part).strip(), self.sobject.fields[name]
            if not value:
                continue
            length = utf_16_length(value)
            if column.max_length is not None and length > column.max_length:
                raise Rejected(f"its {part} is {length} characters long, and {name} holds {column.max_length}")
            body[name] = to_json(column, value)
        return body

    def holds(self, row: Row, body: Row) -> bool:
        """Whether ``row`` is as ``body`` already. The identifier stays as it is written there: case does not count."""
        return all(
            from_json(self.sobject.fields[name], row.get(name)) == value
            for name, value in body.items()
            if name != self.columns["id"]
        )


def draft_details(place: _Place, rows: Sequence[Row], details: Sequence[SolutionDetail]) -> DetailsDraft:
    """What to write so that ``rows`` become ``details``. Of several rows with one identifier the first counts."""
    id_column = place.columns["id"]
    present: dict[str, Row] = {}
    for row in rows:
        present.setdefault(str(row.get(id_column) or "").strip().casefold(), row)
    draft = DetailsDraft()
    kind = {"attributes": {"type": place.sobject.name}}
    for key, detail in {detail.key: detail for detail in details}.items():
        try:
            body = place.body(detail)
        except Rejected as error:
            draft.refused[key] = error.message
            continue
        known = present.get(key)
        if known is None:
            draft.created.append(DraftedRow(key, {**kind, **body}))
        elif place.holds(known, body):
            draft.unchanged += 1
        else:
            del body[id_column]
            draft.updated.append(DraftedRow(key, {**kind, "id": known["Id"], **body}))
    return draft


def _write(api: RestApi, method: str, rows: Sequence[DraftedRow], clock: Callable[[], datetime]) -> dict[str, str]:
    """Each row stands for itself; those that were refused, and why. Raises ``RetryLater`` for one worth another try."""
    document = {"allOrNone": False, "records": [row.body for row in rows]}
    answer = api.send(method, "composite/sobjects", "solution_detail.save", json=document)
    results = answer.json()
    if not isinstance(results, list) or len(results) != len(rows):
        raise answer.unreadable("another number of answers than rows")
    refused = {}
    for row, result in zip(rows, results, strict=True):
        if result.get("success") is not True:
            error = row_refusal(result, answer, clock())
            if isinstance(error, RetryLater):
                raise error
            refused[row.key] = error.message
    return refused


def _read_rows(api: RestApi, place: _Place) -> list[Row]:
    """By id, which is the order in which they were made."""
    rows: list[Row] = []
    while True:
        after = soql.compare("Id", ">", soql.quoted(str(rows[-1]["Id"]))) if rows else ""
        query = soql.select(
            place.sobject.name, ("Id", *place.columns.values()), where=after, order=("Id",), limit=PAGE_ROWS
        )
        answer = api.query(query, "solution_detail.list")
        page = records(answer)
        rows += page
        if not page or (len(page) < PAGE_ROWS and answer.json_object().get("done") is not False):
            return rows
