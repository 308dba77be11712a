"""What a refusal of Salesforce means: one table from its code to our error, the status deciding where there is none.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.answers import Response, ServiceError, error_of, line, parsed_or_none, retry_after_s, text, trimmed
from shared.domain.errors import (
    ConfigurationError,
    ConnectorError,
    NotFound,
    Rejected,
    RetryLater,
    VersionConflict,
)

INSTALL_SCHEMA = (
    "Install the connector's fields and objects in this org and assign its permission set (infra/salesforce), or name "
    "existing ones in customize.toml."
)
DUPLICATE_VALUE = "duplicate_value"
HALTED = "halted"
_PERMISSION = "Assign the connector's permission set to its Salesforce user (infra/salesforce)."
_SHORTEN = "Shorten it, or let an administrator lengthen the field."
_WAIT = "It is tried again by itself."
_BUDGET = "Find out in Setup, System Overview, who uses up the org's API calls. It is tried again by itself."
_DAILY_WAIT_S = 900
_APPROVAL_WAIT_S = 600


@dataclass(frozen=True)
class Rule:
    """``meaning`` is put between who answered what and Salesforce's own words, which only ``quotes`` repeats: some of
    its messages hold the value that was refused. ``after_s`` is how long to wait, where it says nothing."""

    kind: type[ConnectorError]
    code: str
    meaning: str
    remedy: str = ""
    quotes: bool = True
    after_s: float | None = None


_FIELD = Rule(Rejected, "unknown_field", "the org has no such field, or hides it from us", INSTALL_SCHEMA)
_ACCESS = Rule(ConfigurationError, "missing_permission", "a permission is missing", _PERMISSION)
_API_OFF = Rule(ConfigurationError, "api_disabled", "its API is closed to us", _PERMISSION)
_LOCKED = Rule(RetryLater, "row_locked", "someone else is writing the record or its account", _WAIT)
_GONE = Rule(NotFound, "not_found", "there is no such record")
_OWNER = Rule(Rejected, "inactive_owner", "the owner is not an active user", "Give the record an active owner.")
_FAILED = Rule(RetryLater, "service_error", "it failed unexpectedly", _WAIT)
_QUERY = Rule(ConfigurationError, "malformed_query", "it does not understand the query", "Check names in the mapping.")
_HALTED = Rule(VersionConflict, HALTED, "nothing was written, because another part of the request was refused")

RULES: Mapping[str, Rule] = {
    "REQUEST_LIMIT_EXCEEDED": Rule(RetryLater, "throttled", "API calls are used up for now", _BUDGET),
    "API_DISABLED_FOR_ORG": _API_OFF,
    "API_CURRENTLY_DISABLED": _API_OFF,
    "UNABLE_TO_LOCK_ROW": _LOCKED,
    "ENTITY_IS_LOCKED": Rule(
        RetryLater,
        "in_approval",
        "the record is locked, probably in an approval process",
        "End the approval, or let the connector's user edit locked records. " + _WAIT,
        after_s=_APPROVAL_WAIT_S,
    ),
    "SERVER_UNAVAILABLE": Rule(RetryLater, "unavailable", "it is overloaded or in maintenance", _WAIT),
    "UNKNOWN_EXCEPTION": _FAILED,
    "QUERY_TIMEOUT": _FAILED,
    "DUPLICATES_DETECTED": Rule(
        Rejected,
        "duplicate",
        "a duplicate rule refuses it",
        "Merge the records it found, or leave the connector's user out of the rule.",
    ),
    "DUPLICATE_VALUE": Rule(
        Rejected, DUPLICATE_VALUE, "another record has this value already", "Clear it on all but one of them."
    ),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": Rule(
        Rejected, "validation_rule", "a validation rule of this org refuses it", "Do what it asks."
    ),
    "REQUIRED_FIELD_MISSING": Rule(Rejected, "required_field", "a required field is blank", "Fill it."),
    "STRING_TOO_LONG": Rule(Rejected, "text_too_long", "the text is longer than the field holds", _SHORTEN, False),
    "NUMBER_OUTSIDE_VALID_RANGE": Rule(Rejected, "out_of_range", "the number is out of range", "Correct it."),
    "INVALID_EMAIL_ADDRESS": Rule(Rejected, "invalid_email", "the e-mail address is malformed", "Correct it.", False),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": Rule(
        Rejected, "unknown_option", "the picklist has no such value", "Add the value in Setup, or map it to another."
    ),
    "FIELD_INTEGRITY_EXCEPTION": Rule(
        Rejected, "field_integrity", "the value does not fit the org's lists or the other fields", "Correct it."
    ),
    "JSON_PARSER_ERROR": Rule(Rejected, "wrong_type", "a value is of another type than its field", quotes=False),
    "INVALID_FIELD_FOR_INSERT_UPDATE": Rule(
        Rejected, "field_security", "the field is read-only for the connector's user", _PERMISSION
    ),
    "INVALID_FIELD": _FIELD,
    "INVALID_TYPE": Rule(ConfigurationError, "unknown_object", "the org has no such object", INSTALL_SCHEMA),
    "INVALID_TYPE_FOR_OPERATION": _ACCESS,
    "INSUFFICIENT_ACCESS_OR_READONLY": _ACCESS,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": _ACCESS,
    "STORAGE_LIMIT_EXCEEDED": Rule(
        ConfigurationError, "storage_full", "the org's storage is full", "Free or buy storage in Setup."
    ),
    "NOT_FOUND": _GONE,
    "ENTITY_IS_DELETED": _GONE,
    "INVALID_CROSS_REFERENCE_KEY": Rule(Rejected, "bad_reference", "a record that it refers to is not there"),
    "MALFORMED_ID": Rule(Rejected, "bad_reference", "an id is of another kind of record", quotes=False),
    "MALFORMED_QUERY": _QUERY,
    "QUERY_TOO_COMPLICATED": _QUERY,
    "INACTIVE_OWNER_OR_USER": _OWNER,
    "OP_WITH_INVALID_USER_TYPE_EXCEPTION": _OWNER,
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": Rule(
        Rejected, "automation", "a trigger or flow of this org failed", "Show this to the org's administrator."
    ),
    "CANNOT_EXECUTE_FLOW_TRIGGER": Rule(
        Rejected, "automation", "a flow of this org failed", "Show this to the org's administrator."
    ),
    "CANNOT_UPDATE_CONVERTED_LEAD": Rule(Rejected, "lead_converted", "the lead was converted, and cannot be edited"),
    "PROCESSING_HALTED": _HALTED,
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": _HALTED,
}

_FIELD_PATTERNS = (
    r"No such column '(?P<name>\w+)'",
    r"duplicate value found: (?P<name>\w+) duplicates",
    r"update fields: (?P<name>[\w, ]+?)\.",
    r"fields are missing: \[(?P<name>[\w, ]+)\]",
    r"\[(?P<name>\w+)\]\s*$",
)


@dataclass(frozen=True)
class Said:
    """One entry of the array in which Salesforce says why; collections name the code ``statusCode``."""

    code: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()


def classifier(
    note: Callable[[Response], None] = lambda _: None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Callable[[Response], ConnectorError]:
    """For :class:`~shared.transport.Transport`: the error of a refusal. ``note`` is shown every refused answer."""

    def classify(response: Response) -> ConnectorError:
        note(response)
        return refusal(response, clock())

    return classify


def refusal(response: Response, now: datetime) -> ConnectorError:
    """The error that ``response``, any refusal, means; ``now`` for a ``Retry-After`` given as a date."""
    said = said_in(response.body)
    rule = rule_of(response.status, said)
    if rule is None:
        return error_of(response, now, lambda _: ServiceError(said.code, trimmed(said.message)))
    return _error(rule, said, response, now)


def row_refusal(entry: Any, response: Response, now: datetime) -> ConnectorError:
    """The error of one row of a collection, whose answer as a whole is 200."""
    errors = entry.get("errors") if isinstance(entry, Mapping) else None
    said = _said(errors[0] if isinstance(errors, Sequence) and errors else None)
    rule = rule_of(400, said) or Rule(Rejected, said.code.lower() or "rejected", "it was refused")
    return _error(rule, said, response, now)


def first_refusal(answers: Sequence[Response], now: datetime) -> ConnectorError | None:
    """Why a composite request was refused: its first part that was not just taken back with the others.

    Of code :data:`HALTED` where there is no such part: then a part named a row that an earlier one did not find.
    """
    halted: ConnectorError | None = None
    for answer in answers:
        error = refusal(answer, now) if answer.status >= 300 else _row_error(answer, now)
        if error is not None and error.code != HALTED:
            return error
        halted = halted or error
    return halted


def _row_error(answer: Response, now: datetime) -> ConnectorError | None:
    rows = parsed_or_none(answer.body)
    entries = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    errors = [row_refusal(row, answer, now) for row in entries if row.get("success") is False]
    return next((error for error in errors if error.code != HALTED), errors[0] if errors else None)


def said_in(body: bytes) -> Said:
    """What a refusal says; blank where it says nothing that is understood, like the page of a gateway."""
    value = parsed_or_none(body)
    entries = value if isinstance(value, list) else [value]
    return _said(entries[0] if entries else None)


def _said(entry: Any) -> Said:
    if not isinstance(entry, Mapping):
        return Said()
    fields = entry.get("fields")
    return Said(
        code=line(entry, "errorCode") or line(entry, "statusCode"),
        message=text(entry, "message"),
        fields=tuple(str(one) for one in fields) if isinstance(fields, list) else (),
        duplicates=tuple(_duplicates(entry.get("duplicateResult"))),
    )


def _duplicates(result: Any) -> list[str]:
    """The rule that found duplicates, and the ids of what it found."""
    if not isinstance(result, Mapping):
        return []
    found = [text(result, "duplicateRule")]
    for match in _objects(result, "matchResults"):
        records = (one.get("record") for one in _objects(match, "matchRecords"))
        found += [text(record, "Id") for record in records if isinstance(record, Mapping)]
    return [one for one in found if one]


def _objects(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The list of objects under ``name``; what is none is left out."""
    listed = holder.get(name)
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def rule_of(status: int, said: Said) -> Rule | None:
    """The row of the table; ``None`` where the status alone decides."""
    if status == 401:
        return None
    if said.code == "NOT_FOUND" and "external ID field" in said.message:
        return _FIELD
    if said.code == "INVALID_CROSS_REFERENCE_KEY" and status == 404:
        return _GONE
    if said.code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" and "UNABLE_TO_LOCK_ROW" in said.message:
        return _LOCKED
    return RULES.get(said.code)


