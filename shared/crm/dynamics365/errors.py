"""What a refusal of Dataverse means: one table from its code to our error, the status deciding where there is no code.

https://learn.microsoft.com/power-apps/developer/data-platform/reference/web-service-error-codes
https://learn.microsoft.com/troubleshoot/power-platform/dataverse/working-with-dataverse/web-api-client-errors
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.answers import Response, ServiceError, error_of, odata_error, retry_after_s
from shared.crm.dynamics365.batch import is_batch, parse_batch
from shared.domain.errors import (
    ConfigurationError,
    ConnectorError,
    NotFound,
    Rejected,
    RetryLater,
    VersionConflict,
)

CURSOR_EXPIRED = "cursor_expired"
INSTALL_SCHEMA = (
    "Install the connector's columns and tables in this environment (python -m cosell schema apply, which takes them "
    "from infra/dynamics365), or name existing ones in customize.toml."
)
_TRACKING = (
    "Switch it on with python -m cosell schema apply, or 'Track changes' of the table in Power Apps; it cannot be "
    "switched off again."
)
_SHORTEN = "Shorten it, or let an administrator lengthen the column."
_ROLE = "Give the connector's application user a security role with it (python -m cosell schema apply)."
_REOPEN = "Reopen the opportunity, or let the connector's security role edit closed ones."
_WAIT = "It is tried again by itself."


@dataclass(frozen=True)
class Rule:
    """``meaning`` is put between who answered what and Dataverse's own words."""

    kind: type[ConnectorError]
    code: str
    meaning: str
    remedy: str = ""


RULES: Mapping[str, Rule] = {
    "0x80040217": Rule(NotFound, "not_found", "there is no such row"),
    "0x80060891": Rule(NotFound, "not_found", "there is no row with this key"),
    "0x8006088a": Rule(ConfigurationError, "unknown_table", "the environment has no such table", INSTALL_SCHEMA),
    "0x80060888": Rule(ConfigurationError, "unknown_column", "the environment has no such column", INSTALL_SCHEMA),
    "0x80041103": Rule(ConfigurationError, "unknown_column", "the environment has no such column", INSTALL_SCHEMA),
    "0x80048d19": Rule(ConfigurationError, "unknown_column", "a name in the request is unknown", INSTALL_SCHEMA),
    "0x80060890": Rule(
        ConfigurationError, "unknown_key", "the alternate key is not there or not built", INSTALL_SCHEMA
    ),
    "0x8006088f": Rule(ConfigurationError, "unknown_key", "the alternate key cannot be used", INSTALL_SCHEMA),
    "0x8006089d": Rule(Rejected, "duplicate_key", "several rows have this key", "Leave the key on one of them only."),
    "0x80060882": Rule(VersionConflict, "version_conflict", "the row changed since it was read"),
    "0x80060892": Rule(VersionConflict, "already_there", "there is a row with this key already"),
    "0x80040237": Rule(VersionConflict, "already_there", "there is a row with this key already"),
    "0x80073002": Rule(VersionConflict, "already_there", "there is a row with this key already"),
    "0x80060883": Rule(ConfigurationError, "no_optimistic_lock", "rows of this table cannot be locked by version"),
    "0x8006088d": Rule(ConfigurationError, "no_optimistic_lock", "rows of this table cannot be locked by version"),
    "0x80040333": Rule(
        Rejected, "duplicate", "a duplicate detection rule refuses it", "Merge the rows, or end the rule."
    ),
    "0x80040220": Rule(ConfigurationError, "missing_privilege", "a privilege is missing", _ROLE),
    "0x80040231": Rule(ConfigurationError, "missing_privilege", "a privilege is missing", _ROLE),
    "0x80048306": Rule(ConfigurationError, "no_access", "the row is not for our eyes or hands", _ROLE),
    "0x80040265": Rule(Rejected, "business_rule", "a business rule of this environment refuses it", "Do what it asks."),
    "0x80044331": Rule(Rejected, "text_too_long", "the text is longer than the column holds", _SHORTEN),
    "0x8004431a": Rule(Rejected, "unknown_option", "the choice has no such option"),
    "0x80048408": Rule(ConfigurationError, "unknown_status", "the status reason is not one of that status"),
    "0x80040203": Rule(Rejected, "rejected", "a value is not acceptable"),
    "0x80040216": Rule(RetryLater, "service_error", "it failed unexpectedly", _WAIT),
    "0x80044352": Rule(Rejected, CURSOR_EXPIRED, "the delta token has expired", "A full read follows."),
    "0x80072491": Rule(ConfigurationError, "no_change_tracking", "the table does not track changes", _TRACKING),
    "0x80040515": Rule(Rejected, "closed", "the opportunity is closed", _REOPEN),
    "0x80040516": Rule(Rejected, "cannot_close", "the opportunity cannot be closed", "Close it by hand to see why."),
    "0x8004051a": Rule(VersionConflict, "already_open", "the opportunity is open already"),
    "0x80100005": Rule(Rejected, "closed", "the opportunity cannot be closed or edited this way", _REOPEN),
    "0x80040233": Rule(Rejected, "closed", "the row's status does not allow it", _REOPEN),
    "0x80048479": Rule(
        Rejected,
        "currency_fixed",
        "the currency of an opportunity with products, quotes or orders stays",
        "Correct the currency in Partner Center, or remove the products.",
    ),
    "0x80072321": Rule(RetryLater, "throttled", "execution time is used up for now", _WAIT),
    "0x80072322": Rule(RetryLater, "throttled", "requests are used up for now", _WAIT),
    "0x80072326": Rule(RetryLater, "throttled", "too many requests at once", _WAIT),
    "0x8005f103": Rule(RetryLater, "throttled", "it is throttling", _WAIT),
}

