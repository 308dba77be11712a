"""What holds of every row before it is saved: system rules first, then the org's own.

https://developer.salesforce.com/docs/atlas.en-us.apexcode.meta/apexcode/apex_triggers_order_of_execution.htm
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sandbox.salesforce import errors
from sandbox.salesforce.presenting import attributes
from sandbox.salesforce.rows import Row, Rows
from sandbox.salesforce.schema import CURRENCY_FIELD, SObject, document
from sandbox.salesforce.soql_conditions import Scope
from sandbox.salesforce.soql_syntax import Query, parse_condition
from sandbox.salesforce.values import Value, round_to

Values = dict[str, Value]
_PERCENT = Decimal(100)


@dataclass(frozen=True)
class ValidationRule:
    """Refuses rows for which ``condition``, written as behind WHERE, holds."""

    sobject: str
    condition: str
    message: str
    field: str | None = None


@dataclass(frozen=True)
class DuplicateRule:
    """Refuses a new row that equals another in all ``fields``; with ``allow_save`` a header can insist."""

    sobject: str
    fields: tuple[str, ...]
    allow_save: bool = True
    name: str = "Sandbox_Duplicate_Rule"


@dataclass
class OrgRules:
    """The administrator's rules, and ``locked``: how many more times the lock of a row (by id) is not to be had."""

    validations: list[ValidationRule] = field(default_factory=list)
    duplicates: list[DuplicateRule] = field(default_factory=list)
    locked: dict[str, int] = field(default_factory=dict)

    def check_lock(self, *row_ids: Value) -> None:
        for row_id in row_ids:
            if isinstance(row_id, str) and self.locked.get(row_id, 0) > 0:
                self.locked[row_id] -= 1
                raise errors.row_locked()

    def check_validations(self, rows: Rows, sobject: SObject, row: Row) -> None:
        for rule in self.validations:
            if rule.sobject == sobject.name:
                scope = Scope(rows, sobject, rule.condition, all_fields=True)
                if scope.predicate(parse_condition(rule.condition), _no_semi_join)(row):
                    raise errors.validation_rule(rule.message, rule.field)

    def check_duplicates(self, rows: Rows, row: Row, version: str, *, insist: bool) -> None:
        for rule in self.duplicates:
            if rule.sobject != row.sobject or (rule.allow_save and insist):
                continue
            wanted = [row.text(name).casefold() for name in rule.fields]
            same = [
                other
                for other in rows.of(row.sobject)
                if other.id != row.id and all(wanted) and [other.text(n).casefold() for n in rule.fields] == wanted
            ]
            if same:
                records: list[dict[str, Any]] = [{"attributes": attributes(o, version), "Id": o.id} for o in same]
                raise errors.duplicates_detected(rule.name, row.sobject, records, allow_save=rule.allow_save)


def _no_semi_join(query: Query, text: str) -> list[Value]:
    raise errors.malformed_query(f"a rule cannot ask for other rows: {text}")


def check_row(
    rows: Rows, sobject: SObject, row_id: str, values: Mapping[str, Value], sent: Mapping[str, Value]
) -> None:
    """Required fields, references that lead somewhere, an active owner, unique values."""
    missing = [name for name, each in sobject.fields.items() if each.required and values.get(name) is None]
    if missing:
        raise errors.required_missing(missing)
    for name, value in sent.items():
        each = sobject.fields[name]
        if each.type == "reference" and isinstance(value, str):
            _check_reference(rows, each.label, name, each.to, value)
        if each.unique and isinstance(value, str):
            for other in rows.of(sobject.name):
                if other.id != row_id and other.text(name).casefold() == value.casefold():
                    raise errors.duplicate_value(name, other.id)


def _check_reference(rows: Rows, label: str, name: str, target: str, value: str) -> None:
    if not value.startswith(rows.schema.objects[target].prefix):
        raise errors.wrong_id_type(label, name, value)
    found = rows.live(target, value)
    if found is None:
        raise errors.bad_reference(name)
    if name == "OwnerId" and not found.values["IsActive"]:
        raise errors.inactive_owner(value)


def settle_name(sobject: SObject, values: Values) -> None:
    if sobject.person:
        parts = [values.get("FirstName"), values.get("LastName")]
        values["Name"] = " ".join(str(part) for part in parts if part)


