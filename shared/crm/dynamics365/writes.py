"""Creates and updates as parts of one change set: all of it happens, or none.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/perform-conditional-operations-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/use-upsert-insert-update-record
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.crm.dynamics365.batch import ChangeSet, Part
from shared.crm.dynamics365.layout import Layout, Row
from shared.crm.dynamics365.paths import RelatedColumn, SetPlace
from shared.crm.dynamics365.stages import OPEN, lead_state
from shared.crm.dynamics365.tables import PeopleTable, SolutionsTable
from shared.crm.dynamics365.team import change_of_team, joining, owner_body, users_among
from shared.crm.dynamics365.values import number, to_json
from shared.crm.port import Prepared
from shared.domain.converters import cut
from shared.domain.errors import Rejected
from shared.domain.record import CrmStage, NewRecord, Record, RecordChange, RecordKind, StageChange
from shared.domain.sets import by_key
from shared.domain.values import Person, Solution

# https://learn.microsoft.com/power-apps/developer/data-platform/define-alternate-keys-entity: a key value with one of
# / < > * % & : \ ? + cannot stand in a URL. Referral ids are GUIDs; whatever else turns up is posted.
_SAFE_IN_KEYS = re.compile(r"[A-Za-z0-9_.-]+")
_CLOSE_SUBJECT_LENGTH = 200
_CLOSE_DESCRIPTION_LENGTH = 2000


class Draft:
    """A change set in the making; ``add`` answers with the reference that later parts use."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.parts: list[Part] = []

    def add(self, part: Part) -> str:
        self.parts.append(part)
        return f"${len(self.parts)}"

    def change_set(self) -> ChangeSet:
        return ChangeSet(tuple(self.parts))


def draft_create(layout: Layout, new: NewRecord, prepared: Prepared, account_id: str | None) -> Draft:
    """Account, contact, record, sales team, solution rows and, for a deal that is over already, its closing."""
    draft = Draft(layout)
    users = users_among(new.values.get("@team") or (), prepared.owners)
    account = _account_of_new(draft, new, account_id)
    opened = CrmStage.ON_HOLD if new.kind is RecordKind.LEAD else CrmStage.ACTIVE
    stage = StageChange(opened) if new.stage.stage.is_closed else new.stage
    body = {
        **layout.body({**layout.mapping.constants, **new.values}),
        layout.mapping.columns.referral_id: new.referral_id,
        "statuscode": layout.reasons.value_for(stage),
        **{f"{lookup}@odata.bind": account for lookup in layout.tables.account.bind if account},
        **_contact_of_new(draft, new, prepared, account_id, account),
        **owner_body(layout.tables, layout.schema, users),
    }
    record = _add_record(draft, new, body)
    draft.parts += joining(layout.tables, layout.schema, record, users[1:])
    if table := layout.tables.solutions:
        for solution in by_key(new.values.get("@solutions") or ()).values():
            draft.add(_solution_row(layout, table, solution, record, _currency_path_value(layout, new.values)))
    if new.stage.stage.is_closed and new.kind is RecordKind.LEAD:
        draft.add(Part("PATCH", record.removeprefix("/"), "lead.close", lead_state(layout.reasons, new.stage)))
    elif new.stage.stage.is_closed:
        draft.add(closing(layout, record, new.stage, _deal_value(layout, new.values)))
    return draft


def _account_of_new(draft: Draft, new: NewRecord, account_id: str | None) -> str:
    """The reference to the customer's account; blank for a record that has none."""
    accounts = draft.layout.account_table if new.account else None
    if new.account is None or accounts is None:
        return ""
    if account_id:
        return f"/{accounts.path(account_id)}"
    body = draft.layout.account_body(new.account.values)
    return draft.add(Part("POST", accounts.entity_set, "account.create", body))


def _add_record(draft: Draft, new: NewRecord, body: dict[str, Any]) -> str:
    """Adds the record's own part; the key makes a second create of the same referral a 412."""
    layout = draft.layout
    operation = f"{layout.kind}.create"
    column = layout.key_column
    if column is None or not _SAFE_IN_KEYS.fullmatch(new.referral_id):
        return draft.add(Part("POST", layout.table.entity_set, operation, body))
    # The key is in the URL; in the body it would win over the URL, and of an existing row it would be dropped.
    del body[column]
    path = layout.table.path(f"{column}='{new.referral_id}'")
    draft.add(Part("PATCH", path, operation, body, {"If-None-Match": "*"}))
    return f"/{path}"


