"""The people of a deal on our side: the opportunity's owner, and its sales team. No I/O.

The sales team are connections of the opportunity to users, in roles of one category. ``opportunity_connections1`` is
among the collections of https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/opportunity,
``record1id_opportunity``, ``record2id_systemuser`` and ``record2roleid`` are among the navigation properties of
.../webapi/reference/connection, and .../reference/entities/connectionrole has category 1001, *Sales Team*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.crm.dynamics365.batch import Part
from shared.crm.dynamics365.metadata import Schema
from shared.crm.dynamics365.tables import PeopleTable, SalesTeamTable, Tables
from shared.domain.values import Person

_ACTIVE = 0


@dataclass(frozen=True)
class Member:
    """One user of the sales team, and the connection that says so."""

    connection_id: str
    user_id: str
    person: Person


def roles_path(table: SalesTeamTable) -> str:
    """Reads the roles that make a connection one of the sales team."""
    condition = f"category eq {table.category} and statecode eq {_ACTIVE}".replace(" ", "%20")
    return f"{table.roles}?$select=connectionroleid,name&$filter={condition}"


def user_columns(people: PeopleTable, schema: Schema) -> tuple[str, ...]:
    """What has to be read of a person; of a user also whether it is an application."""
    table = schema.tables[people.table]
    is_application = ("applicationid",) if "applicationid" in table.columns else ()
    return (table.primary_id, *people.columns, *is_application)


def members_expand(people: PeopleTable, table: SalesTeamTable, schema: Schema) -> str:
    """The ``$expand`` that reads what :func:`members` needs, along with the opportunity.

    Single-valued properties can be expanded inside of a collection, with ``$select`` and ``$filter`` alone:
    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/join-tables
    """
    user = f"{table.member}($select={','.join(user_columns(people, schema))})"
    own = f"{schema.tables[table.table].primary_id},statecode"
    return f"{table.collection}($select={own};$expand={user},{table.role}($select=category))"


def person(people: PeopleTable, found: Mapping[str, Any] | None) -> Person | None:
    """``None`` for a blank lookup, and for an application user: that is the connector, and no member of a team."""
    if not found or found.get("applicationid"):
        return None
    return Person(*((found.get(column) or "") for column in people.columns))


def members(tables: Tables, schema: Schema, row: Mapping[str, Any]) -> tuple[Member, ...]:
    """The sales team, as it was read; contacts and connections of other categories are none of it."""
    people, table = tables.team, tables.sales_team
    if people is None or table is None:
        return ()
    connection_id, user_id = (schema.tables[name].primary_id for name in (table.table, people.table))
    found = []
    for connection in row.get(table.collection) or ():
        user, role = connection.get(table.member), connection.get(table.role) or {}
        member = person(people, user)
        if member and connection.get("statecode") == _ACTIVE and role.get("category") == table.category:
            found.append(Member(str(connection[connection_id]), str(user[user_id]).lower(), member))
    return tuple(found)


def read_team(tables: Tables, schema: Schema, people: PeopleTable, row: Mapping[str, Any]) -> tuple[Person, ...]:
    """The owner, then the sales team, each person once."""
    owner = person(people, row[people.lookup])
    first: dict[str, Person] = {}
    for one in (*([owner] if owner else []), *(member.person for member in members(tables, schema, row))):
        first.setdefault(one.key, one)
    return tuple(first.values())


def users_among(team: Sequence[Person], users: Mapping[str, str]) -> tuple[str, ...]:
    """Ids of those of ``team`` who are users, in its order; ``users`` by e-mail address in lower case."""
    known = (users.get(one.email.casefold()) for one in team)
    return tuple(dict.fromkeys(user_id for user_id in known if user_id))


def owner_body(tables: Tables, schema: Schema, user_ids: Sequence[str]) -> dict[str, Any]:
    """The first of the users owns the record; where there is none, the owner stays."""
    people = tables.team
    if people is None or not user_ids:
        return {}
    return {f"{people.written_as}@odata.bind": f"/{schema.tables[people.table].path(user_ids[0])}"}


def joining(tables: Tables, schema: Schema, record: str, user_ids: Sequence[str]) -> list[Part]:
    """Connections that bring the users into the sales team of ``record``; none where the role for it is absent."""
    people, table = tables.team, tables.sales_team
    role_id = schema.roles.get(table.new_role.casefold()) if table else None
    if people is None or table is None or role_id is None:
        return []
    users = schema.tables[people.table]
    return [
        Part(
            "POST",
            schema.tables[table.table].entity_set,
            "sales_team.create",
            {
                f"{table.parent}@odata.bind": record,
                f"{table.member}@odata.bind": f"/{users.path(user_id)}",
                f"{table.role}@odata.bind": f"/{table.roles}({role_id})",
            },
        )
        for user_id in user_ids
    ]


def change_of_team(
    tables: Tables,
    schema: Schema,
    record: str,
    team: Sequence[Person],
    users: Mapping[str, str],
    row: Mapping[str, Any],
) -> tuple[dict[str, Any], list[Part]]:
    """What makes ``team`` that of an existing record: its own columns, and parts for its sales team.

    An owner who is one of the team stays the owner. Who is no user of the CRM cannot join.
    """
    people = tables.team
    if people is None:
        return {}, []
    user_ids = users_among(team, users)
    owner_id = str((row.get(people.lookup) or {}).get(schema.tables[people.table].primary_id, "")).lower()
    body = {} if owner_id in user_ids else owner_body(tables, schema, user_ids)
    there = {user_ids[0] if body else owner_id}
    wanted = {one.key for one in team}
    parts = []
    for member in members(tables, schema, row):
        if member.person.key in wanted:
            there.add(member.user_id)
        elif tables.sales_team:
            path = schema.tables[tables.sales_team.table].path(member.connection_id)
            parts.append(Part("DELETE", path, "sales_team.delete"))
    return body, [*parts, *joining(tables, schema, record, [one for one in user_ids if one not in there])]
