"""CRM paths of the mapping, resolved against what the environment has, and the one query that reads them all.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/select-columns
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.crm.dynamics365.metadata import Column, Facet, Lookup, Schema, SchemaQuery, Table
from shared.crm.dynamics365.tables import RecordTable, Tables
from shared.crm.dynamics365.team import members_expand, roles_path, user_columns
from shared.domain.mapping import RecordMapping

SYSTEM_COLUMNS = ("statecode", "statuscode", "modifiedon")
_READABLE = frozenset(
    {"String", "Memo", "Money", "Decimal", "Double", "Integer", "BigInt", "Boolean", "DateTime", "Picklist"}
)


@dataclass(frozen=True)
class OwnColumn:
    """A column of the record itself."""

    column: Column


@dataclass(frozen=True)
class CurrencyLookup:
    """A lookup to a currency, read and written as ISO code."""

    lookup: Lookup


@dataclass(frozen=True)
class RelatedColumn:
    """A column of the row behind a lookup, mostly the account."""

    lookup: Lookup
    table: Table
    column: Column


@dataclass(frozen=True)
class SetPlace:
    """``@contacts``, ``@team`` or ``@solutions``."""

    path: str


@dataclass(frozen=True)
class OwnPerson:
    """``@contacts`` of a record that holds its contact in columns of its own: first and last name, phone, e-mail."""

    columns: tuple[Column, ...]


Place = OwnColumn | CurrencyLookup | RelatedColumn | SetPlace | OwnPerson


@dataclass(frozen=True)
class Places:
    """Every CRM path of one kind of record; ``missing`` says what the environment does not have.

    ``lead`` is the lookup to the lead that a record was made of, where there is one.
    """

    table: Table
    by_path: Mapping[str, Place]
    missing: tuple[str, ...] = field(default=())
    lead: Lookup | None = None


def schema_query(tables: Tables, mappings: Iterable[str]) -> SchemaQuery:
    """What to ask of the metadata for records of the tables ``mappings``, and what hangs on them."""
    facets: dict[str, tuple[Facet, ...]] = {name: tuple(Facet) for name in mappings}
    facets[tables.account.table] = (Facet.DEFINITION, Facet.COLUMNS, Facet.TEXT, Facet.MEMO, Facet.CHOICES)
    if tables.contacts:
        facets[tables.contacts.table] = (Facet.DEFINITION, Facet.COLUMNS, Facet.TEXT, Facet.LOOKUPS)
    if tables.team:
        facets[tables.team.table] = (Facet.DEFINITION, Facet.COLUMNS)
    if tables.solutions:
        facets[tables.solutions.table] = (Facet.DEFINITION, Facet.COLUMNS, Facet.TEXT, Facet.MONEY, Facet.LOOKUPS)
    if tables.sales_team:
        facets[tables.sales_team.table] = (Facet.DEFINITION, Facet.LOOKUPS)
    return SchemaQuery(facets, roles_path(tables.sales_team) if tables.sales_team else "")


def resolve(mapping: RecordMapping, definition: RecordTable, tables: Tables, schema: Schema) -> Places:
    """Where each CRM path of ``mapping`` is, as far as the environment has it, and its table, has it."""
    table = schema.tables[definition.table]
    by_path: dict[str, Place] = {}
    missing: list[str] = []
    for path in dict.fromkeys((*mapping.crm_paths, *mapping.constants)):
        own = definition.contact if path == "@contacts" else None
        place = _own_person(own.columns, table) if own else _place(path, table, schema)
        if isinstance(place, str):
            missing.append(place)
        else:
            by_path[path] = place
    missing += _missing_around(mapping, table, tables.around(definition, mapping), schema)
    lead = table.lookup(definition.lead) if definition.lead else None
    return Places(table, by_path, tuple(dict.fromkeys(missing)), lead)


def _own_person(names: tuple[str, ...], table: Table) -> OwnPerson | str:
    columns = [table.columns.get(name) for name in names]
    found = tuple(column for column in columns if column is not None)
    absent = (name for name, column in zip(names, columns, strict=True) if column is None)
    missing = "; ".join(f"column {name} of {table.name}" for name in absent)
    return missing or OwnPerson(found)


def _place(path: str, table: Table, schema: Schema) -> Place | str:
    """Where ``path`` is, or what is missing for it."""
    if path.startswith("@"):
        return SetPlace(path)
    navigation, _, name = path.rpartition(".")
    if navigation:
        lookup = table.lookup(navigation)
        target = schema.tables.get(lookup.target) if lookup else None
        if lookup is None or target is None:
            return f"lookup {navigation} of {table.name}"
        column = target.columns.get(name)
        return RelatedColumn(lookup, target, column) if column else f"column {name} of {target.name}"
    column = table.columns.get(name)
    if column is None:
        return f"column {name} of {table.name}"
    if column.type in _READABLE:
        return OwnColumn(column)
    if currency := table.currency_lookup(name):
        return CurrencyLookup(currency)
    return f"column {name} of {table.name} with a type the connector can read (it is {column.type})"


def _missing_around(mapping: RecordMapping, table: Table, tables: Tables, schema: Schema) -> Iterable[str]:
    asked = [(people.table, people.columns) for people in (tables.contacts, tables.team) if people]
    if mapping.account:
        asked.append((tables.account.table, ("name",)))
    if tables.solutions:
        asked.append((tables.solutions.table, tables.solutions.columns))
    if tables.sales_team:
        asked.append((tables.sales_team.table, ()))
    for name, columns in asked:
        found = schema.tables.get(name)
        if found is None:
            yield f"table {name}"
        else:
            yield from (f"column {column} of {name}" for column in columns if column not in found.columns)
    bind = tables.account.bind if mapping.account else ()
    lookups = [*bind, *(people.lookup for people in (tables.contacts, tables.team) if people)]
    yield from (f"lookup {lookup} of {table.name}" for lookup in lookups if table.lookup(lookup) is None)
    lookups_of: dict[str, tuple[str, ...]] = {}
    if solutions := tables.solutions:
        lookups_of[solutions.table] = (solutions.parent,)
    if sales_team := tables.sales_team:
        lookups_of[sales_team.table] = sales_team.lookups
    for name, wanted in lookups_of.items():
        rows = schema.tables.get(name)
        yield from (f"lookup {lookup} of {name}" for lookup in wanted if rows and rows.lookup(lookup) is None)


def read_query(places: Places, tables: Tables, schema: Schema) -> str:
    """``$select`` and ``$expand`` that read every path, and the state, in one request."""
    select = [places.table.primary_id, *SYSTEM_COLUMNS]
    if places.lead:
        select.append(places.lead.id_property)
    expand: dict[str, list[str]] = {}
    for place in places.by_path.values():
        match place:
            case OwnColumn(column):
                select.append(column.name)
            case CurrencyLookup(lookup):
                select.append(lookup.id_property)
            case RelatedColumn(lookup, target, column):
                expand.setdefault(lookup.name, [target.primary_id]).append(column.name)
            case OwnPerson(columns=own):
                select += [column.name for column in own]
            case SetPlace(path):
                navigation, columns = _set_columns(path, tables, schema)
                expand.setdefault(navigation, []).extend(columns)
    expanded = [f"{name}($select={','.join(dict.fromkeys(columns))})" for name, columns in expand.items()]
    if tables.team and tables.sales_team and "@team" in places.by_path:
        expanded.append(members_expand(tables.team, tables.sales_team, schema))
    query = f"$select={','.join(dict.fromkeys(select))}"
    return f"{query}&$expand={','.join(expanded)}" if expanded else query


def _set_columns(path: str, tables: Tables, schema: Schema) -> tuple[str, tuple[str, ...]]:
    if path == "@solutions" and tables.solutions:
        primary_id = schema.tables[tables.solutions.table].primary_id
        return tables.solutions.collection, (primary_id, *tables.solutions.columns)
    people = tables.contacts if path == "@contacts" else tables.team
    if people is None:
        raise KeyError(path)
    return people.lookup, user_columns(people, schema)
