"""The shape of a referral on the wire: which fields there are, of what type, and which values the enumerations have.

https://learn.microsoft.com/partner-center/developer/referral-resources and the swagger file of the certified
connector; fields seen in live answers only are allowed too, since a client may send back what it read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.partner_center.countries import COUNTRIES
from sandbox.partner_center.refusals import invalid

STATUSES = ("None", "New", "Active", "Closed")
SUBSTATUSES = ("None", "Pending", "Received", "Accepted", "Won", "Lost", "Declined", "Expired", "Error")
HELP_CODES = (
    "Unknown",
    "GeneralOrOther",
    "CustomerTechnicalArchitecture",
    "ProofOfConceptOrDemo",
    "QuotesOrLicensing",
    "PostSalesCustomerSuccess",
    "WorkloadSpecificValueProposition",
)
SIZES = (
    "1to50employees",
    "51to500employees",
    "Morethan500employees",
    "1to9employees",
    "10to50employees",
    "51to250employees",
    "251to1000employees",
    "1001to5000employees",
    "5001to10000employees",
    "10001to20000employees",
    "Morethan20000employees",
)

# A shape is a name of VALUE_CHECKS, a tuple of allowed words, a dictionary of fields, or a list of one shape.
Shape = str | tuple[str, ...] | dict[str, Any] | list[Any]

_NAMED = {"id": "text", "name": "text"}
_MEMBER: Shape = {
    "firstName": "text",
    "lastName": "text",
    "phoneNumber": "text",
    "email": "text",
    "title": "text",
    "emailValidationStatus": "text",
    "phoneValidationStatus": "text",
    "contactPreference": {"locale": "text", "disableNotifications": "yes or no"},
}
_SOLUTION: Shape = {
    **_NAMED,
    "type": ("None", "Category", "Name"),
    "price": "number",
    "quantity": "number",
    "currency": "currency",
    "publisherName": "text",
    "solutionType": "text",
    "closingDateTime": "time",
}
REFERRAL: dict[str, Shape] = {
    **_NAMED,
    "@odata.context": "text",
    "engagementId": "text",
    "type": ("Shared", "Independent"),
    "qualification": ("None", "Direct", "MarketingQualified", "SalesQualified"),
    "status": STATUSES,
    "substatus": SUBSTATUSES,
    "statusReason": "text",
    "organizationId": "text",
    "organizationName": "text",
    "externalReferenceId": "text",
    "campaignId": "text",
    # The swagger has four words, live data has percentages: the service is taken to store what it gets.
    "salesStage": "text",
    "referralProgram": "text",
    "referralSource": "text",
    "callToAction": "text",
    "mpnId": "text",
    "createdDateTime": "time",
    "updatedDateTime": "time",
    "expirationDateTime": "time",
    "acceptedDateTime": "time",
    "closedDateTime": "time",
    "direction": ("Incoming", "Outgoing"),
    "quality": "text",
    "isSpam": "yes or no",
    "tags": "anything",
    "registrations": "anything",
    "registrationStatus": "text",
    "favorite": "yes or no",
    "lastModifiedVia": "text",
    "createdVia": "text",
    "lastRunId": "text",
    "dealSensitivity": "text",
    "eTag": "text",
    "target": [{"type": ("None", "BusinessProfileLocation", "SolutionProfile"), "id": "text"}],
    "customerProfile": {
        "name": "text",
        "size": SIZES,
        "isMatchingComplete": "yes or no",
        "address": {
            "addressLine1": "text",
            "addressLine2": "text",
            "city": "text",
            "state": "text",
            "postalCode": "text",
            "country": "country",
            "region": "text",
        },
        "team": [_MEMBER],
        "ids": "anything",
    },
    "consent": {
        "consentToToShareInfoWithOthers": "yes or no",
        "consentToContact": "yes or no",
        "consentToShareReferralWithMicrosoftSellers": "yes or no",
        "consentToMicrosoftToContactSpecificPartners": "yes or no",
    },
    "details": {
        "notes": "text",
        "dealValue": "number",
        "currency": "currency",
        "closingDateTime": "time",
        "customerRequestedContact": "yes or no",
        "customerAction": "text",
        "incentiveLevel": "text",
        "requirements": {
            "industries": [{"id": "text"}],
            "products": [{"id": "text"}],
            "services": [{"id": "text"}],
            "solutions": [_SOLUTION],
            "offers": "anything",
            "salesPlays": "anything",
            "additionalRequirements": {"iot": "anything", "attributes": [{"type": "text", "id": "text"}]},
        },
    },
    "team": [_MEMBER],
    "inviteContext": {
        "notes": "text",
        "assistanceRequestCode": HELP_CODES,
        "invitedBy": {"organizationId": "text", "organizationName": "text"},
        "invitedMpnId": "text",
    },
    "trackingInfo": "anything",
    "links": "anything",
}


def is_number(value: Any) -> bool:
    """A number that is not negative, or text that reads as one: the documented PATCH sends ``"10000"``."""
    if isinstance(value, str):
        return re.fullmatch(r"\d+(\.\d+)?", value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def is_time(value: Any) -> bool:
    """A time in UTC, as ``2027-03-31T00:00:00Z``, with up to seven digits of a second."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z", value):
        return False
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        return False
    return True


VALUE_CHECKS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "yes or no": lambda value: isinstance(value, bool),
    "number": is_number,
    "time": is_time,
    "currency": lambda value: isinstance(value, str) and re.fullmatch(r"[A-Z]{3}", value) is not None,
    "country": lambda value: value in COUNTRIES,
    "anything": lambda _: True,
}


def check_shape(value: Any, shape: Shape, path: str = "") -> None:
    """Raises :class:`Refusal` with the path of the first field that does not fit; null fits any field but a list."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise invalid(f"A list is needed at {path}.", path)
        for index, entry in enumerate(value):
            check_shape(entry, shape[0], f"{path}/{index}")
    elif value is None:
        return
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            raise invalid(f"An object is needed at {path or '/'}.", path or None)
        for name, inner in value.items():
            if name not in shape:
                raise invalid(f"There is no field {path}/{name}.", f"{path}/{name}")
            check_shape(inner, shape[name], f"{path}/{name}")
    elif isinstance(shape, tuple):
        if value not in shape:
            raise invalid(f"The value at {path} is not one of {', '.join(shape)}.", path)
    elif not VALUE_CHECKS[shape](value):
        raise invalid(f"The value at {path} is not a {shape}.", path)


def shape_at(path: str) -> Shape:
    """The shape of the field that a JSON Patch path names; ``/-`` is an entry of the list before it."""
    shape: Shape = REFERRAL
    for part in path.strip("/").split("/"):
        if part == "-":
            assert isinstance(shape, list)
            shape = shape[0]
        else:
            assert isinstance(shape, dict)
            shape = shape[part]
    return shape
