"""The sales team as parts of a change set, and as it was read."""

from __future__ import annotations

from typing import Any

import pytest

from shared.crm.dynamics365.metadata import Schema, Table
from shared.crm.dynamics365.tables import Tables, read_tables
from shared.crm.dynamics365.team import change_of_team, joining, members, read_team, users_among
from shared.domain.values import Person
from tests.contract.deals import read_mapping

ALEX = Person("Alex", "Kim", "", "alex.kim@contoso.com")
DANA = Person("Dana", "Reyes", "", "dana.reyes@contoso.com")
SAM = Person("Sam", "Okafor", "", "sam.okafor@contoso.com")
USERS = {ALEX.email: "u-alex", DANA.email: "u-dana", SAM.email: "u-sam"}
TABLES = read_tables(read_mapping("dynamics365.toml"))
SCHEMA = Schema(
    {
        "systemuser": Table("systemuser", "systemusers", "systemuserid"),
        "connection": Table("connection", "connections", "connectionid"),
    },
    (),
    {"account manager": "r-manager"},
)
RECORD = "/opportunities(o)"


def user(person: Person, **more: Any) -> dict[str, Any]:
    names = {"firstname": person.first_name, "lastname": person.last_name, "address1_telephone1": None}
    return {"systemuserid": USERS[person.email].upper(), **names, "internalemailaddress": person.email, **more}


def connection(member: dict[str, Any] | None, category: int = 1001, statecode: int = 0) -> dict[str, Any]:
    name = member["firstname"] if member else "nobody"
    role = {"record2roleid": {"category": category}}
    return {"connectionid": f"c-{name}", "statecode": statecode, "record2id_systemuser": member, **role}


def row(owner: dict[str, Any] | None, *connections: dict[str, Any]) -> dict[str, Any]:
    return {"owninguser": owner, "opportunity_connections1": list(connections)}


def read(found: dict[str, Any], tables: Tables = TABLES) -> tuple[Person, ...]:
    assert tables.team is not None
    return read_team(tables, SCHEMA, tables.team, found)


def change(found: dict[str, Any], *team: Person) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The record's own columns, and what becomes of connections: method and the connection, or its user."""
    body, parts = change_of_team(TABLES, SCHEMA, RECORD, team, USERS, found)
    return body, [
        (part.method, part.body["record2id_systemuser@odata.bind"] if part.body else part.path) for part in parts
    ]


def test_the_owner_comes_first_and_everyone_once() -> None:
    found = row(
        user(DANA), connection(user(ALEX)), connection(user(DANA, internalemailaddress="Dana.Reyes@contoso.com"))
    )
    assert read(found) == (DANA, ALEX)


@pytest.mark.parametrize(
    "other",
    [
        connection(None),
        connection(user(SAM), category=1000),
        connection(user(SAM), statecode=1),
        connection(user(SAM, applicationid="a")),
        {**connection(user(SAM)), "record2roleid": None},
    ],
    ids=["a-contact", "another-category", "inactive", "an-application", "no-role"],
)
def test_other_connections_are_none_of_the_sales_team(other: dict[str, Any]) -> None:
    assert read(row(user(DANA), other, connection(user(ALEX)))) == (DANA, ALEX)


def test_a_sales_team_without_an_owner_is_read() -> None:
    assert read(row(user(DANA, applicationid="the connector"), connection(user(ALEX)))) == (ALEX,)


def test_without_the_section_the_owner_is_all() -> None:
    owner_only = TABLES.model_copy(update={"sales_team": None})
    found = row(user(DANA), connection(user(ALEX)))
    assert read(found, owner_only) == (DANA,)
    assert members(owner_only, SCHEMA, found) == ()
    assert joining(owner_only, SCHEMA, RECORD, ["u-alex"]) == []
    body, parts = change_of_team(owner_only, SCHEMA, RECORD, (ALEX, SAM), USERS, found)
    assert (body, parts) == ({"ownerid@odata.bind": "/systemusers(u-alex)"}, [])


def test_users_are_known_in_the_order_of_the_team_and_once() -> None:
    stranger = Person("Lee", "Moss", "", "lee.moss@fabrikam.example")
    twice = Person("Alex", "K.", "", "Alex.Kim@contoso.com")
    assert users_among((stranger, SAM, ALEX, twice), USERS) == ("u-sam", "u-alex")


def test_a_new_member_is_a_connection_in_the_named_role() -> None:
    (part,) = joining(TABLES, SCHEMA, "$3", ["u-alex"])
    assert (part.method, part.path) == ("POST", "connections")
    assert part.body == {
        "record1id_opportunity@odata.bind": "$3",
        "record2id_systemuser@odata.bind": "/systemusers(u-alex)",
        "record2roleid@odata.bind": "/connectionroles(r-manager)",
    }


def test_without_the_role_nobody_joins() -> None:
    assert joining(TABLES, Schema(SCHEMA.tables, ()), RECORD, ["u-alex"]) == []


def test_an_owner_who_is_one_of_the_team_stays_the_owner() -> None:
    assert change(row(user(DANA)), ALEX, DANA) == ({}, [("POST", "/systemusers(u-alex)")])


def test_an_owner_who_left_is_followed_by_the_first_user() -> None:
    found = row(user(DANA), connection(user(SAM)))
    assert change(found, ALEX, SAM) == ({"ownerid@odata.bind": "/systemusers(u-alex)"}, [])


def test_members_join_stay_and_leave() -> None:
    found = row(user(DANA), connection(user(SAM)), connection(user(SAM), category=1000))
    assert change(found, DANA, ALEX) == ({}, [("DELETE", "connections(c-Sam)"), ("POST", "/systemusers(u-alex)")])
    assert change(found, DANA, SAM) == ({}, [])


def test_a_record_of_nobody_gets_an_owner() -> None:
    assert change(row(None), ALEX, SAM) == (
        {"ownerid@odata.bind": "/systemusers(u-alex)"},
        [("POST", "/systemusers(u-sam)")],
    )
