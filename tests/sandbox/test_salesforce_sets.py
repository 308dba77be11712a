"""Several rows at once: composite, collections, spans of time, and rows that turn up later than their stamp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.salesforce import OrgOptions
from tests.sandbox.salesforce_api import DEAL, KEY, Org, error, served

ROOT = "/services/data/v66.0"


@pytest.fixture
def org() -> Iterator[Org]:
    with served() as org:
        yield org


def part(reference: str, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    return {"referenceId": reference, "method": method, "url": f"{ROOT}/{path}", "body": body, **more}


def composite(org: Org, *parts: dict[str, Any], all_or_none: bool = True) -> dict[str, tuple[int, Any]]:
    """Status and body by reference."""
    answer = org("POST", "composite", {"allOrNone": all_or_none, "compositeRequest": list(parts)})
    assert answer.status_code == 200, answer.text
    return {each["referenceId"]: (each["httpStatusCode"], each["body"]) for each in answer.json()["compositeResponse"]}


def test_a_composite_makes_a_deal_with_all_that_belongs_to_it_in_one_call(org: Org) -> None:
    calls = org.simulator.limit.used
    done = composite(
        org,
        part("account", "POST", "sobjects/Account", {"Name": "Fabrikam"}),
        part("deal", "PATCH", f"sobjects/Opportunity/{KEY}/r-1", {**DEAL, "AccountId": "@{account.id}"}),
        part("solution", "POST", "sobjects/Microsoft_Solutions__c", {"Opportunity__c": "@{deal.id}"}),
        part("read", "GET", "sobjects/Opportunity/@{deal.id}?fields=Solution_Count__c,AccountId"),
        part("found", "GET", "query?q=SELECT+Name+FROM+Account+WHERE+Id+=+'@{read.AccountId}'"),
        part("again", "PATCH", "sobjects/Account/@{account.id}", {"Website": "@{found.records[0].Name}.example"}),
    )
    assert {reference: status for reference, (status, _) in done.items()} == {
        "account": 201,
        "deal": 201,
        "solution": 201,
        "read": 200,
        "found": 200,
        "again": 204,
    }
    assert done["read"][1]["Solution_Count__c"] == 1
    assert org.hands.rows("Account")[0]["Website"] == "Fabrikam.example"
    assert org.simulator.limit.used == calls + 1
    stamps = {row["SystemModstamp"] for name in ("Account", "Opportunity") for row in org.hands.rows(name)}
    assert len(stamps) == 1


def test_all_or_none_leaves_no_trace_and_says_which_part_failed(org: Org) -> None:
    account = org.make("Account", Name="Adatum")
    done = composite(
        org,
        part("edit", "PATCH", f"sobjects/Account/{account}", {"Name": "changed"}),
        part("gone", "DELETE", f"sobjects/Account/{account}"),
        part("acc", "POST", "sobjects/Account", {"Name": "Fabrikam"}),
        part(
            "opp", "POST", "sobjects/Opportunity", {"Name": "x", "StageName": "Prospecting", "AccountId": "@{acc.id}"}
        ),
        part("never", "POST", "sobjects/Account", {"Name": "Never"}),
    )
    halted = "The transaction was rolled back since another operation in the same transaction failed."
    for reference in ("edit", "gone", "acc", "never"):
        assert done[reference] == (400, [{"errorCode": "PROCESSING_HALTED", "message": halted}])
    assert done["opp"][0] == 400
    assert done["opp"][1][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert done["opp"][1][0]["fields"] == ["CloseDate"]
    assert org.names("", "Account") == ["Adatum"]
    assert (
        org("GET", "sobjects/Account/deleted/?start=2026-03-01T00:00:00Z&end=2026-03-02T00:00:00Z").json()[
            "deletedRecords"
        ]
        == []
    )


def test_without_all_or_none_every_part_stands_by_itself(org: Org) -> None:
    done = composite(
        org,
        part("bad", "POST", "sobjects/Account", {}),
        part("child", "POST", "sobjects/Contact", {"LastName": "Kim", "AccountId": "@{bad.id}"}),
        part("case", "PATCH", f"sobjects/Opportunity/{KEY}/r-1", DEAL),
        part("wrong", "GET", "sobjects/Opportunity/@{case.Id}"),
        part("good", "POST", "sobjects/Account", {"Name": "Fabrikam"}),
        all_or_none=False,
    )
    assert [status for status, _ in done.values()] == [400, 400, 201, 400, 201]
    for reference in ("child", "wrong"):
        assert done[reference][1][0]["errorCode"] == "PROCESSING_HALTED"
    assert org.names("", "Account") == ["Fabrikam"]


def test_a_reference_to_an_update_of_an_old_version_leads_nowhere(org: Org) -> None:
    org("PATCH", f"sobjects/Opportunity/{KEY}/r-1", DEAL)
    upsert = {**part("deal", "PATCH", "", DEAL), "url": f"/services/data/v45.0/sobjects/Opportunity/{KEY}/r-1"}
    solution = part("solution", "POST", "sobjects/Microsoft_Solutions__c", {"Opportunity__c": "@{deal.id}"})
    done = composite(org, upsert, solution)
    assert done["solution"][1][0]["message"].startswith("Invalid reference specified. No value for deal.id")


def test_a_row_that_fails_in_a_collection_takes_the_whole_composite_back(org: Org) -> None:
    """The collection itself answers 200, and of its other rows it may say what is not so any more."""
    leads = [{"attributes": {"type": "Lead"}, "LastName": "Berg", "Company": company} for company in ("Adatum", None)]
    parts = (
        part("account", "POST", "sobjects/Account", {"Name": "Fabrikam"}),
        part("leads", "POST", "composite/sobjects", {"allOrNone": False, "records": leads}),
        part("after", "POST", "sobjects/Account", {"Name": "Tailspin"}),
    )
    done = composite(org, *parts)
    assert {reference: status for reference, (status, _) in done.items()} == {
        "account": 400,
        "leads": 200,
        "after": 400,
    }
    assert done["account"][1][0]["errorCode"] == done["after"][1][0]["errorCode"] == "PROCESSING_HALTED"
    assert [row["success"] for row in done["leads"][1]] == [True, False]
    assert (org.hands.rows("Account"), org.hands.rows("Lead")) == ([], [])
    composite(org, *parts, all_or_none=False)
    assert (len(org.hands.rows("Account")), len(org.hands.rows("Lead"))) == (2, 1)


def test_composite_answers_can_be_escaped_as_html() -> None:
    with served(OrgOptions(escape_composite=True)) as escaping:
        account = escaping.make("Account", Name="O'Neil & Sons")
        done = composite(escaping, part("read", "GET", f"sobjects/Account/{account}"))
        assert done["read"][1]["Name"] == "O&#x27;Neil &amp; Sons"


@pytest.mark.parametrize(
    "parts",
    [
        [part(f"a{number}", "GET", "limits") for number in range(26)],
        [part(f"a{number}", "GET", "query?q=SELECT+Id+FROM+Account") for number in range(6)],
        [part("a", "GET", "limits"), part("a", "GET", "limits")],
        [part("a-b", "GET", "limits")],
        [part("a", "GET", "limits", httpHeaders={"authorization": "Bearer x"})],
        [{"referenceId": "a", "method": "GET"}],
    ],
)
def test_envelopes_that_are_refused(org: Org, parts: list[dict[str, Any]]) -> None:
    assert org("POST", "composite", {"compositeRequest": parts}).status_code == 400


# Collections


def record(sobject: str = "Lead", **values: Any) -> dict[str, Any]:
    return {"attributes": {"type": sobject}, **values}


def test_collections_answer_row_by_row_in_order(org: Org) -> None:
    records = [record(LastName="Kim", Company="Contoso"), record(Company="Fabrikam"), record("Nope")]
    answer = org("POST", "composite/sobjects", {"records": records})
    good, missing, unknown = answer.json()
    assert (answer.status_code, good["success"], good["errors"]) == (200, True, [])
    assert missing == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [LastName]",
                "fields": ["LastName"],
            }
        ],
    }
    assert unknown["errors"][0]["statusCode"] == "INVALID_TYPE"
    again = [
        record(id=good["id"], Company="Adatum"),
        record(Id="00Q000000000001EAA", Company="x"),
        record(Company="x"),
        record(Id="x"),
    ]
    updated = org("PATCH", "composite/sobjects", {"records": again}).json()
    codes = [row["errors"][0]["statusCode"] for row in updated if not row["success"]]
    assert codes == ["INVALID_CROSS_REFERENCE_KEY", "MISSING_ARGUMENT", "MALFORMED_ID"]
    assert [row["Company"] for row in org.hands.rows("Lead")] == ["Adatum"]


def test_collections_all_or_none(org: Org) -> None:
    records = [record(LastName="Kim", Company="Contoso"), record(Company="Fabrikam")]
    good, bad = org("POST", "composite/sobjects", {"allOrNone": True, "records": records}).json()
    assert good["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert bad["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert org.hands.rows("Lead") == []


def test_collections_upsert_by_external_id(org: Org) -> None:
    org.make("Lead", LastName="Old", Company="Contoso", **{KEY: "r-1"})
    records = [
        record(LastName="A", **{KEY: "r-1"}),
        record(LastName="B", Company="B", **{KEY: "r-2"}),
        record(LastName="C", Company="C", **{KEY: "r-3"}),
        record(LastName="D", Company="D", **{KEY: "r-3"}),
        record(LastName="E", Company="E"),
    ]
    rows = org("PATCH", f"composite/sobjects/Lead/{KEY}", {"records": records}).json()
    assert [row.get("created") for row in rows] == [False, True, None, None, None]
    codes = [row["errors"][0]["statusCode"] for row in rows[2:]]
    assert codes == ["DUPLICATE_VALUE", "DUPLICATE_VALUE", "MISSING_ARGUMENT"]
    assert error(org("PATCH", "composite/sobjects/Lead/Email", {"records": []})) == (404, "NOT_FOUND")


def test_collections_read_and_delete(org: Org) -> None:
    first, second = org.make("Account", Name="Fabrikam"), org.make("Account", Name="Adatum")
    nobody = "001000000000001AAA"
    read = org("POST", "composite/sobjects/Account", {"ids": [second, nobody, first], "fields": ["Name"]}).json()
    assert [row and row["Name"] for row in read] == ["Adatum", None, "Fabrikam"]
    kept = org("DELETE", f"composite/sobjects?ids={first},{nobody}&allOrNone=true").json()
    assert [row["success"] for row in kept] == [False, False]
    gone = org("DELETE", f"composite/sobjects?ids={first},{nobody}").json()
    assert [row["success"] for row in gone] == [True, False]
    assert org.names("", "Account") == ["Adatum"]


def test_collections_take_200_rows_of_10_chunks(org: Org) -> None:
    many = [record(LastName="Kim", Company="Contoso")] * 201
    assert error(org("POST", "composite/sobjects", {"records": many})) == (400, "EXCEEDED_ID_LIMIT")
    mixed = [record("Lead"), record("Account")] * 6
    assert error(org("POST", "composite/sobjects", {"records": mixed})) == (400, "INVALID_INPUT")


# Spans of time, the recycle bin, the stamp


def span(org: Org, what: str, start: str, end: str, sobject: str = "Opportunity") -> dict[str, Any]:
    answer = org("GET", f"sobjects/{sobject}/{what}/?start=2026-03-01T{start}Z&end=2026-03-01T{end}Z")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_updated_and_deleted_go_by_whole_minutes(org: Org) -> None:
    first = org.deal()
    org.clock.tick(60)
    second = org.deal()
    assert span(org, "updated", "08:15:59", "08:16:59")["ids"] == [first]
    assert span(org, "updated", "08:15:00", "08:30:00") == {
        "ids": [first, second],
        "latestDateCovered": "2026-03-01T08:16:30.000+0000",
    }
    org("DELETE", f"sobjects/Opportunity/{first}")
    gone = span(org, "deleted", "08:16:00", "08:17:00")
    assert gone["deletedRecords"] == [{"id": first, "deletedDate": "2026-03-01T08:16:30.000+0000"}]
    org.hands.undelete("Opportunity", first)
    assert span(org, "deleted", "08:16:00", "08:17:00")["deletedRecords"] == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("Opportunity/updated/?start=2026-03-01T08:00:00Z&end=2026-03-01T08:00:59Z", "INVALID_REPLICATION_DATE"),
        ("Opportunity/updated/?start=2026-01-01T08:00:00Z&end=2026-03-01T08:00:00Z", "INVALID_REPLICATION_DATE"),
        ("Opportunity/deleted/?start=2026-02-10T08:00:00Z&end=2026-03-01T08:00:00Z", "INVALID_REPLICATION_DATE"),
        ("Opportunity/deleted/?start=soon&end=2026-03-01T08:00:00Z", "INVALID_REPLICATION_DATE"),
        ("OpportunityStage/updated/?start=2026-03-01T08:00:00Z&end=2026-03-01T09:00:00Z", "INVALID_TYPE_FOR_OPERATION"),
    ],
)
def test_spans_that_are_refused(org: Org, path: str, code: str) -> None:
    assert error(org("GET", f"sobjects/{path}")) == (400, code)


def test_what_goes_along_into_the_recycle_bin_comes_back_along(org: Org) -> None:
    account = org.make("Account", Name="Fabrikam")
    deal = org.deal(AccountId=account)
    solution = org.make("Microsoft_Solutions__c", Opportunity__c=deal)
    org.hands.delete("Microsoft_Solutions__c", solution)
    org.make("Microsoft_Solutions__c", Opportunity__c=deal)
    org.hands.delete("Account", account)
    assert org.hands.rows("Opportunity") == org.hands.rows("Microsoft_Solutions__c") == []
    org.hands.undelete("Account", account)
    assert [row["Id"] for row in org.hands.rows("Opportunity")] == [deal]
    assert [row["Name"] for row in org.hands.rows("Microsoft_Solutions__c")] == ["MS-0002"]


def test_a_team_member_does_not_go_through_the_recycle_bin(org: Org) -> None:
    deal = org.deal()
    user = org.hands.user_id("dana.reyes@contoso.example")
    member = org.make("OpportunityTeamMember", OpportunityId=deal, UserId=user, TeamMemberRole="Sales Rep")
    again = org.make("OpportunityTeamMember", OpportunityId=deal, UserId=user, TeamMemberRole="Account Manager")
    assert again == member
    assert org.read("OpportunityTeamMember", member, "Name", "TeamMemberRole") == ["Dana Reyes", "Account Manager"]
    org("DELETE", f"sobjects/OpportunityTeamMember/{member}")
    assert org.query("SELECT Id FROM OpportunityTeamMember", resource="queryAll")["totalSize"] == 0
    gone = span(org, "deleted", "08:15:00", "08:16:00", "OpportunityTeamMember")
    assert [row["id"] for row in gone["deletedRecords"]] == [member]


def test_with_a_commit_delay_rows_turn_up_behind_a_cursor_that_went_too_far() -> None:
    with served(OrgOptions(commit_delay_s=3)) as org:
        org.clock.tick(10)
        cursor = "2026-03-01T08:15:38Z"  # two seconds ago
        assert org.query(f"SELECT Id FROM Opportunity WHERE SystemModstamp <= {cursor}")["totalSize"] == 0
        deal = org.hands.insert("Opportunity", DEAL)
        assert org.query(f"SELECT Id FROM Opportunity WHERE SystemModstamp > {cursor}")["totalSize"] == 0
        assert org.read("Opportunity", deal, "SystemModstamp") == ["2026-03-01T08:15:37.000+0000"]
        org.simulator.set_commit_delay(0)
        org.hands.edit("Opportunity", deal, {"NextStep": "call"})
        org.simulator.set_commit_delay(5)
        org.hands.edit("Opportunity", deal, {"NextStep": "write"})
        assert org.read("Opportunity", deal, "NextStep", "SystemModstamp") == ["write", "2026-03-01T08:15:40.000+0000"]


def test_automation_moves_the_system_modstamp_only(org: Org) -> None:
    deal = org.deal()
    org.clock.tick(60)
    org.hands.touch("Opportunity", deal)
    stamps = org.read("Opportunity", deal, "SystemModstamp", "LastModifiedDate")
    assert stamps == ["2026-03-01T08:16:30.000+0000", "2026-03-01T08:15:30.000+0000"]
