"""What both sides last agreed on, and both sides as the plan compares them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from shared.domain.errors import Rejected
from shared.domain.mapping import FieldMapping, RecordMapping
from shared.domain.microsofts_side import MicrosoftsSide, load_microsofts
from shared.domain.record import CrmStage, Record, RecordKind
from shared.domain.referral import Referral, ReferralStage, read_path
from shared.domain.stages import Stages


@dataclass(frozen=True)
class Agreed:
    """One field's value on each side when they last agreed. They may differ where the CRM holds less."""

    partner_center: Any
    crm: Any


@dataclass(frozen=True)
class Begun:
    """A field that a sync is writing, or was when it was cut off: what it is to be, and which sides are written.

    ``overruled`` has Partner Center's value that lost a conflict against the CRM's. ``since`` is when that began;
    ``audit`` stands for the audit that the record is given in the same write as the field.
    """

    agreed: Agreed
    to_partner_center: bool
    to_crm: bool
    overruled: Agreed | None = None
    since: datetime | None = None
    audit: str = ""


@dataclass(frozen=True)
class Base:
    """The agreed state of a link.

    ``etag`` and ``record_version`` are the versions it holds for: while they are current, a side need not be read.
    ``record_version`` is ``None`` when the CRM did not say. ``held`` are conflicts that wait for a person, as both
    values were when the audit told of them. ``present`` is what both sides hold at those versions in the fields whose
    change is still to travel, beside the older values in ``fields`` that it is a change from. ``microsofts`` is
    Microsoft's side of the deal as the CRM was last told of it. ``begun`` is empty unless a sync was cut off while it
    wrote: neither side can be presumed then (:mod:`shared.domain.begun`).
    """

    fields: Mapping[str, Agreed]
    stages: Stages
    etag: str | None
    record_version: str | None
    referral_updated_at: datetime
    record_modified_at: datetime
    audit: str = ""
    name_in_crm: str = ""
    sync: bool = True
    held: Mapping[str, Any] = field(default_factory=dict)
    present: Mapping[str, Agreed] = field(default_factory=dict)
    microsofts: MicrosoftsSide | None = None
    begun: Mapping[str, Begun] = field(default_factory=dict)

    @property
    def holdings(self) -> Mapping[str, Agreed]:
        """What each side holds at the versions of the base."""
        return {**self.fields, **self.present}


@dataclass(frozen=True)
class ReferralView:
    """The referral, by field name. ``document`` is ``None`` when it is presumed from the base and not read.

    ``microsofts`` is the other side of the deal, ``None`` while there is none or it was never read.
    """

    values: Mapping[str, Any]
    stage: ReferralStage
    updated_at: datetime
    status_reason: str | None = None
    document: Mapping[str, Any] | None = None
    microsofts: MicrosoftsSide | None = None


@dataclass(frozen=True)
class RecordView:
    """The CRM record, by field name, with what the connector itself keeps on it."""

    values: Mapping[str, Any]
    stage: CrmStage
    modified_at: datetime
    audit: str = ""
    name_in_crm: str = ""
    sync: bool = True
    stage_reason: str | None = None
    kind: RecordKind = RecordKind.OPPORTUNITY


def view_referral(referral: Referral, mapping: RecordMapping) -> ReferralView:
    """Raises ``Rejected`` naming the field whose value the mapping cannot take."""
    values = {
        row.name: _converted(row, "from_partner_center", read_path(referral.document, row.partner_center))
        for row in mapping.all_fields
        if not row.partner_center.startswith(MADE_UP)
    }
    if mapping.columns.referral_link:
        values["referral_link"] = referral.link
    return ReferralView(values, referral.stage, referral.updated_at, referral.status_reason, referral.document)


def show_microsofts(
    referral: ReferralView, record: RecordView, side: MicrosoftsSide | None, mapping: RecordMapping
) -> tuple[ReferralView, RecordView]:
    """Both views with Microsoft's side in the fields for which the mapping names a column.

    A record that is presumed is presumed to be blank there until the first time.
    """
    if side is None:
        return referral, record
    people = side.people(referral.values.get("team") or ())
    names = (f"{one.first_name} {one.last_name}".strip() or one.email for one in people)
    shown = {"microsoft_status": side.status, "microsoft_team": "; ".join(names) or None}
    mapped = {name: value for name, value in shown.items() if getattr(mapping.columns, name)}
    return (
        replace(referral, values={**referral.values, **mapped}, microsofts=side),
        replace(record, values={**dict.fromkeys(mapped), **record.values}),
    )


def view_record(record: Record, mapping: RecordMapping) -> RecordView:
    """Raises ``Rejected`` naming the field whose value the mapping cannot take."""
    view, unreadable = view_readable(record, mapping)
    for problem in unreadable.values():
        raise problem
    return view


def view_readable(record: Record, mapping: RecordMapping) -> tuple[RecordView, Mapping[str, Rejected]]:
    """The record with what the mapping cannot take left blank, and for each such field, by name, why not."""
    values: dict[str, Any] = {}
    unreadable: dict[str, Rejected] = {}
    for row in mapping.all_fields:
        if row.crm in record.values:
            try:
                values[row.name] = _converted(row, "from_crm", record.values[row.crm])
            except Rejected as problem:
                values[row.name], unreadable[row.name] = None, problem
    columns = mapping.columns
    view = RecordView(
        values=values,
        stage=record.stage,
        modified_at=record.modified_at,
        audit=str(record.values.get(columns.audit) or ""),
        name_in_crm=_name_in_crm(record, mapping),
        sync=bool(record.values.get(columns.sync)),
        stage_reason=record.stage_reason,
        kind=record.kind,
    )
    return view, unreadable


