"""What the Dataverse simulator grants and refuses, status by status, as Microsoft's pages print it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
import requests

from sandbox.dataverse import APPLICATION_USER_ID, SELLER_ID, DataverseSimulator, currency_id, faults
from sandbox.serving import Server

REFERRAL_ID = "msft_microsoftpartnercenterreferralidentifier"
BY_KEY = f"opportunities({REFERRAL_ID}='r-1')"
NOBODY = "00000000-0000-0000-0000-000000000001"
REPRESENTATION = {"Prefer": "return=representation"}


def accept_good(authorization: str | None, audience: str) -> str | None:
    return None if authorization == "Bearer good" else f"No token for {audience}."


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 8, 15, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Api:
    """The Web API as a client that holds a good token sees it."""

    def __init__(self, server_url: str, session: requests.Session) -> None:
        self.root = f"{server_url}/api/data/v9.2/"
        self._session = session

    def __call__(
        self, method: str, path: str, json: Any = None, headers: dict[str, str] | None = None, **more: Any
    ) -> requests.Response:
        address = path if path.startswith("http") else self.root + path
        sent = {"Authorization": "Bearer good", **(headers or {})}
        return self._session.request(method, address, json=json, headers=sent, timeout=10, **more)

    def make(self, entity_set: str, **values: Any) -> str:
        """The id of a new row."""
        made = self("POST", entity_set, values)
        assert made.status_code == 204, made.text
        return made.headers["OData-EntityId"][-37:-1]

    def names(self, query: str) -> list[str]:
        answer = self("GET", f"opportunities?$select=name&{query}")
        assert answer.status_code == 200, answer.text
        return [row["name"] for row in answer.json()["value"]]

    def batch(self, body: str, **headers: str) -> requests.Response:
        sent = {"Content-Type": 'multipart/mixed; boundary="b"', "Authorization": "Bearer good", **headers}
        return self._session.post(f"{self.root}$batch", data=body.encode(), headers=sent, timeout=10)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock, request: pytest.FixtureRequest) -> DataverseSimulator:
    """With the options of ``@pytest.mark.parametrize("simulator", [...], indirect=True)``, if any."""
    return DataverseSimulator(accept_good, clock=clock, **getattr(request, "param", {}))


@pytest.fixture
def api(simulator: DataverseSimulator) -> Iterator[Api]:
    with Server(simulator.build) as server, requests.Session() as session:
        yield Api(server.url, session)


def error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


# Access


def test_a_missing_or_wrong_token_is_a_401_that_says_where_to_get_one(api: Api) -> None:
    answer = api("GET", "WhoAmI", headers={"Authorization": "Bearer bad"})
    assert (answer.status_code, answer.text) == (401, "")
    assert answer.headers["WWW-Authenticate"].startswith('Bearer authorization_uri="https://login.')
    assert api("GET", "WhoAmI").json()["UserId"] == APPLICATION_USER_ID


def test_the_audience_is_the_address_of_the_environment(clock: Clock) -> None:
    asked: list[str] = []

    def check(authorization: str | None, audience: str) -> str | None:
        asked.append(audience)
        return None

    simulator = DataverseSimulator(check, clock=clock)
    with Server(simulator.build) as server:
        simulator.base_url = "https://contoso.crm.dynamics.com/"
        made = requests.post(f"{server.url}/api/data/v9.1/accounts", json={"name": "Fabrikam"}, timeout=10)
    assert asked == ["https://contoso.crm.dynamics.com"]
    assert made.headers["OData-EntityId"].startswith("https://contoso.crm.dynamics.com/api/data/v9.1/accounts(")


@pytest.mark.parametrize(
    "order", [faults.too_many_requests, faults.too_much_execution_time, faults.too_many_concurrent]
)
def test_service_protection_faults_come_as_ordered(api: Api, simulator: DataverseSimulator, order: Any) -> None:
    simulator.control.order(order(retry_after_s=7))
    answer = api("GET", "WhoAmI")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json()["error"]["code"].startswith("0x8007232")
    assert api("GET", "WhoAmI").status_code == 200


def test_an_answer_lost_after_the_commit_leaves_the_row(api: Api, simulator: DataverseSimulator) -> None:
    simulator.control.order(faults.cut_after_commit(method="POST"))
    with pytest.raises(requests.ConnectionError):
        api("POST", "accounts", {"name": "Fabrikam"})
    assert len(simulator.rows("account")) == 1


# Writes


def test_a_create_answers_204_and_the_id_or_201_and_the_row(api: Api) -> None:
    plain = api("POST", "accounts", {"name": "Fabrikam"})
    assert (plain.status_code, plain.text) == (204, "")
    assert plain.headers["OData-EntityId"].startswith(f"{api.root}accounts(")
    full = api("POST", "accounts?$select=name", {"name": "Adatum"}, REPRESENTATION)
    assert full.status_code == 201
    assert "OData-EntityId" not in full.headers
    assert set(full.json()) == {"@odata.context", "@odata.etag", "name", "accountid"}
    assert full.json()["@odata.context"] == f"{api.root}$metadata#accounts(name)/$entity"


def test_a_patch_creates_unless_if_match_forbids_it(api: Api) -> None:
    path = f"accounts({NOBODY})"
    missing = api("PATCH", path, {"name": "Fabrikam"}, {"If-Match": "*"})
    assert error(missing) == (404, "0x80040217")
    assert missing.json()["error"]["message"] == f"account With Id = {NOBODY} Does Not Exist"
    made = api("PATCH", path, {"name": "Fabrikam"}, {"If-None-Match": "null"})
    assert (made.status_code, made.headers["OData-EntityId"]) == (204, api.root + path)
    assert api("PATCH", path, {"name": "F"}, {"If-None-Match": "*"}).status_code == 412
    assert api("POST", "accounts", {"accountid": NOBODY, "name": "F"}).json()["error"]["code"] == "0x80040237"


def test_versions_rise_and_a_stale_one_is_refused(api: Api) -> None:
    path = f"accounts({api.make('accounts', name='Fabrikam')})"
    first = api("GET", path)
    assert first.headers["ETag"] == first.json()["@odata.etag"] == f'W/"{first.json()["versionnumber"]}"'
    assert api("GET", path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert api("PATCH", path, {"name": "F2"}, {"If-Match": first.headers["ETag"]}).status_code == 204
    assert error(api("PATCH", path, {"name": "F3"}, {"If-Match": first.headers["ETag"]})) == (412, "0x80060882")
    assert api("DELETE", path, headers={"If-Match": first.headers["ETag"]}).status_code == 412
    second = api("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status_code, second.json()["name"]) == (200, "F2")
    assert second.json()["versionnumber"] > first.json()["versionnumber"]


def test_an_upsert_by_key_tells_new_from_old_only_in_the_representation(api: Api) -> None:
    made = api("PATCH", BY_KEY, {"name": "new"})
    assert (made.status_code, made.headers["OData-EntityId"]) == (204, api.root + BY_KEY)
    changed = api("PATCH", BY_KEY, {"name": "old", REFERRAL_ID: "ignored"}, REPRESENTATION)
    assert (changed.status_code, changed.json()[REFERRAL_ID]) == (200, "r-1")
    other = api("PATCH", BY_KEY.replace("r-1", "r-2"), {REFERRAL_ID: "r-3"}, REPRESENTATION)
    assert (other.status_code, other.json()[REFERRAL_ID]) == (201, "r-3")
    assert error(api("PATCH", BY_KEY.replace("r-1", "r-9"), {}, {"If-Match": "*"})) == (404, "0x80060891")
    assert api("GET", f"{BY_KEY}?$select=name").json()["name"] == "old"


def test_a_key_is_unique_without_regard_to_case_and_blank_is_no_value(api: Api) -> None:
    api.make("opportunities", name="a", **{REFERRAL_ID: "r-1"})
    assert error(api("POST", "opportunities", {REFERRAL_ID: "R-1"})) == (412, "0x80060892")
    other = api.make("opportunities", name="b")
    api.make("opportunities", name="c")
    assert error(api("PATCH", f"opportunities({other})", {REFERRAL_ID: "r-1"})) == (412, "0x80060892")


@pytest.mark.parametrize("simulator", [{"with_alternate_key": False}], indirect=True)
def test_without_the_key_its_address_is_refused(api: Api) -> None:
    answer = api("PATCH", BY_KEY, {"name": "a"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("The key in the request URI is not valid for resource")
    assert api.make("opportunities", **{REFERRAL_ID: "r"}) != api.make("opportunities", **{REFERRAL_ID: "r"})
    assert api("GET", "EntityDefinitions(LogicalName='opportunity')/Keys").json()["value"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "x" * 301}, 400, "0x80044331"),
        ({"salesstage": 9}, 400, "0x8004431a"),
        ({"statuscode": 4}, 400, "0x80048408"),
        ({"closeprobability": 101}, 400, "0x80044330"),
        ({"Name": "case matters"}, 400, "0x0"),
        ({"name": 5}, 400, "0x80048d19"),
        ({"estimatedclosedate": "2026-01-31T00:00:00Z"}, 400, "0x80048d19"),
        ({"ownerid": None}, 400, "0x80040203"),
        ({"msft_opportunity_microsoftpartnercentersolution": [1]}, 400, "0x80048d19"),
        ({"_customerid_value": NOBODY}, 400, "0x80048d19"),
        ({"customerid@odata.bind": f"/accounts({NOBODY})"}, 400, "0x80048d19"),
        ({"customerid_account@odata.bind": f"/accounts({NOBODY})"}, 404, "0x80040217"),
        ({"customerid_account@odata.bind": "/Accounts(1)"}, 404, "0x8006088a"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_and_leaves_nothing(
    api: Api, simulator: DataverseSimulator, body: dict[str, Any], status: int, code: str
) -> None:
    assert error(api("POST", "opportunities", body)) == (status, code)
    assert simulator.rows("opportunity") == []


def test_what_cannot_be_written_is_ignored_without_a_word(api: Api) -> None:
    body = {"name": None, "statecode": 1, "estimatedvalue_base": 5, "createdon": "2020-01-01T00:00:00Z"}
    row = api("POST", "opportunities", body, REPRESENTATION).json()
    shown = (row["name"], row["statecode"], row["statuscode"], row["estimatedvalue_base"], row["createdon"])
    assert shown == (None, 0, 1, None, "2026-03-01T08:15:30Z")


def test_lookups_are_bound_read_and_cleared(api: Api) -> None:
    account, contact = api.make("accounts", name="Fabrikam"), api.make("contacts", firstname="Kim", lastname="Abe")
    deal = api.make("opportunities", **{"customerid_account@odata.bind": f"{api.root}accounts({account})"})
    path = f"opportunities({deal})"
    api("PATCH", path, {"customerid_contact@odata.bind": f"contacts({contact})"})
    wanted = {"Prefer": 'odata.include-annotations="*"'}
    row = api("GET", f"{path}?$select=_customerid_value", headers=wanted).json()
    assert row["_customerid_value"] == contact
    assert row["_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "contact"
    assert row["_customerid_value@OData.Community.Display.V1.FormattedValue"] == "Kim Abe"
    api("PUT", f"{path}/parentaccountid/$ref", {"@odata.id": f"{api.root}accounts({account})"})
    assert api("GET", f"{path}/parentaccountid?$select=name").json()["name"] == "Fabrikam"
    for clear in ({"parentaccountid": None}, {"parentaccountid@odata.bind": None}):
        assert api("PATCH", path, clear).status_code == 204
        assert api("GET", path).json()["_parentaccountid_value"] is None


def test_one_property_is_read_set_and_cleared(api: Api) -> None:
    path = f"opportunities({api.make('opportunities', name='a')})/name"
    assert api("PUT", path, {"value": "b"}).status_code == 204
    assert (api("GET", path).json()["value"], api("GET", f"{path}/$value").text) == ("b", "b")
    assert (api("DELETE", path).status_code, api("GET", path).status_code) == (204, 204)


def test_related_rows_are_made_along_with_a_row_and_deleted_with_it(api: Api, simulator: DataverseSimulator) -> None:
    body = {
        "name": "Deal",
        "parentaccountid": {"name": "Fabrikam"},
        "msft_opportunity_microsoftpartnercentersolution": [{"msft_name": "one"}, {"msft_name": "two"}],
    }
    made = api("POST", "opportunities", body)
    assert [row["msft_name"] for row in simulator.rows("msft_microsoftpartnercentersolution")] == ["one", "two"]
    assert api("DELETE", made.headers["OData-EntityId"]).status_code == 204
    assert simulator.rows("msft_microsoftpartnercentersolution") == []
    assert [row["name"] for row in simulator.rows("account")] == ["Fabrikam"]


@pytest.mark.parametrize(
    ("currency", "sent", "printed", "base"),
    [
        (None, "20000.125", "20000.1300", "20000.1300"),
        ("EUR", "92", "92.0000", "100.0000"),
        ("JPY", "1515.5", "1516.0000", "10.0066"),
        ("KWD", "0.3085", "0.3090", "1.0032"),
    ],
)
def test_money_is_rounded_to_its_currency_and_printed_with_four_decimals(
    api: Api, currency: str | None, sent: str, printed: str, base: str
) -> None:
    bind = {"transactioncurrencyid@odata.bind": f"transactioncurrencies({currency_id(currency)})"} if currency else {}
    deal = api.make("opportunities", estimatedvalue=float(sent), **bind)
    answer = api("GET", f"opportunities({deal})?$select=estimatedvalue,estimatedvalue_base")
    assert f'"estimatedvalue":{printed},' in answer.text
    assert f'"estimatedvalue_base":{base},' in answer.text
    assert answer.json()["_transactioncurrencyid_value"] == currency_id(currency or "USD")


def test_the_caller_is_the_author_unless_somebody_is_impersonated(api: Api, simulator: DataverseSimulator) -> None:
    deal = api.make("opportunities", name="a")
    api("PATCH", f"opportunities({deal})", {"name": "b"}, {"MSCRMCallerID": SELLER_ID})
    row = api("GET", f"opportunities({deal})?$expand=owninguser($select=fullname)").json()
    assert (row["_createdby_value"], row["_modifiedby_value"]) == (APPLICATION_USER_ID, SELLER_ID)
    assert row["_modifiedonbehalfby_value"] == APPLICATION_USER_ID
    assert row["owninguser"]["fullname"] == "Co-sell connector"
    assert api("GET", "accounts", headers={"CallerObjectId": NOBODY}).status_code == 200
    assert api("POST", "accounts", {}, {"CallerObjectId": NOBODY}).status_code == 403


# Queries


@pytest.fixture
def deals(api: Api, simulator: DataverseSimulator) -> Api:
    account = simulator.insert("account", {"name": "Fabrikam"})
    bind = {"customerid_account@odata.bind": f"accounts({account})"}
    simulator.insert("opportunity", {"name": "O'Bryan 100%", "estimatedvalue": 10, "stepname": "1-Qualify", **bind})
    simulator.insert("opportunity", {"name": "beta", "estimatedvalue": 30, REFERRAL_ID: "r-2"})
    simulator.insert("opportunity", {"name": "Alpha", "estimatedclosedate": "2026-01-31", "statuscode": 2})
    return api


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("$filter=name eq 'BETA'", ["beta"]),
        ("$filter=name eq 'O''Bryan 100%25'", ["O'Bryan 100%"]),
        ("$filter=name ne 'beta'&$orderby=name", ["Alpha", "O'Bryan 100%"]),
        ("$filter=stepname ne '1-Qualify'", ["beta", "Alpha"]),
        ("$filter=contains(name,'a') and not endswith(name,'ta')", ["O'Bryan 100%", "Alpha"]),
        ("$filter=startswith(name,'_eta')", ["beta"]),
        ("$filter=contains(name,'0[%25]')", ["O'Bryan 100%"]),
        ("$filter=estimatedvalue gt 9.5 and (estimatedvalue lt 30 or statuscode eq 2)", ["O'Bryan 100%"]),
        ("$filter=estimatedclosedate eq 2026-01-31", ["Alpha"]),
        ("$filter=estimatedvalue eq null", ["Alpha"]),
        ("$filter=customerid_account/name eq 'fabrikam'", ["O'Bryan 100%"]),
        (f"$filter=_ownerid_value eq {SELLER_ID} and statuscode eq 1", ["O'Bryan 100%", "beta"]),
        ("$filter=createdon ge 2026-03-01T09:15:30%2B01:00&$top=1", ["O'Bryan 100%"]),
        (f'$filter=Microsoft.Dynamics.CRM.In(PropertyName=\'{REFERRAL_ID}\',PropertyValues=["r-1","R-2"])', ["beta"]),
        ("$filter=Microsoft.Dynamics.CRM.In(PropertyName='statuscode',PropertyValues=[\"2\"])", ["Alpha"]),
        ("$orderby=estimatedvalue desc,name", ["beta", "O'Bryan 100%", "Alpha"]),
        ("$filter=msft_microsoftpartnercenterreferralsync eq true", []),
    ],
)
def test_queries(deals: Api, query: str, names: list[str]) -> None:
    assert deals.names(query) == names


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("opportunities?$select=Name", 400, "Could not find a property named 'Name'"),
        ("opportunities?$select=customerid", 400, "Could not find a property named 'customerid'"),
        ("opportunities?$filter=nosuch eq 1", 400, "Could not find a property named 'nosuch'"),
        ("opportunities?$filter=name eq 'open", 400, "There is an unterminated literal at position 13"),
        ("opportunities?$filter=name eq 5", 400, "incompatible types"),
        ("opportunities?$filter=name eq 'a' and", 400, "Syntax error"),
        ("opportunities?$expand=nosuch", 400, "Could not find a property named 'nosuch'"),
        ("opportunities?$skip=5", 400, "$skip"),
        ("opportunities?$skiptoken=edited", 400, "Paging Cookie"),
        ("opportunities?$filter=createdon gt 2026-13-01T00:00:00Z", 400, "Unrecognized"),
        ("opportunities?$deltatoken=1!99/99/2026 00:00:00", 400, "is not valid"),
        ("Opportunities", 404, "Resource not found for the segment 'Opportunities'"),
        ("opportunities(name='a')", 400, "The key in the request URI is not valid"),
        (f"opportunities({NOBODY})", 404, "Does Not Exist"),
        ("WinOpportunity", 404, "No HTTP resource was found"),
    ],
)
def test_queries_that_are_refused(deals: Api, query: str, status: int, words: str) -> None:
    answer = deals("GET", query)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


def test_pages_ignore_top_and_end_without_a_link(deals: Api) -> None:
    small = {"Prefer": "odata.maxpagesize=2"}
    page = deals("GET", "opportunities?$select=name&$top=1&$count=true&$orderby=name", headers=small)
    assert (len(page.json()["value"]), page.json()["@odata.count"]) == (2, 3)
    assert 'pagenumber="2"' in unquote(page.json()["@odata.nextLink"])
    last = deals("GET", page.json()["@odata.nextLink"], headers=small).json()
    assert [row["name"] for row in last["value"]] == ["O'Bryan 100%"]
    assert "@odata.nextLink" not in last
    assert deals("GET", "opportunities/$count").text == "3"


def test_expand_goes_both_ways(deals: Api, simulator: DataverseSimulator) -> None:
    opportunity = simulator.rows("opportunity")[0]["opportunityid"]
    link = {"msft_OpportunityId@odata.bind": f"opportunities({opportunity})"}
    for name in ("one", "two"):
        simulator.insert("msft_microsoftpartnercentersolution", {"msft_name": name, "msft_price": 5, **link})
    collection = "msft_opportunity_microsoftpartnercentersolution"
    nested = "$select=msft_name;$orderby=msft_name desc"
    query = f"opportunities({opportunity})?$select=name&$expand={collection}({nested}),customerid_account($select=name)"
    row = deals("GET", query).json()
    assert [solution["msft_name"] for solution in row[collection]] == ["two", "one"]
    assert row["customerid_account"]["name"] == "Fabrikam"
    assert len(deals("GET", f"opportunities({opportunity})/{collection}").json()["value"]) == 2


# Change tracking


TRACK = {"Prefer": "odata.track-changes"}


def test_the_delta_tells_of_changes_by_version_and_deletions_last(deals: Api, simulator: DataverseSimulator) -> None:
    simulator.insert("opportunity", {"name": "gamma"})
    page = deals("GET", "opportunities?$select=name", headers={"Prefer": "odata.track-changes,odata.maxpagesize=2"})
    assert "@odata.deltaLink" not in page.json()
    page = deals("GET", page.json()["@odata.nextLink"], headers={"Prefer": "odata.maxpagesize=2"})
    assert [row["name"] for row in page.json()["value"]] == ["Alpha", "gamma"]
    link = page.json()["@odata.deltaLink"]
    first, second = (row["opportunityid"] for row in simulator.rows("opportunity")[:2])
    short_lived = simulator.insert("opportunity", {"name": "short-lived"})
    simulator.delete("opportunity", first)
    simulator.delete("opportunity", short_lived)
    simulator.edit("opportunity", second, {"name": "beta 2"})
    changes = deals("GET", link).json()
    assert changes["@odata.context"].endswith("$metadata#opportunities(name)/$delta")
    assert changes["value"][0]["name"] == "beta 2"
    gone = f"{deals.root}$metadata#opportunities/$deletedEntity"
    assert changes["value"][1:] == [
        {"@odata.context": gone, "id": row_id, "reason": "deleted"} for row_id in (first, short_lived)
    ]
    assert deals("GET", link.replace("opportunities?", "opportunities/$count?")).text == "3"
    assert deals("GET", changes["@odata.deltaLink"]).json()["value"] == []


def test_what_changes_while_pages_are_read_comes_with_the_delta(deals: Api, simulator: DataverseSimulator) -> None:
    small = {"Prefer": "odata.track-changes,odata.maxpagesize=1"}
    page = deals("GET", "opportunities?$select=name", headers=small).json()
    names = [row["name"] for row in page["value"]]
    simulator.edit("opportunity", simulator.rows("opportunity")[1]["opportunityid"], {"name": "moved"})
    while "@odata.nextLink" in page:
        page = deals("GET", page["@odata.nextLink"], headers=small).json()
        names += [row["name"] for row in page["value"]]
    assert names == ["O'Bryan 100%", "Alpha"]
    assert [row["name"] for row in deals("GET", page["@odata.deltaLink"]).json()["value"]] == ["moved"]


def test_what_change_tracking_refuses(api: Api, simulator: DataverseSimulator, clock: Clock) -> None:
    for option in ("$filter=name eq 'a'", "$orderby=name", "$top=1", "$expand=customerid_account"):
        refused = api("GET", f"opportunities?{option}", headers=TRACK)
        name = option.partition("=")[0]
        assert refused.status_code == 400
        message = f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.'
        assert refused.json()["error"]["message"] == message
    assert error(api("GET", "transactioncurrencies", headers=TRACK)) == (400, "0x80072491")
    simulator.deny_organization_read("lead")
    assert error(api("GET", "leads", headers=TRACK)) == (403, "0x80040220")
    link = api("GET", "opportunities", headers=TRACK).json()["@odata.deltaLink"]
    clock.now += timedelta(days=7, seconds=1)
    assert error(api("GET", link)) == (400, "0x80044352")


@pytest.mark.parametrize("simulator", [{"expired_token_status": 410}], indirect=True)
def test_tokens_expire_by_order_and_with_a_change_of_metadata(api: Api, simulator: DataverseSimulator) -> None:
    link = api("GET", "opportunities", headers=TRACK).json()["@odata.deltaLink"]
    other = api("GET", "accounts", headers=TRACK).json()["@odata.deltaLink"]
    simulator.change_column("opportunity", "name", max_length=50)
    assert error(api("GET", link)) == (410, "0x80044352")
    assert api("GET", other).status_code == 200
    simulator.expire_delta_tokens()
    assert api("GET", other).status_code == 410
    assert api("GET", api("GET", "accounts", headers=TRACK).json()["@odata.deltaLink"]).status_code == 200


# Sales


def close_body(opportunity: str, status: int = -1, **values: Any) -> dict[str, Any]:
    bind = {"opportunityid@odata.bind": f"/opportunities({opportunity})"}
    return {"Status": status, "OpportunityClose": {"subject": "closed", **bind, **values}}


@pytest.mark.parametrize(
    ("action", "status", "expected"),
    [("WinOpportunity", 3, (1, 3)), ("WinOpportunity", -1, (1, 3)), ("LoseOpportunity", 5, (2, 5))],
)
def test_closing_takes_the_action_and_leaves_a_close_row(
    api: Api, simulator: DataverseSimulator, action: str, status: int, expected: tuple[int, int]
) -> None:
    deal = api.make("opportunities", name="a", estimatedvalue=10)
    path = f"opportunities({deal})"
    assert error(api("PATCH", path, {"statecode": expected[0], "statuscode": expected[1]})) == (400, "0x80100005")
    body = close_body(deal, status, actualrevenue=12, actualend="2026-02-01")
    assert (api("POST", action, body).status_code, api("POST", action, body).status_code) == (204, 400)
    row = api("GET", path).json()
    assert (row["statecode"], row["statuscode"]) == expected
    assert (row["actualvalue"], row["actualclosedate"]) == (12, "2026-02-01")
    assert api("PATCH", path, {"statecode": 0, "statuscode": 2}).status_code == 204
    row = api("GET", path).json()
    assert (row["statecode"], row["statuscode"], row["actualclosedate"]) == (0, 2, None)
    assert [(close["statecode"], close["statuscode"]) for close in simulator.rows("opportunityclose")] == [(2, 3)]


def test_a_close_that_does_not_fit_is_refused(api: Api) -> None:
    deal = api.make("opportunities", name="a")
    assert error(api("POST", "WinOpportunity", close_body(deal, 4))) == (400, "0x80048408")
    assert error(api("POST", "WinOpportunity", {"Status": 3})) == (400, "0x80040203")
    assert api("POST", "opportunitycloses", {"subject": "by hand"}).status_code == 400
    assert api("GET", f"opportunities({deal})").json()["statecode"] == 0


@pytest.mark.parametrize(
    ("simulator", "status"),
    [({"closed_rows_read_only": True}, 400), ({"closed_rows_read_only": False}, 204)],
    indirect=["simulator"],
)
def test_closed_rows_are_read_only_where_the_switch_says_so(
    api: Api, simulator: DataverseSimulator, status: int
) -> None:
    deal = api.make("opportunities", name="a")
    simulator.lose(deal)
    assert api("PATCH", f"opportunities({deal})", {"name": "b"}).status_code == status
    assert api("PATCH", f"opportunities({deal})", {"statecode": 0, "name": "b"}).status_code == 204


@pytest.mark.parametrize("simulator", [{"qualify_columns": {REFERRAL_ID: REFERRAL_ID}}], indirect=True)
def test_qualifying_a_lead_makes_account_contact_and_opportunity(api: Api, simulator: DataverseSimulator) -> None:
    values = {
        "subject": "Deal",
        "lastname": "Abe",
        "companyname": "Fabrikam",
        "estimatedamount": 10,
        REFERRAL_ID: "r-1",
    }
    lead = api.make("leads", **values, address1_postalcode="98052")
    body = {"CreateAccount": True, "CreateContact": True, "CreateOpportunity": True, "Status": 3}
    assert api("POST", f"leads({lead})/QualifyLead", body).status_code == 400
    answer = api("POST", f"leads({lead})/Microsoft.Dynamics.CRM.QualifyLead", body)
    assert answer.status_code == 200
    kinds = [made["@odata.type"].rpartition(".")[2] for made in answer.json()["value"]]
    assert kinds == ["account", "contact", "opportunity"]
    deal = simulator.row("opportunity", answer.json()["value"][2]["opportunityid"])
    account = simulator.row("account", answer.json()["value"][0]["accountid"])
    assert (deal["name"], deal["estimatedvalue"], deal["_originatingleadid_value"]) == ("Deal", 10, lead)
    assert (deal["_customerid_value"], deal[REFERRAL_ID]) == (account["accountid"], "r-1")
    assert account["address1_postalcode"] == "98052"
    row = simulator.row("lead", lead)
    assert (row["statecode"], row["_qualifyingopportunityid_value"]) == (1, deal["opportunityid"])
    again = api("POST", f"leads({lead})/Microsoft.Dynamics.CRM.QualifyLead", body)
    assert error(again) == (400, "0x80040519")


def test_a_lead_is_disqualified_and_reopened_by_a_plain_write(api: Api) -> None:
    path = f"leads({api.make('leads', subject='a', lastname='Abe')})"
    for state, status in ((2, 7), (0, 2)):
        assert api("PATCH", path, {"statecode": state, "statuscode": status}).status_code == 204
        row = api("GET", path).json()
        assert (row["statecode"], row["statuscode"]) == (state, status)
    assert error(api("PATCH", path, {"statuscode": 7})) == (400, "0x80048408")


# Batches


def part(method: str, url: str, body: str = "", headers: str = "", content_id: str = "") -> str:
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    head += f"Content-ID: {content_id}\r\n" if content_id else ""
    return f"{head}\r\n{method} {url} HTTP/1.1\r\nContent-Type: application/json\r\n{headers}\r\n{body}"


def batch_of(*parts: str, boundary: str = "b") -> str:
    return "".join(f"--{boundary}\r\n{one}\r\n" for one in parts) + f"--{boundary}--\r\n"


def change_set(*parts: str) -> str:
    return "Content-Type: multipart/mixed; boundary=c\r\n\r\n" + batch_of(*parts, boundary="c")


def test_a_batch_mixes_reads_writes_and_change_sets(api: Api, simulator: DataverseSimulator) -> None:
    answer = api.batch(
        batch_of(
            change_set(
                part("POST", "/api/data/v9.2/accounts", '{"name":"Fabrikam"}', content_id="1"),
                part("PATCH", "$1", '{"telephone1":"555"}', content_id="2"),
                part("PATCH", BY_KEY, '{"name":"a","customerid_account@odata.bind":"$1"}', content_id="3"),
            ),
            part("GET", f"{api.root}opportunities?$select=name&$expand=customerid_account($select=telephone1)"),
        )
    )
    assert answer.status_code == 200, answer.text
    assert answer.text.count("HTTP/1.1 204 No Content") == 3
    assert answer.text.count("Location: ") == answer.text.count("OData-EntityId: ") == 3
    assert '"telephone1":"555"' in answer.text
    assert answer.text.startswith("--batchresponse_")
    assert "--changesetresponse_" in answer.text


def test_a_failed_change_set_leaves_nothing_not_even_versions(api: Api, simulator: DataverseSimulator) -> None:
    row_id = simulator.insert("account", {"name": "Fabrikam"})
    before = simulator.rows("account")
    failing = change_set(
        part("PATCH", f"accounts({row_id})", '{"name":"changed"}', content_id="1"),
        part("PATCH", f"accounts({row_id})", '{"name":"late"}', 'If-Match: W/"1"\r\n', content_id="2"),
    )
    stopped = api.batch(batch_of(failing, part("POST", "accounts", '{"name":"never"}')))
    assert (stopped.status_code, stopped.text.count("HTTP/1.1")) == (400, 1)
    assert "HTTP/1.1 412" in stopped.text
    assert simulator.rows("account") == before
    going_on = api.batch(
        batch_of(failing, part("POST", "accounts", '{"name":"Adatum"}')), Prefer="odata.continue-on-error"
    )
    assert (going_on.status_code, going_on.text.count("HTTP/1.1")) == (200, 2)
    assert [row["name"] for row in simulator.rows("account")] == ["Fabrikam", "Adatum"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (batch_of(part("GET", "WhoAmI")).replace("\r\n", "\n"), "0x80048d19"),
        (batch_of(part("GET", "WhoAmI")).removesuffix("\r\n"), "0x80048d19"),
        (batch_of(change_set(part("GET", "WhoAmI"))), "0x80048d19"),
        (batch_of(part("POST", "$batch")), "0x80048d19"),
        (batch_of(*[part("GET", "WhoAmI")] * 1001), "0x80048d19"),
    ],
)
def test_batches_that_cannot_be_read_are_refused_whole(api: Api, body: str, code: str) -> None:
    assert error(api.batch(body)) == (400, code)


def test_a_reference_to_a_later_part_is_refused(api: Api) -> None:
    answer = api.batch(
        batch_of(
            change_set(
                part("POST", "opportunities", '{"parentaccountid@odata.bind":"$2"}', content_id="1"),
                part("POST", "accounts", "{}", content_id="2"),
            )
        )
    )
    assert answer.status_code == 400
    assert "Content-ID Reference: '$2' does not exist in the batch context." in answer.text


def test_bulk_messages_are_one_transaction(api: Api, simulator: DataverseSimulator) -> None:
    kind = {"@odata.type": "Microsoft.Dynamics.CRM.account"}
    action = "accounts/Microsoft.Dynamics.CRM."
    good, bad = {**kind, "name": "Fabrikam"}, {**kind, "name": "x" * 161}
    assert api("POST", f"{action}CreateMultiple", {"Targets": [good, bad]}).status_code == 400
    assert simulator.rows("account") == []
    ids = api("POST", f"{action}CreateMultiple", {"Targets": [good]}).json()["Ids"]
    update = {**kind, "accountid": ids[0], "name": "Adatum"}
    assert api("POST", f"{action}UpdateMultiple", {"Targets": [update]}).status_code == 204
    assert [row["name"] for row in simulator.rows("account")] == ["Adatum"]


# Metadata


def test_metadata_tells_sets_limits_keys_and_choices(api: Api) -> None:
    tracked = api("GET", "EntityDefinitions?$select=EntitySetName&$filter=ChangeTrackingEnabled eq true").json()[
        "value"
    ]
    assert {"opportunities", "leads"} <= {table["EntitySetName"] for table in tracked}
    opportunity = "EntityDefinitions(LogicalName='opportunity')"
    keys = api("GET", f"{opportunity}/Keys").json()["value"]
    assert [(key["KeyAttributes"], key["EntityKeyIndexStatus"]) for key in keys] == [([REFERRAL_ID], "Active")]
    cast = f"{opportunity}/Attributes(LogicalName='%s')/Microsoft.Dynamics.CRM.%sAttributeMetadata"
    name = api("GET", f"{cast % ('name', 'String')}?$select=MaxLength").json()
    assert name["MaxLength"] == 300
    value = api("GET", cast % ("estimatedvalue", "Money")).json()
    assert (value["AttributeType"], value["Precision"], value["PrecisionSource"]) == ("Money", 2, 2)
    assert api("GET", f"{opportunity}/Attributes?$select=MaxLength").status_code == 400
    assert api("GET", f"{opportunity}/Attributes(LogicalName='nosuch')").status_code == 404
    assert api("GET", "EntityDefinitions(LogicalName='nosuch')").status_code == 404
    options = api("GET", f"{cast % ('statuscode', 'Status')}?$select=LogicalName&$expand=OptionSet").json()["OptionSet"]
    labels = {o["Value"]: (o["State"], o["Label"]["UserLocalizedLabel"]["Label"]) for o in options["Options"]}
    assert labels == {1: (0, "In Progress"), 2: (0, "On Hold"), 3: (1, "Won"), 4: (2, "Canceled"), 5: (2, "Out-Sold")}


# Other people's hands


def test_sellers_act_over_http_without_being_counted(api: Api, simulator: DataverseSimulator) -> None:
    control = api.root.replace("/api/data/v9.2/", "/_control/")
    made = api("POST", f"{control}rows/opportunity", {"name": "Deal", "estimatedvalue": 5}).json()["id"]
    assert api("PATCH", f"{control}rows/opportunity/{made}", {"name": "Deal 2"}).status_code == 204
    assert api("POST", f"{control}opportunities/{made}/lose", {"status": 5}).status_code == 204
    (row,) = api("GET", f"{control}rows/opportunity").json()
    assert (row["name"], row["statuscode"], row["_modifiedby_value"]) == ("Deal 2", 5, SELLER_ID)
    assert api("POST", f"{control}opportunities/{made}/reopen").status_code == 204
    assert api("POST", f"{control}opportunities/{made}/win").status_code == 204
    assert simulator.row("opportunity", made)["statuscode"] == 3
    assert api("POST", f"{control}delta-tokens/expire").status_code == 204
    assert api("DELETE", f"{control}rows/opportunity/{made}").status_code == 204
    assert api("PATCH", f"{control}rows/nosuch/{made}", {}).status_code == 404
    assert simulator.control.calls == []
