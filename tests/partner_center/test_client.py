"""The referrals client against the Partner Center simulator, and against answers that the simulator never gives."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sandbox.certificates import Certificates
from sandbox.control import Fault
from sandbox.entra import EntraSimulator
from sandbox.partner_center import PartnerCenterSimulator
from sandbox.serving import Server
from shared.correlation import new_correlation_id
from shared.domain.errors import (
    ConfigurationError,
    ConnectorError,
    NotFound,
    Rejected,
    RetryLater,
    VersionConflict,
)
from shared.domain.patch import PatchOperation
from shared.partner_center.answers import partner_center_error
from shared.partner_center.client import Referrals
from shared.transport import Response, Timeout, Transport
from tests.partner_center.conftest import OpenTransport

AUDIENCE = "https://api.partner.microsoft.com"
UNKNOWN = "99999999-9999-4999-8999-999999999999"
DEAL: dict[str, Any] = {
    "name": "Fabrikam cloud migration",
    "type": "Shared",
    "qualification": "SalesQualified",
    "status": "New",
    "substatus": "Pending",
    "externalReferenceId": "2F9F1C2B-0000-4000-8000-00000000000A",
    "target": [{"type": "SolutionProfile", "id": "SOL-00000-AAA"}],
    "customerProfile": {
        "name": "Fabrikam",
        "size": "10to50employees",
        "ids": [],
        "address": {"addressLine1": "1 Main St", "city": "Leeds", "postalCode": "LS1 1AA", "country": "GB"},
        "team": [{"firstName": "Ada", "lastName": "Doe", "phoneNumber": "1", "email": "ada@fabrikam.example"}],
    },
    "consent": {
        "consentToToShareInfoWithOthers": True,
        "consentToContact": True,
        "consentToShareReferralWithMicrosoftSellers": True,
    },
    "details": {
        "notes": "",
        "dealValue": 10.5,
        "currency": "GBP",
        "closingDateTime": "2030-01-31T00:00:00Z",
        "requirements": {"solutions": [{"id": "SOL-00000-AAA", "name": "Demo", "type": "Name"}]},
    },
    "team": [{"firstName": "Bo", "lastName": "Roe", "phoneNumber": "2", "email": "bo@contoso.example"}],
}
NOTES = PatchOperation("replace", "/details/notes", "Called today")


@pytest.fixture
def transport(open_transport: OpenTransport) -> Transport:
    return open_transport(AUDIENCE)


@pytest.fixture
def referrals(transport: Transport, partner_center_url: str) -> Referrals:
    return Referrals(transport, f"{partner_center_url}/v1.0/engagements/")


def a_day_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=1)


def names(pages: Iterator[list[dict[str, Any]]]) -> list[list[str]]:
    return [[referral["name"] for referral in page] for page in pages]


def test_created_referral_can_be_read(referrals: Referrals) -> None:
    created = referrals.create(DEAL)
    assert created["externalReferenceId"] == DEAL["externalReferenceId"]
    read = referrals.get(created["id"])
    assert (read["id"], read["eTag"], read["name"]) == (created["id"], created["eTag"], DEAL["name"])
    assert referrals.get(created["id"].upper())["id"] == created["id"]


def test_patch_returns_the_referral_after_it(referrals: Referrals) -> None:
    created = referrals.create(DEAL)
    changed = referrals.patch(
        created["id"], [NOTES, PatchOperation("replace", "/details/dealValue", 11)], created["eTag"]
    )
    assert (changed["details"]["notes"], changed["details"]["dealValue"]) == ("Called today", 11)
    assert changed["eTag"] != created["eTag"]
    assert referrals.get(created["id"])["eTag"] == changed["eTag"]


def test_old_version_is_not_overwritten(referrals: Referrals, transport: Transport) -> None:
    created = referrals.create(DEAL)
    referrals.patch(created["id"], [NOTES], None)
    with pytest.raises(VersionConflict):
        referrals.patch(created["id"], [PatchOperation("replace", "/details/notes", "Older")], created["eTag"])
    assert referrals.get(created["id"])["details"]["notes"] == "Called today"
    assert transport.calls == {"referral.create": 1, "referral.patch": 2, "referral.get": 1}


def test_closed_referral_is_rejected_by_field(referrals: Referrals) -> None:
    created = referrals.create(DEAL)
    won = [PatchOperation("replace", "/status", "Closed"), PatchOperation("replace", "/substatus", "Won")]
    closed = referrals.patch(created["id"], won, created["eTag"])
    with pytest.raises(Rejected) as caught:
        referrals.patch(created["id"], [NOTES], closed["eTag"])
    assert caught.value.status == 400
    assert caught.value.request_id


def test_unknown_referral_is_not_found(referrals: Referrals) -> None:
    with pytest.raises(NotFound):
        referrals.get(UNKNOWN)
    with pytest.raises(NotFound):
        referrals.patch(UNKNOWN, [NOTES], None)


@pytest.mark.parametrize(
    "identifier", ["", "12", "../registration", f"{UNKNOWN}/x", f"{{{UNKNOWN}}}", f"{UNKNOWN}\n", "ſ"]
)
def test_only_guids_become_part_of_an_address(
    referrals: Referrals, partner_center: PartnerCenterSimulator, identifier: str
) -> None:
    for call in (
        lambda: referrals.get(identifier),
        lambda: referrals.patch(identifier, [NOTES], None),
        lambda: referrals.of_engagement(identifier),
    ):
        with pytest.raises(Rejected, match="not a GUID"):
            call()
    assert partner_center.control.calls == []


@pytest.mark.parametrize("documented_link", [False, True])
def test_pages_follow_each_other(
    partner_center: PartnerCenterSimulator, referrals: Referrals, documented_link: bool
) -> None:
    partner_center.referral_api.page_size = 2
    partner_center.referral_api.documented_next_link = documented_link
    for number in range(5):
        referrals.create({**DEAL, "name": f"Deal {number}"})
    partner_center.control.forget_calls()
    pages = names(referrals.updated_since(a_day_ago()))
    assert pages == [["Deal 0", "Deal 1"], ["Deal 2", "Deal 3"], ["Deal 4"]]
    assert partner_center.control.count("GET") == 3


def test_pages_are_read_when_asked_for(partner_center: PartnerCenterSimulator, referrals: Referrals) -> None:
    partner_center.referral_api.page_size = 1
    referrals.create(DEAL)
    referrals.create(DEAL)
    partner_center.control.forget_calls()
    next(referrals.updated_since(a_day_ago()))
    assert partner_center.control.count("GET") == 1


def test_updated_since_leaves_out_the_older(referrals: Referrals) -> None:
    first = referrals.create({**DEAL, "name": "First"})
    second = referrals.create({**DEAL, "name": "Second"})
    assert names(referrals.updated_since(datetime.now(UTC) + timedelta(minutes=1))) == [[]]
    since = datetime.fromisoformat(second["updatedDateTime"])
    assert second["updatedDateTime"] > first["updatedDateTime"]
    assert names(referrals.updated_since(since))[-1][-1] == "Second"


def test_any_filter_is_encoded(referrals: Referrals) -> None:
    referrals.create({**DEAL, "name": "Kept"})
    found = referrals.list("status eq 'Active' and customerProfile/address/country eq 'GB'", order_by=None)
    assert names(found) == [["Kept"]]


def test_both_sides_of_an_engagement(referrals: Referrals) -> None:
    own = referrals.create(DEAL)
    referrals.create(
        {
            **DEAL,
            "engagementId": own["engagementId"],
            "target": [{"type": "BusinessProfileLocation", "id": "msft"}],
            "inviteContext": {"assistanceRequestCode": "GeneralOrOther", "notes": ""},
        }
    )
    sides = referrals.of_engagement(own["engagementId"].upper())
    assert {side["organizationId"] == "msft" for side in sides} == {True, False}
    assert own["id"] in [side["id"] for side in sides]


def test_lost_answer_is_found_by_its_reference(partner_center: PartnerCenterSimulator, referrals: Referrals) -> None:
    began = a_day_ago()
    partner_center.control.order(Fault("/referrals", method="POST", status=0, after_commit=True))
    with pytest.raises(RetryLater, match="unknown"):
        referrals.create(DEAL)
    referrals.create({**DEAL, "externalReferenceId": "another"})
    found = referrals.created_for(f" {DEAL['externalReferenceId'].lower()} ", began)
    assert len(found) == 1
    assert referrals.created_for("nothing", began) == []
    assert referrals.created_for(DEAL["externalReferenceId"], datetime.now(UTC) + timedelta(minutes=1)) == []


def test_mistakes_of_ours_are_not_sent(referrals: Referrals, partner_center: PartnerCenterSimulator) -> None:
    with pytest.raises(ValueError, match="empty reference"):
        referrals.created_for(" ", a_day_ago())
    with pytest.raises(ValueError, match="nothing to patch"):
        referrals.patch(UNKNOWN, [], None)
    with pytest.raises(ValueError, match="without a zone"):
        referrals.updated_since(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake
    with pytest.raises(ValueError, match="does not patch"):
        PatchOperation("replace", "/name", "New name")
    assert partner_center.control.calls == []


def test_expired_token_is_renewed(entra: EntraSimulator, referrals: Referrals, transport: Transport) -> None:
    created = referrals.create(DEAL)
    entra.expire_all_tokens()
    assert referrals.get(created["id"])["id"] == created["id"]
    assert transport.calls["referral.get"] == 2


def test_token_for_the_other_audience_is_not_taken(open_transport: OpenTransport, partner_center_url: str) -> None:
    wrong = Referrals(
        open_transport("https://api.partnercenter.microsoft.com"), f"{partner_center_url}/v1.0/engagements"
    )
    with pytest.raises(RetryLater) as caught:
        wrong.get(UNKNOWN)
    assert caught.value.code == "unauthorized"


def test_throttling_tells_how_long(partner_center: PartnerCenterSimulator, referrals: Referrals) -> None:
    body = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 57 seconds."}
    partner_center.control.order(Fault("/referrals", status=429, headers={"Retry-After": "57"}, body=body))
    with pytest.raises(RetryLater, match="Rate limit is exceeded") as caught:
        referrals.get(UNKNOWN)
    assert caught.value.after_s == 57


def test_forbidden_is_told_apart_from_missing(partner_center: PartnerCenterSimulator, referrals: Referrals) -> None:
    partner_center.control.order(Fault("/referrals", status=403, body={"error": {"code": "accessDenied"}}))
    with pytest.raises(ConfigurationError) as caught:
        referrals.get(UNKNOWN)
    assert (caught.value.code, caught.value.status) == ("forbidden", 403)


def test_slow_answer_times_out(
    partner_center: PartnerCenterSimulator, open_transport: OpenTransport, partner_center_url: str
) -> None:
    partner_center.control.order(Fault("/referrals", delay_s=0.4))
    slow = Referrals(open_transport(AUDIENCE, timeout=Timeout(read_s=0.1)), f"{partner_center_url}/v1.0/engagements")
    with pytest.raises(RetryLater) as caught:
        slow.create(DEAL)
    assert caught.value.code == "timeout"


def test_no_customer_in_log_or_error(
    partner_center: PartnerCenterSimulator, referrals: Referrals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    created = referrals.create(DEAL)
    with pytest.raises(Rejected):  # the simulator does not know this filter
        list(referrals.list("team/any(t:t/email eq 'bo@contoso.example')"))
    partner_center.control.order(
        Fault("/referrals", status=400, body={"error": {"code": "invalidRequest", "message": "ada@fabrikam.example?"}})
    )
    with pytest.raises(ConnectorError) as caught:
        referrals.patch(created["id"], [NOTES], None)
    said = caplog.text + str(caught.value)
    for private in ("fabrikam.example", "contoso.example", "Called today", "Bearer", "$filter", DEAL["name"]):
        assert private not in said


@pytest.mark.parametrize("url", ["http://api.partner.microsoft.com/v1.0/engagements", "https://a:b@contoso.test"])
def test_other_addresses_than_https_are_refused(transport: Transport, url: str) -> None:
    with pytest.raises(ConfigurationError):
        Referrals(transport, url)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error": {"code": "invalidRequest", "message": "No", "target": "/status"}}, "invalidRequest", "No"),
        ({"Error": {"Code": "unAuthorized", "Message": "No"}}, "unAuthorized", "No"),
        ({"error": {"code": "generalException", "innererror": {"code": "x"}}}, "generalException", ""),
        ({"code": 600007, "description": "No", "data": [], "source": "PartnerFD"}, "600007", "No"),
        ({"code": "2000", "description": "No"}, "2000", "No"),
        ({"statusCode": 429, "message": "Rate limit"}, "", "Rate limit"),
        ({"error": None}, "", ""),
        ([], "", ""),
        ("text", "", ""),
    ],
)
def test_error_bodies_of_both_hosts(body: object, code: str, message: str) -> None:
    said = partner_center_error(Response(400, {}, json.dumps(body).encode()))
    assert (said.code, said.message) == (code, message)


class Scripted:
    """Answers in turn, as no simulator would; remembers what was asked."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((f"{request.method} {request.path_qs}", {k.lower(): v for k, v in request.headers.items()}))
        return self.answers.pop(0)

    def build(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def odd(
    scripted: Scripted, transport: Transport, certificates: Certificates, trust_sandbox: None
) -> Iterator[Referrals]:
    with Server(scripted.build, tls=certificates.server_context()) as server:
        yield Referrals(transport, f"{server.url}/v1.0/engagements")


def page(*rows: dict[str, Any], next_link: object = None) -> web.Response:
    return web.json_response({"value": list(rows), "@odata.nextLink": next_link})


def test_headers_that_the_service_wants(scripted: Scripted, odd: Referrals) -> None:
    scripted.answers = [web.json_response({"id": UNKNOWN}), web.json_response({"id": UNKNOWN})]
    correlation = new_correlation_id()
    odd.get(UNKNOWN)
    odd.patch(UNKNOWN, [NOTES], '"00006d10"')
    (_, read), (_, patched) = scripted.asked
    assert (read["content-type"], read["ms-correlationid"]) == ("application/json", correlation)
    assert (patched["if-match"], patched["prefer"]) == ('"00006d10"', "return=representation")
    assert "if-match" not in read


def test_patch_answered_without_the_referral_reads_it(scripted: Scripted, odd: Referrals) -> None:
    scripted.answers = [web.Response(status=204), web.json_response({"id": UNKNOWN, "eTag": "new"})]
    assert odd.patch(UNKNOWN, [NOTES], None)["eTag"] == "new"
    assert [asked.split()[0] for asked, _ in scripted.asked] == ["PATCH", "GET"]


def test_next_link_never_leaves_the_host(scripted: Scripted, odd: Referrals) -> None:
    scripted.answers = [page({"id": 1}, next_link="http://fabrikam.test/elsewhere?$skiptoken=a%26b"), page({"id": 2})]
    assert [row["id"] for rows in odd.list("") for row in rows] == [1, 2]
    assert scripted.asked[1][0] == "GET /v1.0/engagements/referrals?$skiptoken=a%26b"


@pytest.mark.parametrize(
    "links",
    [
        ["https://a.test/?$skiptoken=1", "https://a.test/?$skiptoken=1"],
        ["https://a.test/?$skiptoken=1", "https://a.test/?$skiptoken=2", "https://a.test/?$skiptoken=1"],
        ["https://a.test/without-a-query"],
        ["https://[::1"],
        [7],
    ],
)
def test_list_that_does_not_end_is_given_up(scripted: Scripted, odd: Referrals, links: list[object]) -> None:
    scripted.answers = [page(next_link=link) for link in links]
    with pytest.raises(RetryLater, match="does not end"):
        list(odd.list(""))


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": [1]}, {"value": {"id": 1}}])
def test_list_of_another_shape_comes_again(scripted: Scripted, odd: Referrals, body: object) -> None:
    scripted.answers = [web.json_response(body)]
    with pytest.raises(RetryLater, match="not a list of referrals"):
        list(odd.list(""))


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": 7}])
def test_create_without_an_id_is_an_unknown_outcome(scripted: Scripted, odd: Referrals, body: object) -> None:
    scripted.answers = [web.json_response(body)]
    with pytest.raises(RetryLater, match="Whether the write took effect is unknown"):
        odd.create(DEAL)


def test_samples_of_the_sandbox_are_read(partner_center: PartnerCenterSimulator, referrals: Referrals) -> None:
    for file in sorted(Path("sandbox/documents").glob("*.json")):
        added = partner_center.people.add_referral(json.loads(file.read_text(encoding="utf-8")))
        assert referrals.get(added["id"])["name"] == added["name"]
