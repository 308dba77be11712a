"""One agreed deal of Fabrikam's, as both sides and the base see it, for tests to change a field at a time."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared.domain.base import Agreed, Base, RecordView, ReferralView
from shared.domain.mapping import CrmMapping, FieldLimits, RecordMapping
from shared.domain.overlay import build_mapping
from shared.domain.plan import Plan, Rules, plan
from shared.domain.record import CrmStage, RecordKind
from shared.domain.referral import ReferralStage
from shared.domain.stages import Stages
from shared.domain.values import Person, Solution

MAPPING_FILE = Path(__file__).parents[3] / "shared" / "mappings" / "dynamics365.toml"
AGREED_AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
EARLIER = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)

MIA = Person("Mia", "Lund", "+44 113 496 0000", "mia.lund@fabrikam.example")
BO = Person("Bo", "Roe", "+1 206 555 0111", "bo.roe@contoso.example")
SUPPLY = Solution("SOL-34104-EBB", "Contoso Supply", 1, Decimal("99.5"))

VALUES: Mapping[str, Any] = {
    "name": "Fabrikam: supply chain",
    "deal_value": Decimal(50000),
    "currency": "EUR",
    "closing_date": date(2027, 1, 31),
    "notes": "First call on Monday.",
    "visibility": True,
    "help": None,
    "customer_name": "Fabrikam Inc.",
    "customer_address_line_1": "1 Harbour Street",
    "customer_address_line_2": None,
    "customer_city": "Leeds",
    "customer_state": None,
    "customer_postal_code": "LS1 4AP",
    "customer_country": "GB",
    "contacts": (MIA,),
    "team": (BO,),
    "solutions": (SUPPLY,),
    "referral_id": "7d23e5ca-0000-4000-8000-000000000001",
}


def mapping_of(overlay: Mapping[str, Any] | None = None) -> CrmMapping:
    return build_mapping(tomllib.loads(MAPPING_FILE.read_text(encoding="utf-8")), overlay)


def overlay_of(*rows: Mapping[str, Any]) -> dict[str, Any]:
    """What a partner would write in customize.toml to change these rows."""
    return {"records": {"opportunity": {"fields": [dict(row) for row in rows]}}}


def opportunities(*rows: Mapping[str, Any]) -> RecordMapping:
    return mapping_of(overlay_of(*rows)).records[RecordKind.OPPORTUNITY]


OPPORTUNITIES = opportunities()
RULES = Rules(
    display_check_mark=True,
    limits={"description": FieldLimits(max_length=80), "name": FieldLimits(max_length=60)},
    currencies={"EUR": 2, "USD": 2, "JPY": 0, "TND": 3},
)


def base_of(
    *,
    referral: ReferralStage = ReferralStage.ACCEPTED,
    record: CrmStage = CrmStage.ACTIVE,
    fields: Mapping[str, Agreed] | None = None,
    **changes: Any,
) -> Base:
    """``fields`` replace single agreed values, the other keywords those of :class:`Base`."""
    agreed = {name: Agreed(value, value) for name, value in VALUES.items()} | dict(fields or {})
    made = Base(agreed, Stages(referral, record), '"1"', 'W/"1"', AGREED_AT, AGREED_AT, name_in_crm="✔ Fabrikam")
    return replace(made, **changes)


def referral_of(
    stage: ReferralStage = ReferralStage.ACCEPTED,
    *,
    at: datetime = AGREED_AT,
    status_reason: str | None = None,
    document: Mapping[str, Any] | None = None,
    **values: Any,
) -> ReferralView:
    return ReferralView({**VALUES, **values}, stage, at, status_reason, document)


def record_of(
    stage: CrmStage = CrmStage.ACTIVE,
    *,
    at: datetime = AGREED_AT,
    sync: bool = True,
    stage_reason: str | None = None,
    **values: Any,
) -> RecordView:
    return RecordView({**VALUES, **values}, stage, at, "", "✔ Fabrikam", sync, stage_reason)


def plan_of(
    referral: ReferralView | None = None,
    record: RecordView | None = None,
    base: Base | None = None,
    mapping: RecordMapping = OPPORTUNITIES,
    rules: Rules = RULES,
) -> Plan:
    """The plan for the agreed deal with these sides instead."""
    return plan(referral or referral_of(), record or record_of(), base or base_of(), mapping, rules)


def patched(planned: Plan) -> list[dict[str, Any]]:
    """What each PATCH of the plan sets, by path."""
    return [{one.path: one.value for one in operations} for operations in planned.to_partner_center]
