"""A lead that becomes an opportunity: what it must hold by then, and what goes over to the opportunity."""

from __future__ import annotations

from typing import Any

from shared.domain.base import Agreed, Base, RecordView, ReferralView, dump_base, view_record
from shared.domain.mapping import RecordMapping, Required, Travels
from shared.domain.record import CrmStage, NewRecord, Record
from shared.domain.referral import ReferralStage
from shared.domain.stages import Stages


def missing_to_qualify(lead: RecordView, mapping: RecordMapping) -> tuple[str, ...]:
    """Everything that must be filled first, at once, each as "label: what to do".

    Revenue and closing date must be there when a lead is qualified, Microsoft's guide says; a revenue of 0 is filled.
    """
    lacking = [row for row in mapping.fields if row.required is Required.ALWAYS and _is_blank(lead.values, row.name)]
    return tuple(f"{row.label}: {row.remedy}".strip(": ") for row in lacking)


def carry_over(
    base: Base, lead_mapping: RecordMapping, mapping: RecordMapping, opportunity: Record, referral: ReferralView
) -> dict[str, Any]:
    """The base of the lead's link as that of the opportunity: what was changed on one side alone still travels.

    It stands for no version. Fields that the opportunity did not get from the lead are left out, so that they are
    filled and not taken for cleared. What the lead had no field for, the referral alone has said so far: where a CRM
    fills it by itself, as with a closing date that nobody chose, that is no edit. The stages are those that a lead
    begins with: whatever moved since is news.
    """
    held = view_record(opportunity, mapping).values
    same = {row.name: row.convert for row in lead_mapping.all_fields}
    fields = {
        row.name: base.fields[row.name]
        for row in mapping.all_fields
        if row.name in base.fields and same.get(row.name) == row.convert and not _is_blank(held, row.name)
    }
    made_up = {
        row.name: Agreed(None, held[row.name])
        for row in mapping.fields
        if row.name not in same
        and row.to_crm is row.to_partner_center is Travels.ALWAYS
        and not row.convert.is_set
        and not _is_blank(held, row.name)
        and not _is_blank(referral.values, row.name)
    }
    carried = Base(
        fields={**made_up, **fields},
        stages=Stages(ReferralStage.RECEIVED, CrmStage.ON_HOLD),
        etag=None,
        record_version=None,
        referral_updated_at=base.referral_updated_at,
        record_modified_at=base.record_modified_at,
        sync=base.sync,
    )
    return dump_base(carried, mapping)


def what_is_blank(new: NewRecord, opportunity: Record, mapping: RecordMapping, *, syncs: bool) -> dict[str, Any]:
    """What ``new`` has that is only written when a record is made, as far as the opportunity is blank there.

    The other fields are merged like those of every deal. The customer's account is as the lead had it.
    """
    columns = mapping.columns
    paths = [columns.referral_id]
    paths += [row.crm for row in mapping.fields if row.to_crm is Travels.CREATE and mapping.account_column(row) is None]
    values = {path: new.values[path] for path in paths if new.values.get(path) and not opportunity.values.get(path)}
    if syncs and not opportunity.values.get(columns.sync):
        values[columns.sync] = True
    return values


def _is_blank(values: Any, name: str) -> bool:
    return values.get(name) in (None, ())
