"""Salesforce as a :class:`~shared.crm.port.CrmPort`: sends what the other modules of this package build."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

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
from shared.crm.salesforce import soql
from shared.crm.salesforce.api_usage import UsageMeter
from shared.crm.salesforce.auth import SERVICE, SalesforceSession
from shared.crm.salesforce.changes import MAX_PAGE, ChangedRows, solution_changes
from shared.crm.salesforce.describe import records
from shared.crm.salesforce.diagnosis import diagnose, schema_query
from shared.crm.salesforce.errors import DUPLICATE_VALUE, HALTED
from shared.crm.salesforce.layout import Layout, Row, build_layout, version_of
from shared.crm.salesforce.lookups import NOTHING, LookUp, PreparedHere, by_id, details_in, look_up_for, only_row
from shared.crm.salesforce.objects import read_objects
from shared.crm.salesforce.places import PRODUCTS_FIELD
from shared.crm.salesforce.rest_api import RestApi
from shared.crm.salesforce.solution_details import save_solution_details
from shared.crm.salesforce.values import moment
from shared.crm.salesforce.writes import draft_create, draft_update, landed_between, needs_look_up
from shared.domain.errors import ConfigurationError, NotFound, Rejected, RetryLater, VersionConflict
from shared.domain.finding import Finding
from shared.domain.mapping import CrmMapping
from shared.domain.record import NewRecord, Record, RecordChange, RecordKind
from shared.transport import Transport
from shared.understood import understood

MOST_AT_ONCE = 100
"""Records that one query names: an address has room for 16 KiB."""


@understood
class Salesforce:
    """Opportunities and leads of one org; safe to share between threads.

    ``stages`` are the names of stages (``mapping.stages`` with the settings laid over). ``kinds`` are the records that
    a diagnosis looks at. ``overlap`` is how far a read of changes reaches back behind the one before it. Metadata are
    read at the first call for a kind of record and kept.
    """

    name = SERVICE
    # Only people convert leads: REST has no request for it.
    capabilities = Capabilities(optimistic_lock=False, qualifies_leads=False)

    def __init__(
        self,
        transport: Transport,
        session: SalesforceSession,
        mapping: CrmMapping,
        stages: Mapping[str, str] | None = None,
        *,
        meter: UsageMeter | None = None,
        kinds: Collection[RecordKind] = tuple(RecordKind),
        page_size: int = 1000,
        overlap: timedelta = timedelta(minutes=5),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._session = session
        self._meter = meter or UsageMeter()
        self._api = RestApi(transport, lambda: session.signed_in().instance_url, self._meter, clock=clock)
        self._mapping = mapping
        self._objects = read_objects(mapping)
        self._stage_names = dict(mapping.stages if stages is None else stages)
        self._kinds = kinds
        self._page_size = min(page_size, MAX_PAGE)
        self._overlap = overlap
        self._clock = clock
        self._lock = threading.Lock()
        self._layouts: dict[RecordKind, Layout] = {}

    def catalogue(self, kind: RecordKind = RecordKind.OPPORTUNITY) -> Catalogue:
        layout = self._layout(kind)
        return Catalogue(layout.limits(), layout.currencies())

    def changes(self, kind: RecordKind, cursor: str | None) -> Iterator[ChangePage]:
        layout = self._layout(kind)
        columns = layout.mapping.columns
        rows = self._changed_rows(layout.sobject.name, (columns.sync, columns.referral_id))
        for page in rows.read(cursor, f"{kind}.changes"):
            changes = (self._change(layout, row, rows.is_unsettled(row)) for row in page.rows)
            yield ChangePage(tuple(changes), page.cursor, page.full)

    def solution_changes(self, cursor: str | None) -> Iterator[SolutionChangePage]:
        yield from solution_changes(self._changed_rows, self._layout(RecordKind.OPPORTUNITY), cursor)

    def get(self, kind: RecordKind, record_id: str) -> Record:
        layout = self._layout(kind)
        _check_id(kind, record_id)
        rows = records(self._api.send("GET", by_id(layout, record_id).path, f"{kind}.get"))
        if not rows:
            raise NotFound(f"Salesforce has no {kind} {record_id} that the connector may see", service=SERVICE)
        return layout.record(rows[0])

    def get_many(self, kind: RecordKind, record_ids: Sequence[str]) -> Mapping[str, Record]:
        layout, found = self._layout(kind), {}
        wanted = [record_id for record_id in record_ids if soql.is_id(record_id)]
        for start in range(0, len(wanted), MOST_AT_ONCE):
            query = layout.query.where(soql.one_of("Id", wanted[start : start + MOST_AT_ONCE]))
            for row in records(self._api.query(query, f"{kind}.get_many")):
                with suppress(Rejected):
                    found[str(row["Id"])] = layout.record(row)
        return found

    def prepare(self, new: NewRecord) -> Prepared:
        layout = self._layout(new.kind)
        look_up = look_up_for(layout, new)
        rows, found = look_up.parse(self._api.reads(f"{new.kind}.prepare", look_up.parts()))
        row = only_row(rows, layout, new.referral_id)
        return PreparedHere(
            existing=layout.record(row) if row else None,
            accounts=found.accounts,
            contacts=found.contacts,
            owners=found.owners,
            details=details_in(found),
        )

    def create(self, new: NewRecord, prepared: Prepared, account_id: str | None) -> Record:
        layout = self._layout(new.kind)
        already = f"Salesforce has a {new.kind} of referral {new.referral_id} already"
        if prepared.existing is not None:
            raise VersionConflict(already, service=SERVICE)
        parts = draft_create(layout, new, prepared, account_id)
        try:
            answers = self._api.composite(f"{new.kind}.create", parts)
        except Rejected as refused:
            if refused.code == DUPLICATE_VALUE and refused.field == layout.mapping.columns.referral_id:
                raise VersionConflict(already, service=SERVICE, status=refused.status) from refused
            raise self._unless_shared(refused) from refused
        rows = records(answers[-1])
        if len(rows) != 1:
            raise answers[-1].unreadable("no record after it was created")
        return layout.record(rows[0])

    def update(self, record: Record, change: RecordChange) -> Written:
        """As the port says. Whether the record is as it was read is asked in the same request, right before the write;
        what landed in between those two is told.
        """
        layout = self._layout(record.kind)
        _check_id(record.kind, record.id)
        row, prepared = self._look_up(layout, record, change)
        parts = draft_update(layout, record, change, prepared, row)
        if not parts:
            return Written(record.id, record.version, record.modified_at)
        try:
            answers = self._api.composite(f"{record.kind}.update", parts)
        except VersionConflict as refused:
            raise self._why_halted(layout, record, refused) from refused
        except Rejected as refused:
            raise self._unless_shared(refused) from refused
        rows = records(answers[-1])
        if len(rows) != 1:
            raise answers[-1].unreadable("no record after it was written")
        after = rows[0]
        landed = tuple(landed_between(layout, record, change, after))
        version = None if landed else version_of(after)
        values = layout.values(after, tuple(change.values))
        return Written(record.id, version, moment(after["LastModifiedDate"]), values, landed)

    def opportunity_of(self, lead: Record) -> Record | None:
        _check_id(lead.kind, lead.id)
        layout = self._layout(RecordKind.OPPORTUNITY)
        leads = self._layout(RecordKind.LEAD)
        converted = soql.select(leads.sobject.name, ("ConvertedOpportunityId",), where=soql.equals("Id", lead.id))
        query = layout.query.where(soql.in_query("Id", converted))
        rows = records(self._api.query(query, "opportunity.of_lead"))
        return layout.record(rows[0]) if rows else None

    def lead_of(self, opportunity: Record) -> str | None:
        _check_id(opportunity.kind, opportunity.id)
        lead = self._objects.lead
        if lead is None or RecordKind.LEAD not in self._mapping.records:
            return None
        query = soql.select(lead.object, ("Id",), where=soql.equals("ConvertedOpportunityId", opportunity.id))
        rows = records(self._api.query(query, "opportunity.lead"))
        return str(rows[0]["Id"]) if rows else None

    def qualify(self, lead: Record, prepared: Prepared, account_id: str | None) -> Record:
        raise ConfigurationError(
            f"The lead {lead.id} cannot be converted by Salesforce's REST API",
            code="not_supported",
            remedy="Convert the lead in Salesforce; its opportunity is synced from then on.",
            service=SERVICE,
        )

    def link_to(self, kind: RecordKind, record_id: str) -> str:
        definition = self._objects.of(kind)
        sobject = definition.object if definition else kind.value.title()
        return f"{self._session.login_url}/lightning/r/{sobject}/{record_id}/view"

    def usage(self) -> ApiUsage | None:
        return self._meter.latest

    def diagnose(self) -> tuple[Finding, ...]:
        return diagnose(self._api, self._mapping, self._objects, self._stage_names, self._kinds, self.usage)

    def save_solution_details(
        self, rows: Sequence[SolutionDetail], *, dry_run: bool = False, progress: Callable[[int], None] | None = None
    ) -> SavedDetails:
        definition = self._objects.solution_details
        return save_solution_details(self._api, definition, rows, clock=self._clock, dry_run=dry_run, progress=progress)

    def _changed_rows(self, source: str, columns: Sequence[str]) -> ChangedRows:
        settles_after = timedelta(seconds=self._objects.org.settles_after_s)
        return ChangedRows(self._api, source, columns, self._page_size, self._overlap, self._clock, settles_after)

    def _change(self, layout: Layout, row: Row, is_unsettled: bool) -> Change:
        if row.get("IsDeleted"):
            return Change(layout.kind, str(row["Id"]), deleted=True)
        columns = layout.mapping.columns
        return Change(
            kind=layout.kind,
            id=str(row["Id"]),
            version=None if is_unsettled else version_of(row),
            syncs=bool(row.get(columns.sync)),
            referral_id=row.get(columns.referral_id) or None,
        )

    def _look_up(
        self, layout: Layout, record: Record, change: RecordChange
    ) -> tuple[dict[str, Any] | None, PreparedHere]:
        """One call first where rows beside the record's own are written, else none."""
        if not needs_look_up(layout, change):
            return None, NOTHING
        look_up = LookUp(
            layout,
            by_id(layout, record.id),
            change.values.get("@contacts") or (),
            change.values.get("@team") or (),
            change.values.get("@solutions") or (),
        )
        rows, found = look_up.parse(self._api.reads(f"{record.kind}.look_up", look_up.parts()))
        if not rows:
            raise NotFound(f"Salesforce has no {record.kind} {record.id} that the connector may see", service=SERVICE)
        if record.version is not None and version_of(rows[0]) != record.version:
            raise _changed(record)
        return rows[0], found

    def _why_halted(self, layout: Layout, record: Record, refused: VersionConflict) -> Exception:
        """Nothing was written, because the record was not as it had to be; which of the conditions failed."""
        if refused.code != HALTED:
            return refused
        columns = ["Id", "SystemModstamp", "LastModifiedById"]
        columns += [name for name in (PRODUCTS_FIELD,) if name in layout.sobject.fields]
        query = soql.select(layout.sobject.name, columns, where=soql.equals("Id", record.id))
        rows = records(self._api.query(query, f"{record.kind}.check"))
        if not rows:
            return NotFound(f"Salesforce has no {record.kind} {record.id} that the connector may see", service=SERVICE)
        is_same = record.version in (None, version_of(rows[0]))
        if is_same and rows[0].get(PRODUCTS_FIELD):
            return Rejected(
                f"The opportunity {record.id} has products, and Salesforce takes its amount from them",
                field="Amount",
                code="amount_from_products",
                remedy="Correct the products in Salesforce, or the deal value in Partner Center, until both are equal.",
                service=SERVICE,
            )
        return _changed(record)

    def _unless_shared(self, refused: Rejected) -> Rejected | RetryLater:
        """Two deals that bring the same new solution at once both add it to the catalogue; one of them comes again."""
        details = self._objects.solution_details
        if refused.code == DUPLICATE_VALUE and details is not None and refused.field == details.id:
            return RetryLater(
                "Another deal added the same solution to Microsoft Solution Details just now",
                code="busy",
                remedy="It is tried again by itself.",
                service=SERVICE,
            )
        return refused

    def _layout(self, kind: RecordKind) -> Layout:
        with self._lock:
            layout = self._layouts.get(kind)
            if layout is None:
                mapping = self._mapping.records.get(kind)
                if mapping is None or self._objects.of(kind) is None:
                    raise ConfigurationError(
                        f"The field mapping for Salesforce has no {kind}", code="mapping", service=SERVICE
                    )
                query = schema_query(self._mapping, self._objects, (kind,))
                schema = query.parse(self._api.composite("metadata.read", query.parts(), all_or_none=False))
                own_user_id = self._session.signed_in().user_id
                layout = build_layout(kind, mapping, self._objects, schema, self._stage_names, own_user_id)
                self._layouts[kind] = layout
            return layout


def _changed(record: Record) -> VersionConflict:
    return VersionConflict(f"The {record.kind} {record.id} changed since it was read", service=SERVICE)


def _check_id(kind: RecordKind, record_id: str) -> None:
    """Salesforce takes what is no id for the name of a field, but it is just an id that it does not have."""
    if not soql.is_id(record_id):
        raise NotFound(f"{record_id[:60]!r} is no id of a {kind} in Salesforce", service=SERVICE)
