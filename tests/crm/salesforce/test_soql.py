"""What SOQL is written, and that nothing which is a value can become a query."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.salesforce.soql_syntax import Comparison, parse_condition
from shared.crm.salesforce import soql

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXT)
def test_a_value_stays_one_value(text: str) -> None:
    condition = parse_condition(soql.compare("Name", "=", soql.quoted(text)))
    assert isinstance(condition, Comparison)
    assert condition.literal.value == text


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("O'Brien", r"'O\'Brien'"),
        ("a\\' OR Name != '", r"'a\\\' OR Name != \''"),
        ("one\r\ntwo\ttab\b\f", r"'one\r\ntwo\ttab\b\f'"),
        ("\x00\x1f\x7f", r"'\u0000\u001f\u007f'"),
        ("half \ud83c pair", "'half \ufffd pair'"),
        ("100% of_it", "'100% of_it'"),
    ],
)
def test_what_could_end_a_literal_is_escaped(text: str, literal: str) -> None:
    assert soql.quoted(text) == literal


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        (soql.equals("Name", ""), "Name = null"),
        (soql.equals("Name", None), "Name = null"),
        (soql.equals("IsActive", True), "IsActive = true"),
        (soql.equals("IsActive", False), "IsActive = false"),
        (soql.equals("Account.Name", "Contoso"), "Account.Name = 'Contoso'"),
        (soql.equals("Id", "@{record.id}"), r"Id = '\u0040{record.id}'"),
        (soql.equals_reference("Id", "@{record.id}"), "Id = '@{record.id}'"),
        (soql.equals_reference("Id", "@{check.records[0].Id}"), "Id = '@{check.records[0].Id}'"),
        (soql.one_of("Email", ("a@b.example", "c'")), r"Email IN ('a@b.example', 'c\'')"),
        (soql.either("A = 1", "B = 2"), "((A = 1) OR (B = 2))"),
    ],
)
def test_conditions(condition: str, written: str) -> None:
    assert condition == written


def test_an_empty_list_is_never_asked_for() -> None:
    with pytest.raises(ValueError, match="IN needs values"):
        soql.one_of("Email", ())


def test_times_have_milliseconds_only_where_they_are_not_nought() -> None:
    assert soql.moment(datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)) == "2026-03-01T10:20:30Z"
    assert soql.moment(datetime(2026, 3, 1, 10, 20, 30, 45_000, tzinfo=UTC)) == "2026-03-01T10:20:30.045Z"


@pytest.mark.parametrize("name", ["", "1st", "Name FROM User", "a..b", "Name'", "Straße__c", "(SELECT Id"])
def test_what_is_no_name_never_gets_into_a_query(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        soql.select("Account", [name])
    with pytest.raises(ValueError, match="no name"):
        soql.equals(name, "x")


def test_what_is_no_reference_never_gets_into_a_query() -> None:
    with pytest.raises(ValueError, match="no reference"):
        soql.equals_reference("Id", "@{record.id}' OR Id != '")


def test_an_operator_is_one_of_a_few() -> None:
    with pytest.raises(ValueError, match="operator"):
        soql.compare("Name", "= '' OR Name !=", "''")


def test_a_query_has_every_column_once() -> None:
    child = soql.select("Contacts", ["Id"], order=("CreatedDate", "Id"))
    query = soql.select("Account", ["Id", "Name", "Id"], children=[child], where="Name != null", order=["Id"], limit=3)
    assert query == (
        "SELECT Id, Name, (SELECT Id FROM Contacts ORDER BY CreatedDate, Id) FROM Account WHERE Name != null "
        "ORDER BY Id LIMIT 3"
    )


def test_a_path_is_encoded_but_for_references() -> None:
    path = soql.path_of(soql.select("Account", ["Id"], where=soql.equals_reference("Id", "@{record.id}")))
    assert path == "query?q=SELECT%20Id%20FROM%20Account%20WHERE%20Id%20%3D%20%27@{record.id}%27"
    text = soql.path_of(soql.select("Account", ["Id"], where=soql.equals("Name", "@{ & + # }é")), deleted=True)
    assert re.fullmatch(r"queryAll\?q=[\w%.~-]+", text)


@pytest.mark.parametrize(
    ("text", "is_id"),
    [("006xx000001a2b3", True), ("006xx000001a2b3AAA", True), ("006xx000001a2b", False), ("006xx00000'a2b3", False)],
)
def test_ids_have_fifteen_or_eighteen_characters(text: str, is_id: bool) -> None:
    assert soql.is_id(text) is is_id
