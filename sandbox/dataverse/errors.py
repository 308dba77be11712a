"""What the service refuses, with its status, code and words.

Codes: https://learn.microsoft.com/power-apps/developer/data-platform/reference/web-service-error-codes and
https://learn.microsoft.com/troubleshoot/power-platform/dataverse/web-api-and-sdk/web-api-client-errors
"""

from __future__ import annotations

from typing import Any


class DataverseError(Exception):
    """One refusal; ``code`` may be empty or ``0x0`` where the OData layer refuses."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}}


def row_missing(table: str, row_id: str) -> DataverseError:
    return DataverseError(404, "0x80040217", f"{table} With Id = {row_id} Does Not Exist")


def row_by_key_missing(table: str) -> DataverseError:
    return DataverseError(404, "0x80060891", f"A record with the specified key values does not exist in {table} entity")


def unknown_segment(segment: str) -> DataverseError:
    return DataverseError(404, "0x8006088a", f"Resource not found for the segment '{segment}'.")


def no_such_resource(url: str) -> DataverseError:
    return DataverseError(404, "", f"No HTTP resource was found that matches the request URI '{url}'.")


def unknown_column(name: str, type_name: str) -> DataverseError:
    return DataverseError(400, "0x0", f"Could not find a property named '{name}' on type '{type_name}'.")


def unknown_property_in_body(name: str, type_name: str) -> DataverseError:
    return DataverseError(
        400,
        "0x0",
        f"Invalid property '{name}' was found in entity '{type_name}'. ---> The property '{name}' does not exist on "
        f"type '{type_name}'. Make sure to only use property names that are defined by the type.",
    )


def payload(entity_set: str, reason: str) -> DataverseError:
    message = f"Error identified in Payload provided by the user for Entity :'{entity_set}', InnerException: {reason}"
    return DataverseError(400, "0x80048d19", message)


def undeclared_navigation(entity_set: str, name: str) -> DataverseError:
    return payload(
        entity_set,
        f"An undeclared property '{name}' which only has property annotations in the payload but no property value "
        "was found in the payload. In OData, only declared navigation properties and declared named streams can be "
        "represented as properties without values.",
    )


def direct_lookup_write(name: str) -> DataverseError:
    return DataverseError(
        400,
        "0x80048d19",
        f"CRM do not support direct update of Entity Reference properties, Use Navigation properties instead. ({name})",
    )


def invalid_key(type_name: str) -> DataverseError:
    return DataverseError(400, "0x0", f"The key in the request URI is not valid for resource '{type_name}'.")


def key_violated(key: str, columns: tuple[str, ...]) -> DataverseError:
    return DataverseError(
        412,
        "0x80060892",
        f"Entity Key {key} violated. A record with the same value for {', '.join(columns)} already exists. "
        "A duplicate record cannot be created. Select one or more unique values and try again.",
    )


def duplicate_id() -> DataverseError:
    return DataverseError(412, "0x80040237", "Cannot insert duplicate key.")


def stale_version() -> DataverseError:
    return DataverseError(
        412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided."
    )


def already_exists() -> DataverseError:
    return DataverseError(412, "0x80060892", "A record with matching key values already exists.")


def too_long(table: str, column: str, max_length: int) -> DataverseError:
    return DataverseError(
        400,
        "0x80044331",
        f"A validation error occurred. The length of the '{column}' attribute of the '{table}' entity exceeded the "
        f"maximum allowed length of '{max_length}'.",
    )


def out_of_range(table: str, column: str) -> DataverseError:
    return DataverseError(
        400,
        "0x80044330",
        f"A validation error occurred. The value of '{column}' on record of type '{table}' is outside the valid range.",
    )


def unknown_option(table: str, column: str, value: object, accepted: list[int]) -> DataverseError:
    return DataverseError(
        400,
        "0x8004431a",
        f"A validation error occurred. The value {value} of '{column}' on record of type '{table}' is outside the "
        f"valid range. Accepted Values: {','.join(map(str, accepted))}",
    )


def wrong_status(table: str, status: object, state: object) -> DataverseError:
    return DataverseError(400, "0x80048408", f"{status} is not a valid status code for state code {state} on {table}.")


def missing_required(table: str, column: str) -> DataverseError:
    return DataverseError(400, "0x80040203", f"Attribute '{column}' of '{table}' cannot be NULL.")


def cannot_set_won_or_lost() -> DataverseError:
    return DataverseError(
        400,
        "0x80100005",
        "This message can not be used to set the state of opportunity to won/lost. "
        "In order to set state of opportunity to won/lost, use the WinOpportunity or LoseOpportunity action.",
    )


def opportunity_closed() -> DataverseError:
    return DataverseError(400, "0x80040515", "The opportunity has already been closed.")


def lead_closed() -> DataverseError:
    return DataverseError(400, "0x80040519", "The lead is already closed.")


def missing_privilege(user_id: str, privilege: str) -> DataverseError:
    return DataverseError(403, "0x80040220", f"Principal user (Id={user_id}, type=8) is missing {privilege} privilege.")


def not_tracked(table: str) -> DataverseError:
    return DataverseError(400, "0x80072491", f"Change tracking is not enabled for the entity {table}.")


def expired_delta_token(status: int) -> DataverseError:
    return DataverseError(
        status, "0x80044352", "Version stamp associated with the client has expired. Please perform a full sync."
    )


def option_refused_when_tracking(option: str) -> DataverseError:
    return DataverseError(
        400, "0x0", f'The "{option}" query parameter isn\'t supported when Change Tracking is enabled.'
    )


def bad_query(message: str) -> DataverseError:
    return DataverseError(400, "0x0", message)


def bad_argument(message: str) -> DataverseError:
    return DataverseError(400, "0x80040203", message)


def bad_batch(message: str) -> DataverseError:
    return DataverseError(400, "0x80048d19", message)


def unresolved_action(name: str) -> DataverseError:
    return DataverseError(400, "0x80060888", f"Request message has unresolved parameters. ({name})")


def not_allowed(method: str) -> DataverseError:
    return DataverseError(405, "", f"The requested resource does not support http method '{method}'.")
