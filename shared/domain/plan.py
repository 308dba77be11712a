"""The one rule for both directions: compare both sides with what they last agreed on, and say what to write where.

Nothing here reads or writes anything. An empty plan writes nothing anywhere; that is what stops echoes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.domain.base import Agreed, Base, Begun, RecordView, ReferralView
from shared.domain.begun import begin
from shared.domain.converters import CHECK_MARK, CROSS_MARK
from shared.domain.errors import Rejected
from shared.domain.mapping import NO_LIMITS, FieldLimits, FieldMapping, RecordMapping, Required
from shared.domain.merge import Conflict, Merged, Side, merge_field
from shared.domain.microsofts_side import news_line
from shared.domain.patch import PatchOperation, patch_path
from shared.domain.record import CrmStage, RecordChange
from shared.domain.referral import ReferralStage
from shared.domain.stages import StageDecision, Stages, plan_stages


@dataclass(frozen=True)
class Rules:
    """What settings and the CRM say about every plan. ``limits`` by CRM path, ``currencies`` by ISO code."""

    display_check_mark: bool
    limits: Mapping[str, FieldLimits] = field(default_factory=dict)
    currencies: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What to do. ``to_partner_center`` are PATCHes, one after the other; ``to_crm`` is one atomic change.

    ``fields`` and ``stages`` are the base once everything is written. ``sent`` and ``received`` name the fields that
    travel, by label, to and from Partner Center. ``waiting`` names fields whose change waits for the record to leave
    the on-hold stage or to be switched to sync; ``notes`` are sentences for the audit.
    ``kept`` names the fields whose base stays as it was, because their change is still to travel, and ``present`` has
    what both sides hold in them once the plan is carried out.
    ``emptied`` names sets that the CRM has emptied although a referral needs them: they are kept, and a person is told.
    ``needs_referral`` says that a set travels, which can only be patched knowing the referral's present document.
    ``begun`` is what to remember of the plan before it is carried out.
    """

    to_partner_center: tuple[tuple[PatchOperation, ...], ...]
    to_crm: RecordChange
    fields: Mapping[str, Agreed]
    stages: Stages
    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    held: Mapping[str, Any] = field(default_factory=dict)
    emptied: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kept: frozenset[str] = frozenset()
    present: Mapping[str, Agreed] = field(default_factory=dict)
    needs_referral: bool = False
    begun: Mapping[str, Begun] = field(default_factory=dict)

    @property
    def closes_or_clears(self) -> bool:
        """Whether one side's deal is closed, or a field of it emptied, because of the other: what brakes count."""
        closes = self.to_crm.stage is not None and self.to_crm.stage.stage.is_closed
        sent = [operation for operations in self.to_partner_center for operation in operations]
        closes = closes or any(operation.path == "/status" and operation.value == "Closed" for operation in sent)
        emptied = [*self.to_crm.values.values(), *(operation.value for operation in sent)]
        return closes or any(value is None or value in ("", (), []) for value in emptied)

    @property
    def is_empty(self) -> bool:
        """Nothing to write on either side, and nothing to tell."""
        return not self.to_partner_center and not self.to_crm and not self.notes and not self.conflicts


