"""The table of refusals, row by row, with Dataverse's documented texts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.crm.dynamics365.errors import RULES, hexadecimal, refusal
from shared.domain.errors import (
    ConfigurationError,
    ConnectorError,
    NotFound,
    Rejected,
    RetryLater,
    VersionConflict,
)
from tests.crm.answers import answer, refused

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EXPECTED: dict[str, tuple[type[ConnectorError], str]] = {
    "0x80040217": (NotFound, "not_found"),
    "0x80060891": (NotFound, "not_found"),
    "0x8006088a": (ConfigurationError, "unknown_table"),
    "0x80060888": (ConfigurationError, "unknown_column"),
    "0x80041103": (ConfigurationError, "unknown_column"),
    "0x80048d19": (ConfigurationError, "unknown_column"),
    "0x80060890": (ConfigurationError, "unknown_key"),
    "0x8006088f": (ConfigurationError, "unknown_key"),
    "0x8006089d": (Rejected, "duplicate_key"),
    "0x80060882": (VersionConflict, "version_conflict"),
    "0x80060892": (VersionConflict, "already_there"),
    "0x80040237": (VersionConflict, "already_there"),
    "0x80073002": (VersionConflict, "already_there"),
    "0x80060883": (ConfigurationError, "no_optimistic_lock"),
    "0x8006088d": (ConfigurationError, "no_optimistic_lock"),
    "0x80040333": (Rejected, "duplicate"),
    "0x80040220": (ConfigurationError, "missing_privilege"),
    "0x80040231": (ConfigurationError, "missing_privilege"),
    "0x80048306": (ConfigurationError, "no_access"),
    "0x80040265": (Rejected, "business_rule"),
    "0x80044331": (Rejected, "text_too_long"),
    "0x8004431a": (Rejected, "unknown_option"),
    "0x80048408": (ConfigurationError, "unknown_status"),
    "0x80040203": (Rejected, "rejected"),
    "0x80040216": (RetryLater, "service_error"),
    "0x80044352": (Rejected, "cursor_expired"),
    "0x80072491": (ConfigurationError, "no_change_tracking"),
    "0x80040515": (Rejected, "closed"),
    "0x80040516": (Rejected, "cannot_close"),
    "0x8004051a": (VersionConflict, "already_open"),
    "0x80100005": (Rejected, "closed"),
    "0x80040233": (Rejected, "closed"),
    "0x80048479": (Rejected, "currency_fixed"),
    "0x80072321": (RetryLater, "throttled"),
    "0x80072322": (RetryLater, "throttled"),
    "0x80072326": (RetryLater, "throttled"),
    "0x8005f103": (RetryLater, "throttled"),
}


def test_every_row_of_the_table_is_expected_here() -> None:
    assert set(RULES) == set(EXPECTED)


@pytest.mark.parametrize(("code", "expected"), EXPECTED.items(), ids=list(EXPECTED))
def test_codes(code: str, expected: tuple[type[ConnectorError], str]) -> None:
    error = refusal(refused(400, code.upper().replace("0X", "0x"), "what Dataverse said"), NOW)
    assert (type(error), error.code) == expected
    assert "what Dataverse said" in error.message
    assert error.status == 400


@pytest.mark.parametrize(
    ("status", "message", "kind", "code"),
    [
        (400, "Could not find a property named 'x' on type 'y'.", ConfigurationError, "unknown_column"),
        (400, "Invalid property 'x' was found in entity 'y'.", ConfigurationError, "unknown_column"),
        (400, "... has an undeclared property 'x' ...", ConfigurationError, "unknown_column"),
        (400, "The key in the request URI is not valid for resource 'y'.", ConfigurationError, "unknown_key"),
        (404, "Resource not found for the segment 'Account'.", ConfigurationError, "unknown_table"),
        (404, "No HTTP resource was found that matches the request URI", ConfigurationError, "unknown_table"),
        (404, "gone", NotFound, "not_found"),
        (400, "something else", Rejected, "rejected"),
        (412, "The version of the existing record doesn't match", VersionConflict, "version_conflict"),
        (401, "", RetryLater, "unauthorized"),
        (403, "", ConfigurationError, "forbidden"),
        (429, "", RetryLater, "throttled"),
        (500, "", RetryLater, "service_error"),
        (503, "", RetryLater, "unavailable"),
    ],
)
def test_without_a_code_the_phrase_or_the_status_decides(
    status: int, message: str, kind: type[ConnectorError], code: str
) -> None:
    error = refusal(refused(status, "", message), NOW)
    assert (type(error), error.code) == (kind, code)


def test_412_is_a_conflict_whatever_its_code() -> None:
    assert isinstance(refusal(refused(412, "0x80040217", ""), NOW), VersionConflict)


def test_429_waits_as_long_as_it_asks_whatever_its_code() -> None:
    error = refusal(refused(429, "0x80072322", "Number of requests exceeded", Retry_After="17"), NOW)
    assert isinstance(error, RetryLater)
    assert error.after_s == 17


def test_a_wait_given_as_a_date_is_seconds_from_now() -> None:
    error = refusal(refused(500, "0x80072326", "", Retry_After="Sat, 21 Nov 2026 12:00:30 GMT"), NOW)
    assert isinstance(error, RetryLater)
    assert error.after_s == 30


@pytest.mark.parametrize(
    ("message", "column"),
    [
        (
            "The length of the 'name' attribute of the 'opportunity' entity exceeded the maximum length of '300'.",
            "name",
        ),
        ("A validation error occurred. The value of 'x' on attribute 'salesstage' is out of range.", "salesstage"),
        ("Nobody is named.", ""),
    ],
)
def test_a_rejection_names_the_column_that_dataverse_names(message: str, column: str) -> None:
    error = refusal(refused(400, "0x80044331", message), NOW)
    assert isinstance(error, Rejected)
    assert error.field == column


def test_a_missing_privilege_is_named_in_the_remedy() -> None:
    said = "Principal user (Id=1, type=8) is missing prvWriteOpportunity privilege (Id=2) on OTC=3"
    assert "prvWriteOpportunity" in refusal(refused(403, "0x80040220", said), NOW).remedy


def test_signed_codes_are_the_same_codes() -> None:
    assert hexadecimal("-2147204270") == "0x80044352"
    assert hexadecimal("0x80072322") == "0x80072322"
    assert hexadecimal("") == ""


def test_of_a_refused_batch_the_failing_part_decides() -> None:
    body = (
        b"--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        b"HTTP/1.1 412 Precondition Failed\r\nContent-Type: application/json\r\n\r\n"
        b'{"error":{"code":"0x80060892","message":"Entity Key X violated."}}\r\n--b--\r\n'
    )
    error = refusal(answer(body, 400, Content_Type="multipart/mixed; boundary=b"), NOW)
    assert (type(error), error.code) == (VersionConflict, "already_there")


def test_long_messages_are_trimmed_and_addresses_masked() -> None:
    error = refusal(refused(400, "0x80040265", "ask ann@contoso.example " + "x" * 5000), NOW)
    assert "ann@" not in str(error)
    assert len(str(error)) < 700
