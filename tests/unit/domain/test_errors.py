"""Errors say what happened, what to do, and how to ask about it."""

from __future__ import annotations

import pytest

from shared.domain.errors import (
    ConfigurationError,
    ConnectorError,
    Forged,
    LockTaken,
    NotFound,
    Rejected,
    RetryLater,
    VersionConflict,
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectorError("It broke"), "It broke. [error]"),
        (ConnectorError("It broke."), "It broke. [error]"),
        (ConnectorError("Really?"), "Really? [error]"),
        (ConnectorError("It broke!", remedy="Mend it."), "It broke! Mend it. [error]"),
        (
            ConnectorError("It broke", code="http", service="Partner Center", request_id="a1"),
            "It broke. [http, Partner Center request a1]",
        ),
        (ConnectorError("It broke", request_id="a1"), "It broke. [error, request a1]"),
        (ConnectorError("It broke", service="Partner Center"), "It broke. [error]"),
        (RetryLater("Busy", after_s=3), "Busy. [retry_later]"),
        (LockTaken("Taken"), "Taken. [lock_taken]"),
        (VersionConflict("Changed"), "Changed. [version_conflict]"),
        (Rejected("No country", field="Country", remedy="Enter it."), "No country. Enter it. [rejected]"),
        (NotFound("Gone"), "Gone. [not_found]"),
        (Forged("Who?"), "Who? [forged]"),
        (ConfigurationError("CRM is missing"), "CRM is missing. [configuration]"),
    ],
)
def test_an_error_in_words(error: ConnectorError, expected: str) -> None:
    assert str(error) == expected


def test_an_error_carries_what_decides_what_happens_next() -> None:
    later = RetryLater("Busy", after_s=3.5, code="throttled", service="CRM", request_id="r", status=429, remedy="Wait.")
    assert (later.after_s, later.code, later.service, later.request_id, later.status) == (
        3.5,
        "throttled",
        "CRM",
        "r",
        429,
    )
    assert later.remedy == "Wait."
    rejected = Rejected("No", field="Country", code="value", service="CRM", request_id="r", status=400)
    assert (rejected.field, rejected.code, rejected.status) == ("Country", "value", 400)
    assert RetryLater("Busy").after_s is None
    assert Forged("Who?").http_status == 401
    assert (Forged("Large", code="size", http_status=413).http_status, Forged("Large", code="size").code) == (
        413,
        "size",
    )


def test_a_lock_is_something_to_come_back_for() -> None:
    assert isinstance(LockTaken("Taken"), RetryLater)