def plan(referral: ReferralView, record: RecordView, base: Base | None, mapping: RecordMapping, rules: Rules) -> Plan:
    """The plan for one link. Raises ``Rejected`` for a value that the other side cannot take."""
    now = Stages(referral.stage, record.stage)
    stages = plan_stages(now, base.stages if base else None, referral.status_reason, record.kind)
    merged = _merge_all(referral, record, base, mapping, rules)
    blocked = _reason_not_to_send(referral, record, stages)
    emptied = [m for m in merged if not blocked and _empties_what_is_required(m)]
    sending = [m for m in merged if m.write_partner_center and not blocked and m not in emptied]
    pending = [m for m in merged if m.write_partner_center and blocked]
    # A value that is written to both sides goes to both or to none; sets are merged again at any time.
    receiving = [m for m in merged if m.write_crm and (m.row.convert.is_set or m not in pending)]
    steps = stages.referral_steps if record.sync else ()
    # Who wins a field that waits is told once it travels, not at every look until then.
    conflicts = [m.conflict for m in merged if m.conflict and m not in pending and not _is_held_as_told(m, base)]
    notes = [stages.note] if stages.note else []
    if pending and referral.stage.is_closed:
        notes.append(f"{_labels(pending)} changed in the CRM, but a closed referral cannot be changed.")
    notes += [_emptied_note(m) for m in emptied if not _told_before(m, base)]
    if line := _news_of_microsoft(referral, base):
        notes.append(line)
    final = {m.row.name: m.agreed for m in merged}
    kept = [m for m in merged if m.is_held or m in emptied or (m in pending and not referral.stage.is_closed)]
    present = {}
    for m in [*kept, *(m for m in pending if m not in kept)]:
        here = m.crm if m in receiving else record.values[m.row.name]
        present[m.row.name] = final[m.row.name] = Agreed(referral.values[m.row.name], here)
    for m in kept:
        _keep_base(final, m, base)
    return Plan(
        to_partner_center=_patches(referral, record, sending, steps),
        to_crm=_record_change(receiving, stages, mapping, rules),
        fields=final,
        stages=stages.agreed if record.sync or not stages.referral_steps else _paused(stages, referral, record, base),
        sent=tuple(m.row.label for m in sending) + ((f"Stage: {steps[-1].substatus}",) if steps else ()),
        received=tuple(m.row.label for m in receiving) + _stage_received(stages),
        conflicts=tuple(conflicts),
        held={m.row.name: _fingerprint(m) for m in merged if m.is_held or m in emptied},
        emptied=tuple(m.row.label for m in emptied),
        waiting=tuple(m.row.label for m in pending) if not referral.stage.is_closed else (),
        notes=tuple(notes),
        kept=frozenset(m.row.name for m in kept),
        present={m.row.name: present[m.row.name] for m in kept},
        needs_referral=referral.document is None and any(m.row.convert.is_set for m in sending),
        begun={
            m.row.name: begin(
                m, to_partner_center=m in sending, to_crm=m in receiving, seen_there=referral.values[m.row.name]
            )
            for m in merged
            if m in sending or m in receiving
        },
    )


def _stage_received(stages: StageDecision) -> tuple[str, ...]:
    """Named by the referral's stage, which sellers see in Partner Center: the CRM's own name of it is a setting."""
    return (f"Stage: {stages.agreed.referral.substatus}",) if stages.record_change else ()


def _merge_all(
    referral: ReferralView, record: RecordView, base: Base | None, mapping: RecordMapping, rules: Rules
) -> list[Merged]:
    newer = Side.CRM if record.modified_at > referral.updated_at else Side.PARTNER_CENTER
    rows = [row for row in mapping.all_fields if row.name in referral.values and row.name in record.values]
    currency = next((row for row in rows if row.converter == "currency"), None)
    ordered = sorted(rows, key=lambda row: row is not currency)
    decimals: int | None = None
    merged = []
    for row in ordered:
        outcome = merge_field(
            row,
            referral.values[row.name],
            record.values[row.name],
            base.fields.get(row.name) if base else None,
            limits_of(row, rules, decimals),
            newer,
        )
        if row is currency:
            decimals = rules.currencies.get(outcome.crm) if outcome.crm else None
        if outcome.write_crm:
            check_for_crm(row, outcome.crm, rules)
        merged.append(outcome)
    return merged


def limits_of(row: FieldMapping, rules: Rules, currency_decimals: int | None) -> FieldLimits:
    """The row's limits; money without decimals of its own takes those of the deal's currency."""
    limits = rules.limits.get(row.crm, NO_LIMITS)
    if row.converter == "money" and limits.decimals is None and currency_decimals is not None:
        return replace(limits, decimals=currency_decimals)
    return limits


def check_for_crm(row: FieldMapping, value: Any, rules: Rules) -> None:
    """Raises ``Rejected`` naming a currency or option that the CRM does not have."""
    if row.converter == "currency" and value is not None and rules.currencies and value not in rules.currencies:
        known = ", ".join(sorted(rules.currencies))
        raise Rejected(
            f"The currency {value} of the referral does not exist in the CRM, which has {known}",
            field=row.label,
            code="unknown_currency",
            remedy=f"Add the currency {value} to the CRM, or correct it in Partner Center.",
        )
    options = rules.limits.get(row.crm, NO_LIMITS).options
    if options is not None and value is not None:
        label = row.convert.to_crm(value)
        if label.casefold() not in (option.casefold() for option in options):
            raise Rejected(
                f"{row.label} has no option {label!r} in the CRM",
                field=row.label,
                code="unknown_option",
                remedy="Add the option to the field, or name the CRM's own label under choices in customize.toml.",
            )