# The OData layer refuses with code "" or 0x0; then only its fixed English phrase tells what is wrong.
_PHRASES: tuple[tuple[str, str], ...] = (
    ("Could not find a property named", "0x80060888"),
    ("Invalid property", "0x80060888"),
    ("undeclared property", "0x80048d19"),
    ("The key in the request URI is not valid", "0x80060890"),
    ("Resource not found for the segment", "0x8006088a"),
    ("No HTTP resource was found", "0x8006088a"),
)
_FIELD_PATTERNS = (
    r"property named '(?P<name>\w+)'",
    r"[Ii]nvalid property '(?P<name>\w+)'",
    r"property '(?P<name>\w+)'",
    r"'(?P<name>\w+)' attribute",
    r"attribute '(?P<name>\w+)'",
)


def classifier(clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Callable[[Response], ConnectorError]:
    """For :class:`~shared.transport.Transport`: the error of a refusal, that of the failing part for a batch."""
    return lambda response: refusal(response, clock())


def refusal(response: Response, now: datetime) -> ConnectorError:
    """The error that ``response``, any refusal, means; ``now`` for a ``Retry-After`` given as a date."""
    if is_batch(response):
        failed = [part for part in parse_batch(response) if part.status >= 400]
        return refusal(failed[0], now) if failed else error_of(response, now)
    said = odata_error(response)
    rule = rule_of(response.status, said)
    if rule is None:
        return error_of(response, now)
    message = f"Dynamics 365 answered {response.operation} with {response.status}: {rule.meaning} ({said.message})"
    common: dict[str, Any] = {
        "code": rule.code,
        "remedy": rule.remedy,
        "service": response.service,
        "request_id": response.request_id,
        "status": response.status,
    }
    if rule.kind is Rejected:
        return Rejected(message, field=said.target or named_column(said.message), **common)
    if rule.kind is RetryLater:
        return RetryLater(message, after_s=retry_after_s(response, now), **common)
    if rule.code == "missing_privilege" and (privilege := re.search(r"missing (prv\w+) privilege", said.message)):
        common["remedy"] = _ROLE.replace("with it", f"with {privilege[1]}")
    return rule.kind(message, **common)


def rule_of(status: int, said: ServiceError) -> Rule | None:
    """The row of the table; ``None`` where the status alone decides, as for 401, 412 without a known code and 5xx."""
    rule = RULES.get(hexadecimal(said.code))
    if rule is None and status in (400, 404):
        rule = next((RULES[code] for phrase, code in _PHRASES if phrase in said.message), None)
    if status == 412 and rule is not None and rule.kind is not Rejected:
        # The documentation prints other codes than the service: 412 is a conflict whatever it says.
        return rule if rule.kind is VersionConflict else RULES["0x80060882"]
    return None if status in (401, 429) else rule


def hexadecimal(code: str) -> str:
    """``code`` as ``0x`` and eight lower-case digits, also when it is given as a signed number."""
    if re.fullmatch(r"-\d{1,10}", code):
        return f"0x{int(code) & 0xFFFFFFFF:08x}"
    return code.lower()


def named_column(message: str) -> str:
    """The column that ``message`` names, or an empty text."""
    found = (re.search(pattern, message) for pattern in _FIELD_PATTERNS)
    return next((match["name"] for match in found if match), "")
