"""What one request does: from method and path to an answer. No HTTP here, so that ``$batch`` can use it too."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from sandbox.dataverse import bulk, errors, row_requests, sales
from sandbox.dataverse.addresses import RowAddress, existing, parse_row_address
from sandbox.dataverse.delta import ChangeTracking
from sandbox.dataverse.messages import Answer, Request, refusal
from sandbox.dataverse.metadata_bodies import check_prefix
from sandbox.dataverse.metadata_writes import Metadata
from sandbox.dataverse.queries import Query, parse_query, split_outside
from sandbox.dataverse.reads import count, read_collection
from sandbox.dataverse.row_requests import NAMESPACE
from sandbox.dataverse.rows import Row, Rows
from sandbox.dataverse.schema import Table, stable_id
from sandbox.dataverse.security import Security
from sandbox.dataverse.writes import Writer

_ROLE_PRIVILEGES = re.compile(r"RetrieveRolePrivilegesRole\(RoleId=([0-9a-f-]{36})\)")


@dataclass
class Service:
    """The environment. ``qualify_columns`` maps further columns of a lead to the opportunity that QualifyLead makes."""

    rows: Rows
    tracking: ChangeTracking
    metadata: Metadata
    security: Security
    closed_rows_read_only: bool = False
    qualify_columns: Mapping[str, str] = field(default_factory=dict)
    no_upsert_multiple: Collection[str] = ()

    def answer(self, request: Request) -> Answer:
        """Every request is a transaction of its own: what it refuses leaves no trace."""
        try:
            with self.rows.all_or_nothing():
                return self._dispatch(request)
        except errors.DataverseError as error:
            return refusal(error)

    def writer(self, request: Request) -> Writer:
        user = self._impersonated(request)
        real = request.caller_id if user else None
        return Writer(
            self.rows, user or request.caller_id, request.root, self.closed_rows_read_only, real, self.security
        )

    def _impersonated(self, request: Request) -> str | None:
        for header, column in (("CallerObjectId", "azureactivedirectoryobjectid"), ("MSCRMCallerID", "systemuserid")):
            wanted = request.headers.get(header)
            if wanted:
                for user in self.rows.of("systemuser"):
                    if user.values[column] == wanted.lower():
                        return user.id
                raise errors.DataverseError(
                    403, "0x80041d1f", "The user to impersonate is not a member of the organization."
                )
        return None

    def _dispatch(self, request: Request) -> Answer:
        first, *rest = split_outside(request.path.strip("/"), "/")
        unbound: dict[str, tuple[str, Callable[[Request], Answer]]] = {
            "WhoAmI": ("GET", self._who_am_i),
            "WhoAmI()": ("GET", self._who_am_i),
            "WinOpportunity": ("POST", self._win),
            "LoseOpportunity": ("POST", self._lose),
            "PublishXml": ("POST", self.metadata.publish),
            "PublishAllXml": ("POST", self.metadata.publish_all),
            "ReactivateEntityKey": ("POST", self.metadata.reactivate),
        }
        if first in unbound and not rest:
            method, operation = unbound[first]
            if request.method != method:
                raise errors.no_such_resource(request.url)
            return operation(request)
        if first.startswith(("EntityDefinitions", "RelationshipDefinitions")):
            self._check_metadata_read(request, rest)
            return self.metadata.answer(request, [first, *rest])
        if held := _ROLE_PRIVILEGES.fullmatch(first):
            return self.security.privileges_of_role(request, held.group(1))
        address = parse_row_address(self.rows.schema, first)
        if address is not None:
            return self._row(request, address, rest)
        table = self.rows.schema.by_set(first)
        if table is None:
            raise errors.unknown_segment(first)
        return self._set(request, table, rest)

    def _check_metadata_read(self, request: Request, rest: list[str]) -> None:
        names = {"prvReadEntity"}
        names |= {"prvReadAttribute"} if rest and rest[0].startswith("Attributes") else set()
        names |= {"prvReadOptionSet"} if "OptionSet" in request.query else set()
        names |= {"prvReadRelationship"} if rest and rest[0].endswith("Relationships") else set()
        for name in sorted(names):
            self.security.check_named(request.caller_id, name)

    def _who_am_i(self, request: Request) -> Answer:
        organization = next(iter(self.rows.of("organization")))
        body = {
            "@odata.context": f"{request.root}$metadata#{NAMESPACE}WhoAmIResponse",
            "BusinessUnitId": stable_id("businessunit"),
            "UserId": self.writer(request).caller_id,
            "OrganizationId": organization.id,
        }
        return Answer(200, body)

    def _win(self, request: Request) -> Answer:
        self._check_closing(request)
        sales.close_by_action(self.writer(request), request.json(), sales.WON)
        return Answer(204)

    def _lose(self, request: Request) -> Answer:
        self._check_closing(request)
        sales.close_by_action(self.writer(request), request.json(), sales.LOST)
        return Answer(204)

    def _check_closing(self, request: Request) -> None:
        """Closing writes the opportunity, and makes an activity that hangs on it."""
        tables = self.rows.schema.tables
        for verb, name in (
            ("Write", "opportunity"),
            ("AppendTo", "opportunity"),
            ("Create", "opportunityclose"),
            ("Append", "opportunityclose"),
        ):
            self.security.check(request.caller_id, verb, tables[name])

    def _set(self, request: Request, table: Table, rest: list[str]) -> Answer:
        rows = self.rows.of(table.name)
        if request.method == "GET":
            self.security.check_read(request.caller_id, table, self._query(request, table))
        if rest == ["$count"] and request.method == "GET":
            tracked = "$deltatoken" in request.parameters
            return self.tracking.count(table, request) if tracked else count(self.rows, table, request, rows)
        if len(rest) == 1 and request.method == "POST" and rest[0].startswith(NAMESPACE):
            if rest[0] == f"{NAMESPACE}UpsertMultiple" and table.name in self.no_upsert_multiple:
                raise errors.no_such_resource(request.url)
            return bulk.run(self.writer(request), table, rest[0].removeprefix(NAMESPACE), request)
        if rest:
            raise errors.unknown_segment(rest[0])
        if request.method == "GET":
            return (
                self.tracking.read(table, request)
                if _is_tracked(request)
                else read_collection(self.rows, table, request, rows)
            )
        if request.method == "POST":
            return self._create(request, table)
        raise errors.not_allowed(request.method)

    def _create(self, request: Request, table: Table) -> Answer:
        if table.name == "publisher":
            check_prefix(request.json().get("customizationprefix"))
        answer = row_requests.create(self.writer(request), table, request)
        if table.name == "role":
            self.metadata.note(request, f"role {request.json()['name']}")
        return answer

    def _query(self, request: Request, table: Table) -> Query:
        return parse_query(self.rows.schema, table, request.parameters)

    def _row(self, request: Request, address: RowAddress, rest: list[str]) -> Answer:
        if request.method == "GET" and not rest:
            self.security.check_read(request.caller_id, address.table, self._query(request, address.table))
        if not rest:
            return row_requests.on_row(self.writer(request), address, request)
        row = existing(self.rows, address)
        if row.table == "systemuser" and rest[0] == "systemuserroles_association":
            return self.security.roles_of_user(row, rest[1:], request)
        if row.table == "role" and rest == [f"{NAMESPACE}AddPrivilegesRole"] and request.method == "POST":
            return self.security.add_to_role(row, request)
        if rest[0].endswith("QualifyLead") and request.method == "POST":
            return self._qualify(request, row, rest[0])
        return row_requests.on_property(self.writer(request), row, rest, request)

    def _qualify(self, request: Request, row: Row, name: str) -> Answer:
        if name != f"{NAMESPACE}QualifyLead" or row.table != "lead":
            raise errors.unresolved_action(name)
        self.security.check_named(request.caller_id, "prvReadCampaign")
        self.security.check(request.caller_id, "AppendTo", self.rows.schema.tables["lead"], row=row)
        made = sales.qualify_lead(self.writer(request), row, request.json(), self.qualify_columns)
        tables = self.rows.schema.tables
        value = [{"@odata.type": f"#{NAMESPACE}{m.table}", tables[m.table].primary_id: m.id} for m in made]
        return Answer(
            200, {"@odata.context": f"{request.root}$metadata#Collection({NAMESPACE}crmbaseentity)", "value": value}
        )


def _is_tracked(request: Request) -> bool:
    parameters = request.parameters
    token = parameters.get("$skiptoken", "")
    return request.preferences.track_changes or "$deltatoken" in parameters or 'istracking="True"' in token
