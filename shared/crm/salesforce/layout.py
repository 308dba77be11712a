"""One kind of record in one org: rows read as records, values written as rows, limits told. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.crm.salesforce import soql
from shared.crm.salesforce import values as json_values
from shared.crm.salesforce.describe import CURRENCY_FIELD, Schema, SObject
from shared.crm.salesforce.errors import INSTALL_SCHEMA
from shared.crm.salesforce.objects import LeadObject, Objects, PersonFields
from shared.crm.salesforce.places import (
    OrgCurrency,
    OwnField,
    OwnPerson,
    Places,
    ReadQuery,
    RelatedField,
    actual_field,
    read_query,
    resolve,
)
from shared.crm.salesforce.stages import LeadStatuses, OpportunityStages, Stages
from shared.domain.converters import cut
from shared.domain.errors import ConfigurationError, Rejected
from shared.domain.mapping import FieldLimits, RecordMapping
from shared.domain.record import Record, RecordKind
from shared.domain.values import Person, Solution

Row = Mapping[str, Any]
USER_PREFIX = "005"
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Layout:
    """``query`` reads everything :meth:`record` needs; ``own_user_id`` is the connector's user, who is in no team."""

    kind: RecordKind
    mapping: RecordMapping
    objects: Objects
    schema: Schema
    places: Places
    stages: Stages
    query: ReadQuery
    own_user_id: str

    @property
    def sobject(self) -> SObject:
        return self.places.record

    def target(self, name: str) -> SObject:
        return self.schema.objects[name]

    def record(self, row: Row) -> Record:
        """The record of a row that was read with ``query``."""
        stage, reason = self.stages.stage_of(row)
        return Record(
            kind=self.kind,
            id=str(row["Id"]),
            version=version_of(row),
            modified_at=json_values.moment(row["LastModifiedDate"]),
            stage=stage,
            values=self.values(row, self.mapping.crm_paths),
            stage_reason=reason,
        )

    def values(self, row: Row, paths: Sequence[str]) -> dict[str, Any]:
        decimals = self.decimals_of(row.get(CURRENCY_FIELD))
        found: dict[str, Any] = {}
        for path in paths:
            match self.places.by_path.get(path):
                case OwnField(own):
                    found[path] = json_values.from_json(own, row.get(own.name), decimals)
                case OrgCurrency(code):
                    found[path] = code
                case RelatedField(lookup, _, related):
                    found[path] = json_values.from_json(related, (row.get(lookup.relationship) or {}).get(related.name))
                case OwnPerson(fields):
                    person = Person(*((row.get(one.name) or "") if one else "" for one in fields))
                    found[path] = () if person == Person() else (person,)
        if "@contacts" in paths and self.objects.contacts:
            found["@contacts"] = primary_contact(self.objects.contacts, self.rows(row, self.objects.contacts.roles))
        if "@team" in paths and self.objects.team:
            found["@team"] = self._team(row)
        if "@solutions" in paths and self.objects.solutions:
            found["@solutions"] = tuple(solution for _, solution in self.solutions(row))
        return found

    @staticmethod
    def rows(row: Row, relationship: str) -> list[dict[str, Any]]:
        """The child rows of a row; a record without any has none at all in the answer."""
        return list((row.get(relationship) or {}).get("records") or ())

    def _team(self, row: Row) -> tuple[Person, ...]:
        """The owner, unless that is a queue or the connector, and then the members of the team."""
        team = self.objects.team
        if team is None:
            return ()
        owner_id = str(row.get("OwnerId") or "")
        users = {owner_id: row.get("Owner")} if owner_id.startswith(USER_PREFIX) else {}
        users |= {str(one["UserId"]): one.get("User") for one in self.rows(row, team.members)}
        users.pop(self.own_user_id, None)
        return tuple(person_of(team, user) for user in users.values() if user)

    def solutions(self, row: Row) -> list[tuple[Row, Solution]]:
        """The solution rows, each with what it says. One that names no detail has no identifier."""
        rows, details = self.objects.solutions, self.objects.solution_details
        if rows is None or details is None:
            return []
        sobject = self.target(rows.object)
        detail, price, quantity = (sobject.field(name) for name in (rows.detail, rows.price, rows.quantity))
        found: list[tuple[Row, Solution]] = []
        for child in self.rows(row, rows.rows):
            named = child.get(detail.relationship if detail else "") or {}
            amount = child.get(quantity.name if quantity else "")
            solution = Solution(
                id=named.get(details.id) or "",
                name=named.get(details.name) or child.get("Name") or "",
                quantity=None if amount is None else int(amount),
                price=json_values.from_json(price, child.get(price.name)) if price else None,
            )
            found.append((child, solution))
        return found

    def decimals_of(self, currency: Any) -> int | None:
        return self.schema.currencies.get(str(currency).upper())

    def currency_in(self, values: Mapping[str, Any]) -> Any:
        """The currency among ``values`` by CRM path, if there is one."""
        for path, place in self.places.by_path.items():
            if isinstance(place, OwnField) and place.field.name == CURRENCY_FIELD:
                return values.get(path)
        return None

    def body(self, values: Mapping[str, Any], currency: Any = None) -> dict[str, Any]:
        """The row's own part of ``values``, money in ``currency``; fields of other rows and sets are written elsewhere.

        Raises ``Rejected`` for a currency that the org does not have.
        """
        written: dict[str, Any] = {}
        decimals = self.decimals_of(currency or self.currency_in(values))
        for path, value in values.items():
            match self.places.by_path.get(path):
                case OwnField(own) if own.name == CURRENCY_FIELD:
                    written[own.name] = self._currency(value, path)
                case OwnField(own):
                    written[own.name] = json_values.to_json(own, value, decimals)
                case OrgCurrency(code) if value and str(value).upper() != code:
                    raise _no_currency(value, path, code)
                case OwnPerson(fields):
                    person = value[0] if value else Person()
                    written |= _person(person, fields)
                case None:
                    raise self._no_such(path)
        return written

    def _currency(self, value: Any, path: str) -> str | None:
        if not value:
            return None
        if str(value).upper() not in self.schema.currencies:
            raise _no_currency(value, path, ", ".join(sorted(self.schema.currencies)))
        return str(value).upper()

    def account_body(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """``columns`` of an account as JSON; names the org does not have are a ``ConfigurationError``."""
        account = self.target(self.objects.account.object)
        found = {name: actual_field(account, name) for name in columns}
        if unknown := sorted(name for name, field in found.items() if field is None):
            raise self._no_such(", ".join(unknown))
        return {field.name: json_values.to_json(field, columns[name]) for name, field in found.items() if field}

    def person_body(self, people: PersonFields, sobject: SObject, person: Person) -> dict[str, Any]:
        """Blank parts are left out; text is cut to its field, for no one can shorten a stranger's name."""
        return {
            name: text for name, text in _person(person, [sobject.field(one) for one in people.fields]).items() if text
        }

    def limits(self) -> dict[str, FieldLimits]:
        """By CRM path. A record has one contact and, without teams, one owner; solutions are as many as there are."""
        found: dict[str, FieldLimits] = {}
        for path, place in self.places.by_path.items():
            match place:
                case OwnField(own) if own.name == CURRENCY_FIELD:
                    continue
                case OwnField(field) | RelatedField(field=field):
                    is_text = field.type in json_values.TEXTS and not field.options
                    decimals = field.scale if field.type in ("double", "percent") else None
                    found[path] = FieldLimits(
                        field.max_length if is_text else None, decimals, options=field.options or None
                    )
        if "@contacts" in self.places.by_path:
            found["@contacts"] = FieldLimits(capacity=1)
        if self.objects.team and self.objects.team.members not in self.sobject.children:
            found["@team"] = FieldLimits(capacity=1)
        return found

    def currencies(self) -> dict[str, int]:
        """Code to decimals; in an org with a single currency, that one."""
        single = [place.code for place in self.places.by_path.values() if isinstance(place, OrgCurrency)]
        return dict(self.schema.currencies) or dict.fromkeys(single, 2)

    def unchanged(self, record: Record) -> str:
        """The condition that the row is still as ``record`` has it."""
        return both_versions(record.version or "")

    def _no_such(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"The field mapping has no place in Salesforce for {name}", code="mapping", service="Salesforce"
        )


def version_of(row: Row) -> str:
    """The time of the last change of whatever kind, and who made it: two changes of one second have one time."""
    return f"{soql.moment(json_values.moment(row['SystemModstamp']))} {row.get('LastModifiedById') or ''}".strip()


def both_versions(version: str) -> str:
    """The condition that a row's :func:`version_of` is ``version``, whatever fractions of a second it hides."""
    stamp, _, user_id = version.partition(" ")
    when = json_values.moment(stamp)
    conditions = [soql.compare("SystemModstamp", ">=", soql.moment(when))]
    conditions.append(soql.compare("SystemModstamp", "<", soql.moment(when + _SECOND)))
    if user_id:
        conditions.append(soql.equals("LastModifiedById", user_id))
    return soql.both(*conditions)


def primary_contact(people: PersonFields, roles: Sequence[Row]) -> tuple[Person, ...]:
    primary = next((role for role in roles if role.get("IsPrimary") and role.get("Contact")), None)
    return (person_of(people, primary["Contact"]),) if primary else ()


def person_of(people: PersonFields, row: Row) -> Person:
    return Person(*((row.get(name) or "") if name else "" for name in people.fields))


def _person(person: Person, fields: Sequence[Any]) -> dict[str, Any]:
    """Salesforce takes no person without a last name."""
    last_name = person.last_name or person.first_name or person.email
    first_name = person.first_name if person.last_name else ""
    texts = (first_name, last_name, person.phone, person.email)
    return {
        field.name: json_values.plain_text(cut(text, field.max_length)) or None
        for field, text in zip(fields, texts, strict=True)
        if field
    }


def _no_currency(value: Any, path: str, known: str) -> Rejected:
    return Rejected(
        f"The Salesforce org has no active currency {str(value)[:10]}; it has {known}",
        field=path,
        code="unknown_currency",
        remedy="Activate the currency in Setup, Manage Currencies, or correct it in Partner Center.",
        service="Salesforce",
    )


def build_layout(
    kind: RecordKind,
    mapping: RecordMapping,
    objects: Objects,
    schema: Schema,
    stage_names: Mapping[str, str],
    own_user_id: str,
) -> Layout:
    """Raises ``ConfigurationError`` that lists everything the mapping names and the org does not have."""
    definition = objects.of(kind)
    if definition is None or definition.object not in schema.objects:
        raise _missing([f"object {definition.object if definition else kind}"])
    around = objects.around(kind, mapping)
    places = resolve(mapping, definition, around, schema)
    stages: Stages = (
        LeadStatuses(definition.statuses, schema.statuses)
        if isinstance(definition, LeadObject)
        else OpportunityStages(stage_names, schema.stages)
    )
    if missing := [*places.missing, *stages.missing()]:
        raise _missing(missing)
    query = read_query(places, stages.columns, mapping, around, schema)
    return Layout(kind, mapping, around, schema, places, stages, query, own_user_id)


def _missing(names: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"The Salesforce org does not have: {'; '.join(names)}",
        code="schema",
        remedy=INSTALL_SCHEMA,
        service="Salesforce",
    )


def amount_fields(layout: Layout) -> dict[str, str]:
    """Own money fields by CRM path."""
    places = layout.places.by_path.items()
    return {path: one.field.name for path, one in places if isinstance(one, OwnField) and one.field.type == "currency"}
