"""Objects and fields of the org, read from ``schema.toml``. Everything else asks here what exists."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

TEXTS = frozenset({"string", "textarea", "picklist", "email", "phone", "url"})
NUMBERS = frozenset({"currency", "double", "percent", "int"})
CURRENCY_FIELD = "CurrencyIsoCode"
_CUSTOM = "__c"
_LONGEST_FILTERABLE = 255


@dataclass(frozen=True)
class Field:
    """One field; ``type`` is what describe prints. ``to``, ``relationship``, ``children``, ``cascade``: references."""

    name: str
    type: str
    label: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    create: bool = True
    update: bool = True
    required: bool = False
    default: Any = None
    values: tuple[str, ...] = ()
    restricted: bool = False
    to: str = ""
    relationship: str = ""
    children: str = ""
    cascade: bool = False
    external_id: bool = False
    unique: bool = False
    id_lookup: bool = False
    read_only: bool = False  # by field-level security, for the API's user

    @property
    def is_long_text(self) -> bool:
        """Neither filtered nor sorted by."""
        return self.type == "textarea" and self.length > _LONGEST_FILTERABLE

    @property
    def is_text(self) -> bool:
        return self.type in TEXTS

    @property
    def keys_upsert(self) -> bool:
        return self.external_id or self.id_lookup


@dataclass(frozen=True)
class SObject:
    name: str
    prefix: str
    label: str
    label_plural: str
    fields: Mapping[str, Field]
    create: bool = True
    update: bool = True
    delete: bool = True
    recycle: bool = True
    replicate: bool = True
    person: bool = False  # Name is made of FirstName and LastName
    owner: bool = False
    country: tuple[str, ...] = ()
    auto_number: str = ""

    def field(self, name: str) -> Field | None:
        """API names are compared without case."""
        return self.fields.get(name) or _folded(self.fields).get(name.casefold())

    def parent(self, relationship: str) -> Field | None:
        """The reference behind a parent relationship name (``Account``, ``Opportunity__r``)."""
        wanted = relationship.casefold()
        return next((field for field in self.fields.values() if field.relationship.casefold() == wanted), None)

    @property
    def is_custom(self) -> bool:
        return self.name.endswith(_CUSTOM)

    @property
    def currency_fields(self) -> list[Field]:
        return [field for field in self.fields.values() if field.type == "currency"]


def _folded(fields: Mapping[str, Field]) -> dict[str, Field]:
    return {name.casefold(): field for name, field in fields.items()}


class Schema:
    """``objects`` is the whole org; ``visible`` what field-level security leaves of it to the API's user."""

    def __init__(self, objects: Mapping[str, SObject]) -> None:
        self.objects = dict(objects)
        self._hidden: set[tuple[str, str]] = set()
        self._read_only: set[tuple[str, str]] = set()
        self.visible: dict[str, SObject] = {}
        self._rebuild()

    def find(self, name: str, *, all_fields: bool = False) -> SObject | None:
        objects = self.objects if all_fields else self.visible
        wanted = name.casefold()
        return objects.get(name) or next((found for key, found in objects.items() if key.casefold() == wanted), None)

    def of_id(self, long_id: str) -> list[SObject]:
        return [sobject for sobject in self.objects.values() if sobject.prefix == long_id[:3]]

    def references_to(self, target: str) -> Iterator[tuple[SObject, Field]]:
        for sobject in self.objects.values():
            for field in sobject.fields.values():
                if field.to == target:
                    yield sobject, field

    def child(self, parent: str, relationship: str) -> tuple[SObject, Field] | None:
        """The visible child object, and its reference, behind a child relationship name of ``parent``."""
        for sobject in self.visible.values():
            for field in sobject.fields.values():
                if field.to == parent and field.children and field.children.casefold() == relationship.casefold():
                    return sobject, field
        return None

    def change_field(self, sobject: str, name: str, **changes: Any) -> None:
        """As an administrator does: another length, other values, unique, ..."""
        found = self.objects[sobject]
        fields = {**found.fields, name: replace(found.fields[name], **changes)}
        self.objects[sobject] = replace(found, fields=fields)
        self._rebuild()

    def add_field(self, sobject: str, field: Field) -> None:
        found = self.objects[sobject]
        self.objects[sobject] = replace(found, fields={**found.fields, field.name: field})
        self._rebuild()

    def remove_object(self, sobject: str) -> None:
        del self.objects[sobject]
        self._rebuild()

    def hide(self, sobject: str, *names: str) -> None:
        self._hidden |= {(sobject, self.objects[sobject].fields[name].name) for name in names}
        self._rebuild()

    def make_read_only(self, sobject: str, *names: str) -> None:
        self._read_only |= {(sobject, self.objects[sobject].fields[name].name) for name in names}
        self._rebuild()

    def _rebuild(self) -> None:
        self.visible = {name: self._visible(sobject) for name, sobject in self.objects.items()}

    def _visible(self, sobject: SObject) -> SObject:
        fields = {
            name: replace(field, read_only=(sobject.name, name) in self._read_only)
            for name, field in sobject.fields.items()
            if (sobject.name, name) not in self._hidden
        }
        return replace(sobject, fields=fields)