def settle_currency(
    rows: Rows, sobject: SObject, values: Values, sent: Mapping[str, Value], before: Row | None
) -> None:
    """A currency changed without an amount converts the amount; with one, the amount is taken as it is.

    https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_currencytype.htm
    """
    if CURRENCY_FIELD not in sobject.fields:
        return
    currencies = {row.text("IsoCode"): row for row in rows.of("CurrencyType")}
    if values.get(CURRENCY_FIELD) is None:
        corporate = next(code for code, row in currencies.items() if row.values["IsCorporate"])
        values[CURRENCY_FIELD] = before.text(CURRENCY_FIELD) if before else corporate
    new, old = values[CURRENCY_FIELD], before.values[CURRENCY_FIELD] if before else None
    if old is None or new == old:
        return
    rates = [Decimal(currencies[str(code)].values["ConversionRate"] or 0) for code in (new, old)]
    for each in sobject.currency_fields:
        amount = values.get(each.name)
        if amount is not None and each.name not in sent:
            values[each.name] = round_to(Decimal(amount) * rates[0] / rates[1], each.scale)


def settle_stage(rows: Rows, values: Values, sent: Mapping[str, Value], before: Row | None) -> None:
    """An opportunity's stage decides on closed, won, probability and forecast category.

    A stage that the org does not know is kept as it is, and changes none of them: StageName is not restricted.
    https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunity.htm
    """
    name = values.get("StageName")
    stages = {row.text("ApiName").casefold(): row.values for row in rows.of("OpportunityStage")}
    stage = stages.get(str(name).casefold())
    changed = before is None or name != before.values["StageName"]
    if stage and changed:
        values["StageName"] = stage["ApiName"]
        values |= {"IsClosed": stage["IsClosed"], "IsWon": stage["IsWon"]}
        if sent.get("Probability") is None:
            values["Probability"] = stage["DefaultProbability"]
        if sent.get("ForecastCategoryName") is None:
            values["ForecastCategoryName"] = stage["ForecastCategoryName"]
    if before is not None and changed:
        values["LastStageChangeDate"] = rows.stamp
    forecast = {"Best Case": "BestCase", "Commit": "Forecast"}
    category = values.get("ForecastCategoryName")
    values["ForecastCategory"] = forecast.get(str(category), category)


def settle_amount(values: Values, before: Row | None) -> None:
    """Products decide on the amount: a value sent for it is ignored without an error."""
    if before is not None and before.values["HasOpportunityLineItem"]:
        values["Amount"] = before.values["Amount"]
    amount, probability = values.get("Amount"), values.get("Probability")
    expected = None if amount is None else Decimal(amount) * Decimal(probability or 0) / _PERCENT
    values["ExpectedRevenue"] = None if expected is None else round_to(expected, 2)


def settle_address(sobject: SObject, prefix: str, values: Values, sent: Mapping[str, Value]) -> None:
    """With "State and Country/Territory Picklists" on, code and name say the same, and both must be in the list.

    https://help.salesforce.com/s/articleView?id=sf.admin_state_country_picklist_overview.htm
    """
    country, state = f"{prefix}Country", f"{prefix}State"
    code_field, state_code_field = f"{country}Code", f"{state}Code"
    if code_field not in sobject.fields:
        return
    countries = document()["countries"]
    _agree(values, sent, country, code_field, countries)
    if (values[country] is None) is not (values[code_field] is None):
        raise errors.unknown_country(country)
    states = document()["states"].get(values[code_field], {})
    _agree(values, sent, state, state_code_field, states)
    for name in (state_code_field, state):
        wanted = states if name == state_code_field else states.values()
        if values[name] is not None and values[name] not in wanted:
            raise errors.unknown_state(sobject.fields[name].label, name)


def _agree(values: Values, sent: Mapping[str, Value], name: str, code: str, known: Mapping[str, str]) -> None:
    """Of name and code, the one that was sent decides on the other; the code if both were."""
    codes = {text.casefold(): key for key, text in known.items()}
    if code in sent:
        values[name] = known.get(str(values[code]), values[name] if name in sent else None)
    elif name in sent:
        values[code] = codes.get(str(values[name]).casefold())
        values[name] = known.get(str(values[code]), values[name])
    values.setdefault(name, None)
    values.setdefault(code, None)
