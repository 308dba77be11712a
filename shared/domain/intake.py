"""A referral that is to become a CRM record."""

from __future__ import annotations

from typing import Any

from shared.domain.base import ReferralView
from shared.domain.converters import cut
from shared.domain.mapping import NO_LIMITS, RecordMapping, Travels
from shared.domain.plan import Rules, check_for_crm, limits_of, marked
from shared.domain.record import CustomerAccount, NewRecord
from shared.domain.referral import Referral
from shared.domain.stages import first_stage


def build_record(referral: Referral, view: ReferralView, mapping: RecordMapping, rules: Rules, audit: str) -> NewRecord:
    """The record, its customer account, contacts and solutions, as one thing to create.

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
            if row.name in mapping.account.match:
                match[column] = written
    values[mapping.columns.sync] = True
    if mapping.columns.audit:
        values[mapping.columns.audit] = audit
    if mapping.has("name"):
        name = mapping.field("name").crm
        limit = rules.limits.get(name, NO_LIMITS).max_length
        values[name] = cut(marked(str(values.get(name) or _fallback_name(view)), rules), limit)
    return NewRecord(
        kind=referral.kind,
        referral_id=referral.id,
        stage=first_stage(view.stage, view.status_reason),
        values=values,
        account=CustomerAccount(match, account),
    )


def _fallback_name(view: ReferralView) -> str:
    return str(view.values.get("customer_name") or "Co-sell referral")