def presume_referral(base: Base) -> ReferralView:
    """The referral as it was when last agreed; right as long as its ETag is still the base's."""
    return ReferralView(
        values={name: agreed.partner_center for name, agreed in base.holdings.items()},
        stage=base.stages.referral,
        updated_at=base.referral_updated_at,
        microsofts=base.microsofts,
    )


def presume_record(base: Base) -> RecordView:
    """The record as it was when last agreed; right as long as its version is still the base's."""
    return RecordView(
        values={name: agreed.crm for name, agreed in base.holdings.items()},
        stage=base.stages.record,
        modified_at=base.record_modified_at,
        audit=base.audit,
        name_in_crm=base.name_in_crm,
        sync=base.sync,
    )


def dump_base(base: Base, mapping: RecordMapping) -> dict[str, Any]:
    """A JSON document; rows are written by their converters."""
    return {
        "rows": _signatures(mapping),
        "fields": _dump_values(base.fields, mapping),
        "present": _dump_values(base.present, mapping),
        "stages": [base.stages.referral.value, base.stages.record.value],
        "etag": base.etag,
        "record_version": base.record_version,
        "referral_updated_at": base.referral_updated_at.isoformat(),
        "record_modified_at": base.record_modified_at.isoformat(),
        "audit": base.audit,
        "name_in_crm": base.name_in_crm,
        "sync": base.sync,
        "held": dict(base.held),
        "microsofts": base.microsofts.dump() if base.microsofts else None,
        "begun": _dump_begun(base.begun, mapping),
    }


def load_base(document: Mapping[str, Any], mapping: RecordMapping) -> Base:
    """The base that :func:`dump_base` wrote, without rows that the mapping no longer has, or has otherwise.

    It stands for no version when the mapping changed since: what a new row names was not looked at then.
    """
    rows, stored = _signatures(mapping), document["rows"]
    same = {name for name, signature in rows.items() if stored.get(name) == signature}
    is_current = rows == stored
    return Base(
        fields=_load_values(document["fields"], mapping, same),
        present=_load_values(document["present"], mapping, same),
        stages=Stages(ReferralStage(document["stages"][0]), CrmStage(document["stages"][1])),
        etag=document["etag"] if is_current else None,
        record_version=document["record_version"] if is_current else None,
        referral_updated_at=datetime.fromisoformat(document["referral_updated_at"]),
        record_modified_at=datetime.fromisoformat(document["record_modified_at"]),
        audit=document["audit"],
        name_in_crm=document["name_in_crm"],
        sync=document["sync"],
        held=document["held"],
        microsofts=load_microsofts(document.get("microsofts")),
        begun=_load_begun(document.get("begun") or {}, mapping, same),
    )


def _signatures(mapping: RecordMapping) -> dict[str, str]:
    """By row name, what a stored value depends on: where it was read, and by which converter."""
    return {
        row.name: sha256(
            repr((row.partner_center, row.crm, row.converter, sorted(row.choices.items()))).encode()
        ).hexdigest()[:8]
        for row in mapping.all_fields
    }


def _dump_values(values: Mapping[str, Agreed], mapping: RecordMapping) -> dict[str, list[Any]]:
    converters = {row.name: row.convert for row in mapping.all_fields}
    return {
        name: [converters[name].dump(agreed.partner_center), converters[name].dump(agreed.crm)]
        for name, agreed in values.items()
        if name in converters
    }


def _load_values(stored: Mapping[str, Any], mapping: RecordMapping, names: Container[str]) -> dict[str, Agreed]:
    converters = {row.name: row.convert for row in mapping.all_fields}
    return {
        name: Agreed(converters[name].load(there), converters[name].load(here))
        for name, (there, here) in stored.items()
        if name in names
    }


def _dump_begun(begun: Mapping[str, Begun], mapping: RecordMapping) -> dict[str, Any]:
    overruled = {name: one.overruled for name, one in begun.items() if one.overruled is not None}
    return {
        "agreed": _dump_values({name: one.agreed for name, one in begun.items()}, mapping),
        "writes": {name: [one.to_partner_center, one.to_crm] for name, one in begun.items()},
        "since": {name: one.since.isoformat() for name, one in begun.items() if one.since},
        "audit": {name: one.audit for name, one in begun.items() if one.audit},
        "overruled": _dump_values(overruled, mapping),
    }


def _load_begun(stored: Mapping[str, Any], mapping: RecordMapping, names: Container[str]) -> dict[str, Begun]:
    agreed = _load_values(stored.get("agreed", {}), mapping, names)
    overruled = _load_values(stored.get("overruled", {}), mapping, names)
    writes: Mapping[str, tuple[bool, bool]] = stored.get("writes", {})
    since = {name: datetime.fromisoformat(text) for name, text in stored.get("since", {}).items()}
    audit: Mapping[str, str] = stored.get("audit", {})
    return {
        name: Begun(one, *writes[name], overruled.get(name), since.get(name), audit.get(name, ""))
        for name, one in agreed.items()
    }


MADE_UP = "@"
"""How paths begin whose values are not read from the document: its link, and what Microsoft's side shows."""


def _name_in_crm(record: Record, mapping: RecordMapping) -> str:
    """The record's name as it stands there, mark included."""
    return str(record.values.get(mapping.field("name").crm) or "") if mapping.has("name") else ""


def _converted(row: FieldMapping, direction: str, raw: Any) -> Any:
    try:
        return getattr(row.convert, direction)(raw)
    except ValueError as problem:
        where = "Partner Center" if direction == "from_partner_center" else "the CRM"
        raise Rejected(
            f"{row.label} in {where} {problem}",
            field=row.label,
            code="value",
            remedy=row.remedy or f"Correct {row.label} in {where}.",
        ) from problem
