"""JSON Patch as the Referrals API takes it: two operations, a fixed list of paths, all or nothing.

https://learn.microsoft.com/partner-center/developer/patch-a-referral; the paths are those of the certified
connector's swagger (UpdateReferralDetails). Deal registrations are not simulated.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from sandbox.partner_center.refusals import invalid
from sandbox.partner_center.shape import check_shape, shape_at

API_PATHS = frozenset(
    {
        "/campaignId",
        "/consent/consentToShareReferralWithMicrosoftSellers",
        "/customerProfile/team",
        "/customerProfile/team/-",
        "/details/closingDateTime",
        "/details/currency",
        "/details/dealValue",
        "/details/notes",
        "/details/requirements/solutions",
        "/details/requirements/solutions/-",
        "/externalReferenceId",
        "/referralProgram",
        "/salesStage",
        "/status",
        "/substatus",
        "/statusReason",
        "/team",
        "/team/-",
    }
)
# What the portal's pages let a person do beyond the API.
PORTAL_PATHS = API_PATHS | {"/name", "/favorite"}
NEVER_NULL = frozenset({"/status", "/substatus", "/consent/consentToShareReferralWithMicrosoftSellers"})


def apply_patch(document: Mapping[str, Any], operations: Any, paths: Collection[str] = API_PATHS) -> dict[str, Any]:
    """A copy of ``document`` with all operations applied, or :class:`Refusal` for the first that cannot be."""
    if not isinstance(operations, list) or not operations:
        raise invalid("The body must be a list of JSON Patch operations.")
    changed = copy.deepcopy(dict(document))
    for operation in operations:
        if not isinstance(operation, dict):
            raise invalid("A JSON Patch operation is an object.")
        path = operation.get("path")
        if operation.get("op") not in {"replace", "add"}:
            raise invalid("The operation must be replace or add.", path if isinstance(path, str) else None)
        if not isinstance(path, str) or path not in paths:
            raise invalid(f"The path {path} cannot be changed.", str(path))
        if "value" not in operation:
            raise invalid("The operation has no value.", path)
        _apply(changed, operation["op"], path, operation["value"])
    return changed


def _apply(document: dict[str, Any], verb: str, path: str, value: Any) -> None:
    appends = path.endswith("/-")
    if appends and verb != "add":
        raise invalid("Only add can append to a list.", path)
    if value is None and (path in NEVER_NULL or appends):
        raise invalid(f"The value at {path} cannot be null.", path)
    check_shape(value, shape_at(path), path)
    if path == "/details/dealValue" and isinstance(value, str):
        value = float(value) if "." in value else int(value)
    *parents, last = path.strip("/").removesuffix("/-").split("/")
    holder = document
    for name in parents:
        if holder.get(name) is None:
            holder[name] = {}
        holder = holder[name]
    if appends:
        holder[last] = [*(holder.get(last) or []), copy.deepcopy(value)]
    else:
        holder[last] = copy.deepcopy(value)