def _error(rule: Rule, said: Said, response: Response, now: datetime) -> ConnectorError:
    own_words = trimmed(said.message) if rule.quotes else ""
    details = "; ".join(part for part in (own_words, ", ".join(said.duplicates[:6])) if part)
    field = ", ".join(said.fields) or named_field(said.message)
    what = f"{rule.meaning}{f' ({details})' if details else f': {field}' if field else ''}"
    message = f"Salesforce answered {response.operation} with {response.status} {said.code}: {what}"
    common: dict[str, Any] = {
        "code": rule.code,
        "remedy": rule.remedy,
        "service": response.service,
        "request_id": response.request_id,
        "status": response.status,
    }
    if rule.kind is Rejected:
        return Rejected(message, field=field, **common)
    if rule.kind is RetryLater:
        wait_s = retry_after_s(response, now)
        return RetryLater(message, after_s=_wait_s(rule, said) if wait_s is None else wait_s, **common)
    return rule.kind(message, **common)


def _wait_s(rule: Rule, said: Said) -> float | None:
    """The daily allowance comes back call by call over 24 hours; asking often only uses it up again."""
    return _DAILY_WAIT_S if "TotalRequests" in said.message else rule.after_s


def named_field(message: str) -> str:
    """The field that ``message`` names, or an empty text."""
    found = (re.search(pattern, message) for pattern in _FIELD_PATTERNS)
    return next((match["name"] for match in found if match), "")
