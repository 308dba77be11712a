"""An opportunity that is to become a referral: what it lacks, and the documents to create.

Rules: learn.microsoft.com/partner-center/developer/create-a-referral, and the connector's own
(learn.microsoft.com/partner-center/referrals/connector-dynamics, "Create a new referral").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.base import RecordView
from shared.domain.errors import Rejected
from shared.domain.mapping import RecordMapping, Required, Travels
from shared.domain.referral import MICROSOFT
from shared.domain.values import Person


def missing_to_share(
    record: RecordView, mapping: RecordMapping, unreadable: Mapping[str, Rejected] | None = None
) -> tuple[str, ...]:
    """Everything that must be filled in or corrected first, at once; empty when it can be shared.

    What is blank is told as "label: what to do". ``unreadable`` are fields, by name, whose value cannot be sent.
    """
    with_help = bool(record.values.get("help"))
    lacking = []
    for row in mapping.fields:
        if problem := (unreadable or {}).get(row.name):
            lacking.append(f"{problem.message}. {problem.remedy}".strip())
            continue
        wanted = row.required is Required.ALWAYS or (row.required is Required.WITH_HELP and with_help)
        if wanted and _is_blank(record.values.get(row.name)):
            lacking.append(f"{row.label}: {row.remedy}".strip(": "))
    return tuple(lacking)


def _is_blank(value: Any) -> bool:
    """Zero and no are values; of people, one must have an address that Microsoft can write to."""
    if isinstance(value, tuple) and value and isinstance(value[0], Person):
        return not any(person.email for person in value)
    return value is None or value == ()


def build_referral(record: RecordView, mapping: RecordMapping, external_reference: str) -> dict[str, Any]:
    """The partner's own side of the deal. It is visible to Microsoft's sellers when asked for, and with any help."""
    document: dict[str, Any] = {
        "type": "Independent",
        "qualification": "SalesQualified",
        "status": "New",
        "substatus": "Pending",
        "externalReferenceId": external_reference,
        "consent": {"consentToToShareInfoWithOthers": True, "consentToContact": True},
        "customerProfile": {"ids": [], "team": []},
        "details": {"requirements": {"solutions": []}},
        "target": [],
        "team": [],
    }
    for row in mapping.fields:
        value = record.values.get(row.name)
        if row.name == "help" or row.to_partner_center is Travels.NEVER or value is None:
            continue
        _set_path(document, row.partner_center, row.convert.to_partner_center(value))
    if record.values.get("help") or record.values.get("visibility"):
        document["type"] = "Shared"
        document["consent"]["consentToShareReferralWithMicrosoftSellers"] = True
        document["target"] = [
            {"type": "SolutionProfile", "id": solution.id}
            for solution in record.values.get("solutions") or ()
            if solution.id.upper().startswith("SOL-")
        ][:1]
    return document


def build_invitation(created: Mapping[str, Any], record: RecordView, mapping: RecordMapping) -> dict[str, Any]:
    """Microsoft's side of a deal whose own side was ``created``: the same engagement, aimed at Microsoft.

    What Partner Center leaves out of its answer to a create (the closing date, in its own sample) is the record's.
    Raises ``Rejected`` without an ``engagementId``: what joins the two sides is missing.
    """
    if not created.get("engagementId"):
        raise Rejected(
            f"The referral {created.get('id')} has no engagementId, so Microsoft cannot be invited to it",
            field="engagementId",
            code="shape",
            remedy="Invite Microsoft in Partner Center.",
        )
    copied = ("name", "qualification", "customerProfile", "consent", "details", "team")
    ours = build_referral(record, mapping, "")
    document = {name: created[name] for name in copied if created.get(name) is not None}
    return {
        **document,
        "details": {**ours["details"], **document.get("details", {})},
        "type": "Shared",
        "engagementId": created["engagementId"],
        "consent": {**document.get("consent", {}), "consentToShareReferralWithMicrosoftSellers": True},
        "target": [{"type": "BusinessProfileLocation", "id": MICROSOFT}],
        "inviteContext": {"assistanceRequestCode": record.values.get("help")},
    }


def _set_path(document: dict[str, Any], path: str, value: Any) -> None:
    *steps, last = path.split(".")
    for step in steps:
        document = document.setdefault(step, {})
    document[last] = value
