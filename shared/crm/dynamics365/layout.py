"""One kind of record in one environment: rows read as records, values written as rows, limits told. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared.crm.dynamics365 import values as json_values
from shared.crm.dynamics365.errors import INSTALL_SCHEMA
from shared.crm.dynamics365.metadata import Currency, Schema, Table
from shared.crm.dynamics365.paths import (
    CurrencyLookup,
    OwnColumn,
    OwnPerson,
    Places,
    RelatedColumn,
    read_query,
    resolve,
)
from shared.crm.dynamics365.stages import LeadStatusReasons, Reasons, StatusReasons
from shared.crm.dynamics365.tables import LeadTable, PeopleTable, SolutionsTable, Tables
from shared.crm.dynamics365.team import person, read_team
from shared.domain.converters import cut
from shared.domain.errors import ConfigurationError, Rejected
from shared.domain.mapping import FieldLimits, RecordMapping
from shared.domain.record import Record, RecordKind
from shared.domain.values import Person, Solution

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Layout:
    """``query`` reads everything :meth:`record` needs; ``tables`` are those around records of this kind."""

    kind: RecordKind
    mapping: RecordMapping
    tables: Tables
    schema: Schema
    places: Places
    reasons: Reasons
    query: str

    @property
    def table(self) -> Table:
        return self.places.table

    @property
    def account_table(self) -> Table:
        return self.schema.tables[self.tables.account.table]

    @property
    def key_column(self) -> str | None:
        """The referral identifier, if an alternate key over it is built; it then forbids a second record."""
        definition = self.tables.of(self.kind)
        columns = self.table.keys.get(definition.alternate_key.lower()) if definition else None
        return self.mapping.columns.referral_id if columns == (self.mapping.columns.referral_id,) else None

    def record(self, row: Row) -> Record:
        """The record of a row that was read with ``query``; ``UnknownOption`` for a choice newer than the metadata."""
        stage, reason = self.reasons.stage_of(row)
        return Record(
            kind=self.kind,
            id=str(row[self.table.primary_id]).lower(),
            version=row.get("@odata.etag"),
            modified_at=json_values.moment(row["modifiedon"]),
            stage=stage,
            values=self.values(row, self.mapping.crm_paths),
            stage_reason=reason,
            lead_id=row.get(self.places.lead.id_property) if self.places.lead else None,
        )

    def values(self, row: Row, paths: Sequence[str]) -> dict[str, Any]:
        """The values of ``paths``, those that the row holds."""
        currency = self.currency_of(row)
        found: dict[str, Any] = {}
        for path in paths:
            match self.places.by_path.get(path):
                case OwnColumn(column) if column.name in row:
                    found[path] = json_values.from_json(column, row[column.name], currency)
                case CurrencyLookup(lookup) if lookup.id_property in row:
                    known = self.schema.currency_by_id(str(row[lookup.id_property]))
                    found[path] = known.iso_code if known else None
                case RelatedColumn(lookup, _, column) if lookup.name in row:
                    related = row[lookup.name] or {}
                    found[path] = json_values.from_json(column, related.get(column.name), currency)
                case OwnPerson(columns) if all(column.name in row for column in columns):
                    own = Person(*((row[column.name] or "") for column in columns))
                    found[path] = () if own == Person() else (own,)
        if "@contacts" in paths and self.tables.contacts and self.tables.contacts.lookup in row:
            contact = person(self.tables.contacts, row[self.tables.contacts.lookup])
            found["@contacts"] = (contact,) if contact else ()
        if "@team" in paths and self.tables.team and self.tables.team.lookup in row:
            found["@team"] = read_team(self.tables, self.schema, self.tables.team, row)
        if "@solutions" in paths and self.tables.solutions and self.tables.solutions.collection in row:
            found["@solutions"] = self.solutions(self.tables.solutions, row)
        return found

    def currency_of(self, row: Row) -> Currency | None:
        """Money comes with the currency of its row, asked for or not."""
        currency_id = row.get("_transactioncurrencyid_value")
        return self.schema.currency_by_id(str(currency_id)) if currency_id else None

    def solutions(self, table: SolutionsTable, row: Row) -> tuple[Solution, ...]:
        columns = self.schema.tables[table.table].columns
        currency = self.currency_of(row)
        found = []
        for child in row[table.collection]:
            quantity = child.get(table.quantity)
            price = json_values.from_json(columns[table.price], child.get(table.price), currency)
            found.append(
                Solution(
                    id=child.get(table.id) or "",
                    name=child.get(table.name) or "",
                    quantity=None if quantity in (None, "") else int(quantity),
                    price=None if price is None else Decimal(str(price)),
                )
            )
        return tuple(found)

    def body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The row's own part of ``values``; columns of other rows and sets are written elsewhere."""
        written: dict[str, Any] = {}
        for path, value in values.items():
            match self.places.by_path.get(path):
                case OwnColumn(column):
                    written[column.name] = json_values.to_json(column, value)
                case CurrencyLookup(lookup):
                    written[f"{lookup.name}@odata.bind"] = self.currency_reference(value, path)
                case OwnPerson(columns):
                    own = value[0] if value else Person()
                    texts = (own.first_name, own.last_name, own.phone, own.email)
                    written |= {
                        column.name: cut(text, column.max_length) or None
                        for column, text in zip(columns, texts, strict=True)
                    }
                case None:
                    raise self._no_such(path)
        return written

    def currency_reference(self, iso_code: str | None, path: str) -> str | None:
        if not iso_code:
            return None
        currency = self.schema.currency(iso_code)
        if currency is None:
            raise Rejected(
                f"Dynamics 365 has no active currency {iso_code}",
                field=path,
                code="unknown_currency",
                remedy="Add the currency in the Power Platform admin center, or correct it in Partner Center.",
                service="Dynamics 365",
            )
        return f"/transactioncurrencies({currency.id})"

    def account_body(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """``columns`` of an account as JSON; names the environment does not have are a ``ConfigurationError``."""
        known = self.account_table.columns
        if unknown := sorted(set(columns) - known.keys()):
            raise self._no_such(", ".join(unknown))
        return {name: json_values.to_json(known[name], value) for name, value in columns.items()}

    def person_body(self, table: PeopleTable, person: Person) -> dict[str, Any]:
        """Blank parts are left out; text is cut to its column, for no one can shorten a stranger's name."""
        columns = self.schema.tables[table.table].columns
        texts = zip(table.columns, (person.first_name, person.last_name, person.phone, person.email), strict=True)
        return {name: cut(text, columns[name].max_length) for name, text in texts if text}

    def solution_body(self, table: SolutionsTable, solution: Solution) -> dict[str, Any]:
        columns = self.schema.tables[table.table].columns
        parts = {
            table.id: solution.id,
            table.name: cut(solution.name, columns[table.name].max_length),
            table.quantity: solution.quantity,
            table.price: solution.price,
        }
        return {name: json_values.to_json(columns[name], value) for name, value in parts.items()}

    def limits(self) -> dict[str, FieldLimits]:
        """By CRM path. A contact is one person, and so is an owner; other sets hold as many as there are."""
        found: dict[str, FieldLimits] = {}
        for path, place in self.places.by_path.items():
            match place:
                case OwnColumn(column) | RelatedColumn(column=column):
                    labels = tuple(option.label for option in column.options) or None
                    found[path] = FieldLimits(column.max_length, column.decimals, options=labels)
        for path, capacity in (("@contacts", 1), ("@team", None if self.tables.sales_team else 1)):
            if path in self.places.by_path:
                found[path] = FieldLimits(capacity=capacity)
        return found

    def _no_such(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"The field mapping has no place in Dynamics 365 for {name}", code="mapping", service="Dynamics 365"
        )


def build_layout(
    kind: RecordKind, mapping: RecordMapping, tables: Tables, schema: Schema, stage_names: Mapping[str, str]
) -> Layout:
    """Raises ``ConfigurationError`` that lists everything the mapping names and the environment does not have."""
    definition = tables.of(kind)
    table = schema.tables.get(definition.table) if definition else None
    if definition is None or table is None:
        raise _missing([f"table {definition.table if definition else kind}"])
    tables = tables.around(definition, mapping)
    places = resolve(mapping, definition, tables, schema)
    missing = list(places.missing)
    status = table.columns.get("statuscode")
    if status is None:
        raise _missing([*missing, f"column statuscode of {table.name}"])
    reasons: Reasons = (
        LeadStatusReasons(definition.status_reasons, status)
        if isinstance(definition, LeadTable)
        else StatusReasons(stage_names, status)
    )
    if missing := [*missing, *reasons.missing()]:
        raise _missing(missing)
    return Layout(kind, mapping, tables, schema, places, reasons, read_query(places, tables, schema))


def _missing(names: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"The Dynamics 365 environment does not have: {'; '.join(names)}",
        code="schema",
        remedy=INSTALL_SCHEMA,
        service="Dynamics 365",
    )
