"""The Salesforce REST API of one org over HTTP, with its token endpoint."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from sandbox.control import Control
from sandbox.salesforce import errors
from sandbox.salesforce import hands as other_hands
from sandbox.salesforce.automation import Automation
from sandbox.salesforce.hands import Hands
from sandbox.salesforce.limits import DailyLimit
from sandbox.salesforce.messages import DATA_ROOT, JSON_TYPE, Answer, Request, refusal, split_target, versions
from sandbox.salesforce.queries import Queries
from sandbox.salesforce.rows import Rows
from sandbox.salesforce.rules import DuplicateRule, OrgRules, ValidationRule
from sandbox.salesforce.schema import Field, load_schema
from sandbox.salesforce.seed import INTEGRATION_USERNAME, seed
from sandbox.salesforce.service import Service
from sandbox.salesforce.tokens import ConnectedApp, TokenRefusal, Tokens
from sandbox.salesforce.writes import Writer

TOKEN_PATH = "/services/oauth2/token"
LOGIN_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
_MAX_BODY_BYTES = 50 * 1024 * 1024
_LONGEST_URI = 16_384


@dataclass(frozen=True)
class OrgOptions:
    """How the org is set up, and what Salesforce's pages leave open.

    ``unique_referral_identifier``: Microsoft ships the field not unique; an administrator may make it so.
    ``commit_delay_s``: rows become visible so long after the stamp they carry (see :mod:`sandbox.salesforce.rows`).
    ``page_size``: the server's own limit for pages of queries, 2,000 at most. ``lead_fields``: the administrator's
    mapping of custom fields, lead to opportunity, for conversions. ``longest_assertion_s``: how far ahead the ``exp``
    of a JWT may lie, which Salesforce does not publish. ``escape_composite``: composite answers are escaped as HTML.
    """

    multi_currency: bool = True
    country_picklists: bool = False
    team_selling: bool = True
    unique_referral_identifier: bool = False
    package_trigger: bool = True
    audit_max_length: int = 100_000
    extra_stages: Sequence[str] = ("On Hold",)
    lead_fields: Mapping[str, str] = field(default_factory=dict)
    commit_delay_s: float = 0.0
    page_size: int = 2000
    order_seed: int = 1
    daily_limit: int = 15_000
    session_idle_s: float = 7200
    longest_assertion_s: float = 300
    audience: str = "https://login.salesforce.com"
    escape_composite: bool = False


class SalesforceSimulator:
    """One org, empty of deals. ``base_url`` None takes the address that each request names.

    ``build`` is the app on the org's My Domain host, ``build_login`` the one on a login host, which has the token
    endpoint only and refuses client credentials; a ``Host`` header of login.salesforce.com makes a login host too.
    """

    def __init__(
        self,
        apps: Sequence[ConnectedApp] = (),
        *,
        base_url: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        options: OrgOptions | None = None,
    ) -> None:
        self.base_url = base_url
        self.options = options or OrgOptions()
        self.control = Control()
        self.schema = load_schema(
            multi_currency=self.options.multi_currency, country_picklists=self.options.country_picklists
        )
        self._set_up_schema()
        self._rows = Rows(self.schema, clock)
        self._rules = OrgRules()
        self._lock = threading.RLock()
        self._automation = automation = Automation(self._rows, self.options.package_trigger)
        self.hands = Hands(self._rows, self._rules, automation, self._lock, self.options.lead_fields)
        with self._rows.transaction():
            seed(Writer(self._rows, self._rules, automation, "", through_api=False), self.options.extra_stages)
        self.limit = DailyLimit(clock, self.options.daily_limit)
        queries = Queries(self._rows, page_size=self.options.page_size, order_seed=self.options.order_seed)
        self._service = Service(self._rows, self._rules, automation, queries, self.limit, self.options.escape_composite)
        self.tokens = Tokens(
            apps,
            self.hands.rows("Organization")[0]["Id"],
            self._active_user,
            clock,
            audience=self.options.audience,
            idle_s=self.options.session_idle_s,
            longest_assertion_s=self.options.longest_assertion_s,
        )
        self._rows.commit_delay_s = self.options.commit_delay_s

    def _set_up_schema(self) -> None:
        for name in ("Opportunity", "Lead"):
            self.schema.change_field(name, "Audit__c", length=self.options.audit_max_length)
            self.schema.change_field(name, "Referral_Identifier__c", unique=self.options.unique_referral_identifier)
        if not self.options.team_selling:
            self.schema.remove_object("OpportunityTeamMember")

    def _active_user(self, username: str) -> str | None:
        users = self.hands.rows("User")
        return next((user["Id"] for user in users if user["Username"] == username and user["IsActive"]), None)

    def open_session(self, username: str = INTEGRATION_USERNAME) -> str:
        """An access token, without the way through the token endpoint."""
        with self._lock:
            return self.tokens.open_session(self.hands.user_id(username))

    def expire_sessions(self) -> None:
        """Every access token given out so far is refused from now on."""
        with self._lock:
            self.tokens.expire_all()

    def set_commit_delay(self, delay_s: float) -> None:
        """Transactions that are seen from now on began ``delay_s`` ago."""
        with self._lock:
            self._rows.commit_delay_s = delay_s

    def meanwhile(self, act: Callable[[], None]) -> None:
        """``act`` of another user lands within the next composite request that writes: after what it has read of the
        org, and right before its first write."""
        with self._lock:
            self._service.meanwhile.append(act)

    def hide_fields(self, sobject: str, *names: str) -> None:
        """By field-level security: the API's user cannot tell them from fields that do not exist."""
        with self._lock:
            self.schema.hide(sobject, *names)

    def make_read_only(self, sobject: str, *names: str) -> None:
        with self._lock:
            self.schema.make_read_only(sobject, *names)

    def change_field(self, sobject: str, name: str, **changes: Any) -> None:
        """As an administrator does (``length=50``, ``values=(...)``, ``required=True``)."""
        with self._lock:
            self.schema.change_field(sobject, name, **changes)

    def add_field(self, sobject: str, field: Field) -> None:
        """A field of the administrator's own, blank in every row."""
        with self._lock:
            self.schema.add_field(sobject, field)
            self._rows.add_field(sobject, field.name)

    def use_package_trigger(self, *, on: bool) -> None:
        with self._lock:
            self._automation.package_trigger = on

    def add_rule(self, rule: ValidationRule | DuplicateRule) -> None:
        with self._lock:
            if isinstance(rule, ValidationRule):
                self._rules.validations.append(rule)
            else:
                self._rules.duplicates.append(rule)

    def build(self) -> web.Application:
        app = self._app(self._token_at_home)
        other_hands.add_routes(app, self.hands)
        app.router.add_get(DATA_ROOT, self._versions)
        app.router.add_get(f"{DATA_ROOT}/", self._versions)
        app.router.add_route("*", f"{DATA_ROOT}/{{path:.*}}", self._serve)
        return app

    def build_login(self) -> web.Application:
        return self._app(self._token_at_login_host)

    def _app(self, token: Callable[[web.Request], Any]) -> web.Application:
        app = web.Application(middlewares=[self.control.middleware()], client_max_size=_MAX_BODY_BYTES)
        self.control.add_routes(app)
        app.router.add_post(TOKEN_PATH, token)
        return app

    async def _token_at_home(self, http: web.Request) -> web.Response:
        return await self._token(http, is_login_host=http.host in LOGIN_HOSTS)

    async def _token_at_login_host(self, http: web.Request) -> web.Response:
        return await self._token(http, is_login_host=True)

    async def _token(self, http: web.Request, *, is_login_host: bool) -> web.Response:
        form = {name: str(value) for name, value in (await http.post()).items()}
        authorization = http.headers.get("Authorization")
        try:
            with self._lock:
                body = self.tokens.answer(form, authorization, self._origin(http), is_login_host=is_login_host)
        except TokenRefusal as refused:
            return web.json_response(refused.body, status=400)
        return web.json_response(body)

    def _origin(self, http: web.Request) -> str:
        return (self.base_url or f"{http.scheme}://{http.host}").rstrip("/")

    async def _versions(self, _: web.Request) -> web.Response:
        return web.json_response(versions())

    async def _serve(self, http: web.Request) -> web.Response:
        body = await http.read()
        with self._lock:
            answer = self._answer(http, body)
            answer.headers |= self.limit.header()
        response = web.Response(status=answer.status, headers=answer.headers, body=answer.payload() or None)
        if answer.body is not None:
            response.headers["Content-Type"] = JSON_TYPE
            if "gzip" in http.headers.get("Accept-Encoding", ""):
                response.enable_compression(web.ContentCoding.gzip)
        return response

    def _answer(self, http: web.Request, body: bytes) -> Answer:
        if len(http.raw_path) > _LONGEST_URI:
            return Answer(414)
        user_id = self.tokens.user_of(http.headers.get("Authorization"))
        if user_id is None:
            return refusal(errors.session_invalid())
        try:
            self.limit.count()
        except errors.SalesforceError as error:
            return refusal(error)
        target = split_target(http.raw_path)
        if target is None:
            return refusal(errors.no_such_resource())
        version, segments, parameters = target
        method = http.method
        # For clients that cannot send PATCH.
        if method == "POST":
            method = parameters.pop("_HttpMethod", method)
        headers = CIMultiDict(http.headers)
        return self._service.answer(Request(method, version, segments, parameters, headers, body, user_id))
