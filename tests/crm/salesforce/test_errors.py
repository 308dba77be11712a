"""The table of refusals, row by row, with Salesforce's documented texts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.answers import Response
from shared.crm.salesforce.errors import HALTED, RULES, classifier, first_refusal, refusal, row_refusal
from shared.domain.errors import (
    ConfigurationError,
    ConnectorError,
    NotFound,
    Rejected,
    RetryLater,
    VersionConflict,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EXPECTED: dict[str, tuple[type[ConnectorError], str]] = {
    "REQUEST_LIMIT_EXCEEDED": (RetryLater, "throttled"),
    "API_DISABLED_FOR_ORG": (ConfigurationError, "api_disabled"),
    "API_CURRENTLY_DISABLED": (ConfigurationError, "api_disabled"),
    "UNABLE_TO_LOCK_ROW": (RetryLater, "row_locked"),
    "ENTITY_IS_LOCKED": (RetryLater, "in_approval"),
    "SERVER_UNAVAILABLE": (RetryLater, "unavailable"),
    "UNKNOWN_EXCEPTION": (RetryLater, "service_error"),
    "QUERY_TIMEOUT": (RetryLater, "service_error"),
    "DUPLICATES_DETECTED": (Rejected, "duplicate"),
    "DUPLICATE_VALUE": (Rejected, "duplicate_value"),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": (Rejected, "validation_rule"),
    "REQUIRED_FIELD_MISSING": (Rejected, "required_field"),
    "STRING_TOO_LONG": (Rejected, "text_too_long"),
    "NUMBER_OUTSIDE_VALID_RANGE": (Rejected, "out_of_range"),
    "INVALID_EMAIL_ADDRESS": (Rejected, "invalid_email"),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": (Rejected, "unknown_option"),
    "FIELD_INTEGRITY_EXCEPTION": (Rejected, "field_integrity"),
    "JSON_PARSER_ERROR": (Rejected, "wrong_type"),
    "INVALID_FIELD_FOR_INSERT_UPDATE": (Rejected, "field_security"),
    "INVALID_FIELD": (Rejected, "unknown_field"),
    "INVALID_TYPE": (ConfigurationError, "unknown_object"),
    "INVALID_TYPE_FOR_OPERATION": (ConfigurationError, "missing_permission"),
    "INSUFFICIENT_ACCESS_OR_READONLY": (ConfigurationError, "missing_permission"),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": (ConfigurationError, "missing_permission"),
    "STORAGE_LIMIT_EXCEEDED": (ConfigurationError, "storage_full"),
    "NOT_FOUND": (NotFound, "not_found"),
    "ENTITY_IS_DELETED": (NotFound, "not_found"),
    "INVALID_CROSS_REFERENCE_KEY": (Rejected, "bad_reference"),
    "MALFORMED_ID": (Rejected, "bad_reference"),
    "MALFORMED_QUERY": (ConfigurationError, "malformed_query"),
    "QUERY_TOO_COMPLICATED": (ConfigurationError, "malformed_query"),
    "INACTIVE_OWNER_OR_USER": (Rejected, "inactive_owner"),
    "OP_WITH_INVALID_USER_TYPE_EXCEPTION": (Rejected, "inactive_owner"),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": (Rejected, "automation"),
    "CANNOT_EXECUTE_FLOW_TRIGGER": (Rejected, "automation"),
    "CANNOT_UPDATE_CONVERTED_LEAD": (Rejected, "lead_converted"),
    "PROCESSING_HALTED": (VersionConflict, HALTED),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": (VersionConflict, HALTED),
}


def answer(status: int, body: Any, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, raw, "Salesforce", "opportunity.update", writes=True)


def refused(status: int, code: str, message: str, *fields: str, **headers: str) -> ConnectorError:
    entry = {"errorCode": code, "message": message, "fields": list(fields)}
    return refusal(answer(status, [entry], **headers), NOW)


def test_every_row_of_the_table_is_expected_here() -> None:
    assert set(RULES) == set(EXPECTED)


@pytest.mark.parametrize(("code", "expected"), EXPECTED.items(), ids=list(EXPECTED))
def test_codes(code: str, expected: tuple[type[ConnectorError], str]) -> None:
    error = refused(400, code, "what Salesforce said", "Field__c")
    assert (type(error), error.code) == expected
    assert ("what Salesforce said" in error.message) == RULES[code].quotes
    assert (error.status, error.service) == (400, "Salesforce")
    if isinstance(error, Rejected):
        assert error.field == "Field__c"


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "expected"),
    [
        (404, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", NotFound, "not_found"),
        (404, "NOT_FOUND", "The requested resource does not exist", NotFound, "not_found"),
        (
            404,
            "NOT_FOUND",
            "Provided external ID field does not exist or is not accessible: X__c",
            Rejected,
            "unknown_field",
        ),
        (
            400,
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "UNABLE_TO_LOCK_ROW, unable to obtain access",
            RetryLater,
            "row_locked",
        ),
        (401, "INVALID_SESSION_ID", "Session expired or invalid", RetryLater, "unauthorized"),
        (403, "SOMETHING_NEW", "no", ConfigurationError, "forbidden"),
        (400, "SOMETHING_NEW", "no", Rejected, "SOMETHING_NEW"),
        (404, "", "", NotFound, "not_found"),
        (500, "SOMETHING_NEW", "", RetryLater, "service_error"),
        (503, "", "", RetryLater, "unavailable"),
    ],
)
def test_status_and_words_decide_where_the_code_does_not(
    status: int, code: str, message: str, kind: type[ConnectorError], expected: str
) -> None:
    error = refused(status, code, message)
    assert (type(error), error.code) == (kind, expected)


@pytest.mark.parametrize("body", [b"<html>down for maintenance</html>", b"", b"[]", b"[1]", b"{}", b'"text"', b"\xff"])
def test_a_refusal_that_says_nothing_goes_by_its_status(body: bytes) -> None:
    error = refusal(answer(503, body), NOW)
    assert (type(error), error.code) == (RetryLater, "unavailable")


def test_a_bare_object_is_understood_like_an_array_of_one() -> None:
    error = refusal(answer(404, {"errorCode": "NOT_FOUND", "message": "gone"}), NOW)
    assert isinstance(error, NotFound)


@pytest.mark.parametrize(
    ("message", "after_s"),
    [("TotalRequests Limit exceeded.", 900), ("ConcurrentRequests (Concurrent API Requests) Limit exceeded.", None)],
)
def test_a_day_without_calls_is_waited_for_longer_than_a_busy_moment(message: str, after_s: float | None) -> None:
    error = refused(403, "REQUEST_LIMIT_EXCEEDED", message)
    assert isinstance(error, RetryLater)
    assert error.after_s == after_s
    told = refused(403, "REQUEST_LIMIT_EXCEEDED", message, Retry_After="17")
    assert isinstance(told, RetryLater)
    assert told.after_s == 17


@pytest.mark.parametrize(
    ("code", "message", "field"),
    [
        ("INVALID_FIELD", "\nSELECT X__c FROM\n^\nNo such column 'X__c' on entity 'Opportunity'. If ...", "X__c"),
        (
            "DUPLICATE_VALUE",
            "duplicate value found: Ext__c duplicates value on record with id: 00Q000000000001",
            "Ext__c",
        ),
        (
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "Unable to create/update fields: A__c, B__c. Please check ...",
            "A__c, B__c",
        ),
        ("REQUIRED_FIELD_MISSING", "Required fields are missing: [CloseDate]", "CloseDate"),
        ("FIELD_INTEGRITY_EXCEPTION", "There's a problem with this country ...: [BillingCountry]", "BillingCountry"),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Ask your manager first", ""),
    ],
)
def test_the_field_is_found_in_the_words_where_it_is_not_listed(code: str, message: str, field: str) -> None:
    error = refused(400, code, message)
    assert isinstance(error, Rejected)
    assert error.field == field


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("STRING_TOO_LONG", "Last Name: data value too large: Ann Very-Long-Name (max length=80)"),
        ("INVALID_EMAIL_ADDRESS", "Email: invalid email address: ann at fabrikam"),
        ("JSON_PARSER_ERROR", "Cannot deserialize instance of currency from VALUE_STRING value ann"),
    ],
)
def test_values_that_were_refused_are_not_repeated(code: str, message: str) -> None:
    error = refused(400, code, message, "LastName")
    assert "LastName" in str(error)
    assert "ann" not in str(error).casefold().replace("answered", "").replace("cannot", "")


def test_a_duplicate_rule_is_named_with_what_it_found() -> None:
    record = {"attributes": {"type": "Account"}, "Id": "001xx000003DGb0AAG"}
    result = {"duplicateRule": "Standard_Account", "matchResults": [{"matchRecords": [{"record": record}]}]}
    body = [{"errorCode": "DUPLICATES_DETECTED", "message": "Use one of these?", "duplicateResult": result}]
    error = refusal(answer(400, body), NOW)
    assert isinstance(error, Rejected)
    assert "Standard_Account, 001xx000003DGb0AAG" in error.message


def halted(message: str = "The transaction was rolled back since another operation failed.") -> Response:
    return answer(400, [{"errorCode": "PROCESSING_HALTED", "message": message}])


def test_of_a_composite_request_the_part_that_failed_decides() -> None:
    failed = answer(400, [{"errorCode": "STRING_TOO_LONG", "message": "", "fields": ["Name"]}])
    error = first_refusal([halted(), failed, halted()], NOW)
    assert isinstance(error, Rejected)
    assert error.field == "Name"


def test_where_every_part_was_only_taken_back_a_row_was_not_as_it_had_to_be() -> None:
    error = first_refusal([answer(200, {"records": []}), halted("Invalid reference specified."), halted()], NOW)
    assert error is not None
    assert error.code == HALTED


def test_a_row_of_a_collection_that_failed_is_found_though_the_answer_is_200() -> None:
    rows = [
        {
            "success": False,
            "errors": [{"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message": "", "fields": []}],
        },
        {"success": False, "errors": [{"statusCode": "STRING_TOO_LONG", "message": "", "fields": ["Name"]}]},
    ]
    error = first_refusal([answer(200, {"id": "x", "success": True}), answer(200, rows)], NOW)
    assert isinstance(error, Rejected)
    assert error.field == "Name"
    assert first_refusal([answer(200, rows[:1])], NOW) is not None
    assert first_refusal([answer(200, [{"success": True}]), answer(204, b"")], NOW) is None


def test_a_row_without_a_reason_is_rejected() -> None:
    assert isinstance(row_refusal({"success": False, "errors": []}, answer(200, []), NOW), Rejected)
    unknown = row_refusal({"errors": [{"statusCode": "NEW_CODE", "message": "m"}]}, answer(200, []), NOW)
    assert unknown.code == "new_code"


def test_the_classifier_shows_each_refusal_to_the_meter() -> None:
    noted: list[Response] = []
    response = answer(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": ""}])
    assert isinstance(classifier(noted.append)(response), RetryLater)
    assert noted == [response]
