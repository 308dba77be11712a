"""CRM paths of the mapping, resolved against what the org has, and the one query that reads them all.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_relationships.htm
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shared.crm.salesforce import soql
from shared.crm.salesforce.describe import CURRENCY_FIELD, Field, Schema, SObject
from shared.crm.salesforce.objects import Objects, PersonFields, RecordObject
from shared.crm.salesforce.values import NUMBERS, TEXTS
from shared.domain.mapping import RecordMapping

PRODUCTS_FIELD = "HasOpportunityLineItem"
SYSTEM_FIELDS = ("Id", "SystemModstamp", "LastModifiedDate", "LastModifiedById")
_READABLE = TEXTS | NUMBERS | {"boolean", "int", "date", "datetime"}


@dataclass(frozen=True)
class OwnField:
    """A field of the record itself."""

    field: Field


@dataclass(frozen=True)
class RelatedField:
    """A field of the row behind a lookup, mostly the account."""

    lookup: Field
    target: SObject
    field: Field


@dataclass(frozen=True)
class OrgCurrency:
    """The currency of a record in an org that has a single one: always ``code``."""

    code: str


@dataclass(frozen=True)
class OwnPerson:
    """A person written down in fields of the record itself, in the order of :class:`~shared.domain.values.Person`."""

    fields: tuple[Field | None, ...]


@dataclass(frozen=True)
class SetPlace:
    """``@contacts``, ``@team`` or ``@solutions``."""

    path: str


Place = OwnField | RelatedField | OrgCurrency | OwnPerson | SetPlace


@dataclass(frozen=True)
class Places:
    """Every CRM path of one kind of record; ``missing`` says what the org does not have."""

    record: SObject
    by_path: Mapping[str, Place]
    missing: tuple[str, ...] = field(default=())


def actual_field(sobject: SObject, name: str) -> Field | None:
    """The field that holds what ``name`` means: with country picklists on, codes are in a field of their own.

    https://help.salesforce.com/s/articleView?id=sf.admin_state_country_picklist_overview.htm
    """
    if name.casefold().endswith("country") and (code := sobject.field(f"{name}Code")):
        return code
    return sobject.field(name)


def resolve(mapping: RecordMapping, definition: RecordObject, objects: Objects, schema: Schema) -> Places:
    """Where each CRM path of ``mapping`` is, as far as the org has it; the record's object must be there."""
    record = schema.objects[definition.object]
    by_path: dict[str, Place] = {}
    missing: list[str] = []
    for path in dict.fromkeys((*mapping.crm_paths, *mapping.constants)):
        place = _place(path, record, definition, objects, schema)
        if isinstance(place, str):
            missing.append(place)
        else:
            by_path[path] = place
    missing += _missing_around(mapping, record, objects, schema)
    return Places(record, by_path, tuple(dict.fromkeys(missing)))


def _place(path: str, record: SObject, definition: RecordObject, objects: Objects, schema: Schema) -> Place | str:
    """Where ``path`` is, or what is missing for it."""
    if path == "@contacts" and definition.person:
        person = definition.person
        if lacking := _lacking(record, person):
            return lacking[0]
        return OwnPerson(tuple(record.field(name) if name else None for name in person.fields))
    if path.startswith("@"):
        return SetPlace(path)
    relationship, _, name = path.rpartition(".")
    if relationship:
        lookup = record.reference(relationship)
        target = schema.objects.get(lookup.reference) if lookup else None
        if lookup is None or target is None:
            return f"lookup {relationship} of {record.name}"
        found = actual_field(target, name)
        return RelatedField(lookup, target, found) if found else f"field {name} of {target.name}"
    found = actual_field(record, name)
    if found is None and name.casefold() == CURRENCY_FIELD.casefold():
        return _org_currency(objects, schema)
    if found is None:
        return f"field {name} of {record.name}"
    if found.type in _READABLE:
        return OwnField(found)
    return f"field {name} of {record.name} with a type the connector can read (it is {found.type})"


def _org_currency(objects: Objects, schema: Schema) -> Place | str:
    if objects.org.currency and not schema.currencies:
        return OrgCurrency(objects.org.currency)
    return (
        "several currencies, nor a word in customize.toml on which single one it has "
        '([adapter.org] currency = "USD", as in Setup, Company Information)'
    )


