"""What the service refuses, with its status, code and words.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


class SalesforceError(Exception):
    """A refusal. ``fields`` None leaves the key out of the body; ``more`` is added to it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Collection[str] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = None if fields is None else list(fields)
        self.more = more or {}

    def body(self) -> list[dict[str, Any]]:
        """The array that REST answers with."""
        entry: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            entry["fields"] = self.fields
        return [{**entry, **self.more}]

    def row_errors(self) -> list[dict[str, Any]]:
        """As collections print it: ``statusCode`` instead of ``errorCode``, and always ``fields``."""
        return [{"statusCode": self.code, "message": self.message, "fields": self.fields or []}]


def session_invalid() -> SalesforceError:
    return SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")


def daily_limit_exceeded() -> SalesforceError:
    return SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def no_such_resource() -> SalesforceError:
    return SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")


def method_not_allowed(method: str, allowed: Collection[str]) -> SalesforceError:
    names = ",".join(sorted(allowed))
    message = f"HTTP Method '{method}' not allowed. Allowed are {names}"
    return SalesforceError(405, "METHOD_NOT_ALLOWED", message)


def unsupported_media(content_type: str) -> SalesforceError:
    return SalesforceError(415, "UNSUPPORTED_MEDIA_TYPE", f"{content_type or 'no content type'} is not supported")


def not_json(reason: str) -> SalesforceError:
    return SalesforceError(400, "JSON_PARSER_ERROR", reason)


def wrong_json_type(field_type: str, token: str, value: object) -> SalesforceError:
    return not_json(
        f"Cannot deserialize instance of {field_type} from {token} value {value} or request may be missing a required "
        "field at [line:1, column:2]"
    )


def unknown_external_id(name: str) -> SalesforceError:
    message = f"Provided external ID field does not exist or is not accessible: {name}"
    return SalesforceError(404, "NOT_FOUND", message)


def unknown_field(name: str, sobject: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject}")


def id_in_body() -> SalesforceError:
    return SalesforceError(400, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")


def external_id_in_body(name: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_FIELD", f"The {name} field should not be specified in the sobject data.")


def not_writable(names: Collection[str]) -> SalesforceError:
    message = (
        f"Unable to create/update fields: {', '.join(names)}. Please check the security settings of this field and "
        "verify that it is read/write for your profile or permission set."
    )
    return SalesforceError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, names)


def operation_not_allowed(sobject: str, verb: str) -> SalesforceError:
    message = f"entity type {sobject} does not support {verb}"
    return SalesforceError(400, "INVALID_TYPE_FOR_OPERATION", message)


def required_missing(names: Collection[str]) -> SalesforceError:
    message = f"Required fields are missing: [{', '.join(names)}]"
    return SalesforceError(400, "REQUIRED_FIELD_MISSING", message, names)


def too_long(label: str, name: str, value: str, length: int) -> SalesforceError:
    message = f"{label}: data value too large: {value} (max length={length})"
    return SalesforceError(400, "STRING_TOO_LONG", message, [name])


def bad_email(label: str, name: str, value: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_EMAIL_ADDRESS", f"{label}: invalid email address: {value}", [name])


def out_of_range(label: str, name: str, value: object) -> SalesforceError:
    message = f"{label}: value outside of valid range on numeric field: {value}"
    return SalesforceError(400, "NUMBER_OUTSIDE_VALID_RANGE", message, [name])


def bad_picklist_value(label: str, name: str, value: str) -> SalesforceError:
    message = f"{label}: bad value for restricted picklist field: {value}"
    return SalesforceError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [name])


def wrong_id_type(label: str, name: str, value: str) -> SalesforceError:
    return SalesforceError(400, "MALFORMED_ID", f"{label}: id value of incorrect type: {value}", [name])


def bad_reference(name: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [name])


def row_not_found() -> SalesforceError:
    return SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")


def row_to_write_not_found() -> SalesforceError:
    return SalesforceError(404, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])


def row_deleted() -> SalesforceError:
    return SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted", [])


def foreign_key_not_found(value: str, field: str, sobject: str) -> SalesforceError:
    message = f"Foreign key external ID: {value} not found for field {field} in entity {sobject}"
    return SalesforceError(400, "INVALID_FIELD", message, [])


