"""Opportunities to write, in short."""

from __future__ import annotations

from typing import Any

from shared.domain.mapping import CrmMapping
from shared.domain.overlay import build_mapping
from shared.domain.record import CrmStage, Record, RecordChange, RecordKind, StageChange
from tests.contract.deals import deal, paths
from tests.contract.rigs import SalesforceRig

OPPORTUNITY = RecordKind.OPPORTUNITY


def create(rig: SalesforceRig, stage: CrmStage = CrmStage.ACTIVE, **values: Any) -> Record:
    new = deal(rig.mapping, stage=StageChange(stage), **values)
    return rig.crm.create(new, rig.crm.prepare(new), None)


def change(rig: SalesforceRig, **values: Any) -> RecordChange:
    return RecordChange(paths(rig.mapping, values))


def value(rig: SalesforceRig, record: Record, name: str) -> Any:
    return record.values[rig.mapping.records[OPPORTUNITY].field(name).crm]


def read(rig: SalesforceRig, record: Record, name: str) -> Any:
    return value(rig, rig.crm.get(OPPORTUNITY, record.id), name)


def changed_mapping(rig: SalesforceRig, overlay: dict[str, Any]) -> CrmMapping:
    return build_mapping(rig.mapping.model_dump(mode="json"), overlay)
