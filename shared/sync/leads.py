"""Keeps a linked pair in step, and turns a lead into an opportunity once one side says that it is one.

A lead is qualified in the CRM by a seller, or by the connector once its referral was accepted in Partner Center
(learn.microsoft.com/partner-center/referrals/connectors-troubleshoot). The link then goes on with the opportunity.
Each step can be repeated: what an earlier try made is found by the lead, and by the referral id.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from shared.domain.audit import TO_CRM, TO_PARTNER_CENTER, landed_line, report_values, success
from shared.domain.base import load_base, view_record, view_referral
from shared.domain.errors import Rejected, RetryLater, VersionConflict
from shared.domain.intake import build_record
from shared.domain.leads import carry_over, missing_to_qualify, what_is_blank
from shared.domain.link import Intent, LinkStatus
from shared.domain.microsofts_side import MicrosoftsSide
from shared.domain.record import CrmStage, NewRecord, Record, RecordChange, RecordKind
from shared.domain.referral import Referral
from shared.domain.stages import Stages, is_to_be_qualified
from shared.sync.accounts import choose_account, hold_customer
from shared.sync.outcome import Outcome, Result
from shared.sync.reconcile import MAX_ATTEMPTS, REPLACE_REFERENCE, Told, reconcile
from shared.sync.sides import LockedLink, Sides

BECAME_OPPORTUNITY = "Lead to opportunity"
CONVERT = (
    "The referral was accepted in Partner Center. Convert the lead in the CRM; its opportunity is synced from then on."
)
NO_OPPORTUNITY = (
    "The lead was qualified without an opportunity, so there is nothing to accept the referral with. "
    "Create the opportunity from the lead, or reopen the lead."
)


def keep_in_step(
    sides: Sides,
    locked: LockedLink,
    *,
    referral: Referral | None = None,
    record: Record | None = None,
    opportunity: Record | None = None,
    microsofts: MicrosoftsSide | None = None,
) -> Outcome:
    """Both sides agree after this; a lead that was accepted or qualified is an opportunity.

    Give what was just read under the lock; ``opportunity`` is one that was made of the link's lead. ``microsofts`` is
    Microsoft's side of the deal, of which opportunities alone are told.
    """
    if locked.link.kind is not RecordKind.LEAD:
        return reconcile(sides, locked, referral=referral, record=record, microsofts=microsofts)
    for _ in range(MAX_ATTEMPTS):
        try:
            if opportunity is not None:
                return _go_on_with(sides, locked, referral or _read_referral(sides, locked), opportunity)
            return _lead_in_step(sides, locked, referral, record)
        except VersionConflict:
            referral = record = opportunity = None
    raise RetryLater(f"The lead changed {MAX_ATTEMPTS} times while it was being synced; it is tried again", code="busy")


def _lead_in_step(sides: Sides, locked: LockedLink, referral: Referral | None, lead: Record | None) -> Outcome:
    """A lead lives briefly, so both sides are read each time, but for a referral that is as it was."""
    referral = referral or _read_referral(sides, locked)
    if lead is None and _is_echo(sides, locked, referral):
        return Outcome(Result.UNCHANGED, "Nothing changed since the last sync.", locked.link)
    lead = lead or _read_lead(sides, locked)
    if lead.stage is CrmStage.ACTIVE:
        opportunity = sides.crm.opportunity_of(lead)
        if opportunity is None:
            return _wait_for_opportunity(sides, locked, lead)
        return _go_on_with(sides, locked, referral, opportunity)
    if not is_to_be_qualified(Stages(referral.stage, lead.stage)):
        return reconcile(sides, locked, referral=referral, record=lead)
    if not sides.crm.capabilities.qualifies_leads:
        told = Told() if _was_accepted_before(sides, locked, referral) else Told([CONVERT])
        return reconcile(sides, locked, referral=referral, record=lead, told=told)
    outcome = reconcile(sides, locked, referral=referral, record=lead, told=Told(goes_on=True))
    if sides.dry_run:
        return replace(outcome, message=f"{outcome.message} Then it would qualify the lead.")
    base = locked.link.base
    if base is None or base["record_version"] != lead.version:
        lead = _read_lead(sides, locked)
    return _go_on_with(sides, locked, referral, _qualify(sides, referral, lead), is_ours=True)


def _is_echo(sides: Sides, locked: LockedLink, referral: Referral) -> bool:
    link = locked.link
    base = load_base(link.base, sides.mapping(link.kind)) if link.base else None
    return (
        base is not None
        and base.etag == referral.etag
        and not is_to_be_qualified(base.stages)
        and (referral.external_reference is not None or referral.stage.is_closed)
    )


def _was_accepted_before(sides: Sides, locked: LockedLink, referral: Referral) -> bool:
    link = locked.link
    return link.base is not None and load_base(link.base, sides.mapping(link.kind)).stages.referral is referral.stage


def _qualify(sides: Sides, referral: Referral, lead: Record) -> Record:
    """The opportunity of an open lead. Raises ``Rejected`` that lists everything the lead lacks."""
    view = view_record(lead, sides.mapping(RecordKind.LEAD))
    if lacking := missing_to_qualify(view, sides.mapping(RecordKind.LEAD)):
        raise Rejected(
            f"The lead cannot be qualified yet. {' '.join(lacking)}",
            field=", ".join(line.partition(":")[0] for line in lacking),
            code="incomplete",
        )
    new = _as_opportunity(sides, referral, customer=view.values)
    with hold_customer(sides, new):
        prepared = sides.crm.prepare(new)
        if prepared.existing is not None:
            return prepared.existing
        account_id = choose_account(prepared.accounts, sides.mapping(RecordKind.OPPORTUNITY).account)
        return sides.crm.qualify(lead, prepared, account_id)


def _as_opportunity(sides: Sides, referral: Referral, customer: Mapping[str, Any] | None = None) -> NewRecord:
    """What the referral would be as a new opportunity; a seller may have mended the ``customer`` of the lead."""
    mapping = sides.mapping(RecordKind.OPPORTUNITY)
    view = view_referral(referral, mapping)
    matched = mapping.account.match if mapping.account else ()
    known = {name: customer[name] for name in matched if customer and customer.get(name)}
    view = replace(view, values={**view.values, **known})
    return build_record(referral, view, mapping, sides.rules(RecordKind.OPPORTUNITY), audit="")


def _go_on_with(
    sides: Sides, locked: LockedLink, referral: Referral, opportunity: Record, *, is_ours: bool = False
) -> Outcome:
    """The link is that of the opportunity from here on. ``is_ours``: the connector made it just now.

    First the opportunity names its referral, then the link is moved, then both sides are brought into step.
    """
    if sides.dry_run:
        return Outcome(Result.DRY_RUN, "Dry run: would go on with the opportunity that the lead became.", locked.link)
    lead_mapping, mapping = sides.mapping(RecordKind.LEAD), sides.mapping(RecordKind.OPPORTUNITY)
    base = load_base(locked.link.base, lead_mapping) if locked.link.base else None
    syncs = base is None or base.sync
    opportunity, landed = _completed(sides, referral, opportunity, syncs=syncs, is_ours=is_ours)
    there = view_referral(referral, mapping)
    carried = carry_over(base, lead_mapping, mapping, opportunity, there) if base else None
    locked.save(
        replace(
            locked.link,
            kind=RecordKind.OPPORTUNITY,
            record_id=opportunity.id,
            base=carried,
            intent=Intent(REPLACE_REFERENCE, sides.clock(), opportunity.id),
            status=LinkStatus.PENDING,
            status_reason="",
            failure=None,
        )
    )
    direction = TO_CRM if is_ours else TO_PARTNER_CENTER
    told = Told([success(direction, [BECAME_OPPORTUNITY]), *landed])
    return replace(reconcile(sides, locked, referral=referral, record=opportunity, told=told), result=Result.CREATED)


def _completed(
    sides: Sides, referral: Referral, opportunity: Record, *, syncs: bool, is_ours: bool
) -> tuple[Record, list[str]]:
    """The opportunity with what a new one gets of the referral and this one lacks, its referral id first of all.

    And a line for the audit where somebody wrote to it at the same time.
    """
    mapping = sides.mapping(RecordKind.OPPORTUNITY)
    named = opportunity.values.get(mapping.columns.referral_id)
    if named and named != referral.id:
        raise Rejected(
            f"The opportunity {opportunity.id} that the lead became names another referral, {named}",
            field=mapping.columns.referral_id,
            code="other_referral",
            remedy="Clear the referral identifier on the opportunity, or close one of the two referrals.",
        )
    values = what_is_blank(_as_opportunity(sides, referral), opportunity, mapping, syncs=syncs)
    if is_ours:
        values = {**mapping.constants, **values}
    if not values:
        return opportunity, []
    written = sides.crm.update(opportunity, RecordChange(values))
    if written.landed:
        line = landed_line(opportunity, written.landed, mapping)
        return sides.crm.get(opportunity.kind, opportunity.id), [line]
    completed = replace(
        opportunity,
        version=written.version,
        modified_at=written.modified_at or opportunity.modified_at,
        values={**opportunity.values, **values, **written.values},
    )
    return completed, []


def _wait_for_opportunity(sides: Sides, locked: LockedLink, lead: Record) -> Outcome:
    """The audit says so, once, where the CRM still lets it be written: a qualified lead is closed."""
    mapping = sides.mapping(lead.kind)
    view = view_record(lead, mapping)
    values = report_values(view, mapping, sides.rules(lead.kind), [NO_OPPORTUNITY], sides.clock(), failed=False)
    if sides.dry_run:
        return Outcome(Result.DRY_RUN, NO_OPPORTUNITY, locked.link)
    if values:
        with suppress(Rejected):  # the run history has it
            sides.crm.update(lead, RecordChange(values))
    locked.save(replace(locked.link, status=LinkStatus.WAITING, status_reason=NO_OPPORTUNITY), release=True)
    return Outcome(Result.WAITING, NO_OPPORTUNITY, locked.link)


def _read_referral(sides: Sides, locked: LockedLink) -> Referral:
    if locked.link.referral_id is None:
        raise RetryLater("The referral of this lead is not known yet", code="unfinished")
    return sides.referral(locked.link.referral_id)


def _read_lead(sides: Sides, locked: LockedLink) -> Record:
    if locked.link.record_id is None:
        raise RetryLater("The lead of this referral is still being created", code="unfinished")
    return sides.crm.get(RecordKind.LEAD, locked.link.record_id)
