"""The business rules of referrals: what a new one needs, and which states may follow which.

https://learn.microsoft.com/partner-center/developer/create-a-referral (table of states) and, for what a deal needs,
https://learn.microsoft.com/partner-center/referrals/bulk-operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.partner_center.refusals import invalid
from sandbox.partner_center.shape import REFERRAL, check_shape

NEXT_STATUSES = {"New": ("New", "Active", "Closed"), "Active": ("Active", "Closed"), "Closed": ()}
SUBSTATUSES_OF = {
    "New": ("Pending", "Received"),
    "Active": ("Accepted",),
    "Closed": ("Won", "Lost", "Declined", "Expired", "Error"),
}
# Assigned by the service: what a client sends in these fields is ignored.
READ_ONLY = frozenset(
    {
        "@odata.context",
        "id",
        "organizationId",
        "organizationName",
        "createdDateTime",
        "updatedDateTime",
        "expirationDateTime",
        "acceptedDateTime",
        "closedDateTime",
        "direction",
        "quality",
        "isSpam",
        "tags",
        "registrations",
        "registrationStatus",
        "lastModifiedVia",
        "createdVia",
        "lastRunId",
        "eTag",
        "trackingInfo",
        "links",
    }
)
REQUIRED = ("type", "customerProfile", "consent", "details")


@dataclass(frozen=True)
class RuleOptions:
    """Where Microsoft's pages are silent or at odds; the defaults are the stricter reading.

    ``deal_minimum``: a create needs what the upload file needs (customer address, value, solution, team, consent),
    not only the four objects that the create page names. ``closing_as_in_portal``: Declined only from New, Won and
    Lost only from Active, Expired by the service alone; the table of states forbids none of it.
    ``allow_second_invitation``: Microsoft can be invited twice to one engagement, and is then there twice.
    """

    deal_minimum: bool = True
    closing_as_in_portal: bool = True
    allow_second_invitation: bool = False


def check_new(document: dict[str, Any], options: RuleOptions) -> None:
    """Raises :class:`Refusal` unless ``document`` can become a referral of the organisation itself."""
    for name in REQUIRED:
        if not document.get(name):
            raise invalid(f"The field {name} is required.", f"/{name}")
    check_shape(document, REFERRAL)
    check_first_state(document)
    if options.deal_minimum:
        for path, present in _minimum(document):
            if not present:
                raise invalid(f"A value is needed at {path}.", path)


def check_first_state(document: dict[str, Any]) -> None:
    """A referral is created New or Active; both come back Active/Accepted for the partner's own."""
    status = document.get("status", "New")
    if status not in {"New", "Active"}:
        raise invalid(f"A referral cannot be created with status {status}.", "/status")
    substatus = document.get("substatus", SUBSTATUSES_OF[status][0])
    if substatus not in SUBSTATUSES_OF[status]:
        raise invalid(f"Substatus {substatus} does not go with status {status}.", "/substatus")


def _minimum(document: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    profile, details, consent = document["customerProfile"], document["details"], document["consent"]
    address = profile.get("address") or {}
    yield "/name", bool(document.get("name"))
    yield "/customerProfile/name", bool(profile.get("name"))
    for name in ("addressLine1", "city", "country"):
        yield f"/customerProfile/address/{name}", bool(address.get(name))
    for name in ("dealValue", "currency", "closingDateTime"):
        yield f"/details/{name}", details.get(name) not in (None, "")
    yield "/details/requirements/solutions", bool((details.get("requirements") or {}).get("solutions"))
    for name in ("consentToContact", "consentToToShareInfoWithOthers"):
        yield f"/consent/{name}", consent.get(name) is True
    yield "/team", bool(document.get("team"))
    for index, member in enumerate(document.get("team") or []):
        for name in ("firstName", "lastName", "email"):
            yield f"/team/{index}/{name}", bool(member.get(name))
    if asks_for_help(document):
        yield "/customerProfile/team", any(member.get("email") for member in profile.get("team") or [])


def asks_for_help(document: dict[str, Any]) -> bool:
    code = (document.get("inviteContext") or {}).get("assistanceRequestCode")
    return code not in (None, "", "Unknown")


def check_change(before: dict[str, Any], after: dict[str, Any], options: RuleOptions, *, by_service: bool) -> None:
    """Raises :class:`Refusal` unless a referral may go from ``before`` to ``after``, both whole documents."""
    old, new, substatus = before["status"], after["status"], after["substatus"]
    if old == "Closed":
        raise invalid("The referral is closed and cannot be changed any more.", "/status")
    if new not in NEXT_STATUSES[old]:
        raise invalid(f"Status {old} cannot become {new}.", "/status")
    if substatus not in SUBSTATUSES_OF[new]:
        raise invalid(f"Substatus {substatus} does not go with status {new}.", "/substatus")
    if options.closing_as_in_portal and new == "Closed" and not by_service:
        _check_closing(old, substatus)
    name = "consentToShareReferralWithMicrosoftSellers"
    if (before.get("consent") or {}).get(name) and not (after.get("consent") or {}).get(name):
        raise invalid("Sharing with Microsoft sellers cannot be taken back.", f"/consent/{name}")


def _check_closing(old: str, substatus: str) -> None:
    if substatus == "Expired":
        raise invalid("Only the service lets a referral expire.", "/substatus")
    if substatus == "Declined" and old != "New":
        raise invalid("Only a new referral can be declined.", "/substatus")
    if substatus in {"Won", "Lost"} and old != "Active":
        raise invalid(f"A referral must be accepted before it is {substatus.lower()}.", "/substatus")
