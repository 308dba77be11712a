"""What the environment says of its own tables: columns, limits, options, keys, lookups and currencies.

Limits and options differ between environments, so nothing of them is written down here.
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from shared.answers import Response
from shared.crm.dynamics365.batch import Part

_CAST = "Attributes/Microsoft.Dynamics.CRM."
CURRENCY_TABLE = "transactioncurrency"
CURRENCY_PRECISION = 2
"""``PrecisionSource`` of money that is rounded to its currency's decimals."""


class Facet(Enum):
    """One metadata read of one table. ``PicklistAttributeMetadata`` and its like answer only when asked by name."""

    DEFINITION = (
        "?$select=LogicalName,EntitySetName,PrimaryIdAttribute,ChangeTrackingEnabled"
        "&$expand=Keys($select=LogicalName,SchemaName,KeyAttributes,EntityKeyIndexStatus)"
    )
    COLUMNS = "/Attributes?$select=LogicalName,AttributeType"
    TEXT = f"/{_CAST}StringAttributeMetadata?$select=LogicalName,MaxLength"
    MEMO = f"/{_CAST}MemoAttributeMetadata?$select=LogicalName,MaxLength"
    MONEY = f"/{_CAST}MoneyAttributeMetadata?$select=LogicalName,Precision,PrecisionSource"
    DATES = f"/{_CAST}DateTimeAttributeMetadata?$select=LogicalName,Format,DateTimeBehavior"
    CHOICES = (
        f"/{_CAST}PicklistAttributeMetadata?$select=LogicalName"
        "&$expand=OptionSet($select=Options),GlobalOptionSet($select=Options)"
    )
    STATUS = f"/{_CAST}StatusAttributeMetadata?$select=LogicalName&$expand=OptionSet($select=Options)"
    LOOKUPS = f"/{_CAST}LookupAttributeMetadata?$select=LogicalName,SchemaName,IsCustomAttribute,Targets"


@dataclass(frozen=True)
class Option:
    """One choice; ``state`` is the status a status reason belongs to."""

    value: int
    label: str
    labels: frozenset[str] = frozenset()
    state: int | None = None


@dataclass(frozen=True)
class Column:
    """``type`` is Dataverse's ``AttributeType``. ``decimals`` is ``None`` for money rounded to its currency."""

    name: str
    type: str
    max_length: int | None = None
    decimals: int | None = None
    date_only: bool = False
    options: tuple[Option, ...] = ()

    def option(self, label: str, state: int | None = None) -> Option | None:
        """The option with that label in any language, without case; only of ``state``, if given."""
        wanted = label.strip().casefold()
        fitting = (one for one in self.options if state is None or one.state == state)
        return next((one for one in fitting if wanted in one.labels), None)

    def label(self, value: int) -> str | None:
        return next((one.label for one in self.options if one.value == value), None)


@dataclass(frozen=True)
class Lookup:
    """A navigation property to one row of ``target``; ``column`` holds its id."""

    name: str
    column: str
    target: str

    @property
    def id_property(self) -> str:
        return f"_{self.column}_value"


@dataclass(frozen=True)
class LookupColumn:
    """``navigation`` is the property's name where it has one target only; otherwise the target is part of the name."""

    name: str
    navigation: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """``keys`` holds the alternate keys whose index is built: name to columns. Names of keys are in lower case."""

    name: str
    entity_set: str
    primary_id: str
    tracks_changes: bool = False
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)
    lookup_columns: tuple[LookupColumn, ...] = ()

    def path(self, row_id: str) -> str:
        return f"{self.entity_set}({row_id})"

    def lookup(self, navigation: str) -> Lookup | None:
        """The lookup with that navigation property, ``customerid_account`` or ``msft_OpportunityId``."""
        wanted = navigation.lower()
        for column in self.lookup_columns:
            for target in column.targets:
                if wanted in (column.name, f"{column.name}_{target}"):
                    return Lookup(navigation, column.name, target)
        return None

    def currency_lookup(self, column_name: str) -> Lookup | None:
        """The lookup of that column, if it leads to currencies."""
        for column in self.lookup_columns:
            if column.name == column_name and column.targets == (CURRENCY_TABLE,):
                return Lookup(column.navigation, column.name, CURRENCY_TABLE)
        return None


@dataclass(frozen=True)
class Currency:
    id: str
    iso_code: str
    decimals: int
    is_active: bool


@dataclass(frozen=True)
class Schema:
    """``tables`` by logical name; a table that the environment does not have is absent.

    ``roles`` are those in which a user is of an opportunity's sales team: name in lower case to id.
    """

    tables: Mapping[str, Table]
    currencies: tuple[Currency, ...]
    roles: Mapping[str, str] = field(default_factory=dict)

    def currency(self, iso_code: str) -> Currency | None:
        fitting = [one for one in self.currencies if one.iso_code == iso_code.upper()]
        return next((one for one in fitting if one.is_active), None)

    def currency_by_id(self, currency_id: str) -> Currency | None:
        return next((one for one in self.currencies if one.id == currency_id), None)


