"""A change to a referral as Partner Center takes it: JSON Patch, with a closed list of paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

PATCHABLE_PATHS = frozenset(
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
"""What a PATCH may name: ``UpdateReferralDetails`` of the certified connector's definition (read October 2024)."""


def patch_path(referral_path: str) -> str:
    """The JSON Patch path of a dotted path in the referral."""
    return f"/{referral_path.replace('.', '/')}"


@dataclass(frozen=True)
class PatchOperation:
    """One operation; paths ending in ``/-`` append and take ``add`` only.

    Raises ``ValueError`` for a path that the service refuses: a mapping mistake, found before anything is sent.
    """

    op: Literal["add", "replace"]
    path: str
    value: Any

    def __post_init__(self) -> None:
        if self.path not in PATCHABLE_PATHS:
            raise ValueError(f"Partner Center does not patch {self.path}")
        if self.op not in ("add", "replace") or (self.op == "replace" and self.path.endswith("/-")):
            raise ValueError(f"Partner Center does not {self.op} {self.path}")

    def document(self) -> dict[str, Any]:
        return {"op": self.op, "path": self.path, "value": self.value}
