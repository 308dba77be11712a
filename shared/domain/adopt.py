"""What to remember of a deal that another connector has kept in step: where both sides agree, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from shared.domain.base import Agreed, Base, RecordView, ReferralView, show_microsofts, view_record, view_referral
from shared.domain.link import LinkStatus
from shared.domain.mapping import FieldMapping, RecordMapping
from shared.domain.microsofts_side import view_microsofts
from shared.domain.plan import Plan, Rules, plan
from shared.domain.record import CrmStage, Record, RecordKind
from shared.domain.referral import MICROSOFT, Referral, ReferralStage, read_path
from shared.domain.stages import Stages, is_to_be_qualified

STAGE = "stage"


class Choice(StrEnum):
    """Whose value holds where the two sides differ: ``POLICY`` is each field's own, ``newest`` unless customized.

    ``LEAVE`` writes nothing until somebody edits the field. Sets (people, solutions) are put together whatever is
    chosen, and stages follow the rules of stages: a closed referral stays closed.
    """

    POLICY = "policy"
    PARTNER_CENTER = "partner-center"
    CRM = "crm"
    LEAVE = "leave"


class Ending(StrEnum):
    """How a difference ends with the first sync: whose value both sides have then, or why they still differ.

    ``WAITS`` is for a person, or for the record to leave the on-hold stage or to be switched to sync.
    """

    PARTNER_CENTER = "partner_center"
    CRM = "crm"
    BOTH = "both"
    WAITS = "waits"
    STAYS = "stays"


@dataclass(frozen=True)
class Difference:
    """One field; the values are canonical, and personal ones are for nobody's eyes."""

    field: str
    label: str
    partner_center: Any
    crm: Any
    ending: Ending
    is_personal: bool = False


@dataclass(frozen=True)
class Adoption:
    """``base`` stands for the versions of both sides only when the next sync has nothing to do."""

    base: Base
    differences: tuple[Difference, ...]
    status: LinkStatus


def adopt(
    referral: Referral,
    record: Record,
    microsofts: Referral | None,
    mapping: RecordMapping,
    rules: Rules,
    choice: Choice = Choice.POLICY,
) -> Adoption:
    """The base of a pair as both sides stand now. Raises ``Rejected`` for a value that one side cannot take.

    A field is in the base where both sides agree, as the sync itself compares them. Where they differ it is left out,
    so that the next sync settles it by the field's policy, or it is put in as ``choice`` wants it. A deal that is over
    on both sides is taken as it is.
    """
    theirs = None if microsofts is None else view_microsofts(microsofts)
    views = show_microsofts(view_referral(referral, mapping), view_record(record, mapping), theirs, mapping)
    there, here = views
    now = Stages(there.stage, here.stage)
    if there.stage.is_closed and here.stage.is_closed:
        choice = Choice.LEAVE
    differing = _differing(there, here, plan(there, here, None, mapping, rules), mapping)
    for name in _other_words(referral.id, here):
        differing.pop(name, None)
    base = Base(
        fields=_agreed(there, here, differing, choice),
        stages=now if choice is Choice.LEAVE else stages_before(now, here.kind),
        etag=None,
        record_version=None,
        referral_updated_at=referral.updated_at,
        record_modified_at=record.modified_at,
        audit=here.audit,
        name_in_crm=here.name_in_crm,
        sync=here.sync,
        microsofts=theirs,
    )
    planned = plan(there, here, base, mapping, rules)
    differences = [_difference(row, there, here, planned) for row in differing.values()]
    if not _is_same_stage(now, here.kind):
        differences.insert(0, _stage_difference(now, here, planned))
    is_over = there.stage.is_closed and here.stage.is_closed
    if is_over or (planned.is_empty and not planned.kept and not is_to_be_qualified(now)):
        status = LinkStatus.CLOSED if there.stage.is_closed else LinkStatus.SYNCED
        base = replace(base, etag=referral.etag, record_version=record.version)
        return Adoption(base, tuple(differences), status)
    return Adoption(base, tuple(differences), LinkStatus.PENDING)


def stages_before(now: Stages, kind: RecordKind = RecordKind.OPPORTUNITY) -> Stages:
    """Where both sides may have stood when they last agreed, so that the one that moved on since is seen to have moved.

    Two sides that are closed in different ways are both final: they are taken as they are.
    """
    there, here = now.referral, now.record
    if _is_same_stage(now, kind) or (there.is_closed and here.is_closed):
        return now
    if here.is_closed:
        return Stages(there, there.crm_stage)
    if there.is_closed and here is CrmStage.ACTIVE:
        return Stages(ReferralStage.ACCEPTED, here)
    return Stages(ReferralStage.RECEIVED, CrmStage.ON_HOLD)


