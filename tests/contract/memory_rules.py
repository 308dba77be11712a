"""What the CRM in memory refuses, cuts short or rounds, as real CRMs do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from shared.crm.port import Catalogue
from shared.domain.errors import ConfigurationError, Rejected
from shared.domain.mapping import CrmMapping, FieldLimits, FieldMapping, RecordMapping
from shared.domain.record import CrmStage, RecordKind, StageChange
from shared.domain.values import Person

CURRENCIES = {"EUR": 2, "USD": 2, "JPY": 0}
SET_CAPACITIES = {"@contacts": 1, "@team": 1}


@dataclass(frozen=True)
class Rules:
    """``max_lengths`` by CRM path; ``users`` by e-mail address in lower case, ``None`` where everyone is a user."""

    mapping: CrmMapping
    max_lengths: Mapping[str, int]
    currencies: Mapping[str, int]
    users: Mapping[str, Person] | None

    def catalogue(self, kind: RecordKind) -> Catalogue:
        mapping = self.mapping.records[kind]
        rows = {row.crm: row for row in mapping.fields}
        limits = {path: self._limits(path, rows.get(path)) for path in mapping.crm_paths}
        return Catalogue(limits, dict(self.currencies))

    def _limits(self, path: str, row: FieldMapping | None) -> FieldLimits:
        options = tuple(row.choices.values()) if row and row.choices else None
        return FieldLimits(self.max_lengths.get(path), capacity=SET_CAPACITIES.get(path), options=options)

    def checked(self, mapping: RecordMapping, values: Mapping[str, Any]) -> dict[str, Any]:
        """``values`` as the CRM would store them; refuses what it has no place for."""
        rows = {row.crm: row for row in mapping.fields}
        if unknown := sorted(set(values) - {*mapping.crm_paths, *mapping.constants}):
            raise ConfigurationError(f"The CRM has no {', '.join(unknown)}")
        return {path: self._stored(path, rows.get(path), value) for path, value in values.items()}

    def _stored(self, path: str, row: FieldMapping | None, value: Any) -> Any:
        if path.startswith("@"):
            entries = tuple(self.known_team(value).values()) if path == "@team" else tuple(value or ())
            return entries[: SET_CAPACITIES.get(path)]
        if not (value is None or isinstance(value, str | bool | Decimal | date)):
            raise TypeError(f"{path} is given as {type(value).__name__}")
        if isinstance(value, str) and value:
            self._check_text(path, row, value)
        return None if value == "" else value

    def _check_text(self, path: str, row: FieldMapping | None, value: str) -> None:
        limit = self.max_lengths.get(path)
        if limit is not None and len(value.encode("utf-16-le")) // 2 > limit:
            raise Rejected(f"{path} holds at most {limit} characters", field=path)
        if row and row.choices and value not in row.choices.values():
            raise Rejected(f"{path} has no option {value!r}", field=path)
        if row and row.converter == "currency" and value not in self.currencies:
            raise Rejected(f"The CRM has no currency {value}", field=path)

    def known_team(self, team: Any) -> dict[str, Person]:
        """Those of ``team`` who are users of the CRM, as the CRM knows them, by e-mail address in lower case."""
        people = {person.email.casefold(): person for person in team or () if person.email}
        if self.users is None:
            return people
        return {email: self.users[email] for email in people if email in self.users}

    def round_money(self, mapping: RecordMapping, values: dict[str, Any]) -> None:
        """Rounds the amounts in ``values`` to the decimals of the currency there."""
        currency = next((values.get(row.crm) for row in mapping.fields if row.converter == "currency"), None)
        step = Decimal(1).scaleb(-self.currencies.get(currency or "", 2))
        for row in mapping.fields:
            amount = values.get(row.crm)
            if row.converter == "money" and isinstance(amount, Decimal):
                values[row.crm] = amount.quantize(step, rounding=ROUND_HALF_UP)

    def label(self, change: StageChange, kind: RecordKind = RecordKind.OPPORTUNITY) -> str | None:
        """The stage's name in the CRM; a loss that nobody here decided has a name of its own."""
        declined = (change.reason or "").startswith(("Declined", "Expired", "Error"))
        if kind is RecordKind.LEAD:
            lost = "declined" if declined else "lost"
            names = {CrmStage.ON_HOLD: "open", CrmStage.ACTIVE: "qualified", CrmStage.LOST: lost}
            return str(self.mapping.adapter["lead"]["status_reasons"][names[change.stage]])
        return self.mapping.stages.get("declined" if change.stage is CrmStage.LOST and declined else change.stage)


def matches(columns: Mapping[str, Any], match: Mapping[str, Any]) -> bool:
    """Every column agrees, without case; blank agrees with blank."""
    return all(str(columns.get(name) or "").casefold() == str(value or "").casefold() for name, value in match.items())


def made_of_lead(mapping: CrmMapping, values: Mapping[str, Any]) -> dict[str, Any]:
    """What an opportunity gets of a lead that is qualified: fields of the same name, but for what Microsoft added."""
    lead, opportunity = mapping.records[RecordKind.LEAD], mapping.records[RecordKind.OPPORTUNITY]
    common = [(row, opportunity.field(row.name)) for row in lead.fields if opportunity.has(row.name)]
    return {there.crm: values[here.crm] for here, there in common if values.get(here.crm) is not None}
