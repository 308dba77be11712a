"""What one request does: from method and path to an answer. No HTTP here, so that composite can use it too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce import errors, row_collections, row_requests
from sandbox.salesforce.automation import Automation
from sandbox.salesforce.composite import run_composite
from sandbox.salesforce.describe import describe, describe_global
from sandbox.salesforce.limits import DailyLimit
from sandbox.salesforce.messages import DATA_ROOT, Answer, Request, refusal
from sandbox.salesforce.queries import Queries
from sandbox.salesforce.replication import deleted, updated
from sandbox.salesforce.rows import Rows
from sandbox.salesforce.rules import OrgRules
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.writes import Writer

Operation = Callable[[], Answer]


@dataclass
class Service:
    """The org behind the REST API."""

    rows: Rows
    rules: OrgRules
    automation: Automation
    queries: Queries
    limit: DailyLimit
    escape_composite: bool = False
    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        """Every request is a transaction of its own: what it refuses leaves no trace."""
        try:
            with self.rows.transaction():
                return self.dispatch(request)
        except errors.SalesforceError as error:
            return refusal(error)

    def dispatch(self, request: Request) -> Answer:
        """Raises SalesforceError; composite runs its parts through here, within its own transaction."""
        first, *rest = request.segments or ("",)
        if first == "sobjects":
            return self._sobjects(request, rest)
        if first in {"query", "queryAll"} and len(rest) < 2:
            return _by_method(request, {"GET": lambda: self._query(request, rest, deleted=first == "queryAll")})
        if first == "composite":
            return self._composite(request, rest)
        if first == "limits" and not rest:
            return _by_method(request, {"GET": lambda: Answer(200, self.limit.shown())})
        if not first:
            names = ("sobjects", "query", "queryAll", "composite", "limits")
            return Answer(200, {name: f"{DATA_ROOT}/v{request.version}/{name}" for name in names})
        raise errors.no_such_resource()

    def writer(self, request: Request) -> Writer:
        return Writer(
            self.rows,
            self.rules,
            self.automation,
            request.user_id,
            request.version,
            insist=request.insists,
        )

    def sobject(self, name: str) -> SObject:
        found = self.rows.schema.find(name)
        if found is None:
            raise errors.no_such_resource()
        return found

    def _query(self, request: Request, rest: list[str], *, deleted: bool) -> Answer:
        if rest:
            return Answer(200, self.queries.more(rest[0], request.version))
        text = request.parameters.get("q")
        if not text:
            raise errors.malformed_query("A query string has to be specified")
        found = self.queries.answer(text, request.version, deleted=deleted, batch_size=request.batch_size)
        return Answer(200, found)

    def _sobjects(self, request: Request, rest: list[str]) -> Answer:
        if not rest:
            return _by_method(request, {"GET": lambda: Answer(200, describe_global(self.rows, request.version))})
        sobject = self.sobject(rest[0])
        writer = self.writer(request)
        reads: dict[str, Callable[[], dict[str, Any]]] = {
            "describe": lambda: describe(self.rows, sobject, request.version),
            "updated": lambda: updated(self.rows, sobject, request.parameters),
            "deleted": lambda: deleted(self.rows, sobject, request.parameters),
        }
        if len(rest) == 1:
            summary = describe(self.rows, sobject, request.version)
            info = {"objectDescribe": {key: summary[key] for key in summary if key != "fields"}, "recentItems": []}
            return _by_method(
                request,
                {"GET": lambda: Answer(200, info), "POST": lambda: row_requests.create(request, writer, sobject)},
            )
        if len(rest) == 2 and rest[1] in reads:
            return _by_method(request, {"GET": lambda: Answer(200, reads[rest[1]]())})
        if rest[1] == "Id" and len(rest) == 2 and request.method == "POST":
            return row_requests.create(request, writer, sobject)
        operations = row_requests.operations(request, writer, sobject, rest[1:])
        return _by_method(request, operations)

    def _composite(self, request: Request, rest: list[str]) -> Answer:
        if not rest:
            return _by_method(request, {"POST": lambda: self._run_composite(request)})
        if rest[0] == "sobjects":
            operations = row_collections.operations(request, self.writer(request), self.sobject, rest[1:])
            return _by_method(request, operations)
        raise errors.no_such_resource()

    def _run_composite(self, request: Request) -> Answer:
        return run_composite(self.rows, self.dispatch, request, self.meanwhile, escape_html=self.escape_composite)


def _by_method(request: Request, operations: dict[str, Operation]) -> Answer:
    operation = operations.get(request.method)
    if operation is None:
        raise errors.method_not_allowed(request.method, operations)
    return operation()
