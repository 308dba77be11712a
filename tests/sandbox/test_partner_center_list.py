"""The list of referrals, who may call at all, and the same acts of other people over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from sandbox.control import Fault
from sandbox.partner_center.odata import parse_filter
from sandbox.partner_center.times import parse_ticks, text_of, ticks_of
from tests.sandbox.caller import REFERRALS, REGISTRATION, PartnerCenterCaller
from tests.sandbox.deals import DEAL, deal

Token = Callable[[PartnerCenterCaller], str]


@pytest.fixture
def three(partner_center: PartnerCenterCaller) -> list[dict[str, Any]]:
    """New, Active and Closed, in this order of creation and the reverse order of update."""
    people = partner_center.simulator.people
    new = people.add_referral(deal(name="new", externalReferenceId="it's"))
    active = people.add_referral(deal(name="active", externalReferenceId="crm-2", type="Independent"))
    closed = people.add_referral(deal(name="closed", externalReferenceId="crm-3"))
    people.accept(closed["id"])
    closed = people.close(closed["id"], "Lost")
    active = people.accept(active["id"])
    new = people.edit_referral(new["id"], {"/details/notes": "edited last"})
    return [new, active, closed]


def names(page: dict[str, Any]) -> list[str]:
    return [referral["name"] for referral in page["value"]]


FILTERS = [
    ("status eq 'New'", ["new"]),
    ("substatus eq 'Lost'", ["closed"]),
    ("externalReferenceId eq 'crm-2'", ["active"]),
    ("externalReferenceId eq 'it''s'", ["new"]),
    ("externalReferenceId eq null", []),
    ("status eq 'Active' and type eq 'Independent'", ["active"]),
    ("status eq 'Active' and type eq 'Shared'", []),
    ("customerProfile/address/country eq 'GB'", ["new", "active", "closed"]),
    ("engagementId eq 00000000-0000-4000-8000-000000000000", []),
]


def test_filters(partner_center: PartnerCenterCaller, three: list[dict[str, Any]]) -> None:
    for text, expected in FILTERS:
        assert names(partner_center.list(f"?$filter={quote(text)}")) == expected, text


@pytest.mark.parametrize(
    ("verb", "expected"),
    [("gt", {"new"}), ("ge", {"new", "active"}), ("lt", {"closed"}), ("le", {"closed", "active"}), ("eq", {"active"})],
)
def test_the_list_since_a_time(
    partner_center: PartnerCenterCaller, three: list[dict[str, Any]], verb: str, expected: set[str]
) -> None:
    since = three[1]["updatedDateTime"]
    assert set(names(partner_center.list(f"?$filter=updatedDateTime {verb} {since}"))) == expected


def test_order_top_skip_count_and_select(partner_center: PartnerCenterCaller, three: list[dict[str, Any]]) -> None:
    assert names(partner_center.list("?$orderby=updatedDateTime")) == ["closed", "active", "new"]
    assert names(partner_center.list("?$orderby=createdDateTime desc")) == ["closed", "active", "new"]
    page = partner_center.list("?$orderby=updatedDateTime desc&$top=1&$skip=1&$count=true")
    assert (names(page), page["@odata.count"]) == (["active"], 3)
    assert "@odata.nextLink" not in page
    selected = partner_center.list("?$select=id,status")["value"][0]
    assert selected == {"id": three[0]["id"], "status": "New"}


REFUSED_QUERIES = [
    ("$filter=name eq 'x'", "$filter"),
    ("$filter=status ne 'New'", "$filter"),
    ("$filter=status eq New", "$filter"),
    ("$filter=status eq 'New' or status eq 'Active'", "$filter"),
    ("$filter=status eq 'New", "$filter"),
    ("$filter=", "$filter"),
    ("$filter=updatedDateTime gt '2027-01-01T00:00:00Z'", "$filter"),
    ("$filter=updatedDateTime gt 2027-01-01", "$filter"),
    ("$filter=engagementId eq 'x'", "$filter"),
    ("$orderby=name", "$orderby"),
    ("$select=colour", "$select"),
    ("$top=201", "$top"),
    ("$top=-1", "$top"),
    ("$skip=x", "$skip"),
    ("$count=yes", "$count"),
    ("$search=x", "$search"),
    ("$expand=team", "$expand"),
    ("$skiptoken=made-up", "$skiptoken"),
]


def test_queries_that_are_refused(partner_center: PartnerCenterCaller) -> None:
    for query, target in REFUSED_QUERIES:
        answer = partner_center.call("GET", f"{REFERRALS}?{quote(query, safe='$=&')}")
        assert (answer.status_code, answer.json()["error"]["target"]) == (400, target), query


def test_pages_of_a_hundred_lead_to_all_referrals(partner_center: PartnerCenterCaller) -> None:
    people = partner_center.simulator.people
    for number in range(101):
        people.add_referral(deal(name=f"deal {number}", status="Active" if number < 100 else "New"))
    page = partner_center.list("?$count=true&$select=name")
    assert (len(page["value"]), page["@odata.count"]) == (100, 101)
    link = page["@odata.nextLink"]
    assert link.startswith(f"{partner_center.url}{REFERRALS}?")
    assert "$skiptoken" in parse_qs(urlsplit(link).query)
    last = partner_center.list("?" + urlsplit(link).query)
    assert last["value"] == [{"name": "deal 100"}]
    assert "@odata.nextLink" not in last
    # The token carries the filter along: a full page of what it lets through has no next one.
    assert "@odata.nextLink" not in partner_center.list("?$filter=status eq 'Active'")


def test_the_next_link_can_take_microsofts_odd_printed_form(partner_center: PartnerCenterCaller) -> None:
    partner_center.simulator.referral_api.page_size = 2
    partner_center.simulator.referral_api.documented_next_link = True
    for name in ("a", "b", "c"):
        partner_center.simulator.people.add_referral(deal(name=name))
    link = partner_center.list("?$orderby=createdDateTime desc")["@odata.nextLink"]
    assert link.startswith("http://api.partner.microsoft.com/v1.0/referrals?$skiptoken=")
    assert names(partner_center.list("?" + urlsplit(link).query)) == ["a"]


REFUSED_CALLERS: list[tuple[str, int, str, Token]] = [
    ("made up", 401, "unauthenticated", lambda _: "made-up"),
    ("the other audience", 401, "unauthenticated", lambda caller: caller.app_token),
    (
        "no second factor",
        401,
        "unauthenticated",
        lambda caller: caller.entra.issue_token("https://api.partner.microsoft.com", user=True, mfa=False),
    ),
    ("an app", 403, "accessDenied", lambda caller: caller.entra.issue_token("https://api.partner.microsoft.com")),
]


@pytest.mark.parametrize(("who", "status", "code", "token"), REFUSED_CALLERS, ids=[row[0] for row in REFUSED_CALLERS])
def test_who_may_not_call(partner_center: PartnerCenterCaller, who: str, status: int, code: str, token: Token) -> None:
    answer = partner_center.call("GET", REFERRALS, token=token(partner_center))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_a_call_without_a_token_or_with_an_expired_one_is_refused(partner_center: PartnerCenterCaller) -> None:
    assert partner_center.call("GET", REFERRALS, Authorization="").status_code == 401
    assert partner_center.call("GET", REGISTRATION, Authorization="").status_code == 401
    partner_center.entra.expire_all_tokens()
    assert partner_center.call("POST", REFERRALS, DEAL).status_code == 401
    assert partner_center.simulator.store.all() == []


def test_the_content_type_is_asked_for_on_every_operation(partner_center: PartnerCenterCaller) -> None:
    for method, body in (("GET", None), ("POST", DEAL)):
        assert partner_center.call(method, REFERRALS, body, Content_Type="").status_code == 415
        assert partner_center.call(method, REFERRALS, body, Content_Type="text/plain").status_code == 415
        assert partner_center.call(method, REFERRALS, body, Content_Type="application/json; charset=utf-8").ok
    partner_center.simulator.referral_api.content_type_on_get = False
    assert partner_center.call("GET", REFERRALS, Content_Type="").status_code == 200


def test_answers_carry_a_request_id_and_the_callers_correlation_id(partner_center: PartnerCenterCaller) -> None:
    answer = partner_center.call("GET", REFERRALS, MS_CorrelationId="5b0c6a5e-30c0-4c55-8f3d-6f6b9a0d3c11")
    assert answer.headers["Request-ID"]
    assert answer.headers["MS-CorrelationId"] == "5b0c6a5e-30c0-4c55-8f3d-6f6b9a0d3c11"


def test_fault_orders_hit_the_api_and_calls_are_counted(partner_center: PartnerCenterCaller) -> None:
    control = partner_center.simulator.control
    control.order(Fault(path=REFERRALS, method="POST", status=503, after_commit=True))
    assert partner_center.call("POST", REFERRALS, DEAL).status_code == 503
    assert len(partner_center.simulator.store.all()) == 1
    control.order(Fault(path=REFERRALS, status=429, headers={"Retry-After": "7"}))
    assert partner_center.call("GET", REFERRALS).headers["Retry-After"] == "7"
    assert partner_center.call("GET", REFERRALS).status_code == 200
    assert control.count(f"GET {REFERRALS}$") == 2


def test_other_people_can_be_ordered_over_http(partner_center: PartnerCenterCaller) -> None:
    def order(method: str, path: str, body: Any = None) -> Any:
        answer = partner_center.call(method, f"/_control/{path}", body)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    arrived = order("POST", "referrals", deal(status="New", substatus="Received"))
    one = f"referrals/{arrived['id']}"
    assert order("POST", f"{one}/accept")["status"] == "Active"
    assert order("PATCH", one, {"/name": "Renamed"})["name"] == "Renamed"
    closed = order("POST", f"{one}/close", {"substatus": "Lost", "reason": "Chose another"})
    assert (closed["substatus"], closed["statusReason"]) == ("Lost", "Chose another")
    assert partner_center.call("POST", f"/_control/{one}/close").status_code == 400
    assert partner_center.call("POST", f"/_control/{one}/paint").status_code == 404
    both = order("POST", "referrals", {"value": [DEAL, DEAL]})
    assert order("POST", f"referrals/{both[0]['id']}/decline")["substatus"] == "Declined"
    assert order("POST", f"referrals/{both[1]['id']}/expire")["substatus"] == "Expired"
    own = partner_center.create(DEAL)
    target = [{"type": "BusinessProfileLocation", "id": "msft"}]
    partner_center.create({"engagementId": own["engagementId"], "target": target})
    accepted = order("POST", f"engagements/{own['engagementId']}/microsoft-accepts", {"msxId": "7-X"})
    assert (accepted["organizationId"], accepted["trackingInfo"]) == ("msft", {"microsoftMsxId": "7-X"})
    assert len(order("GET", "referrals")) == 5


def test_times_of_seven_digits_are_read_back_exactly() -> None:
    moment = datetime(2027, 3, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert text_of(ticks_of(moment) + 9) == "2027-03-31T23:59:59.9999999Z"
    assert parse_ticks("2027-03-31T23:59:59.9999999Z") == ticks_of(moment) + 9
    assert parse_ticks("2027-04-01T01:59:59.9999999+02:00") == ticks_of(moment) + 9
    assert parse_ticks("2027-03-31T23:59:59Z") == ticks_of(moment - timedelta(microseconds=999999))
    [clause] = parse_filter("updatedDateTime ge 2027-03-31T23:59:59.9999999Z")
    assert clause.value == ticks_of(moment) + 9
