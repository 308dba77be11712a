"""A referral that is to become a CRM record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shared.domain.base import Agreed, Base, ReferralView
from shared.domain.converters import cut
from shared.domain.mapping import NO_LIMITS, RecordMapping, Travels
from shared.domain.plan import Rules, check_for_crm, limits_of, marked
from shared.domain.record import CrmStage, CustomerAccount, NewRecord, RecordKind, StageChange
from shared.domain.referral import Referral
from shared.domain.settle import foreseen
from shared.domain.stages import Stages, first_stage
from shared.domain.values import Person


def build_record(
    referral: Referral,
    view: ReferralView,
    mapping: RecordMapping,
    rules: Rules,
    audit: str,
    kind: RecordKind = RecordKind.OPPORTUNITY,
) -> NewRecord:
    """The record, its customer account, contacts and solutions, as one thing to create.

    A lead is made open, and qualified later if its referral was accepted already. CRMs do not take a lead without a
    last name; it is the company's name then.

    Raises ``Rejected`` for a value that the CRM cannot take, naming the field.
    """
    decimals = rules.currencies.get(view.values.get("currency") or "")
    values: dict[str, Any] = dict(mapping.constants)
    account: dict[str, Any] = {}
    match: dict[str, Any] = {}
    for row in mapping.all_fields:
        if row.to_crm is Travels.NEVER or row.name not in view.values:
            continue
        value = row.convert.project(view.values[row.name], limits_of(row, rules, decimals))
        check_for_crm(row, value, rules)
        written = None if value is None else row.convert.to_crm(value)
        column = mapping.account_column(row)
        if column is None:
            if written is not None:
                values[row.crm] = written
        else:
            account[column] = written
            if mapping.account and row.name in mapping.account.match:
                match[column] = written
    values[mapping.columns.sync] = True
    if mapping.columns.audit:
        values[mapping.columns.audit] = audit
    if mapping.has("name"):
        name = mapping.field("name").crm
        limit = rules.limits.get(name, NO_LIMITS).max_length
        values[name] = cut(marked(str(values.get(name) or _fallback_name(view)), rules), limit)
    is_lead = kind is RecordKind.LEAD
    if is_lead and mapping.has("contacts"):
        contacts = mapping.field("contacts").crm
        values[contacts] = _with_last_name(values.get(contacts) or (), _fallback_name(view))
    return NewRecord(
        kind=kind,
        referral_id=referral.id,
        stage=StageChange(CrmStage.ON_HOLD) if is_lead else first_stage(view.stage, view.status_reason),
        values=values,
        account=CustomerAccount(match, account) if mapping.account else None,
    )


def foresee_record(referral: Referral, view: ReferralView, mapping: RecordMapping, rules: Rules) -> Base:
    """What both sides will have agreed on once :func:`build_record`'s record is made.

    Without sets: which of the people a CRM takes is not known before, and whom it did not take nobody has removed.
    """
    decimals = rules.currencies.get(view.values.get("currency") or "")
    values = {
        row.name: Agreed(there, row.convert.project(there, limits_of(row, rules, decimals)))
        for row in mapping.all_fields
        if row.to_crm is not Travels.NEVER and not row.convert.is_set
        for there in [view.values.get(row.name)]
        if row.name in view.values
    }
    stages = Stages(referral.stage, referral.stage.crm_stage)
    return foreseen(values, stages, (referral.updated_at, referral.updated_at), mapping)


def _with_last_name(people: Sequence[Person], fallback: str) -> tuple[Person, ...]:
    """The first of ``people``, or somebody without a name of their own, with a last name."""
    first = people[0] if people else Person()
    return (first if first.last_name else replace(first, last_name=fallback),)


def _fallback_name(view: ReferralView) -> str:
    return str(view.values.get("customer_name") or "Co-sell referral")
