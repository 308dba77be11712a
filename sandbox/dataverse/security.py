"""Security roles: what each table's privileges are called, which role holds them, who has which role.

https://learn.microsoft.com/power-platform/admin/security-roles-privileges
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/addprivilegesrole
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sandbox.dataverse import errors
from sandbox.dataverse.addresses import referenced
from sandbox.dataverse.messages import Answer, Request
from sandbox.dataverse.queries import Expand, Query
from sandbox.dataverse.rows import Row, Rows
from sandbox.dataverse.schema import Table, stable_id
from sandbox.dataverse.values import Reference, Value

DEPTHS = ("Basic", "Local", "Deep", "Global")
_VERBS = ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign", "Share")
_NAMES = {"systemuser": "User", "opportunityclose": "Activity", "annotation": "Note"}
_OTHERS = ("prvReadEntity", "prvReadAttribute", "prvReadOptionSet", "prvReadRelationship", "prvReadCampaign")
# Everybody may read these, or they are not asked about on their own.
_OPEN = frozenset({"privilege", "role", "businessunit", "publisher", "solution"})


@dataclass
class Security:
    """``enforced`` users may do only what their roles allow; nobody else's privileges are looked at.

    A grant below ``Global`` reaches only rows that the user owns. ``asked`` are the privileges that were needed so far.
    """

    rows: Rows
    granted: dict[str, dict[str, str]] = field(default_factory=dict)
    roles_of: dict[str, set[str]] = field(default_factory=dict)
    enforced: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)

    def add_privileges_of(self, table: Table) -> None:
        for verb in _VERBS:
            self.add_privilege(privilege_name(verb, table))

    def add_privilege(self, name: str) -> None:
        row_id = stable_id("privilege", name)
        values: dict[str, Value] = {"privilegeid": row_id, "name": name}
        self.rows.put("privilege", row_id, values)

    def seed(self) -> None:
        for table in list(self.rows.schema.tables.values()):
            self.add_privileges_of(table)
        for name in _OTHERS:
            self.add_privilege(name)

    # Requests

    def add_to_role(self, role: Row, request: Request) -> Answer:
        """``AddPrivilegesRole``: grants, or changes the depth of what was granted."""
        given = request.json().get("Privileges")
        if not isinstance(given, list) or not given:
            raise errors.bad_argument("Privileges must be a collection of RolePrivilege.")
        chosen = {}
        for one in given:
            depth = str(one.get("Depth"))
            depth = DEPTHS[int(depth)] if depth in {"0", "1", "2", "3"} else depth
            privilege = self.rows.find("privilege", str(one.get("PrivilegeId")))
            if depth not in DEPTHS or privilege is None:
                raise errors.bad_argument("A RolePrivilege needs the PrivilegeId of a privilege, and a Depth.")
            chosen[privilege.id] = depth
        self.granted.setdefault(role.id, {}).update(chosen)
        return Answer(204)

    def privileges_of_role(self, request: Request, role_id: str) -> Answer:
        if self.rows.find("role", role_id) is None:
            raise errors.row_missing("role", role_id)
        held = [
            {"Depth": depth, "PrivilegeId": privilege, "BusinessUnitId": stable_id("businessunit")}
            for privilege, depth in self.granted.get(role_id, {}).items()
        ]
        context = f"{request.root}$metadata#Microsoft.Dynamics.CRM.RetrieveRolePrivilegesRoleResponse"
        return Answer(200, {"@odata.context": context, "RolePrivileges": held})

    def roles_of_user(self, user: Row, tail: list[str], request: Request) -> Answer:
        """``systemuserroles_association``: read, or with ``$ref`` added to."""
        held = self.roles_of.get(user.id, set())
        if request.method == "GET" and not tail:
            value = [{"roleid": role_id} for role_id in sorted(held)]
            return Answer(200, {"@odata.context": f"{request.root}$metadata#roles(roleid)", "value": value})
        if request.method == "POST" and tail == ["$ref"]:
            link = request.json().get("@odata.id")
            if not isinstance(link, str) or not link.startswith("http"):
                raise errors.payload("roles", "The @odata.id of a reference must be an absolute address.")
            role = referenced(self.rows, link, request.root, "roles")
            if role.table != "role" or role.values["businessunitid"] != user.values["businessunitid"]:
                raise errors.bad_argument("The role and the user must belong to the same business unit.")
            self.roles_of[user.id] = held | {role.id}
            return Answer(204)
        raise errors.not_allowed(request.method)

    # Enforcement

    def check(self, user_id: str, verb: str, table: Table, *, row: Row | None = None) -> None:
        """Raises the 403 where none of the user's roles reaches: ``row``, or without one the whole organisation's."""
        if table.name in _OPEN and verb == "Read":
            return
        is_own = row is not None and row.values.get("ownerid") == Reference("systemuser", user_id)
        self.check_named(user_id, privilege_name(verb, table), at_least="Basic" if is_own else "Global")

    def check_named(self, user_id: str, name: str, *, at_least: str = "Global") -> None:
        if user_id not in self.enforced:
            return
        self.asked.add(name)
        wanted = DEPTHS.index(at_least)
        for role_id in self.roles_of.get(user_id, ()):
            depth = self.granted.get(role_id, {}).get(stable_id("privilege", name))
            if depth and DEPTHS.index(depth) >= wanted:
                return
        raise errors.missing_privilege(user_id, name)

    def check_read(self, user_id: str, table: Table, query: Query) -> None:
        for one in (table, *_expanded(query.expand)):
            self.check(user_id, "Read", one)

    def check_links(self, user_id: str, table: Table, values: Iterable[tuple[str, Value]], row: Row | None) -> None:
        """What setting lookups takes: Append on the row, AppendTo on what it leads to, Assign for another owner."""
        for name, value in values:
            if not isinstance(value, Reference) or table.columns[name].create is False:
                continue
            if name == "ownerid":
                if value != Reference("systemuser", user_id):
                    self.check(user_id, "Assign", table, row=row)
                continue
            self.check(user_id, "Append", table, row=row)
            target = self.rows.schema.tables[value.table]
            self.check(user_id, "AppendTo", target, row=self.rows.follow(value))


def privilege_name(verb: str, table: Table) -> str:
    return f"prv{verb}{_NAMES.get(table.name, table.schema_name)}"


def _expanded(expands: Iterable[Expand]) -> Iterator[Table]:
    for expand in expands:
        yield expand.table
        yield from _expanded(expand.query.expand)