def _contact_of_new(
    draft: Draft, new: NewRecord, prepared: Prepared, account_id: str | None, account: str
) -> dict[str, Any]:
    table = draft.layout.tables.contacts
    people = new.values.get("@contacts") or ()
    if table is None or not people:
        return {}
    contacts = draft.layout.schema.tables[table.table]
    known = known_contact(people[0], prepared, account_id)
    if known:
        return {f"{table.written_as}@odata.bind": f"/{contacts.path(known)}"}
    return {f"{table.written_as}@odata.bind": _add_contact(draft, table, people[0], account)}


def known_contact(person: Person, prepared: Prepared, account_id: str | None) -> str | None:
    """The id of the contact of that account with the person's e-mail address."""
    wanted = person.email.casefold()
    fitting = (
        one.id
        for one in prepared.contacts
        if account_id and wanted and one.email.casefold() == wanted and one.account_id == account_id
    )
    return next(fitting, None)


def _add_contact(draft: Draft, table: PeopleTable, person: Person, account: str | None) -> str:
    body = draft.layout.person_body(table, person)
    if table.parent and account:
        body[f"{table.parent}@odata.bind"] = account
    return draft.add(Part("POST", draft.layout.schema.tables[table.table].entity_set, "contact.create", body))


def _solution_row(layout: Layout, table: SolutionsTable, solution: Solution, record: str, currency: str | None) -> Part:
    rows = layout.schema.tables[table.table]
    body = {**layout.solution_body(table, solution), f"{table.parent}@odata.bind": record}
    if currency and "transactioncurrencyid" in rows.columns:
        body["transactioncurrencyid@odata.bind"] = currency
    return Part("POST", rows.entity_set, "solution.create", body)


def closing(layout: Layout, record: str, change: StageChange, revenue: Any) -> Part:
    """Win or lose: the only ways to close an opportunity; a PATCH to these states is refused.

    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-web-api-actions
    """
    won = change.stage is CrmStage.WON
    close: dict[str, Any] = {
        "subject": cut(
            f"{'Won' if won else 'Lost'}: {change.reason or 'closed in Partner Center'}", _CLOSE_SUBJECT_LENGTH
        ),
        "opportunityid@odata.bind": record,
    }
    if change.reason:
        close["description"] = cut(change.reason, _CLOSE_DESCRIPTION_LENGTH)
    if won and revenue is not None:
        close["actualrevenue"] = number(revenue)
    body = {"OpportunityClose": close, "Status": layout.reasons.value_for(change)}
    return Part("POST", "WinOpportunity" if won else "LoseOpportunity", f"{layout.kind}.close", body)


def draft_update(layout: Layout, record: Record, change: RecordChange, found: Prepared, row: Row | None) -> Draft:
    """``row`` and ``found`` are only needed where :func:`needs_look_up` says so."""
    draft = Draft(layout)
    path = layout.table.path(record.id)
    body = layout.body(change.values)
    if row is not None:
        body |= _sets(draft, record, change, found, row)
    stage = change.stage
    if stage is not None and record.kind is RecordKind.LEAD:
        body, stage = {**body, **lead_state(layout.reasons, stage)}, None
    closes = stage is not None and stage.stage.is_closed and stage.stage is not record.stage
    reopens = record.stage.is_closed and stage is not None and (closes or not stage.stage.is_closed)
    conditions = {"If-Match": record.version or "*"}
    if stage is not None and reopens:
        target = StageChange(CrmStage.ACTIVE) if closes else stage
        opening = {"statecode": OPEN, "statuscode": layout.reasons.value_for(target)}
        draft.add(Part("PATCH", path, f"{layout.kind}.reopen", opening, conditions))
        conditions = {"If-Match": "*"}  # the version moved with the part before, in the same change set
    elif stage is not None and not stage.stage.is_closed:
        body["statuscode"] = layout.reasons.value_for(stage)
    sync = layout.mapping.columns.sync
    if not body and closes and not reopens and record.version and record.values.get(sync) is not None:
        # Win and Lose take no version; a write that changes nothing brings it into the change set.
        body = {sync: record.values[sync]}
    if body:
        draft.add(Part("PATCH", path, f"{layout.kind}.update", body, conditions))
    if stage is not None and closes:
        revenue = _deal_value(layout, {**record.values, **change.values})
        draft.add(closing(layout, f"/{path}", stage, revenue))
    return draft


