"""The deal that the Partner Center tests create, and its variations."""

from __future__ import annotations

import copy
from typing import Any

DEAL: dict[str, Any] = {
    "name": "Fabrikam shop floor",
    "type": "Shared",
    "qualification": "SalesQualified",
    "status": "New",
    "substatus": "Pending",
    "externalReferenceId": "crm-1",
    "target": [{"type": "SolutionProfile", "id": "SOL-10342-QRS"}],
    "customerProfile": {
        "name": "Fabrikam Ltd",
        "size": "10to50employees",
        "ids": [],
        "address": {"addressLine1": "1 Main St", "city": "Leeds", "postalCode": "LS1 1AA", "country": "GB"},
        "team": [{"firstName": "Ada", "lastName": "Doe", "phoneNumber": "1", "email": "ada@fabrikam.example"}],
    },
    "consent": {
        "consentToToShareInfoWithOthers": True,
        "consentToContact": True,
        "consentToShareReferralWithMicrosoftSellers": True,
    },
    "details": {
        "notes": "",
        "dealValue": 10,
        "currency": "GBP",
        "closingDateTime": "2030-01-31T00:00:00Z",
        "requirements": {"solutions": [{"id": "SOL-10342-QRS", "name": "Proseware", "type": "Name"}]},
    },
    "team": [{"firstName": "Bo", "lastName": "Roe", "phoneNumber": "2", "email": "bo@contoso.example"}],
}


def deal(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(DEAL), **changes}


def deal_with(path: str, value: Any) -> dict[str, Any]:
    """The deal with one field changed; None takes the field away."""
    changed = copy.deepcopy(DEAL)
    *parents, last = path.strip("/").split("/")
    holder: Any = changed
    for name in parents:
        holder = holder[int(name)] if isinstance(holder, list) else holder[name]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return changed


def invitation(own: dict[str, Any], **more: Any) -> dict[str, Any]:
    target = [{"type": "BusinessProfileLocation", "id": "msft"}]
    return {"engagementId": own["engagementId"], "target": target, **more}