def foreign_key_ambiguous(value: str, field: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_FIELD", f"More than one record found for external id field: {field} {value}")


def duplicate_value(field: str, other_id: str) -> SalesforceError:
    message = f"duplicate value found: {field} duplicates value on record with id: {other_id[:15]}"
    return SalesforceError(400, "DUPLICATE_VALUE", message, [])


def duplicate_external_id(value: str) -> SalesforceError:
    return SalesforceError(400, "DUPLICATE_VALUE", f"Duplicate external id specified: {value}", [])


def duplicates_detected(rule: str, sobject: str, records: list[dict[str, Any]], *, allow_save: bool) -> SalesforceError:
    """https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_duplicaterules.htm"""
    message = "Use one of these records?"
    matches = [
        {"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record}
        for record in records
    ]
    found = {
        "entityType": sobject,
        "errors": [],
        "matchEngine": "ExactMatchEngine",
        "matchRecords": matches,
        "rule": rule,
        "size": len(matches),
        "success": True,
    }
    result = {
        "allowSave": allow_save,
        "duplicateRule": rule,
        "duplicateRuleEntityType": sobject,
        "errorMessage": message,
        "matchResults": [found],
    }
    return SalesforceError(400, "DUPLICATES_DETECTED", message, more={"duplicateResult": result})


def validation_rule(message: str, field: str | None) -> SalesforceError:
    return SalesforceError(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", message, [field] if field else [])


def row_locked() -> SalesforceError:
    return SalesforceError(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", [])


def lead_converted() -> SalesforceError:
    return SalesforceError(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", [])


def inactive_owner(user_id: str) -> SalesforceError:
    message = f"operation performed with inactive user [{user_id}] as owner of the record"
    return SalesforceError(400, "INACTIVE_OWNER_OR_USER", message, ["OwnerId"])


def unknown_country(field: str) -> SalesforceError:
    message = (
        "There's a problem with this country, even though it may appear correct. Please select a country from the "
        f"list of valid countries.: [{field}]"
    )
    return SalesforceError(400, "FIELD_INTEGRITY_EXCEPTION", message, [field])


def unknown_state(label: str, field: str) -> SalesforceError:
    message = f"The existing country/territory doesn't recognize the state value for field: {label}: [{field}]"
    return SalesforceError(400, "FIELD_INTEGRITY_EXCEPTION", message, [field])


def malformed_query(message: str) -> SalesforceError:
    return SalesforceError(400, "MALFORMED_QUERY", message)


def no_such_column(name: str, sobject: str, query: str, position: int) -> SalesforceError:
    """As the service prints it: the place in the query, a caret, and then what is wrong."""
    start = max(0, position - 20)
    excerpt = query[start : position + len(name) + 20].replace("\n", " ")
    caret = " " * (position - start) + "^"
    message = (
        f"\n{excerpt}\n{caret}\nERROR at Row:1:Column:{position + 1}\nNo such column '{name}' on entity '{sobject}'. "
        "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. "
        "Please reference your WSDL or the describe call for the appropriate names."
    )
    return SalesforceError(400, "INVALID_FIELD", message)


def no_such_object(name: str) -> SalesforceError:
    message = (
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the "
        "'__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
    )
    return SalesforceError(400, "INVALID_TYPE", message)


def no_such_relationship(name: str, sobject: str) -> SalesforceError:
    message = f"Didn't understand relationship '{name}' in field path of {sobject}."
    return SalesforceError(400, "INVALID_FIELD", message)


def cannot_filter(name: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_FIELD", f"field '{name}' can not be filtered in a query call")


def cannot_sort(name: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_FIELD", f"field '{name}' can not be sorted in a query call")


def wrong_criterion(name: str, field_type: str) -> SalesforceError:
    ending = " and should be enclosed in quotes" if field_type in {"string", "ID"} else ""
    if field_type not in {"string", "ID"}:
        ending = " and should not be enclosed in quotes"
    message = f"value of filter criterion for field '{name}' must be of type {field_type}{ending}"
    return SalesforceError(400, "INVALID_FIELD", message)


def wrong_operator(message: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_QUERY_FILTER_OPERATOR", message)


def offset_too_large() -> SalesforceError:
    message = "Maximum SOQL offset allowed is 2000"
    return SalesforceError(400, "NUMBER_OUTSIDE_VALID_RANGE", message)


def bad_locator() -> SalesforceError:
    return SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")


def bad_replication_date(message: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_REPLICATION_DATE", message)


def precondition_failed() -> SalesforceError:
    return SalesforceError(412, "PRECONDITION_FAILED", "The record was modified since the given time.")