def needs_look_up(layout: Layout, change: RecordChange) -> bool:
    """Whether other rows than the record's own are written, whose ids are not in a :class:`Record`."""
    places = layout.places.by_path
    return any(isinstance(places.get(path), SetPlace | RelatedColumn) for path in change.values)


def _sets(draft: Draft, record: Record, change: RecordChange, found: Prepared, row: Row) -> dict[str, Any]:
    """Adds the parts for other rows; answers with what they mean for the record's own row."""
    layout = draft.layout
    body: dict[str, Any] = {}
    _add_related(draft, change.values, row)
    if "@contacts" in change.values and layout.tables.contacts:
        body |= _contact_of_existing(draft, layout.tables.contacts, change.values["@contacts"] or (), found, row)
    if "@team" in change.values:
        path, team = f"/{layout.table.path(record.id)}", change.values["@team"] or ()
        own, parts = change_of_team(layout.tables, layout.schema, path, team, found.owners, row)
        body |= own
        draft.parts += parts
    if "@solutions" in change.values and layout.tables.solutions:
        _add_solutions(draft, layout.tables.solutions, record, change.values, row)
    return body


def _add_related(draft: Draft, values: Mapping[str, Any], row: Row) -> None:
    bodies: dict[tuple[str, str], dict[str, Any]] = {}
    for path, value in values.items():
        place = draft.layout.places.by_path.get(path)
        if not isinstance(place, RelatedColumn):
            continue
        related = row.get(place.lookup.name)
        if not related:
            raise Rejected(
                f"{path} cannot be written: the record has no {place.table.name}",
                field=path,
                code="no_related_row",
                remedy=f"Choose the {place.table.name} on the record.",
                service="Dynamics 365",
            )
        target = (place.table.name, place.table.path(str(related[place.table.primary_id])))
        bodies.setdefault(target, {})[place.column.name] = to_json(place.column, value)
    for (table, path), body in bodies.items():
        draft.add(Part("PATCH", path, f"{table}.update", body, {"If-Match": "*"}))


def _contact_of_existing(
    draft: Draft, table: PeopleTable, people: Sequence[Person], found: Prepared, row: Row
) -> dict[str, Any]:
    bind = f"{table.written_as}@odata.bind"
    if not people:
        return {bind: None}
    layout = draft.layout
    accounts = layout.account_table
    account = (row.get(layout.mapping.account.lookup) if layout.mapping.account else None) or {}
    account_id = str(account[accounts.primary_id]).lower() if account else None
    contacts = layout.schema.tables[table.table]
    known = known_contact(people[0], found, account_id)
    if known is None:
        return {bind: _add_contact(draft, table, people[0], f"/{accounts.path(account_id)}" if account_id else None)}
    draft.add(
        Part("PATCH", contacts.path(known), "contact.update", layout.person_body(table, people[0]), {"If-Match": "*"})
    )
    return {bind: f"/{contacts.path(known)}"}


def _add_solutions(draft: Draft, table: SolutionsTable, record: Record, values: Mapping[str, Any], row: Row) -> None:
    """Rows are added, changed and removed so that they are ``values["@solutions"]``; others stay untouched."""
    layout = draft.layout
    rows = layout.schema.tables[table.table]
    present = dict(
        zip((child[rows.primary_id] for child in row[table.collection]), layout.solutions(table, row), strict=True)
    )
    wanted = by_key(values["@solutions"] or ())
    currency = _currency_path_value(layout, {**record.values, **values})
    kept: set[str] = set()
    for row_id, solution in present.items():
        if solution.key not in wanted or solution.key in kept:
            draft.add(Part("DELETE", rows.path(row_id), "solution.delete"))
            continue
        kept.add(solution.key)
        if solution != wanted[solution.key]:
            body = layout.solution_body(table, wanted[solution.key])
            draft.add(Part("PATCH", rows.path(row_id), "solution.update", body, {"If-Match": "*"}))
    for key, solution in wanted.items():
        if key not in kept:
            draft.add(_solution_row(layout, table, solution, f"/{layout.table.path(record.id)}", currency))


def _deal_value(layout: Layout, values: Mapping[str, Any]) -> Any:
    return values.get(layout.mapping.field("deal_value").crm) if layout.mapping.has("deal_value") else None


def _currency_path_value(layout: Layout, values: Mapping[str, Any]) -> str | None:
    for row in layout.mapping.fields:
        if row.converter == "currency" and values.get(row.crm):
            return layout.currency_reference(values[row.crm], row.crm)
    return None
