"""What the platform itself does to the values of a row: status, money, names, unique keys."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from sandbox.dataverse import errors
from sandbox.dataverse.addresses import same_key
from sandbox.dataverse.rows import Row, Rows
from sandbox.dataverse.schema import Table
from sandbox.dataverse.values import Reference, Value, quantise

_MONEY_BASE_PLACES = 4
_CLOSED_OPPORTUNITY = (1, 2)


def settle_status(table: Table, values: dict[str, Value], sent: Mapping[str, Value], current: Row | None) -> None:
    """``statecode`` and ``statuscode`` belong together afterwards; Won and Lost are not to be had by a plain write.

    https://learn.microsoft.com/dynamics365/sales/developer/entities/opportunity
    """
    if "statecode" not in table.columns:
        return
    before = current.values["statecode"] if current else None
    state = sent.get("statecode")
    if state is None:
        state = before if current else 0
    if table.name == "opportunity" and state in _CLOSED_OPPORTUNITY and state != before:
        raise errors.cannot_set_won_or_lost()
    status = sent.get("statuscode")
    if status is None:
        unchanged = current is not None and state == before
        status = current.values["statuscode"] if current and unchanged else default_status(table, state)
    option = table.columns["statuscode"].option(status)
    if option is None or option.state != state:
        raise errors.wrong_status(table.name, status, state)
    values["statecode"], values["statuscode"] = state, status


def default_status(table: Table, state: Value) -> int:
    return next(option.value for option in table.columns["statuscode"].options if option.state == state)


def settle_money(rows: Rows, table: Table, values: dict[str, Value]) -> None:
    """Money is rounded to its currency, has its value in the base currency, and never lacks a currency.

    https://learn.microsoft.com/power-apps/developer/data-platform/entity-attribute-metadata (PrecisionSource 2)
    """
    money = table.money_columns
    has_money = any(values.get(column.name) is not None for column in money)
    if not money or not (has_money or table.defaults_currency or values.get("transactioncurrencyid")):
        return
    if values.get("transactioncurrencyid") is None:
        values["transactioncurrencyid"] = _base_currency(rows)
    chosen = values["transactioncurrencyid"]
    currency = rows.follow(chosen if isinstance(chosen, Reference) else None)
    if currency is None:
        return
    rate, places = currency.values["exchangerate"], currency.values["currencyprecision"]
    values["exchangerate"] = rate
    for column in money:
        amount = values.get(column.name)
        if isinstance(amount, Decimal) and isinstance(rate, Decimal) and isinstance(places, int):
            values[column.name] = quantise(amount, places)
            values[f"{column.name}_base"] = quantise(quantise(amount, places) / rate, _MONEY_BASE_PLACES)
        else:
            values[f"{column.name}_base"] = None


def _base_currency(rows: Rows) -> Value:
    organization = next(iter(rows.of("organization")), None)
    return organization.values.get("basecurrencyid") if organization else None


def settle_name(table: Table, values: dict[str, Value]) -> None:
    if table.has_full_name:
        names = [str(values[name]) for name in ("firstname", "lastname") if values.get(name)]
        values["fullname"] = " ".join(names) or None


def check_keys(rows: Rows, table: Table, row_id: str, values: Mapping[str, Value]) -> None:
    """Raises the 412 where another row has the same value; a blank in a key is never a duplicate."""
    for key, members in table.keys.items():
        own = {name: values.get(name) for name in members}
        if None in own.values():
            continue
        if any(row.id != row_id and same_key(row.values, own) for row in rows.of(table.name)):
            raise errors.key_violated(key, members)


def check_required(table: Table, values: Mapping[str, Value]) -> None:
    """Only what the system itself requires; ApplicationRequired is a matter of forms."""
    for column in table.columns.values():
        if column.required == "SystemRequired" and values.get(column.name) is None:
            raise errors.missing_required(table.name, column.name)
