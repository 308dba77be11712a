"""Creates and updates as parts of one composite request: all of it happens, or none. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.crm.port import Prepared
from shared.crm.salesforce import soql
from shared.crm.salesforce.composite import Part, changing, first_of, id_of, inserting
from shared.crm.salesforce.describe import CURRENCY_FIELD
from shared.crm.salesforce.layout import Layout, Row, amount_fields
from shared.crm.salesforce.lookups import by_id, by_reference, details_in, known_contact
from shared.crm.salesforce.places import PRODUCTS_FIELD, OwnField, RelatedField, SetPlace
from shared.crm.salesforce.related import Rows, add_solutions, draft_sets
from shared.crm.salesforce.values import plain_text
from shared.domain.record import NewRecord, Record, RecordChange
from shared.domain.sets import by_key
from shared.domain.values import Person

RECORD = "record"
_ACCOUNT = "account"
_CONTACT = "contact"
_CHECK = "check"
_AMOUNT = "Amount"


def draft_create(layout: Layout, new: NewRecord, prepared: Prepared, account_id: str | None) -> list[Part]:
    """Account, contact, record, team and solution rows, and last a read of what came of it."""
    parts: list[Part] = []
    body = {
        **layout.body({**layout.mapping.constants, **new.values}),
        layout.mapping.columns.referral_id: plain_text(new.referral_id),
        layout.stages.field: layout.stages.value_for(new.stage),
    }
    if new.account is not None:
        account = _account_of_new(layout, parts, new.account.values, account_id)
        body |= _reference_to_account(layout, account)
        body |= _contact_of_new(layout, parts, new, prepared, (account_id, account))
    team = new.values.get("@team") or ()
    users = team_ids(layout, team, prepared)
    body |= {"OwnerId": users[0]} if users else {}
    parts.append(inserting(layout.sobject.name, _without_blanks(body), f"{layout.kind}.create", RECORD))
    rows = Rows(layout, id_of(RECORD), body.get(CURRENCY_FIELD), details_in(prepared))
    parts += rows.members(users[1:])
    parts += add_solutions(rows, by_key(new.values.get("@solutions") or ()).values())
    parts.append(by_reference(layout, id_of(RECORD)))
    return parts


def _account_of_new(layout: Layout, parts: list[Part], columns: Mapping[str, Any], account_id: str | None) -> str:
    """The id of the customer's account, or what stands for it."""
    if account_id:
        return account_id
    body = _without_blanks(layout.account_body(columns))
    parts.append(inserting(layout.objects.account.object, body, "account.create", _ACCOUNT))
    return id_of(_ACCOUNT)


def _reference_to_account(layout: Layout, account: str) -> dict[str, str]:
    lookup = layout.sobject.reference(layout.mapping.account.lookup) if layout.mapping.account else None
    return {lookup.name: account} if lookup else {}


def _contact_of_new(
    layout: Layout, parts: list[Part], new: NewRecord, prepared: Prepared, account: tuple[str | None, str]
) -> dict[str, str]:
    """ContactId makes the primary contact role, at creation only: later it is the role that is written.

    https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunity.htm
    """
    contacts, people = layout.objects.contacts, new.values.get("@contacts") or ()
    if contacts is None or not people:
        return {}
    known_account, account_id = account
    known = known_contact(people[0], prepared, known_account)
    if known:
        return {"ContactId": known}
    body = layout.person_body(contacts, layout.target(contacts.object), people[0])
    parts.append(inserting(contacts.object, {**body, contacts.account: account_id}, "contact.create", _CONTACT))
    return {"ContactId": id_of(_CONTACT)}


def team_ids(layout: Layout, team: Sequence[Person], prepared: Prepared) -> list[str]:
    """The users among ``team``: the first owns the record, the others are members where the org has teams."""
    if layout.objects.team is None:
        return []
    addresses = (person.email.casefold() for person in team)
    return list(dict.fromkeys(prepared.owners[one] for one in addresses if one in prepared.owners))


def needs_look_up(layout: Layout, change: RecordChange) -> bool:
    """Whether other rows than the record's own are written, whose ids are not in a :class:`Record`."""
    places = layout.places.by_path
    return any(isinstance(places.get(path), SetPlace | RelatedField) for path in change.values)


def draft_update(
    layout: Layout, record: Record, change: RecordChange, prepared: Prepared, row: Row | None
) -> list[Part]:
    """The writes, and last a read of what came of them; empty where there is nothing to write.

    ``row`` and ``prepared`` are only needed where :func:`needs_look_up` says so. The first part finds the record only
    while it is as it was read; without it nothing is written (``conditions``).
    """
    body = _own_body(layout, record, change)
    writes: list[Part] = []
    if row is not None:
        sets = draft_sets(layout, record, change, prepared, row)
        body |= sets.body
        writes += sets.parts
    if body:
        writes.append(changing(layout.sobject.name, record.id, body, f"{layout.kind}.update"))
    if not writes:
        return []
    return [*conditions(layout, record, body), *writes, by_id(layout, record.id)]


def _own_body(layout: Layout, record: Record, change: RecordChange) -> dict[str, Any]:
    currency = layout.currency_in(change.values) or layout.currency_in(record.values)
    values = dict(change.values)
    if layout.currency_in(change.values):
        # A currency that is sent alone converts every amount of the record; with its amount it leaves that as it is.
        amounts = amount_fields(layout)
        values |= {path: record.values[path] for path in amounts if path not in values and path in record.values}
    body = layout.body(values, currency)
    if change.stage is not None:
        body[layout.stages.field] = layout.stages.value_for(change.stage)
    return body


def conditions(layout: Layout, record: Record, body: Mapping[str, Any]) -> list[Part]:
    """A query that finds the record only if it may be written, and a part that needs what it finds.

    Salesforce compares no versions of opportunities; but a part that names a row which a query did not find is
    refused, and takes everything else back with it. What lands between that query and the write, a few milliseconds
    later in the same request, is not noticed by it.
    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite_post.htm
    """
    wanted = []
    if record.version is not None:
        wanted.append(layout.unchanged(record))
    if _AMOUNT in body and PRODUCTS_FIELD in layout.sobject.fields:
        wanted.append(soql.equals(PRODUCTS_FIELD, False))
    if not wanted:
        return []
    query = soql.select(layout.sobject.name, ("Id",), where=soql.both(soql.equals("Id", record.id), *wanted))
    guard = f"sobjects/{layout.sobject.name}/{first_of(_CHECK)}?fields=Id"
    return [
        Part("GET", soql.path_of(query), f"{layout.kind}.check", name=_CHECK),
        Part("GET", guard, f"{layout.kind}.check"),
    ]


def landed_between(layout: Layout, record: Record, change: RecordChange, after: Row) -> list[str]:
    """What the record holds that neither this update wrote nor the read before it saw, by path; ``stage`` for its own.

    Another's write in the milliseconds after the check carries the version of ours, so nothing else would tell of it.
    Nothing is told of an update that was not to be checked.
    """
    if record.version is None:
        return []
    places = layout.places.by_path
    read = [path for path in record.values if path not in change.values and isinstance(places.get(path), OwnField)]
    now = layout.values(after, read)
    names = [path for path in read if now[path] != record.values[path]]
    stage, _ = layout.stages.stage_of(after)
    return [*names, "stage"] if change.stage is None and stage is not record.stage else names


def _without_blanks(body: Mapping[str, Any]) -> dict[str, Any]:
    """A new record has blanks by itself; a null could undo a default of the org."""
    return {name: value for name, value in body.items() if value is not None}
