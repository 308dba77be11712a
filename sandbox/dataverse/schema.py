"""Tables and columns of the environment, read from ``schema.toml``. Everything else asks here what exists."""

from __future__ import annotations

import functools
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

LOOKUPS = frozenset({"Lookup", "Customer", "Owner"})
TEXTS = frozenset({"String", "Memo"})
CHOICES = frozenset({"Picklist", "State", "Status"})
_MONEY_BASE_PRECISION = 4


@dataclass(frozen=True)
class Option:
    """One value of a choice. ``state``: for a statuscode, the statecode that owns it."""

    value: int
    label: str
    state: int | None = None


@dataclass(frozen=True)
class Column:
    """One column; ``type`` is Dataverse's AttributeType, except DateOnly, which is a DateTime that shows no time.

    ``create`` / ``update`` false: a value sent for it is ignored without an error, as Dataverse does.
    ``is_managed``: it came with Dynamics 365 or with a vendor's solution. ``schema_name`` is its name in capitals and
    small letters, where that is another.
    ``navigation`` and ``collection`` (lookups only) are by target table.
    """

    name: str
    type: str
    label: str
    max_length: int | None = None
    format: str | None = None
    precision: int | None = None
    min_value: Decimal | None = None
    max_value: Decimal | None = None
    options: tuple[Option, ...] = ()
    default: Any = None
    required: str = "None"
    create: bool = True
    update: bool = True
    navigation: Mapping[str, str] = field(default_factory=dict)
    collection: Mapping[str, str] = field(default_factory=dict)
    cascade_delete: bool = False
    is_managed: bool = True
    schema_name: str = ""

    @property
    def is_lookup(self) -> bool:
        return self.type in LOOKUPS

    @property
    def property_name(self) -> str:
        """The name in queries and answers; a lookup is read as ``_x_value``."""
        return f"_{self.name}_value" if self.is_lookup else self.name

    def option(self, value: object) -> Option | None:
        return next((option for option in self.options if option.value == value), None)


@dataclass(frozen=True)
class KeyIndex:
    """The index of an alternate key that is not built, or whose building failed; ``looks`` are left until it ends."""

    columns: tuple[str, ...]
    status: str
    looks: int = 0


@dataclass(frozen=True)
class Table:
    """``keys`` are the alternate keys whose index is built, ``unbuilt_keys`` the others: nothing is unique by them."""

    name: str
    entity_set: str
    schema_name: str
    label: str
    label_plural: str
    primary_id: str
    primary_name: str
    columns: Mapping[str, Column]
    keys: Mapping[str, tuple[str, ...]]
    change_tracking: bool
    creatable: bool
    defaults_currency: bool
    has_full_name: bool
    is_managed: bool = True
    unbuilt_keys: Mapping[str, KeyIndex] = field(default_factory=dict)

    @property
    def type_name(self) -> str:
        return f"Microsoft.Dynamics.CRM.{self.name}"

    @property
    def metadata_id(self) -> str:
        return stable_id("table", self.name)

    def by_property(self, name: str) -> Column | None:
        """The column that a query or an answer calls ``name``; case matters."""
        if name.startswith("_") and name.endswith("_value"):
            column = self.columns.get(name[1:-6])
            return column if column and column.is_lookup else None
        column = self.columns.get(name)
        return None if column is None or column.is_lookup else column

    def by_navigation(self, name: str) -> tuple[Column, str] | None:
        """The lookup behind a single-valued navigation property, and the table it then leads to; case matters."""
        for column in self.columns.values():
            for target, navigation in column.navigation.items():
                if navigation == name:
                    return column, target
        return None

    @property
    def money_columns(self) -> list[Column]:
        return [c for c in self.columns.values() if c.type == "Money" and not c.name.endswith("_base")]


@dataclass
class Schema:
    tables: dict[str, Table]

    def by_set(self, entity_set: str) -> Table | None:
        """Case matters, as in Dataverse."""
        return next((table for table in self.tables.values() if table.entity_set == entity_set), None)

    def collection(self, parent: str, name: str) -> tuple[Table, Column] | None:
        """The child table, and its lookup, behind a collection-valued navigation property of ``parent``."""
        for table in self.tables.values():
            for column in table.columns.values():
                if column.collection.get(parent) == name:
                    return table, column
        return None

    def lookups_to(self, target: str) -> list[tuple[Table, Column]]:
        return [
            (table, column)
            for table in self.tables.values()
            for column in table.columns.values()
            if target in column.navigation
        ]

    def without_key(self, table: str, key: str) -> None:
        keys = {name: columns for name, columns in self.tables[table].keys.items() if name != key}
        self.tables[table] = replace(self.tables[table], keys=keys)

    def change_column(self, table: str, column: str, **changes: Any) -> None:
        """As a customiser does: another length, other options, not tracked any more, ..."""
        columns = dict(self.tables[table].columns)
        columns[column] = replace(columns[column], **changes)
        self.tables[table] = replace(self.tables[table], columns=columns)

    def put_column(self, table: str, column: Column) -> None:
        """Adds it, with what follows from it: money has its value in the base currency, and a currency."""
        columns = {**_money_columns({column.name: column}), **self.tables[table].columns, column.name: column}
        self.tables[table] = replace(self.tables[table], columns=columns)

    def put_keys(self, table: str, built: Mapping[str, tuple[str, ...]], unbuilt: Mapping[str, KeyIndex]) -> None:
        self.tables[table] = replace(self.tables[table], keys=dict(built), unbuilt_keys=dict(unbuilt))

    def without_customizations(self, prefix: str) -> None:
        """Takes out every table, column and key whose name starts with ``prefix``, as if never installed."""
        self.tables = {name: table for name, table in self.tables.items() if not name.startswith(prefix)}
        for name, table in self.tables.items():
            columns = {key: column for key, column in table.columns.items() if not key.startswith(prefix)}
            keys = {key: members for key, members in table.keys.items() if not key.startswith(prefix)}
            self.tables[name] = replace(table, columns=columns, keys=keys)

    def change_tracking(self, table: str, *, enabled: bool) -> None:
        self.tables[table] = replace(self.tables[table], change_tracking=enabled)


