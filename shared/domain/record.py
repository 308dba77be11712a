"""A CRM record as the sync sees it, whichever CRM it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class RecordKind(StrEnum):
    OPPORTUNITY = "opportunity"
    LEAD = "lead"


class CrmStage(StrEnum):
    """What the stage of a record means for the referral; the CRM's own stage names are settings.

    A lead is ``ON_HOLD`` while it is open, ``ACTIVE`` once it was qualified into an opportunity, and ``LOST`` once it
    was disqualified; it is never ``WON``.
    """

    ON_HOLD = "on_hold"
    ACTIVE = "active"
    WON = "won"
    LOST = "lost"

    @property
    def is_closed(self) -> bool:
        return self in (CrmStage.WON, CrmStage.LOST)


@dataclass(frozen=True)
class Record:
    """An opportunity or lead as last read.

    ``values`` is keyed by the CRM paths of the mapping (``estimatedvalue``, ``customerid_account.name``, ``@contacts``)
    and holds plain values: text, bool, ``Decimal``, ``date``, option labels as text, currencies as ISO codes, people
    and solutions as tuples. A path the CRM does not have is absent; a blank field is ``None``.
    ``version`` is what an optimistic write names (an ETag), or ``None`` where it is not known. ``lead_id`` is the lead
    that an opportunity was made of, where the CRM tells it.
    """

    kind: RecordKind
    id: str
    version: str | None
    modified_at: datetime
    stage: CrmStage
    values: Mapping[str, Any]
    stage_reason: str | None = None
    lead_id: str | None = None


@dataclass(frozen=True)
class StageChange:
    """Move the record to ``stage``; ``reason`` is kept where the CRM has a place for it."""

    stage: CrmStage
    reason: str | None = None


@dataclass(frozen=True)
class RecordChange:
    """What to write to one record, all or nothing: values by CRM path, and a change of stage."""

    values: Mapping[str, Any] = field(default_factory=dict)
    stage: StageChange | None = None

    def __bool__(self) -> bool:
        return bool(self.values) or self.stage is not None


@dataclass(frozen=True)
class CustomerAccount:
    """The customer of a referral, to be matched with or made an account of the CRM.

    Both by account column: an account fits when it agrees in all of ``match``; a new one gets ``values``.
    """

    match: Mapping[str, Any]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class NewRecord:
    """A record to create for a referral, with its account and contact, in one atomic request.

    ``values`` by CRM path as in :class:`Record` (with ``@contacts``, ``@team`` and ``@solutions``), including the
    referral id, which is the key that forbids a second one. A lead has no ``account``.
    """

    kind: RecordKind
    referral_id: str
    stage: StageChange
    values: Mapping[str, Any]
    account: CustomerAccount | None
