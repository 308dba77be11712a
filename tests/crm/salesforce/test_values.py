"""Single values on their way to Salesforce's JSON and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from shared.crm.salesforce.describe import Field, SObject
from shared.crm.salesforce.places import actual_field
from shared.crm.salesforce.values import from_json, moment, to_json
from shared.domain.errors import Rejected

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OPTIONS = ("Proof of concept", "Other")


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("string", "", None),
        ("string", "Contoso", "Contoso"),
        ("currency", 5000.0, Decimal("5000.00")),
        ("currency", 0, Decimal(0)),
        ("percent", 12.5, Decimal("12.5")),
        ("int", 7, 7),
        ("boolean", False, False),
        ("date", "2026-03-01", date(2026, 3, 1)),
        ("datetime", "2026-11-21T12:00:00.000+0000", NOON),
    ],
)
def test_values_that_are_read(kind: str, raw: Any, value: Any) -> None:
    assert from_json(Field("F", kind, scale=2), raw) == value


def test_money_shows_the_decimals_of_its_currency_unless_it_has_more() -> None:
    field = Field("Amount", "currency", scale=2)
    assert str(from_json(field, 1235.0, 0)) == "1235"
    assert str(from_json(field, 1235.5, 0)) == "1235.5"
    assert str(from_json(field, 1235.5)) == "1235.50"


@pytest.mark.parametrize(
    ("kind", "value", "raw"),
    [
        ("string", "", None),
        ("string", 5, "5"),
        ("string", "@{x.id} \ud83c", "@ {x.id} \ufffd"),
        ("boolean", None, False),
        ("boolean", True, True),
        ("currency", Decimal("1.50"), 1.5),
        ("currency", 7, 7),
        ("int", Decimal(7), 7),
        ("date", NOON, "2026-11-21"),
        ("date", date(2026, 3, 1), "2026-03-01"),
        ("datetime", date(2026, 3, 1), "2026-03-01T00:00:00Z"),
        ("datetime", datetime(2026, 3, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-03-01T00:00:00Z"),
    ],
)
def test_values_that_are_written(kind: str, value: Any, raw: Any) -> None:
    assert to_json(Field("F", kind), value) == raw


def test_money_is_rounded_half_up_to_its_currency() -> None:
    field = Field("Amount", "currency", scale=2)
    assert to_json(field, Decimal("10.5"), 0) == 11
    assert to_json(field, Decimal("1.005"), 2) == 1.01
    assert to_json(Field("Discount", "percent"), Decimal("12.5"), 0) == 12.5


@pytest.mark.parametrize(
    ("kind", "value"),
    [("currency", "much"), ("currency", True), ("int", "7"), ("date", "tomorrow"), ("boolean", "yes")],
)
def test_a_value_of_another_type_is_refused_by_name(kind: str, value: Any) -> None:
    with pytest.raises(Rejected) as refused:
        to_json(Field("My_Field__c", kind), value)
    assert (refused.value.code, refused.value.field) == ("wrong_type", "My_Field__c")
    assert str(value) not in refused.value.message


def test_an_option_is_found_whatever_its_case_and_no_other_is_written() -> None:
    field = Field("Help__c", "picklist", options=OPTIONS)
    assert to_json(field, "PROOF OF CONCEPT") == "Proof of concept"
    with pytest.raises(Rejected, match="'Proof of concept', 'Other'") as refused:
        to_json(field, "A helping hand")
    assert (refused.value.code, refused.value.field) == ("unknown_option", "Help__c")
    assert to_json(Field("Anything__c", "picklist"), "whatever") == "whatever"


def test_a_time_without_a_zone_is_utc() -> None:
    assert moment("2026-11-21T12:00:00") == NOON


def test_a_country_is_its_code_where_there_is_a_field_for_it() -> None:
    names = ("BillingCountry", "BillingCountryCode", "ShippingCountry", "Name")
    account = SObject("Account", {name: Field(name, "string") for name in names})
    found = {name: actual_field(account, name) for name in ("billingcountry", "ShippingCountry", "Name", "Nothing")}
    assert {name: field.name if field else None for name, field in found.items()} == {
        "billingcountry": "BillingCountryCode",
        "ShippingCountry": "ShippingCountry",
        "Name": "Name",
        "Nothing": None,
    }
