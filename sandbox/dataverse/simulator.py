"""The Dataverse Web API of one environment over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from multidict import CIMultiDict

from sandbox.control import Control
from sandbox.dataverse import hands as other_hands
from sandbox.dataverse.batch import run_batch
from sandbox.dataverse.delta import ChangeTracking
from sandbox.dataverse.hands import Hands
from sandbox.dataverse.messages import Answer, Request
from sandbox.dataverse.metadata_writes import Metadata
from sandbox.dataverse.rows import Rows
from sandbox.dataverse.schema import load_schema, stable_id
from sandbox.dataverse.security import Security
from sandbox.dataverse.seed import APPLICATION_USER_ID, seed
from sandbox.dataverse.service import Service
from sandbox.dataverse.values import new_id

AUDIT_COLUMN = "msft_microsoftpartnercenterreferralsyncaudit"
# Authorization header and audience -> None, or why the token is refused.
CheckToken = Callable[[str | None, str], str | None]
_MAX_BODY_BYTES = 128 * 1024 * 1024


class DataverseSimulator:
    """One environment, empty of deals. ``base_url`` None takes the address that each request names.

    ``check_token`` gets the Authorization header and the audience (``base_url`` without a trailing slash), and answers
    None, or why it refuses. What Microsoft's pages leave open, or contradict each other about, is an option:
    ``expired_token_status`` (of an expired delta token), ``closed_rows_read_only`` (updates of closed opportunities and
    leads), ``batch_failure_status``, ``qualify_columns`` (columns of the lead that QualifyLead copies beyond the usual
    ones), ``no_upsert_multiple`` (tables without UpsertMultiple), ``delta_token_days``, ``shows_unpublished`` (metadata
    show a change before it is published). ``index_looks`` is how often keys are looked at until an index is built.
    """

    def __init__(
        self,
        check_token: CheckToken,
        *,
        base_url: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        with_alternate_key: bool = True,
        audit_max_length: int = 10_000,
        expired_token_status: int = 400,
        closed_rows_read_only: bool = False,
        batch_failure_status: int = 400,
        qualify_columns: Mapping[str, str] | None = None,
        no_upsert_multiple: Collection[str] = (),
        delta_token_days: int = 7,
        index_looks: int = 2,
        shows_unpublished: bool = False,
        application_id: str | None = None,
        authority: str = "https://login.microsoftonline.com/common",
    ) -> None:
        self.base_url = base_url
        self.control = Control()
        self.schema = load_schema()
        if not with_alternate_key:
            for table in ("opportunity", "lead"):
                self.schema.without_key(table, "msft_referralkey")
        for table in ("opportunity", "lead"):
            self.schema.change_column(table, AUDIT_COLUMN, max_length=audit_max_length)
        self._rows = Rows(self.schema, clock)
        seed(self._rows, application_id=application_id or stable_id("application"), delta_token_days=delta_token_days)
        self.tracking = ChangeTracking(self._rows, expired_token_status)
        self.security = Security(self._rows)
        self.security.seed()
        self.metadata = Metadata(
            self._rows, self.tracking, self.security.add_privileges_of, index_looks, shows_unpublished
        )
        self._service = Service(
            self._rows,
            self.tracking,
            self.metadata,
            self.security,
            closed_rows_read_only,
            qualify_columns or {},
            no_upsert_multiple,
        )
        self._lock = threading.RLock()
        self.hands = Hands(self._rows, self._lock)
        self.insert, self.edit, self.delete = self.hands.insert, self.hands.edit, self.hands.delete
        self.win, self.lose, self.reopen = self.hands.win, self.hands.lose, self.hands.reopen
        self.qualify = self.hands.qualify
        self.rows, self.row = self.hands.rows, self.hands.row
        self._check_token = check_token
        self._batch_failure_status = batch_failure_status
        self._authority = authority

    def expire_delta_tokens(self, *tables: str) -> None:
        """Every delta token given out so far (for ``tables``, or for all) is refused from now on."""
        with self._lock:
            self.tracking.expire_tokens(*tables)

    def change_column(self, table: str, column: str, **changes: Any) -> None:
        """As a customiser does (``max_length=50``); like every change of metadata it expires the delta tokens."""
        with self._lock:
            self.schema.change_column(table, column, **changes)
            self.tracking.expire_tokens(table)

    def change_tracking(self, table: str, *, enabled: bool) -> None:
        with self._lock:
            self.schema.change_tracking(table, enabled=enabled)

    def uninstall(self, prefix: str) -> None:
        """As if nothing whose name starts with ``prefix`` had ever been installed; no table tracks changes. Only for
        an environment without such rows."""
        with self._lock:
            self.schema.without_customizations(prefix)
            for table in self.schema.tables:
                self.schema.change_tracking(table, enabled=False)
            for row in self._rows.of("privilege"):
                if prefix in str(row.values["name"]):
                    self._rows.delete(row)

    def enforce_privileges(self) -> None:
        """From now on the caller may do only what the roles of the application user allow."""
        self.security.enforced.add(APPLICATION_USER_ID)

    def deny_organization_read(self, *tables: str) -> None:
        """The caller may not read ``tables`` of the whole organisation any more, as change tracking requires."""
        self.tracking.unreadable |= set(tables)

    def build(self) -> web.Application:
        app = web.Application(middlewares=[self.control.middleware()], client_max_size=_MAX_BODY_BYTES)
        self.control.add_routes(app)
        other_hands.add_routes(app, self.hands, self.expire_delta_tokens)
        app.router.add_route("*", r"/api/data/{version:v9\.\d}/{path:.*}", self._serve)
        return app

    async def _serve(self, http: web.Request) -> web.Response:
        origin = self.base_url or f"{http.scheme}://{http.host}"
        refused = self._check_token(http.headers.get("Authorization"), origin.rstrip("/"))
        if refused is not None:
            return self._unauthorized(origin, refused)
        service_path = f"/api/data/{http.match_info['version']}/"
        # The router's path has lost the difference between %2F and a slash; the raw one still has it.
        raw_path, _, query = http.raw_path.partition("?")
        request = Request(
            method=http.method,
            path=unquote(raw_path.partition(service_path)[2]),
            query=query,
            headers=CIMultiDict(http.headers),
            body=await http.read(),
            root=origin.rstrip("/") + service_path,
            caller_id=APPLICATION_USER_ID,
        )
        with self._lock:
            answer = self._answer(request)
        return _response(answer)

    def _answer(self, request: Request) -> Answer:
        if request.path == "$batch":
            return run_batch(self._service, request, failure_status=self._batch_failure_status)
        return self._service.answer(request)

    def _unauthorized(self, origin: str, reason: str) -> web.Response:
        challenge = (
            f'Bearer authorization_uri="{self._authority}/oauth2/authorize", resource_id="{origin.rstrip("/")}/", '
            f'error="invalid_token", error_description="{reason}"'
        )
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})


def _response(answer: Answer) -> web.Response:
    headers = {
        "x-ms-service-request-id": new_id(),
        "x-ms-ratelimit-burst-remaining-xrm-requests": "5999",
        "x-ms-ratelimit-time-remaining-xrm-requests": "1,200.00",
        **answer.all_headers(),
    }
    return web.Response(status=answer.status, headers=headers, body=answer.payload() or None)