def _reason_not_to_send(referral: ReferralView, record: RecordView, stages: StageDecision) -> str:
    if referral.stage.is_closed:
        return "closed"
    if not record.sync:
        return "not switched to sync"
    return "on hold" if stages.agreed.record is CrmStage.ON_HOLD else ""


def _patches(
    referral: ReferralView, record: RecordView, sending: list[Merged], steps: tuple[ReferralStage, ...]
) -> tuple[tuple[PatchOperation, ...], ...]:
    """Field values go with the first step; each further step is a PATCH of its own."""
    operations = [PatchOperation("replace", patch_path(m.row.partner_center), _json(m, referral)) for m in sending]
    patches: list[tuple[PatchOperation, ...]] = []
    for step in steps:
        operations += stage_operations(step, record.stage_reason)
        patches.append(tuple(operations))
        operations = []
    if operations:
        patches.append(tuple(operations))
    return tuple(patches)


def _json(m: Merged, referral: ReferralView) -> Any:
    current: Any = referral.document
    for part in m.row.partner_center.split("."):
        current = current.get(part) if isinstance(current, Mapping) else None
    return m.row.convert.to_partner_center(m.partner_center, current)


def stage_operations(stage: ReferralStage, reason: str | None) -> list[PatchOperation]:
    """Status and substatus travel together; a deal that ends without success carries its reason."""
    operations = [
        PatchOperation("replace", "/status", stage.status),
        PatchOperation("replace", "/substatus", stage.substatus),
    ]
    if reason and stage in (ReferralStage.LOST, ReferralStage.DECLINED):
        operations.append(PatchOperation("replace", "/statusReason", reason))
    return operations


def _record_change(
    receiving: list[Merged], stages: StageDecision, mapping: RecordMapping, rules: Rules
) -> RecordChange:
    values = {m.row.crm: m.row.convert.to_crm(m.crm) for m in receiving}
    if mapping.has("name") and (name := mapping.field("name")).crm in values:
        values[name.crm] = marked(str(values[name.crm] or ""), rules)
    return RecordChange(values, stages.record_change)


def marked(name: str, rules: Rules) -> str:
    """``name`` with the check mark of a sync that worked, where settings want marks."""
    return f"{CHECK_MARK} {name}" if rules.display_check_mark else name


def crossed(name: str, rules: Rules) -> str:
    """``name`` with the cross mark of a failed sync."""
    return f"{CROSS_MARK} {name}" if rules.display_check_mark else name


def _labels(merged: list[Merged]) -> str:
    return ", ".join(m.row.label for m in merged)


def _keep_base(final: dict[str, Agreed], m: Merged, base: Base | None) -> None:
    old = base.fields.get(m.row.name) if base else None
    if old is None:
        final.pop(m.row.name)
    else:
        final[m.row.name] = old


def _paused(stages: StageDecision, referral: ReferralView, record: RecordView, base: Base | None) -> Stages:
    """A move that may not travel yet stays open: the base keeps what was agreed before it."""
    return base.stages if base else Stages(referral.stage, record.stage)


def _fingerprint(m: Merged) -> list[Any]:
    return [m.row.convert.dump(m.partner_center), m.row.convert.dump(m.crm)]


def _is_held_as_told(m: Merged, base: Base | None) -> bool:
    return m.is_held and _told_before(m, base)


def _told_before(m: Merged, base: Base | None) -> bool:
    """What waits for a person is told once, and again only when a value changes."""
    return base is not None and base.held.get(m.row.name) == _fingerprint(m)


def _empties_what_is_required(m: Merged) -> bool:
    """Partner Center takes no referral without a solution, and drops none that has lost its last.

    https://learn.microsoft.com/partner-center/developer/create-a-referral
    """
    return (
        m.write_partner_center and m.row.convert.is_set and m.row.required is Required.ALWAYS and not m.partner_center
    )


def _news_of_microsoft(referral: ReferralView, base: Base | None) -> str:
    if referral.microsofts is None:
        return ""
    return news_line(referral.microsofts, base.microsofts if base else None, referral.values.get("team") or ())


def _emptied_note(m: Merged) -> str:
    return (
        f"{m.row.label}: the last one was removed in the CRM, but a referral needs at least one; Partner Center "
        f"keeps what it has. {m.row.remedy}".rstrip()
    )