@cache
def document() -> Any:
    text = Path(__file__).with_name("schema.toml").read_text(encoding="utf-8")
    return tomllib.loads(text, parse_float=Decimal)


def load_schema(*, multi_currency: bool, country_picklists: bool) -> Schema:
    """The org's schema; the two switches add and remove fields as the features do."""
    objects = {}
    for name, raw in document()["objects"].items():
        if name == "CurrencyType" and not multi_currency:
            continue
        objects[name] = _sobject(name, raw, multi_currency=multi_currency, country_picklists=country_picklists)
    return Schema(objects)


def _sobject(name: str, raw: dict[str, Any], *, multi_currency: bool, country_picklists: bool) -> SObject:
    specs: dict[str, dict[str, Any]] = {
        "Id": {"type": "id", "label": "Record ID", "length": 18, "create": False, "update": False},
        **raw["fields"],
    }
    if raw.get("owner"):
        specs["OwnerId"] = {"type": "reference", "label": "Owner ID", "to": "User"}
    for prefix in raw.get("country", ()):
        specs |= _address(prefix, country_picklists)
    if raw.get("currency") and multi_currency:
        codes = tuple(one["code"] for one in document()["currencies"] if one.get("active", True))
        specs[CURRENCY_FIELD] = {
            "type": "picklist",
            "label": "Currency ISO Code",
            "length": 3,
            "values": codes,
            "restricted": True,
        }
    specs |= document()["system"]
    known = {key: raw[key] for key in ("create", "update", "delete", "recycle", "replicate", "person") if key in raw}
    return SObject(
        name=name,
        prefix=raw["prefix"],
        label=raw["label"],
        label_plural=raw.get("label_plural", raw["label"] + "s"),
        fields={key: _field(key, spec) for key, spec in specs.items()},
        owner=raw.get("owner", False),
        country=tuple(raw.get("country", ())),
        auto_number=raw.get("auto_number", ""),
        **known,
    )


def _address(prefix: str, picklists: bool) -> dict[str, dict[str, Any]]:
    specs = {f"{prefix}{name}": {**spec, "label": f"{prefix} {spec['label']}".strip()} for name, spec in _parts()}
    if picklists:
        states = tuple(code for of_country in document()["states"].values() for code in of_country)
        for part, values in (("Country", tuple(document()["countries"])), ("State", states)):
            specs[f"{prefix}{part}Code"] = {
                "type": "picklist",
                "length": 10,
                "label": f"{specs[f'{prefix}{part}']['label']} Code",
                "values": values,
                "restricted": True,
            }
    return specs


def _parts() -> list[tuple[str, dict[str, Any]]]:
    return list(document()["address"].items())


def _field(name: str, spec: dict[str, Any]) -> Field:
    known = dict(spec)
    known["values"] = tuple(known.get("values", ()))
    if known["type"] == "reference":
        known["length"] = 18
        known.setdefault("relationship", _relationship(name))
    return Field(name, **known)


def _relationship(name: str) -> str:
    return f"{name[: -len(_CUSTOM)]}__r" if name.endswith(_CUSTOM) else name.removesuffix("Id")