def _missing_around(mapping: RecordMapping, record: SObject, objects: Objects, schema: Schema) -> Iterable[str]:
    if mapping.account:
        lookup = record.reference(mapping.account.lookup)
        if lookup is None:
            yield f"lookup {mapping.account.lookup} of {record.name}"
        elif objects.account.object not in schema.objects:
            yield f"object {objects.account.object}"
    for people in (objects.contacts, objects.team):
        if people:
            target = schema.objects.get(people.object)
            yield from _lacking(target, people) if target else (f"object {people.object}",)
    if objects.contacts and objects.contacts.roles not in record.children:
        yield f"child rows {objects.contacts.roles} of {record.name}"
    if objects.solutions and objects.solution_details:
        yield from _missing_solutions(record, objects, schema)


def _missing_solutions(record: SObject, objects: Objects, schema: Schema) -> Iterator[str]:
    rows, details = objects.solutions, objects.solution_details
    if rows is None or details is None:
        return
    if rows.rows not in record.children:
        yield f"child rows {rows.rows} of {record.name}"
    for name, names in (
        (rows.object, (rows.parent, rows.detail, rows.quantity, rows.price)),
        (details.object, (details.id, details.name)),
    ):
        found = schema.objects.get(name)
        if found is None:
            yield f"object {name}"
        else:
            yield from (f"field {one} of {name}" for one in names if found.field(one) is None)


def _lacking(sobject: SObject, person: PersonFields) -> list[str]:
    """A phone number that is hidden from us is none; the other parts of a person must be there."""
    names = (person.first_name, person.last_name, person.email)
    return [f"field {name} of {sobject.name}" for name in names if sobject.field(name) is None]


def person_columns(people: PersonFields, sobject: SObject) -> tuple[str, ...]:
    """The fields of a person that are there."""
    return tuple(name for name in people.fields if name and sobject.field(name))


@dataclass(frozen=True)
class ReadQuery:
    """Selects everything a record needs. ``children`` are queries of its child rows."""

    source: str
    columns: tuple[str, ...]
    children: tuple[str, ...]

    def where(self, condition: str, *, order: Sequence[str] = (), limit: int | None = None) -> str:
        return soql.select(self.source, self.columns, children=self.children, where=condition, order=order, limit=limit)


def read_query(
    places: Places, stage_columns: Sequence[str], mapping: RecordMapping, objects: Objects, schema: Schema
) -> ReadQuery:
    record = places.record
    columns = [*SYSTEM_FIELDS, *stage_columns]
    columns += [name for name in (CURRENCY_FIELD, PRODUCTS_FIELD) if name in record.fields]
    if mapping.account and (lookup := record.reference(mapping.account.lookup)):
        columns.append(lookup.name)
    for place in places.by_path.values():
        match place:
            case OwnField(own):
                columns.append(own.name)
            case RelatedField(lookup, _, related):
                columns.append(f"{lookup.relationship}.{related.name}")
            case OwnPerson(fields):
                columns += [own.name for own in fields if own]
    if objects.team:
        owner = person_columns(objects.team, schema.objects[objects.team.object])
        columns += ["OwnerId", *(f"Owner.{name}" for name in owner)]
    return ReadQuery(record.name, tuple(dict.fromkeys(columns)), tuple(_children(record, objects, schema)))


def _children(record: SObject, objects: Objects, schema: Schema) -> Iterator[str]:
    if contacts := objects.contacts:
        names = person_columns(contacts, schema.objects[contacts.object])
        people = ["Id", "ContactId", "IsPrimary", *(f"Contact.{name}" for name in names)]
        yield soql.select(contacts.roles, people, order=("CreatedDate", "Id"))
    if (team := objects.team) and team.members in record.children:
        names = person_columns(team, schema.objects[team.object])
        yield soql.select(
            team.members, ["Id", "UserId", *(f"User.{name}" for name in names)], order=("CreatedDate", "Id")
        )
    if (rows := objects.solutions) and (details := objects.solution_details):
        detail = schema.objects[rows.object].field(rows.detail)
        relationship = detail.relationship if detail else rows.detail
        columns = ["Id", "Name", rows.detail, f"{relationship}.{details.id}", f"{relationship}.{details.name}"]
        yield soql.select(rows.rows, [*columns, rows.quantity, rows.price], order=("CreatedDate", "Id"))
