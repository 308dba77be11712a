"""Dynamics 365 as a :class:`~shared.crm.port.CrmPort`: sends what the other modules of this package build."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from shared.answers import Response
from shared.crm.dynamics365.batch import Part
from shared.crm.dynamics365.diagnosis import diagnose
from shared.crm.dynamics365.layout import Layout, build_layout
from shared.crm.dynamics365.leads import oldest, opportunity_part, parents_part, qualifying
from shared.crm.dynamics365.lookups import (
    PreparingQuery,
    by_referral,
    contact_part,
    contacts,
    only_row,
    owner_part,
    owners,
)
from shared.crm.dynamics365.metadata import Schema
from shared.crm.dynamics365.paths import schema_query
from shared.crm.dynamics365.solution_details import save_solution_details
from shared.crm.dynamics365.tables import read_tables
from shared.crm.dynamics365.tracking import TrackedTable, solution_changes
from shared.crm.dynamics365.values import UnknownOption, moment
from shared.crm.dynamics365.web_api import SERVICE, WebApi
from shared.crm.dynamics365.writes import Draft, draft_create, draft_update, needs_look_up
from shared.crm.port import (
    ApiUsage,
    Capabilities,
    Catalogue,
    Change,
    ChangePage,
    Prepared,
    SavedDetails,
    SolutionChangePage,
    SolutionDetail,
    Written,
)
from shared.domain.errors import ConfigurationError, NotFound, Rejected, VersionConflict
from shared.domain.finding import Finding
from shared.domain.mapping import CrmMapping
from shared.domain.record import NewRecord, Record, RecordChange, RecordKind
from shared.transport import Transport
from shared.understood import understood

_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
Result = TypeVar("Result")
MOST_AT_ONCE = 50
"""Records that are read in one batch: with their related rows, answers stay small."""


@understood
class Dynamics365:
    """Opportunities and leads of one environment; safe to share between threads.

    ``stages`` are the labels of status reasons by stage (``mapping.stages`` with the settings laid over).
    ``app_id`` is the model-driven app that links open, the default one where it is blank. ``kinds`` are the records
    whose tables a diagnosis looks at: without leads, theirs need no columns of Microsoft's. Metadata are read at the
    first call for a kind of record and kept; they are read once more when a row holds a choice that they do not have.
    """

    name = SERVICE
    capabilities = Capabilities(optimistic_lock=True, qualifies_leads=True)

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        mapping: CrmMapping,
        stages: Mapping[str, str] | None = None,
        *,
        app_id: str = "",
        kinds: Collection[RecordKind] = tuple(RecordKind),
        page_size: int = 500,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._api = WebApi(transport, base_url, clock)
        self._mapping = mapping
        self._tables = read_tables(mapping)
        self._stage_names = dict(mapping.stages if stages is None else stages)
        self._app_id = app_id
        self._kinds = kinds
        self._page_size = page_size
        self._lock = threading.Lock()
        self._layouts: dict[RecordKind, Layout] = {}

    def catalogue(self, kind: RecordKind = RecordKind.OPPORTUNITY) -> Catalogue:
        layout = self._layout(kind)
        currencies = layout.schema.currencies
        return Catalogue(layout.limits(), {one.iso_code: one.decimals for one in currencies if one.is_active})

    def refresh(self) -> None:
        """The next call reads the metadata again."""
        with self._lock:
            self._layouts = {}

    def changes(self, kind: RecordKind, cursor: str | None) -> Iterator[ChangePage]:
        layout = self._layout(kind)
        columns = layout.mapping.columns
        asked = (columns.sync, columns.referral_id, "modifiedon", "statecode")
        tracked = TrackedTable(self._api, layout.table, asked, self._page_size)
        for page, is_full in tracked.read(cursor, f"{kind}.changes"):
            changed = [self._change(layout, row) for row in page.rows]
            deleted = [Change(kind, row_id, deleted=True) for row_id in page.deleted_ids]
            yield ChangePage((*changed, *deleted), page.cursor, is_full)

    def solution_changes(self, cursor: str | None) -> Iterator[SolutionChangePage]:
        yield from solution_changes(self._api, self._layout(RecordKind.OPPORTUNITY), cursor, self._page_size)

    def get(self, kind: RecordKind, record_id: str) -> Record:
        layout = self._layout(kind)
        _check_id(kind, record_id)
        answer = self._api.send("GET", f"{layout.table.path(record_id)}?{layout.query}", f"{kind}.get")
        return self._record(kind, answer.json_object())

    def get_many(self, kind: RecordKind, record_ids: Sequence[str]) -> Mapping[str, Record]:
        layout, found = self._layout(kind), {}
        wanted = [record_id for record_id in record_ids if _GUID.fullmatch(record_id)]
        for start in range(0, len(wanted), MOST_AT_ONCE):
            paths = (f"{layout.table.path(one)}?{layout.query}" for one in wanted[start : start + MOST_AT_ONCE])
            parts = [Part("GET", path, f"{kind}.get") for path in paths]
            for answer in self._api.batch(f"{kind}.get_many", parts, tolerate=(404,)):
                if answer.status != 404:
                    with suppress(Rejected):
                        record = self._record(kind, answer.json_object())
                        found[record.id] = record
        return found

    def prepare(self, new: NewRecord) -> Prepared:
        asked = PreparingQuery(self._layout(new.kind), new).parts()
        answers = self._api.batch(f"{new.kind}.prepare", asked)
        return self._read(new.kind, lambda layout: PreparingQuery(layout, new).parse(answers))

    def create(self, new: NewRecord, prepared: Prepared, account_id: str | None) -> Record:
        layout = self._layout(new.kind)
        if prepared.existing is not None:
            raise VersionConflict(
                f"Dynamics 365 has a {new.kind} of referral {new.referral_id} already", service=SERVICE
            )
        draft = draft_create(layout, new, prepared, account_id)
        # Read in the same call: what was rounded, owned or numbered by the CRM is part of what was agreed.
        after = Part("GET", by_referral(layout, new.referral_id), f"{new.kind}.find")
        answers = self._api.batch(f"{new.kind}.create", [draft.change_set(), after])

        def created(current: Layout) -> Record:
            row = only_row(answers[-1], current, new.referral_id)
            if row is None:
                raise answers[-1].unreadable("no record after it was created")
            return current.record(row)

        return self._read(new.kind, created)

    def update(self, record: Record, change: RecordChange) -> Written:
        layout = self._layout(record.kind)
        _check_id(record.kind, record.id)
        draft = self._draft_update(layout, record, change)
        if not draft.parts:
            return Written(record.id, record.version, record.modified_at)
        own_path = layout.table.path(record.id)
        operation = f"{record.kind}.update"
        if [part.method for part in draft.parts] == ["PATCH"] and not needs_look_up(layout, change):
            answer = self._patch(layout, draft.parts[0], operation)
        else:
            after = Part("GET", f"{own_path}?{layout.query}", f"{record.kind}.get")
            answer = self._api.batch(operation, [draft.change_set(), after])[-1]
        row = answer.json_object()
        values = self._read(record.kind, lambda current: current.values(row, tuple(change.values)))
        return Written(record.id, row.get("@odata.etag"), moment(row["modifiedon"]), values)

    def opportunity_of(self, lead: Record) -> Record | None:
        _check_id(lead.kind, lead.id)
        part = opportunity_part(self._layout(RecordKind.OPPORTUNITY), lead.id)
        answer = self._api.send("GET", part.path, part.operation)
        return self._read(RecordKind.OPPORTUNITY, lambda layout: oldest(answer, layout))

    def lead_of(self, opportunity: Record) -> str | None:
        return opportunity.lead_id

    def qualify(self, lead: Record, prepared: Prepared, account_id: str | None) -> Record:
        leads, after = self._layout(RecordKind.LEAD), opportunity_part(self._layout(RecordKind.OPPORTUNITY), lead.id)
        _check_id(lead.kind, lead.id)
        parents = parents_part(leads, lead)
        row = self._api.send("GET", parents.path, parents.operation).json_object()
        answers = self._api.batch("lead.qualify", [qualifying(leads, lead, row, prepared, account_id), after])
        made = self._read(RecordKind.OPPORTUNITY, lambda layout: oldest(answers[-1], layout))
        if made is None:
            raise answers[-1].unreadable("no opportunity after the lead was qualified")
        return made

    def link_to(self, kind: RecordKind, record_id: str) -> str:
        definition = self._tables.of(kind)
        query = {"appid": self._app_id} if self._app_id else {}
        query |= {"etn": definition.table if definition else kind.value, "pagetype": "entityrecord", "id": record_id}
        return f"{self._base_url}/main.aspx?{urlencode(query)}"

    def usage(self) -> ApiUsage | None:
        """Never told: answers speak of what one web server still allows this user in its window of five minutes.

        https://learn.microsoft.com/power-apps/developer/data-platform/api-limits
        """
        return None

    def diagnose(self) -> tuple[Finding, ...]:
        records = {kind: record for kind, record in self._mapping.records.items() if kind in self._kinds}
        mapping = self._mapping.model_copy(update={"records": records})
        return diagnose(self._api, mapping, self._tables, self._stage_names)

    def save_solution_details(
        self, rows: Sequence[SolutionDetail], *, dry_run: bool = False, progress: Callable[[int], None] | None = None
    ) -> SavedDetails:
        table = self._tables.solution_details
        return save_solution_details(self._api, table, rows, dry_run=dry_run, progress=progress)

    def _draft_update(self, layout: Layout, record: Record, change: RecordChange) -> Draft:
        """One look-up first where rows beside the record's own are written, else no call."""
        nothing = Prepared(existing=None, accounts=())
        if not needs_look_up(layout, change):
            return draft_update(layout, record, change, nothing, None)
        contact = contact_part(layout, change.values.get("@contacts") or ())
        owner = owner_part(layout, change.values.get("@team") or ())
        own = Part("GET", f"{layout.table.path(record.id)}?{layout.query}", f"{record.kind}.get")
        first, *others = self._api.batch(f"{record.kind}.look_up", [own, *(part for part in (contact, owner) if part)])
        row = first.json_object()
        if record.version is not None and row.get("@odata.etag") != record.version:
            raise VersionConflict(f"The {record.kind} {record.id} changed since it was read", service=SERVICE)
        rest = iter(others)
        found = Prepared(
            existing=None,
            accounts=(),
            contacts=contacts(layout, next(rest)) if contact else (),
            owners=owners(layout, next(rest)) if owner else {},
        )
        return draft_update(layout, record, change, found, row)

    def _patch(self, layout: Layout, part: Part, operation: str) -> Response:
        """The only write of an update, as a request of its own that answers with what was written."""
        names = [name.removesuffix("@odata.bind") for name in part.body or ()]
        lookups = {name: lookup.id_property for name in names if (lookup := layout.table.lookup(name))}
        columns = [lookups.get(name, name) for name in names]
        select = ",".join(dict.fromkeys((*columns, "modifiedon")))
        headers = {**part.headers, "Prefer": "return=representation"}
        return self._api.send("PATCH", f"{part.path}?$select={select}", operation, json=part.body, headers=headers)

    def _change(self, layout: Layout, row: Mapping[str, Any]) -> Change:
        columns = layout.mapping.columns
        return Change(
            kind=layout.kind,
            id=str(row[layout.table.primary_id]).lower(),
            version=row.get("@odata.etag"),
            syncs=bool(row.get(columns.sync)),
            referral_id=row.get(columns.referral_id) or None,
        )

    def _record(self, kind: RecordKind, row: Mapping[str, Any]) -> Record:
        return self._read(kind, lambda current: current.record(row))

    def _read(self, kind: RecordKind, parse: Callable[[Layout], Result]) -> Result:
        """``parse`` with the metadata at hand, and once more with new ones if a row holds a choice they lack."""
        try:
            return parse(self._layout(kind))
        except UnknownOption:
            self.refresh()
        try:
            return parse(self._layout(kind))
        except UnknownOption as problem:
            raise Rejected(
                f"The column {problem} holds a choice that Dynamics 365 does not list",
                field=str(problem),
                code="unknown_option",
                remedy="Publish the column's options in Power Apps, or choose another option on the record.",
                service=SERVICE,
            ) from None

    def _layout(self, kind: RecordKind) -> Layout:
        with self._lock:
            layout = self._layouts.get(kind)
            if layout is None:
                mapping, definition = self._mapping.records.get(kind), self._tables.of(kind)
                if mapping is None or definition is None:
                    raise ConfigurationError(
                        f"The field mapping for Dynamics 365 has no {kind}", code="mapping", service=SERVICE
                    )
                schema = self._read_schema(definition.table)
                layout = build_layout(kind, mapping, self._tables, schema, self._stage_names)
                self._layouts[kind] = layout
            return layout

    def _read_schema(self, table: str) -> Schema:
        query = schema_query(self._tables, [table])
        answers = self._api.batch("metadata.read", query.parts(), tolerate=(404,))
        return query.parse(answers)


def _check_id(kind: RecordKind, record_id: str) -> None:
    """Dataverse answers 400 to an id that is no GUID, but it is just one that it does not have."""
    if not _GUID.fullmatch(record_id):
        raise NotFound(f"{record_id[:60]!r} is no id of a {kind} in Dynamics 365", service=SERVICE)
