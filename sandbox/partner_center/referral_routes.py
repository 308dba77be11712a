"""The Referrals API over HTTP: ``/v1.0/engagements/referrals``."""

from __future__ import annotations

import base64
import binascii
import copy
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.entra import TokenCheck
from sandbox.partner_center import odata
from sandbox.partner_center.authorization import REFERRALS_AUDIENCE, check_token
from sandbox.partner_center.refusals import Refusal, invalid, unsupported_media_type
from sandbox.partner_center.store import Document, ReferralStore

PATH = "/v1.0/engagements/referrals"
LIST_OPTIONS = frozenset({"$filter", "$orderby", "$select", "$top", "$skip", "$count", "$expand", "$skiptoken"})
# What Microsoft's list page prints: plain http, and not the path that the list was asked under.
DOCUMENTED_NEXT_LINK = "http://api.partner.microsoft.com/v1.0/referrals"


@dataclass
class ReferralApiOptions:
    """``content_type_on_get``: the swagger requires Content-Type of GET, too. ``documented_next_link``: print the odd
    form of Microsoft's list page. ``largest_top``: more is refused.
    """

    page_size: int = 100
    largest_top: int = 200
    content_type_on_get: bool = True
    documented_next_link: bool = False


class ReferralRoutes:
    def __init__(self, store: ReferralStore, tokens: TokenCheck, options: ReferralApiOptions) -> None:
        self._store = store
        self._tokens = tokens
        self.options = options

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(PATH, self._answered(self._list))
        app.router.add_post(PATH, self._answered(self._create))
        app.router.add_get(f"{PATH}/{{id}}", self._answered(self._get))
        app.router.add_patch(f"{PATH}/{{id}}", self._answered(self._patch))
        app.router.add_put(f"{PATH}/{{id}}", self._answered(self._put))

    def _answered(
        self, answer: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """``answer`` behind the checks that all operations share, its refusals as error bodies."""

        async def checked(request: web.Request) -> web.Response:
            try:
                check_token(self._tokens, request.headers.get("Authorization"), REFERRALS_AUDIENCE, user_only=True)
                needs_type = request.method != "GET" or self.options.content_type_on_get
                if needs_type and request.headers.get("Content-Type", "").split(";")[0].strip() != "application/json":
                    raise unsupported_media_type()
                response = await answer(request)
            except Refusal as refused:
                response = web.json_response(refused.body(), status=refused.status)
                if refused.status == 401:
                    response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
            response.headers["Request-ID"] = str(uuid.uuid4())
            if "MS-CorrelationId" in request.headers:
                response.headers["MS-CorrelationId"] = request.headers["MS-CorrelationId"]
            return response

        return checked

    async def _get(self, request: web.Request) -> web.Response:
        return _referral_answer(request, self._store.get(request.match_info["id"]))

    async def _create(self, request: web.Request) -> web.Response:
        return _referral_answer(request, self._store.create(await _json(request)))

    async def _patch(self, request: web.Request) -> web.Response:
        operations = await _json(request)
        changed = self._store.patch(request.match_info["id"], operations, if_match=request.headers.get("If-Match"))
        if "return=representation" in request.headers.get("Prefer", ""):
            return _referral_answer(request, changed)
        return web.Response(status=204, headers={"ETag": changed["eTag"]})

    async def _put(self, request: web.Request) -> web.Response:
        raise Refusal(405, "invalidRequest", "PUT is deprecated and not offered here: use PATCH.")

    async def _list(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        unknown = [name for name in query if name.startswith("$") and name not in LIST_OPTIONS]
        if unknown:
            raise invalid(f"The option {unknown[0]} is not supported.", unknown[0])
        if "$skiptoken" in query:
            query = _query_of(query["$skiptoken"])
        return web.json_response(self._page(query, _base(request)))

    def _page(self, query: dict[str, str], base: str) -> Document:
        if "$expand" in query:
            raise invalid("There is nothing to expand.", "$expand")
        skip = odata.parse_count(query.get("$skip", "0"), "$skip", at_least=0)
        # With $top the client says how many it wants in all, without it the service serves pages.
        size = self.options.page_size
        if "$top" in query:
            size = odata.parse_count(query["$top"], "$top", at_least=1, at_most=self.options.largest_top)
        if query.get("$count", "false") not in {"true", "false"}:
            raise invalid("$count is true or false.", "$count")
        selected = odata.parse_select(query["$select"]) if "$select" in query else None
        found = self._store.find(odata.parse_filter(query["$filter"]) if "$filter" in query else [])
        if "$orderby" in query:
            found = odata.ordered(found, query["$orderby"])
        shown = [_linked(referral, base) for referral in found[skip : skip + size]]
        page: Document = {"@odata.context": f"{base}/v1.0/$metadata#Referrals"}
        if query.get("$count") == "true":
            page["@odata.count"] = len(found)
        page["value"] = [_selected(referral, selected) for referral in shown]
        if "$top" not in query and len(found) > skip + size:
            token = _token_of({**query, "$skip": str(skip + size)})
            address = DOCUMENTED_NEXT_LINK if self.options.documented_next_link else f"{base}{PATH}"
            page["@odata.nextLink"] = f"{address}?$skiptoken={token}"
        return page


def _base(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as problem:
        raise invalid("The body is not JSON.") from problem


def _referral_answer(request: web.Request, referral: Document) -> web.Response:
    body = {"@odata.context": f"{_base(request)}/v1.0/$metadata#Referrals/$entity", **_linked(referral, _base(request))}
    return web.json_response(body, headers={"ETag": referral["eTag"]})


def _linked(referral: Document, base: str) -> Document:
    """With ``links``; the GUID in the related link is without quotes, as live data has it."""
    linked = copy.deepcopy(referral)
    linked["links"] = {
        "relatedReferrals": {
            "uri": f"{base}{PATH}?$filter=engagementId eq {referral['engagementId']}",
            "method": "GET",
        },
        "self": {"uri": f"{base}{PATH}/{referral['id']}", "method": "GET"},
    }
    return linked


def _selected(referral: Document, names: list[str] | None) -> Document:
    return referral if names is None else {name: referral.get(name) for name in names}


def _token_of(query: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(query).encode()).decode().rstrip("=")


def _query_of(token: str) -> dict[str, str]:
    try:
        query = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError) as problem:
        raise invalid("The $skiptoken is not one of ours.", "$skiptoken") from problem
    if not isinstance(query, dict):
        raise invalid("The $skiptoken is not one of ours.", "$skiptoken")
    return query
