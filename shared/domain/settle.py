"""What to remember once a plan is written: the new base, from what both sides answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.base import Agreed, Base, RecordView, ReferralView, view_record, view_referral
from shared.domain.mapping import RecordMapping, Travels
from shared.domain.plan import Plan, Rules, plan
from shared.domain.record import Record, RecordChange, RecordKind
from shared.domain.referral import Referral
from shared.domain.stages import Stages


@dataclass(frozen=True)
class Versions:
    """The version of each side that a view or a write stands for; ``None`` is not known."""

    etag: str | None
    record: str | None


@dataclass(frozen=True)
class RecordAfter:
    """What the CRM answered to a write: ``values`` by CRM path as it now holds them."""

    version: str | None
    modified_at: datetime | None
    values: Mapping[str, Any] = field(default_factory=dict)


def settle(
    planned: Plan,
    views: tuple[ReferralView, RecordView],
    versions: Versions,
    mapping: RecordMapping,
    *,
    referral_after: Referral | None,
    change: RecordChange,
    record_after: RecordAfter | None,
) -> Base:
    """The base after ``planned`` was written. What is still to travel keeps its old one.

    While a move of the record waits, the base's stage is not the record's, so it stands for no version of it.
    """
    referral, record = views
    there = view_referral(referral_after, mapping).values if referral_after else {}
    here: dict[str, Any] = {}
    if record_after is not None:
        answered = {**change.values, **record_after.values}
        here = {row.name: row.convert.from_crm(answered[row.crm]) for row in mapping.all_fields if row.crm in answered}

    def as_answered(name: str, agreed: Agreed) -> Agreed:
        return Agreed(there.get(name, agreed.partner_center), here.get(name, agreed.crm))

    name = mapping.field("name").crm if mapping.has("name") else ""
    version = record_after.version if record_after else versions.record
    stands = change.stage.stage if change.stage else record.stage
    return Base(
        fields={
            name: agreed if name in planned.kept else as_answered(name, agreed)
            for name, agreed in planned.fields.items()
        },
        present={name: as_answered(name, agreed) for name, agreed in planned.present.items()},
        stages=planned.stages,
        etag=referral_after.etag if referral_after else versions.etag,
        record_version=version if planned.stages.record is stands else None,
        referral_updated_at=referral_after.updated_at if referral_after else referral.updated_at,
        record_modified_at=(record_after.modified_at if record_after else None) or record.modified_at,
        audit=str(change.values.get(mapping.columns.audit, record.audit) or ""),
        name_in_crm=str(change.values.get(name, record.name_in_crm) or ""),
        sync=record.sync,
        held=planned.held,
        microsofts=referral.microsofts,
    )


def agreed_as_they_are(referral: Referral, record: Record, mapping: RecordMapping, rules: Rules) -> Base:
    """The base right after one side was made from the other: they agree in all that they now hold.

    What shows the referral in the CRM is left out where it is not there yet, so that the next plan writes it. The base
    stands for no version then: presumed from it, neither side would have that field to write.
    """
    there, here = view_referral(referral, mapping), view_record(record, mapping)
    fields = {
        row.name: Agreed(there.values[row.name], here.values[row.name])
        for row in mapping.all_fields
        if row.name in there.values
        and row.name in here.values
        and (row.to_partner_center is not Travels.NEVER or there.values[row.name] == here.values[row.name])
    }
    is_whole = len(fields) == len(there.values.keys() & here.values.keys())
    return Base(
        fields=fields,
        stages=plan(there, here, None, mapping, rules).stages,
        etag=referral.etag if is_whole else None,
        record_version=record.version if is_whole else None,
        referral_updated_at=referral.updated_at,
        record_modified_at=record.modified_at,
        audit=here.audit,
        name_in_crm=here.name_in_crm,
        sync=here.sync,
    )


def foreseen(
    values: Mapping[str, Agreed], stages: Stages, changed_at: tuple[datetime, datetime], mapping: RecordMapping
) -> Base:
    """What both sides will have agreed on once one of them is made from the other, kept in case that is cut off.

    It stands for no version. Fields that only ever travel to the CRM are left out: what shows the referral there is
    not known before. ``changed_at``: when the referral, and the record, changed last.
    """
    travelling = {row.name for row in mapping.all_fields if row.to_partner_center is not Travels.NEVER}
    return Base(
        fields={name: agreed for name, agreed in values.items() if name in travelling},
        stages=stages,
        etag=None,
        record_version=None,
        referral_updated_at=changed_at[0],
        record_modified_at=changed_at[1],
    )


def presumed_record(kind: RecordKind, record_id: str, base: Base, mapping: RecordMapping) -> Record:
    """The record to write against when it was not read: as the base has it, version included."""
    rows = {row.name: row for row in mapping.all_fields}
    return Record(
        kind=kind,
        id=record_id,
        version=base.record_version,
        modified_at=base.record_modified_at,
        stage=base.stages.record,
        values={
            rows[name].crm: rows[name].convert.to_crm(agreed.crm)
            for name, agreed in base.holdings.items()
            if name in rows and agreed.crm is not None
        },
    )
