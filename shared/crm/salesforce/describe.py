"""What the org says of its own objects: fields, lengths, options, child rows, stages and currencies.

They differ between orgs, and so does whether they are there at all: with several currencies, or country picklists on.
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.answers import Response
from shared.crm.salesforce import soql
from shared.crm.salesforce.composite import Part

CURRENCY_FIELD = "CurrencyIsoCode"
_STAGES = "OpportunityStage"
_STATUSES = "LeadStatus"


@dataclass(frozen=True)
class Field:
    """``type`` is what describe prints. ``reference`` is the object that a lookup leads to, by ``relationship``."""

    name: str
    type: str
    max_length: int | None = None
    scale: int = 0
    options: tuple[str, ...] = ()
    unique: bool = False
    reference: str = ""
    relationship: str = ""

    def option(self, value: str) -> str | None:
        """The option that is ``value`` but for case; any value, where the field lists none."""
        if not self.options:
            return value
        wanted = value.strip().casefold()
        return next((one for one in self.options if one.casefold() == wanted), None)


@dataclass(frozen=True)
class SObject:
    """``children``: relationship name to the object of the child rows."""

    name: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    children: Mapping[str, str] = field(default_factory=dict)

    def field(self, name: str) -> Field | None:
        """API names are compared without case."""
        wanted = name.casefold()
        return next((one for key, one in self.fields.items() if key.casefold() == wanted), None)

    def reference(self, relationship: str) -> Field | None:
        """The lookup behind the name by which queries reach its row: ``Account``, ``Solution__r``."""
        wanted = relationship.casefold()
        return next((one for one in self.fields.values() if one.relationship.casefold() == wanted), None)

    @property
    def has_currency(self) -> bool:
        return CURRENCY_FIELD in self.fields


@dataclass(frozen=True)
class Stage:
    """One stage of opportunities or one status of leads; a converted lead is ``is_won``."""

    name: str
    label: str
    is_closed: bool = False
    is_won: bool = False


@dataclass(frozen=True)
class Schema:
    """``objects`` that the org does not have are absent. ``currencies``: active ones, code to decimals; empty in an org
    with a single currency."""

    objects: Mapping[str, SObject]
    stages: tuple[Stage, ...] = ()
    statuses: tuple[Stage, ...] = ()
    currencies: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SchemaQuery:
    """Which objects to read: ``parts`` goes into one composite request, ``parse`` takes the answers."""

    objects: tuple[str, ...]

    def parts(self) -> list[Part]:
        described = [
            Part("GET", f"sobjects/{soql.name(one)}/describe", f"{one}.describe") for one in self._once(self.objects)
        ]
        return [*described, *(Part("GET", soql.path_of(query), operation) for operation, query in _LISTS)]

    def parse(self, answers: Sequence[Response]) -> Schema:
        """``answers`` in the order of ``parts``, each 200, or refused where the org has no such object."""
        described, lists = answers[: -len(_LISTS)], answers[-len(_LISTS) :]
        objects = {
            name: _object(answer)
            for name, answer in zip(self._once(self.objects), described, strict=True)
            if answer.status == 200
        }
        stages, statuses, currencies = (records(one) if one.status == 200 else [] for one in lists)
        return Schema(
            objects,
            tuple(Stage(row["ApiName"], row["MasterLabel"], row["IsClosed"], row["IsWon"]) for row in stages),
            tuple(Stage(row["ApiName"], row["MasterLabel"], is_won=row["IsConverted"]) for row in statuses),
            {str(row["IsoCode"]).upper(): int(row.get("DecimalPlaces") or 0) for row in currencies},
        )

    @staticmethod
    def _once(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))


_LISTS = (
    (
        "stage.list",
        soql.select(
            _STAGES,
            ("ApiName", "MasterLabel", "IsClosed", "IsWon", "SortOrder"),
            where=soql.equals("IsActive", True),
            order=("SortOrder",),
        ),
    ),
    (
        "status.list",
        soql.select(_STATUSES, ("ApiName", "MasterLabel", "IsConverted", "SortOrder"), order=("SortOrder",)),
    ),
    (
        "currency.list",
        soql.select("CurrencyType", ("IsoCode", "DecimalPlaces"), where=soql.equals("IsActive", True)),
    ),
)


def records(answer: Response) -> list[dict[str, Any]]:
    """The rows of a query's answer."""
    rows = answer.json_object().get("records")
    if not isinstance(rows, list):
        raise answer.unreadable("JSON of another shape than documented")
    return rows


def _object(answer: Response) -> SObject:
    body = answer.json_object()
    return SObject(
        name=str(body["name"]),
        fields={one["name"]: _field(one) for one in body.get("fields") or ()},
        children=dict(_children(body.get("childRelationships") or ())),
    )


def _children(relationships: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for one in relationships:
        if one.get("relationshipName"):
            yield str(one["relationshipName"]), str(one["childSObject"])


def _field(raw: Mapping[str, Any]) -> Field:
    options = (one for one in raw.get("picklistValues") or () if one.get("active", True))
    return Field(
        name=raw["name"],
        type=raw["type"],
        max_length=int(raw.get("length") or 0) or None,
        scale=int(raw.get("scale") or 0),
        options=tuple(str(one["value"]) for one in options),
        unique=bool(raw.get("unique")),
        reference=next(iter(raw.get("referenceTo") or ()), ""),
        relationship=raw.get("relationshipName") or "",
    )