def microsofts_id(
    referral: Referral, record: Record, microsofts: Referral | None, mapping: RecordMapping, *, shows_microsofts: bool
) -> str | None:
    """Microsoft's referral of the deal, or only whose it is; ``None`` where Microsoft is not in it yet.

    Microsoft's connector invites Microsoft along with the first sync, when help was chosen. Where Partner Center shows
    us no side of Microsoft's at all (``shows_microsofts`` false), help that was chosen is taken for an invitation that
    was made: to invite twice is worse than to ask in Partner Center.
    """
    if microsofts is not None:
        return microsofts.id
    invited_by = read_path(referral.document, "inviteContext.invitedBy.organizationId")
    is_known_there = bool(read_path(referral.document, "trackingInfo.microsoftMsxId"))
    has_help = mapping.has("help") and bool(record.values.get(mapping.field("help").crm))
    if invited_by == MICROSOFT or is_known_there or (has_help and not shows_microsofts):
        return MICROSOFT
    return None


def _other_words(referral_id: str, here: RecordView) -> tuple[str, ...]:
    """Fields that show this referral on the record, though not as this connector writes it: good as they are."""
    shown = {name: str(here.values.get(name) or "").lower() for name in ("referral_id", "referral_link")}
    return tuple(name for name, text in shown.items() if referral_id.lower() in text)


def _differing(there: ReferralView, here: RecordView, planned: Plan, mapping: RecordMapping) -> dict[str, FieldMapping]:
    """The rows that a sync without a base would settle or leave in dispute, by name."""
    disputed = planned.kept | {conflict.field for conflict in planned.conflicts}
    return {
        row.name: row
        for row in mapping.all_fields
        if row.name in there.values
        and row.name in here.values
        and (
            row.name in disputed
            or planned.fields.get(row.name) != Agreed(there.values[row.name], here.values[row.name])
        )
    }


def _agreed(
    there: ReferralView, here: RecordView, differing: Mapping[str, FieldMapping], choice: Choice
) -> dict[str, Agreed]:
    fields = {}
    for name in there.values.keys() & here.values.keys():
        value_there, value_here = there.values[name], here.values[name]
        if name not in differing or (choice is Choice.LEAVE and not differing[name].convert.is_set):
            fields[name] = Agreed(value_there, value_here)
        elif not differing[name].convert.is_set and choice is Choice.PARTNER_CENTER:
            fields[name] = Agreed(value_here, value_here)
        elif not differing[name].convert.is_set and choice is Choice.CRM:
            fields[name] = Agreed(value_there, value_there)
    return fields


def _difference(row: FieldMapping, there: ReferralView, here: RecordView, planned: Plan) -> Difference:
    value_there, value_here = there.values[row.name], here.values[row.name]
    is_personal = row.personal or row.converter == "people"
    return Difference(
        row.name, row.label, value_there, value_here, _ending(row, value_there, value_here, planned), is_personal
    )


def _ending(row: FieldMapping, there: Any, here: Any, planned: Plan) -> Ending:
    if row.name in planned.kept:
        return Ending.WAITS
    final = planned.fields.get(row.name, Agreed(there, here))
    changes_there, changes_here = final.partner_center != there, final.crm != here
    if changes_there and changes_here:
        return Ending.BOTH
    return Ending.CRM if changes_there else Ending.PARTNER_CENTER if changes_here else Ending.STAYS


def _stage_difference(now: Stages, here: RecordView, planned: Plan) -> Difference:
    is_sent = any(operation.path == "/status" for patch in planned.to_partner_center for operation in patch)
    if planned.to_crm.stage is not None or is_to_be_qualified(now):
        ending = Ending.PARTNER_CENTER
    elif is_sent:
        ending = Ending.CRM
    else:
        ending = Ending.STAYS if here.sync or now.referral.is_closed else Ending.WAITS
    return Difference(STAGE, "Stage", now.referral.substatus, now.record.value.replace("_", " "), ending)


def _is_same_stage(now: Stages, kind: RecordKind) -> bool:
    is_lead_to_qualify = kind is RecordKind.LEAD and is_to_be_qualified(now)
    return now.referral.crm_stage == now.record and not is_lead_to_qualify
