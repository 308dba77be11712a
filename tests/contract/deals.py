"""Deals of invented companies, as the sync would hand them to a CRM."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared.domain.mapping import CrmMapping, RecordMapping
from shared.domain.overlay import build_mapping
from shared.domain.record import CrmStage, CustomerAccount, NewRecord, RecordKind, StageChange
from shared.domain.values import Person, Solution

MAPPINGS = Path(__file__).parents[2] / "shared" / "mappings"
REFERRAL_ID = "2b2d7b0c-8d2f-4c61-9d1c-7d0c1f3f8a01"
ANN = Person("Ann", "Beck", "+49 30 5550100", "ann.beck@fabrikam.example")
BEN = Person("Ben", "Cole", "+49 30 5550101", "ben.cole@fabrikam.example")
BACKUP = Solution("SOL-34104-EBB", "Contoso Backup", 2, Decimal("100.00"))
VAULT = Solution("SOL-55102-QRS", "Contoso Vault", 1, None)
DEAL: Mapping[str, Any] = {
    "name": "Fabrikam: 250 seats",
    "deal_value": Decimal("20000.50"),
    "currency": "EUR",
    "closing_date": date(2027, 3, 31),
    "notes": "First line\nSecond line",
    "visibility": True,
    "help": "Proof of concept or demo",
    "customer_name": "Fabrikam",
    "customer_address_line_1": "Hauptstraße 1",
    "customer_city": "Berlin",
    "customer_postal_code": "10115",
    "customer_country": "DE",
    "contacts": (ANN,),
    "team": (),
    "solutions": (BACKUP,),
}


def read_mapping(name: str) -> CrmMapping:
    return build_mapping(tomllib.loads((MAPPINGS / name).read_text(encoding="utf-8")))


def paths(mapping: CrmMapping, values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` by field name, as values by CRM path."""
    record = mapping.records[RecordKind.OPPORTUNITY]
    return {record.field(name).crm: value for name, value in values.items()}


def _matched(record: RecordMapping) -> tuple[str, ...]:
    return record.account.match if record.account else ()


def deal(
    mapping: CrmMapping,
    referral_id: str = REFERRAL_ID,
    *,
    stage: StageChange = StageChange(CrmStage.ON_HOLD),  # noqa: B008 - frozen
    **values: Any,
) -> NewRecord:
    """A new opportunity for a referral; ``values`` by field name differ from :data:`DEAL`."""
    record = mapping.records[RecordKind.OPPORTUNITY]
    by_name = {**DEAL, **values}
    account = {
        column: value
        for name, value in by_name.items()
        if (column := record.account_column(record.field(name))) is not None
    }
    match = {str(record.account_column(record.field(name))): by_name[name] for name in _matched(record)}
    system = {record.columns.sync: True, record.columns.referral_id: referral_id}
    return NewRecord(
        RecordKind.OPPORTUNITY,
        referral_id,
        stage,
        {**system, **paths(mapping, by_name)},
        CustomerAccount(match=match, values=account),
    )