@functools.cache
def stable_id(*parts: str) -> str:
    """The same GUID for the same words, so that ids in demos and tests stay put."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "dataverse:" + "/".join(parts)))


def _document() -> dict[str, Any]:
    text = Path(__file__).with_name("schema.toml").read_text(encoding="utf-8")
    return tomllib.loads(text, parse_float=Decimal)


def load_schema() -> Schema:
    document = _document()
    groups = document["groups"]
    return Schema({name: _table(name, raw, groups) for name, raw in document["tables"].items()})


def new_table(
    *, schema_name: str, label: str, label_plural: str, primary: Column, is_owned: bool, change_tracking: bool
) -> Table:
    """A custom table with the columns that every table has, and its primary one."""
    groups = _document()["groups"]
    raw = {
        "set": f"{schema_name.lower()}s",
        "schema_name": schema_name,
        "label": label,
        "label_plural": label_plural,
        "primary_name": primary.name,
        "groups": ["system", *(["owned"] if is_owned else []), "active"],
        "change_tracking": change_tracking,
    }
    table = _table(schema_name.lower(), raw, groups)
    return replace(table, columns={**table.columns, primary.name: primary}, is_managed=False)


def _table(name: str, raw: dict[str, Any], groups: dict[str, Any]) -> Table:
    primary_id = raw.get("primary_id", f"{name}id")
    columns = {
        primary_id: Column(primary_id, "Uniqueidentifier", raw["label"], required="SystemRequired", update=False)
    }
    states = raw.get("states")
    sources = [*(groups[group] for group in raw.get("groups", ())), raw]
    for source in sources:
        columns |= {column: _column(column, spec) for column, spec in source.get("columns", {}).items()}
        states = source.get("states", states)
    if states:
        columns |= _state_columns(states, create=raw.get("create_state", True))
    columns |= _money_columns(columns)
    return Table(
        name=name,
        entity_set=raw["set"],
        schema_name=raw["schema_name"],
        label=raw["label"],
        label_plural=raw.get("label_plural", raw["label"] + "s"),
        primary_id=primary_id,
        primary_name=raw["primary_name"],
        columns=columns,
        keys={key: tuple(members) for key, members in raw.get("keys", {}).items()},
        change_tracking=raw.get("change_tracking", False),
        creatable=raw.get("creatable", True),
        defaults_currency=raw.get("defaults_currency", False),
        has_full_name=raw.get("full_name", False),
    )


def _column(name: str, spec: dict[str, Any]) -> Column:
    known = dict(spec)
    options = tuple(Option(int(value), label) for value, label in known.pop("options", {}).items())
    known |= {bound: Decimal(known[bound]) for bound in ("min_value", "max_value") if bound in known}
    return Column(name, max_length=known.pop("max", None), options=options, **known)


def _state_columns(states: dict[str, Any], *, create: bool) -> dict[str, Column]:
    state_options = tuple(Option(int(value), state["label"]) for value, state in states.items())
    status_options = tuple(
        Option(status, label, int(value)) for value, state in states.items() for status, label in state["statuses"]
    )
    return {
        "statecode": Column("statecode", "State", "Status", options=state_options, create=create),
        "statuscode": Column("statuscode", "Status", "Status Reason", options=status_options),
    }


def _money_columns(columns: dict[str, Column]) -> dict[str, Column]:
    money = [column for column in columns.values() if column.type == "Money"]
    if not money:
        return {}
    made = {
        "transactioncurrencyid": Column(
            "transactioncurrencyid", "Lookup", "Currency", navigation={"transactioncurrency": "transactioncurrencyid"}
        ),
        "exchangerate": Column("exchangerate", "Decimal", "Exchange Rate", precision=12, create=False, update=False),
    }
    for column in money:
        base = replace(
            column,
            name=f"{column.name}_base",
            label=f"{column.label} (Base)",
            precision=_MONEY_BASE_PRECISION,
            create=False,
            update=False,
        )
        made[base.name] = base
    return made