@dataclass(frozen=True)
class SchemaQuery:
    """Which facets of which tables to read: ``parts`` goes into one ``$batch``, ``parse`` takes the answers.

    ``roles_path`` reads connection roles; blank, none are read.
    """

    facets: Mapping[str, tuple[Facet, ...]]
    roles_path: str = ""

    def parts(self) -> list[Part]:
        columns = "transactioncurrencyid,isocurrencycode,currencyprecision,statecode"
        asked = [
            Part("GET", f"EntityDefinitions(LogicalName='{table}'){facet.value}", f"{table}.{facet.name.lower()}")
            for table, facet in self._asked()
        ]
        roles = [Part("GET", self.roles_path, "role.list")] if self.roles_path else []
        return [*asked, Part("GET", f"transactioncurrencies?$select={columns}", "currency.list"), *roles]

    def parse(self, answers: Sequence[Response]) -> Schema:
        """``answers`` in the order of ``parts``, each 200, or 404 for a table that is not there."""
        asked = list(self._asked())
        currencies, *roles = answers[len(asked) :]
        found: dict[str, dict[Facet, Response]] = {}
        for (table, facet), answer in zip(asked, answers[: len(asked)], strict=True):
            if answer.status != 404:
                found.setdefault(table, {})[facet] = answer
        tables = {name: _table(name, facets) for name, facets in found.items() if Facet.DEFINITION in facets}
        named = {
            str(row["name"]).casefold(): str(row["connectionroleid"])
            for answer in roles
            if answer.status != 404
            for row in _rows(answer)
        }
        return Schema(tables, tuple(_currency(row) for row in _rows(currencies)), named)

    def _asked(self) -> Iterator[tuple[str, Facet]]:
        for table, facets in self.facets.items():
            for facet in facets:
                yield table, facet


def _table(name: str, facets: Mapping[Facet, Response]) -> Table:
    definition = facets[Facet.DEFINITION].json_object()
    rows: dict[Facet, list[dict[str, Any]]] = {
        facet: _rows(answer) for facet, answer in facets.items() if facet is not Facet.DEFINITION
    }
    return Table(
        name=name,
        entity_set=definition["EntitySetName"],
        primary_id=definition["PrimaryIdAttribute"],
        tracks_changes=bool(definition.get("ChangeTrackingEnabled")),
        keys=dict(_built_keys(definition.get("Keys") or ())),
        columns={column.name: column for column in _columns(rows)},
        lookup_columns=tuple(_lookup_column(row) for row in rows.get(Facet.LOOKUPS, ())),
    )


def _lookup_column(row: Mapping[str, Any]) -> LookupColumn:
    """Navigation properties are named like the column; those of custom columns keep the capitals it was made with.

    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/web-api-navigation-properties
    """
    name = row["LogicalName"]
    return LookupColumn(name, row["SchemaName"] if row.get("IsCustomAttribute") else name, tuple(row["Targets"] or ()))


def _built_keys(keys: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Only keys whose index is there: until then, and after duplicates made it fail, nothing is unique."""
    for key in keys:
        if key.get("EntityKeyIndexStatus") == "Active":
            for name in {str(key.get("LogicalName")).lower(), str(key.get("SchemaName")).lower()}:
                yield name, tuple(key["KeyAttributes"])


def _columns(rows: Mapping[Facet, Sequence[Mapping[str, Any]]]) -> Iterator[Column]:
    details: dict[str, dict[str, Any]] = {}
    for facet in (Facet.TEXT, Facet.MEMO):
        for row in rows.get(facet, ()):
            details[row["LogicalName"]] = {"max_length": row.get("MaxLength")}
    for row in rows.get(Facet.MONEY, ()):
        by_currency = row.get("PrecisionSource") == CURRENCY_PRECISION
        details[row["LogicalName"]] = {"decimals": None if by_currency else row.get("Precision")}
    for row in rows.get(Facet.DATES, ()):
        behaviour = (row.get("DateTimeBehavior") or {}).get("Value")
        details[row["LogicalName"]] = {"date_only": behaviour == "DateOnly"}
    for facet in (Facet.CHOICES, Facet.STATUS):
        for row in rows.get(facet, ()):
            options = row.get("OptionSet") or row.get("GlobalOptionSet") or {}
            details[row["LogicalName"]] = {"options": tuple(_option(one) for one in options.get("Options") or ())}
    for row in rows.get(Facet.COLUMNS, ()):
        yield Column(row["LogicalName"], row.get("AttributeType") or "", **details.get(row["LogicalName"], {}))


def _option(option: Mapping[str, Any]) -> Option:
    texts = option.get("Label") or {}
    localized = [one.get("Label") or "" for one in texts.get("LocalizedLabels") or ()]
    own = (texts.get("UserLocalizedLabel") or {}).get("Label") or next(iter(localized), "") or str(option["Value"])
    labels = frozenset(text.strip().casefold() for text in (own, *localized) if text)
    return Option(int(option["Value"]), own, labels, option.get("State"))


def _currency(row: Mapping[str, Any]) -> Currency:
    return Currency(
        id=row["transactioncurrencyid"],
        iso_code=str(row["isocurrencycode"]).upper(),
        decimals=int(row.get("currencyprecision") or 0),
        is_active=row.get("statecode") in (0, None),
    )


def _rows(answer: Response) -> list[dict[str, Any]]:
    rows = answer.json_object().get("value")
    if not isinstance(rows, list):
        raise answer.unreadable("JSON of another shape than documented")
    return rows
