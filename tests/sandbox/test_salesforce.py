"""What the Salesforce simulator grants and refuses, row by row, as Salesforce's pages and real orgs answer.

Cases named after fidelic-conformance (Apache-2.0), whose expectations were checked against a real org, say so.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.salesforce import OrgOptions, faults
from sandbox.salesforce.ids import checksum, long_id
from tests.sandbox.salesforce_api import DEAL, KEY, Org, error, served

NOBODY = "006000000000001AAA"


@pytest.fixture
def org(request: pytest.FixtureRequest) -> Iterator[Org]:
    """With the options of ``@pytest.mark.parametrize("org", [...], indirect=True)``, if any."""
    with served(getattr(request, "param", None)) as org:
        yield org


# Ids


@pytest.mark.parametrize(("short", "end"), [("001B000001ABCdE", "IAX"), ("00D000000000000", "EAA")])
def test_the_checksum_of_an_id(short: str, end: str) -> None:
    assert checksum(short) == end
    assert long_id(short) == long_id(short + end) == short + end
    assert long_id(short + "AAB") is None


def test_an_id_is_taken_in_15_and_in_18_characters_and_answered_in_18(org: Org) -> None:
    account = org.make("Account", Name="Fabrikam")
    assert len(account) == 18
    assert org.read("Account", account[:15], "Id") == [account]
    assert org.names(f"WHERE Id = '{account[:15]}'", "Account") == ["Fabrikam"]
    assert org.read("Opportunity", org.deal(AccountId=account[:15]), "AccountId") == [account]


# Access, versions, addresses


def test_a_missing_wrong_or_idle_session_is_invalid(org: Org) -> None:
    for token in ("", "Bearer nonsense"):
        answer = org("GET", "limits", Authorization=token)
        assert error(answer) == (401, "INVALID_SESSION_ID")
        assert answer.json()[0]["message"] == "Session expired or invalid"
    for _ in range(3):
        org.clock.tick(7000)
        assert org("GET", "limits").status_code == 200
    org.clock.tick(7201)
    assert error(org("GET", "limits")) == (401, "INVALID_SESSION_ID")


def test_the_versions_need_no_session_and_are_not_counted(org: Org) -> None:
    versions = requests.get(f"{org.url}/services/data/", timeout=10).json()
    named = {each["version"]: each["label"] for each in versions}
    assert (named["59.0"], named["61.0"], named["66.0"]) == ("Winter '24", "Summer '24", "Spring '26")
    assert org("GET", "").headers["Sforce-Limit-Info"] == "api-usage=1/15000"


@pytest.mark.parametrize(
    "path", ["/services/data/v99.0/limits", "/services/data/v66/limits", "nothing", "sobjects/Nope"]
)
def test_what_is_not_there_is_not_found(org: Org, path: str) -> None:
    assert error(org("GET", path)) == (404, "NOT_FOUND")


def test_a_trailing_slash_and_a_method_in_the_address_are_understood(org: Org) -> None:
    account = org("POST", "sobjects/Account/", {"Name": "Fabrikam"}).json()["id"]
    assert org("POST", f"sobjects/Account/{account}?_HttpMethod=PATCH", {"Name": "Adatum"}).status_code == 204
    assert org.read("Account", account, "Name") == ["Adatum"]
    assert error(org("PUT", f"sobjects/Account/{account}", {})) == (405, "METHOD_NOT_ALLOWED")


def test_compressed_both_ways(org: Org) -> None:
    packed = gzip.compress(json.dumps({"Name": "Fabrikam"}).encode())
    headers = {"Authorization": f"Bearer {org.token}", "Content-Encoding": "gzip", "Content-Type": "application/json"}
    url = f"{org.url}/services/data/v66.0/sobjects/Account"
    made = requests.post(url, data=packed, headers=headers, timeout=10)
    assert (made.status_code, made.headers["Content-Encoding"]) == (201, "gzip")


def test_an_address_of_more_than_16384_bytes_is_too_long(org: Org) -> None:
    account = org.make("Account", Name="Fabrikam")
    assert org.names(f"WHERE Id IN ({','.join([f'{account!r}'] * 500)})", "Account") == ["Fabrikam"]
    assert org.ask(f"SELECT Id FROM Account WHERE Name = '{'x' * 16_400}'").status_code == 414


def test_the_limit_header_counts_and_the_end_of_it_is_a_403() -> None:
    with served(OrgOptions(daily_limit=3)) as org:
        used = [org("GET", "limits").headers["Sforce-Limit-Info"] for _ in range(3)]
        assert used == ["api-usage=1/3", "api-usage=2/3", "api-usage=3/3"]
        refused = org("GET", "limits")
        assert error(refused) == (403, "REQUEST_LIMIT_EXCEEDED")
        assert refused.json()[0]["message"] == "TotalRequests Limit exceeded."
        org.clock.tick(24 * 3600)
        org.token = org.simulator.open_session()
        assert org("GET", "limits").json()["DailyApiRequests"] == {"Max": 3, "Remaining": 2}


# Rows (fidelic-conformance crud-001..017, errors-001..015)


def test_create_read_update_delete(org: Org) -> None:
    made = org("POST", "sobjects/Opportunity", {**DEAL, "Amount": 1200.5})
    deal = made.json()["id"]
    assert (made.status_code, made.json()) == (201, {"id": deal, "success": True, "errors": []})
    assert made.headers["Location"] == f"/services/data/v66.0/sobjects/Opportunity/{deal}"
    changed = org("PATCH", f"sobjects/Opportunity/{deal}", {"Description": "Two sites"})
    assert (changed.status_code, changed.content) == (204, b"")
    row = org("GET", f"sobjects/Opportunity/{deal}").json()
    assert row["attributes"] == {"type": "Opportunity", "url": f"/services/data/v66.0/sobjects/Opportunity/{deal}"}
    assert (row["Name"], row["Amount"], row["Description"]) == ("Contoso rollout", 1200.5, "Two sites")
    assert row["SystemModstamp"] == "2026-03-01T08:15:30.000+0000"
    assert org("DELETE", f"sobjects/Opportunity/{deal}").status_code == 204
    assert error(org("GET", f"sobjects/Opportunity/{deal}")) == (404, "NOT_FOUND")
    assert error(org("PATCH", f"sobjects/Opportunity/{deal}", {})) == (404, "ENTITY_IS_DELETED")
    assert error(org("DELETE", f"sobjects/Opportunity/{deal}")) == (404, "ENTITY_IS_DELETED")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", NOBODY, (404, "NOT_FOUND")),  # errors-003
        ("PATCH", NOBODY, (404, "INVALID_CROSS_REFERENCE_KEY")),  # errors-004
        ("DELETE", NOBODY, (404, "INVALID_CROSS_REFERENCE_KEY")),  # errors-005
        ("GET", "123", (404, "NOT_FOUND")),  # errors-011
        ("GET", "Name__c/x", (404, "NOT_FOUND")),
        ("PATCH", "Amount/5", (404, "NOT_FOUND")),
        ("PATCH", f"{KEY}/", (404, "NOT_FOUND")),
    ],
)
def test_rows_that_are_not_there(org: Org, method: str, path: str, expected: tuple[int, str]) -> None:
    assert error(org(method, f"sobjects/Opportunity/{path}", {} if method == "PATCH" else None)) == expected


def test_a_short_id_is_taken_for_the_name_of_an_external_id(org: Org) -> None:
    message = org("GET", "sobjects/Opportunity/123").json()[0]["message"]
    assert message == "Provided external ID field does not exist or is not accessible: 123"


REFUSED: list[tuple[str, dict[str, Any], str, list[str] | None]] = [
    ("Account", {}, "REQUIRED_FIELD_MISSING", ["Name"]),  # errors-001
    ("Account", {"Name": "  "}, "REQUIRED_FIELD_MISSING", ["Name"]),
    ("Opportunity", {"Name": "x"}, "REQUIRED_FIELD_MISSING", ["StageName", "CloseDate"]),  # errors-002
    ("Account", {"Name": "x", "Nope": 1}, "INVALID_FIELD", None),  # errors-009
    ("Account", {"Name": "x", "Id": NOBODY}, "INVALID_FIELD", None),
    ("Account", {"Name": "x" * 256}, "STRING_TOO_LONG", ["Name"]),  # errors-010
    ("Opportunity", {**DEAL, "Name": "x" * 121}, "STRING_TOO_LONG", ["Name"]),
    ("Opportunity", {**DEAL, KEY: "x" * 101}, "STRING_TOO_LONG", [KEY]),
    ("Account", {"Name": "x", "AnnualRevenue": "banana"}, "JSON_PARSER_ERROR", None),  # errors-014
    ("Account", {"Name": 5}, "JSON_PARSER_ERROR", None),
    ("Account", {"Name": "x", "NumberOfEmployees": 1.5}, "JSON_PARSER_ERROR", None),
    ("Opportunity", {**DEAL, "CloseDate": "30.06.2026"}, "JSON_PARSER_ERROR", None),
    ("Opportunity", {**DEAL, "Sync_With_Partner_Center__c": "yes"}, "JSON_PARSER_ERROR", None),
    ("Opportunity", {**DEAL, "Sync_With_Partner_Center__c": 1}, "JSON_PARSER_ERROR", None),
    ("Contact", {"LastName": "Kim", "Email": "not an address"}, "INVALID_EMAIL_ADDRESS", ["Email"]),  # validation-004
    ("Opportunity", {**DEAL, "IsClosed": True}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["IsClosed"]),
    ("Opportunity", {**DEAL, "SystemModstamp": "2026-03-01T08:15:30Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE", None),
    ("Opportunity", {**DEAL, "How_can_Microsoft_help__c": "a hug"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", None),
    ("Opportunity", {**DEAL, "CurrencyIsoCode": "XXX"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", None),
    ("Opportunity", {**DEAL, "CurrencyIsoCode": "CHF"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", None),
    ("Opportunity", {**DEAL, "Amount": 1e17}, "NUMBER_OUTSIDE_VALID_RANGE", ["Amount"]),
    ("Opportunity", {**DEAL, "AccountId": "001000000000001AAA"}, "INVALID_CROSS_REFERENCE_KEY", ["AccountId"]),
    ("Opportunity", {**DEAL, "AccountId": "003000000000001AAA"}, "MALFORMED_ID", ["AccountId"]),
    ("Opportunity", {**DEAL, "AccountId": "Fabrikam"}, "MALFORMED_ID", ["AccountId"]),
    ("User", {"LastName": "Kim"}, "INVALID_TYPE_FOR_OPERATION", None),
    ("OpportunityLineItem", {"Quantity": 1}, "INVALID_TYPE_FOR_OPERATION", None),
]


@pytest.mark.parametrize(("sobject", "body", "code", "fields"), REFUSED)
def test_what_a_create_is_refused_for(
    org: Org, sobject: str, body: dict[str, Any], code: str, fields: list[str] | None
) -> None:
    before = len(org.hands.rows(sobject))
    answer = org("POST", f"sobjects/{sobject}", body)
    assert error(answer) == (400, code)
    if fields is not None:
        assert answer.json()[0]["fields"] == fields
    assert len(org.hands.rows(sobject)) == before


def test_the_words_of_refusals(org: Org) -> None:
    def words(sobject: str, **body: Any) -> str:
        return str(org("POST", f"sobjects/{sobject}", body).json()[0]["message"])

    assert words("Account") == "Required fields are missing: [Name]"
    assert words("Account", Name="x", AnnualRevenue="banana") == (
        "Cannot deserialize instance of currency from VALUE_STRING value banana or request may be missing a required "
        "field at [line:1, column:2]"
    )
    long = words("Opportunity", **{**DEAL, "Name": "x" * 121})
    assert long == f"Opportunity Name: data value too large: {'x' * 121} (max length=120)"


def test_a_body_that_is_no_json_object(org: Org) -> None:
    url = f"{org.url}/services/data/v66.0/sobjects/Account"
    headers = {"Authorization": f"Bearer {org.token}", "Content-Type": "application/json"}
    for body in ("{", "[]", ""):
        assert error(requests.post(url, data=body, headers=headers, timeout=10)) == (400, "JSON_PARSER_ERROR")
    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    assert error(requests.post(url, data="Name=x", headers=form, timeout=10)) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_names_have_no_case_and_text_is_trimmed_and_empty_text_is_null(org: Org) -> None:
    deal = org.make("opportunity", **{"name": "  Contoso  ", "STAGENAME": "Prospecting", "closedate": "2026-06-30"})
    org("PATCH", f"sobjects/OPPORTUNITY/{deal}", {"nextstep": " ", "description": "\ntwo\nlines\n"})
    assert org.read("Opportunity", deal, "Name", "NextStep", "Description") == ["Contoso", None, "two\nlines"]


def test_null_clears_a_field_but_not_a_required_one_or_a_checkbox(org: Org) -> None:
    deal = org.deal(Amount=5, Sync_With_Partner_Center__c=True)
    org("PATCH", f"sobjects/Opportunity/{deal}", {"Amount": None, "Sync_With_Partner_Center__c": None})
    assert org.read("Opportunity", deal, "Amount", "Sync_With_Partner_Center__c") == [None, False]
    assert error(org("PATCH", f"sobjects/Opportunity/{deal}", {"Name": None})) == (400, "REQUIRED_FIELD_MISSING")


def test_unknown_fields_to_read_are_refused(org: Org) -> None:
    account = org.make("Account", Name="Fabrikam")
    assert error(org("GET", f"sobjects/Account/{account}?fields=Id,Nope")) == (400, "INVALID_FIELD")  # errors-008


def test_conditional_requests_go_by_last_modified_date(org: Org) -> None:
    deal = org.deal()
    before, at = "Sun, 01 Mar 2026 08:15:29 GMT", "Sun, 01 Mar 2026 08:15:30 GMT"
    path = f"sobjects/Opportunity/{deal}"
    assert org("GET", path, If_Modified_Since=at).status_code == 304
    assert org("GET", path, If_Modified_Since=before).status_code == 200
    assert org("PATCH", path, {"NextStep": "call"}, If_Unmodified_Since=before).status_code == 412
    assert org("PATCH", path, {"NextStep": "call"}, If_Unmodified_Since=at).status_code == 204
    assert org("PATCH", path, {"NextStep": "call"}, If_Unmodified_Since="soon").status_code == 400


# Faults


def test_faults_come_as_ordered(org: Org) -> None:
    control = org.simulator.control
    control.order(faults.session_expired(skip=1))
    assert org("GET", "limits").status_code == 200
    assert error(org("GET", "limits")) == (401, "INVALID_SESSION_ID")
    control.order(faults.unavailable())
    page = org("GET", "limits")
    assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert page.text.startswith("<html>")
    control.order(faults.too_many_concurrent())
    assert error(org("GET", "limits")) == (403, "REQUEST_LIMIT_EXCEEDED")
    control.order(faults.cut_after_commit(method="POST"))
    with pytest.raises(requests.ConnectionError):
        org("POST", "sobjects/Account", {"Name": "Fabrikam"})
    assert [row["Name"] for row in org.hands.rows("Account")] == ["Fabrikam"]
    assert org("GET", f"sobjects/Account/{org.hands.rows('Account')[0]['Id']}").status_code == 200
    assert control.operations()["GET /services/data/v66.0/sobjects/Account/*"] == 1
