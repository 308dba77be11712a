"""Values, stages and metadata of Dynamics 365, without any service."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.crm.dynamics365.metadata import Column, Currency, Facet, Option, SchemaQuery
from shared.crm.dynamics365.stages import StatusReasons
from shared.crm.dynamics365.values import UnknownOption, from_json, number, quoted, to_json
from shared.domain.errors import ConfigurationError, RetryLater
from shared.domain.errors import Rejected as DataRejected
from shared.domain.record import CrmStage, StageChange
from tests.crm.answers import answer

EUR, JPY, KWD = (Currency(code, code, decimals, True) for code, decimals in (("EUR", 2), ("JPY", 0), ("KWD", 3)))
MONEY = Column("estimatedvalue", "Money")
HELP = Column("help", "Picklist", options=(Option(7, "Ask", frozenset({"ask", "fragen"})), Option(0, "None")))
STATUS = Column(
    "statuscode",
    "Status",
    options=tuple(
        Option(value, label, frozenset({label.casefold()}), state)
        for value, label, state in (
            (1, "In Progress", 0),
            (2, "On Hold", 0),
            (3, "Won", 1),
            (4, "Canceled", 2),
            (5, "Out-Sold", 2),
        )
    ),
)
NAMES = {"on_hold": "on hold", "active": "In Progress", "won": "Won", "lost": "Out-Sold", "declined": "Canceled"}


@pytest.mark.parametrize(
    ("column", "raw", "value"),
    [
        (Column("name", "String"), "a\r\nb", "a\r\nb"),
        (Column("name", "String"), "", None),
        (Column("flag", "Boolean"), False, False),
        (Column("count", "Integer"), 0, 0),
        (Column("day", "DateTime", date_only=True), "2026-01-31", date(2026, 1, 31)),
        (Column("time", "DateTime"), "2026-01-31T08:15:00Z", datetime(2026, 1, 31, 8, 15, tzinfo=UTC)),
        (HELP, 7, "Ask"),
        (HELP, 0, "None"),
        (Column("share", "Decimal", decimals=1), 0.5, Decimal("0.5")),
        (MONEY, None, None),
    ],
)
def test_values_are_read(column: Column, raw: Any, value: Any) -> None:
    assert from_json(column, raw, EUR) == value


@pytest.mark.parametrize(
    ("currency", "raw", "text"),
    [
        (EUR, 20000.0, "20000.00"),
        (JPY, 20000.0, "20000"),
        (KWD, 0.125, "0.125"),
        (EUR, 0.125, "0.125"),
        (EUR, 0.0, "0.00"),
        (None, 1.5, "1.5"),
    ],
)
def test_money_has_the_decimals_of_its_currency_and_loses_none(
    currency: Currency | None, raw: float, text: str
) -> None:
    assert str(from_json(MONEY, raw, currency)) == text


@pytest.mark.parametrize(
    ("column", "value", "raw"),
    [
        (Column("name", "String"), "", None),
        (Column("name", "String"), Decimal("1.50"), "1.50"),
        (Column("flag", "Boolean"), True, True),
        (MONEY, Decimal(5), 5),
        (MONEY, Decimal("5.25"), 5.25),
        (Column("count", "Integer"), Decimal(3), 3),
        (Column("day", "DateTime", date_only=True), date(2026, 1, 31), "2026-01-31"),
        (Column("time", "DateTime"), date(2026, 1, 31), "2026-01-31T00:00:00Z"),
        (Column("time", "DateTime"), datetime(2026, 1, 31, 8, tzinfo=UTC), "2026-01-31T08:00:00Z"),
        (HELP, "ASK", 7),
        (HELP, "fragen", 7),
        (HELP, 7, 7),
        (HELP, None, None),
    ],
)
def test_values_are_written(column: Column, value: Any, raw: Any) -> None:
    assert to_json(column, value) == raw


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("name", "String"), True),
        (Column("flag", "Boolean"), "yes"),
        (MONEY, "5"),
        (MONEY, True),
        (Column("count", "Integer"), "3"),
        (Column("day", "DateTime", date_only=True), "2026-01-31"),
        (HELP, "Beg"),
        (HELP, True),
    ],
)
def test_what_a_column_cannot_hold_is_rejected_by_name(column: Column, value: Any) -> None:
    with pytest.raises(DataRejected) as refused:
        to_json(column, value)
    assert refused.value.field == column.name


def test_a_choice_that_the_metadata_lack_is_told_apart() -> None:
    with pytest.raises(UnknownOption):
        from_json(HELP, 99, None)


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_amounts_survive_the_way_through_json(amount: Decimal) -> None:
    assert Decimal(str(number(amount))) == amount


def test_literals_cannot_break_out_of_a_filter() -> None:
    assert quoted("O'Brien & Söhne #1 + 100%/?=") == "'O''Brien%20%26%20S%C3%B6hne%20%231%20%2B%20100%25%2F%3F%3D'"


@pytest.mark.parametrize(
    ("state", "status", "stage", "label"),
    [
        (0, 1, CrmStage.ACTIVE, "In Progress"),
        (0, 2, CrmStage.ON_HOLD, "On Hold"),
        (0, 99, CrmStage.ACTIVE, None),
        (1, 3, CrmStage.WON, "Won"),
        (2, 4, CrmStage.LOST, "Canceled"),
        (2, 5, CrmStage.LOST, "Out-Sold"),
    ],
)
def test_stages_are_read(state: int, status: int, stage: CrmStage, label: str | None) -> None:
    assert StatusReasons(NAMES, STATUS).stage_of({"statecode": state, "statuscode": status}) == (stage, label)


@pytest.mark.parametrize(
    ("stage", "reason", "status"),
    [
        (CrmStage.ACTIVE, None, 1),
        (CrmStage.ON_HOLD, None, 2),
        (CrmStage.WON, "Won in Partner Center", 3),
        (CrmStage.LOST, None, 5),
        (CrmStage.LOST, "Lost in Partner Center", 5),
        (CrmStage.LOST, "Declined in Partner Center: not now", 4),
        (CrmStage.LOST, "Expired in Partner Center", 4),
        (CrmStage.LOST, "Error in Partner Center", 4),
    ],
)
def test_stages_are_written(stage: CrmStage, reason: str | None, status: int) -> None:
    assert StatusReasons(NAMES, STATUS).value_for(StageChange(stage, reason)) == status


def test_a_status_reason_of_another_status_does_not_count() -> None:
    reasons = StatusReasons({**NAMES, "lost": "Won"}, STATUS)
    with pytest.raises(ConfigurationError, match="'Canceled', 'Out-Sold'"):
        reasons.value_for(StageChange(CrmStage.LOST))
    assert len(list(reasons.missing())) == 1


DEFINITION = {
    "LogicalName": "opportunity",
    "EntitySetName": "opportunities",
    "PrimaryIdAttribute": "opportunityid",
    "ChangeTrackingEnabled": True,
    "Keys": [
        {"LogicalName": "new_a", "SchemaName": "new_A", "KeyAttributes": ["a"], "EntityKeyIndexStatus": "Active"},
        {"LogicalName": "new_b", "SchemaName": "new_B", "KeyAttributes": ["b"], "EntityKeyIndexStatus": "Pending"},
    ],
}


def listed(*rows: dict[str, Any]) -> Any:
    return answer({"value": list(rows)})


def test_metadata_become_a_schema() -> None:
    facets = (Facet.DEFINITION, Facet.COLUMNS, Facet.TEXT, Facet.MONEY, Facet.DATES, Facet.CHOICES, Facet.LOOKUPS)
    query = SchemaQuery({"opportunity": facets, "nowhere": (Facet.DEFINITION,)})
    assert len(query.parts()) == 9
    label = {"UserLocalizedLabel": {"Label": "Fragen"}, "LocalizedLabels": [{"Label": "Ask"}, {"Label": "Fragen"}]}
    names = ("name", "fixed", "floating", "day", "help", "transactioncurrencyid", "new_eurid")
    schema = query.parse(
        [
            answer(DEFINITION),
            listed(*({"LogicalName": name, "AttributeType": "X"} for name in names)),
            listed({"LogicalName": "name", "MaxLength": 50}),
            listed(
                {"LogicalName": "fixed", "Precision": 4, "PrecisionSource": 0},
                {"LogicalName": "floating", "Precision": 4, "PrecisionSource": 2},
            ),
            listed({"LogicalName": "day", "Format": "DateOnly", "DateTimeBehavior": {"Value": "DateOnly"}}),
            listed(
                {
                    "LogicalName": "help",
                    "OptionSet": None,
                    "GlobalOptionSet": {"Options": [{"Value": 7, "Label": label}]},
                }
            ),
            listed(
                {"LogicalName": "transactioncurrencyid", "SchemaName": "TransactionCurrencyId",
                 "IsCustomAttribute": False, "Targets": ["transactioncurrency"]},
                {"LogicalName": "new_eurid", "SchemaName": "new_EurId",
                 "IsCustomAttribute": True, "Targets": ["transactioncurrency"]},
                {"LogicalName": "customerid", "SchemaName": "CustomerId",
                 "IsCustomAttribute": False, "Targets": ["account", "contact"]},
            ),
            answer({"error": {}}, 404),
            listed(
                {"transactioncurrencyid": "1", "isocurrencycode": "eur", "currencyprecision": 2, "statecode": 1},
                {"transactioncurrencyid": "2", "isocurrencycode": "JPY", "currencyprecision": 0, "statecode": 0},
            ),
        ]
    )  # fmt: skip
    table = schema.tables["opportunity"]
    assert set(schema.tables) == {"opportunity"}
    assert (table.path("x"), table.primary_id, table.tracks_changes) == ("opportunities(x)", "opportunityid", True)
    assert table.keys == {"new_a": ("a",)}
    assert table.columns["name"].max_length == 50
    assert (table.columns["fixed"].decimals, table.columns["floating"].decimals) == (4, None)
    assert table.columns["day"].date_only
    option = table.columns["help"].option("ask")
    assert option is not None
    assert (option.value, option.label) == (7, "Fragen")
    lookups = [table.lookup(name) for name in ("customerid_account", "customerid_contact", "new_EurId", "nothing")]
    assert [one and (one.id_property, one.target) for one in lookups] == [
        ("_customerid_value", "account"),
        ("_customerid_value", "contact"),
        ("_new_eurid_value", "transactioncurrency"),
        None,
    ]
    currencies = [table.currency_lookup(name) for name in ("transactioncurrencyid", "new_eurid", "customerid")]
    assert [one and one.name for one in currencies] == ["transactioncurrencyid", "new_EurId", None]
    assert schema.currency("EUR") is None
    assert schema.currency("jpy") == Currency("2", "JPY", 0, True)
    assert schema.currency_by_id("1") == Currency("1", "EUR", 2, False)


def test_metadata_of_another_shape_are_read_again_later() -> None:
    with pytest.raises(RetryLater):
        SchemaQuery({}).parse([answer({"value": "none"})])
