"""What a sync was about to write when it was cut off: found on a side later, that is its own work and nobody's edit.

Without it, a PATCH whose answer was lost, or a record that changed between the two writes, would look like an edit on
both sides, and the newer one of a person could lose against our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from shared.domain.base import Agreed, Base, Begun, RecordView, ReferralView
from shared.domain.mapping import NO_LIMITS, FieldMapping, RecordMapping
from shared.domain.merge import Conflict, Merged, Side
from shared.domain.sets import by_key


def begin(merged: Merged, *, to_partner_center: bool, to_crm: bool, seen_there: Any) -> Begun:
    """The field as this plan is to leave it; ``seen_there`` is Partner Center's value before."""
    is_overruled = merged.conflict is not None and merged.conflict.winner is Side.CRM and to_partner_center
    return Begun(merged.agreed, to_partner_center, to_crm, Agreed(seen_there, None) if is_overruled else None)


def take_up(
    base: Base, referral: ReferralView, record: RecordView, mapping: RecordMapping
) -> tuple[Base, tuple[Conflict, ...]]:
    """The base as far as the sync before got with what it had begun, and the conflicts it settled but never told.

    Both views must have been read: what is presumed from the base shows nothing of it.
    """
    fields: dict[str, Agreed | None] = dict(base.fields)
    untold = []
    for name, begun in base.begun.items():
        if not (mapping.has(name) and name in referral.values and name in record.values):
            continue
        row, now = mapping.field(name), Agreed(referral.values[name], record.values[name])
        there = begun.to_partner_center and _same(row, now.partner_center, begun.agreed.partner_center)
        here = begun.to_crm and (_same(row, now.crm, begun.agreed.crm) or _stands_for(record.audit) == begun.audit)
        if _is_later(row, begun, now, fields.get(name), referral.updated_at) and not there:
            fields[name] = begun.agreed
            untold.append(Conflict(name, now.partner_center, now.crm, Side.PARTNER_CENTER, row.personal))
            continue
        fields[name] = _reached(fields.get(name), begun, there=there, here=here)
        if there and begun.overruled is not None:
            untold.append(Conflict(name, begun.overruled.partner_center, begun.agreed.crm, Side.CRM, row.personal))
    return replace(base, fields={name: agreed for name, agreed in fields.items() if agreed is not None}), tuple(untold)


def _is_later(row: FieldMapping, begun: Begun, now: Agreed, old: Agreed | None, changed_at: datetime) -> bool:
    """Partner Center holds what neither the sync wrote nor was there before, and the CRM what the sync wrote it for.

    Whether that write was done cannot be known any more. The edit is the later one either way.
    """
    if not begun.to_partner_center or begun.to_crm or row.convert.is_set or old is None or begun.since is None:
        return False
    is_new = not _same(row, now.partner_center, old.partner_center) and changed_at > begun.since
    return is_new and _same(row, now.crm, begun.agreed.crm)


def _reached(old: Agreed | None, begun: Begun, *, there: bool, here: bool) -> Agreed | None:
    """A side that was only looked at agreed, once the write to the other one is found to have been done."""
    if (there and not begun.to_crm) or (here and not begun.to_partner_center) or (there and here):
        return begun.agreed
    if old is None or not (there or here):
        return old
    return replace(old, partner_center=begun.agreed.partner_center) if there else replace(old, crm=begun.agreed.crm)


def dated(planned: Mapping[str, Begun], since: datetime, audit: str | None) -> dict[str, Begun]:
    """What a plan begins, at this time; ``audit`` is what the record's audit is to be, written along with its fields.

    No two audits are alike, so that finding it proves that all else in that write was done.
    """
    stands = _stands_for(audit) if audit else ""
    return {name: replace(begun, since=since, audit=stands if begun.to_crm else "") for name, begun in planned.items()}


def _stands_for(audit: str) -> str:
    return sha256(audit.replace("\r\n", "\n").strip().encode()).hexdigest()[:16]


def still_begun(base: Base | None, untold: tuple[Conflict, ...], planned: Mapping[str, Begun]) -> dict[str, Begun]:
    """What to remember before the next plan is carried out: its own writes, and conflicts that are still untold."""
    kept = {conflict.field for conflict in untold}
    return {**{name: begun for name, begun in (base.begun if base else {}).items() if name in kept}, **planned}


def _same(row: FieldMapping, one: Any, other: Any) -> bool:
    if row.convert.is_set:
        return bool(by_key(one) == by_key(other))
    return bool(row.convert.project(one, NO_LIMITS) == row.convert.project(other, NO_LIMITS))
