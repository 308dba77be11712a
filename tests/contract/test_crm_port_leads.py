"""What every CRM adapter must do with leads."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import NotFound, VersionConflict
from shared.domain.record import CrmStage, NewRecord, Record, RecordChange, RecordKind, StageChange
from shared.domain.values import Person
from tests.contract.deals import DEAL, REFERRAL_ID, deal
from tests.contract.rigs import USER, Rig

LEAD, OPPORTUNITY = RecordKind.LEAD, RecordKind.OPPORTUNITY
VALUES: dict[str, Any] = {
    **{name: DEAL[name] for name in ("name", "deal_value", "currency", "closing_date", "notes", "contacts")},
    **{name: DEAL[name] for name in DEAL if name.startswith("customer_")},
    "team": (USER,),
}


def paths(rig: Rig, values: dict[str, Any]) -> dict[str, Any]:
    mapping = rig.mapping.records[LEAD]
    return {mapping.field(name).crm: value for name, value in values.items()}


def new_lead(rig: Rig, stage: StageChange = StageChange(CrmStage.ON_HOLD), **values: Any) -> NewRecord:  # noqa: B008
    columns = rig.mapping.records[LEAD].columns
    by_path = {columns.sync: True, columns.referral_id: REFERRAL_ID, **paths(rig, {**VALUES, **values})}
    return NewRecord(LEAD, REFERRAL_ID, stage, by_path, account=None)


def create(rig: Rig, stage: StageChange = StageChange(CrmStage.ON_HOLD), **values: Any) -> Record:  # noqa: B008
    new = new_lead(rig, stage, **values)
    return rig.crm.create(new, rig.crm.prepare(new), None)


def qualify(rig: Rig, lead: Record, account_id: str | None = None) -> Record:
    return rig.crm.qualify(lead, rig.crm.prepare(deal(rig.mapping)), account_id)


def of(rig: Rig, record: Record, name: str) -> Any:
    return record.values[rig.mapping.records[record.kind].field(name).crm]


def test_a_lead_is_read_as_it_was_created(rig: Rig) -> None:
    lead = create(rig)
    assert rig.crm.get(LEAD, lead.id) == lead
    assert (lead.kind, lead.stage, lead.lead_id) == (LEAD, CrmStage.ON_HOLD, None)
    assert {path: lead.values[path] for path in paths(rig, VALUES)} == paths(rig, VALUES)
    assert lead.values[rig.mapping.records[LEAD].columns.referral_id] == REFERRAL_ID
    assert set(lead.values) == set(rig.mapping.records[LEAD].crm_paths)


def test_a_lead_is_found_by_its_referral_and_not_made_twice(rig: Rig) -> None:
    new = new_lead(rig)
    prepared = rig.crm.prepare(new)
    assert (prepared.existing, prepared.accounts, prepared.contacts) == (None, (), ())
    lead = rig.crm.create(new, prepared, None)
    with pytest.raises(VersionConflict):
        rig.crm.create(new, prepared, None)
    assert rig.crm.prepare(new).existing == lead
    assert rig.crm.prepare(deal(rig.mapping)).existing is None, "a lead is no opportunity"


def test_a_lead_is_no_opportunity(rig: Rig) -> None:
    with pytest.raises(NotFound):
        rig.crm.get(OPPORTUNITY, create(rig).id)


@pytest.mark.parametrize(("reason", "label"), [("Lost in Partner Center", "lost"), ("Declined: no time", "declined")])
def test_a_lead_is_disqualified_and_reopened(rig: Rig, reason: str, label: str) -> None:
    lead = create(rig)
    rig.crm.update(lead, RecordChange(paths(rig, {"notes": "No budget."}), StageChange(CrmStage.LOST, reason)))
    read = rig.crm.get(LEAD, lead.id)
    assert (read.stage, of(rig, read, "notes")) == (CrmStage.LOST, "No budget.")
    assert read.stage_reason == rig.lead_statuses[label]
    rig.crm.update(read, RecordChange(stage=StageChange(CrmStage.ON_HOLD)))
    assert rig.crm.get(LEAD, lead.id).stage is CrmStage.ON_HOLD


def test_a_lead_can_be_created_disqualified(rig: Rig) -> None:
    lead = create(rig, StageChange(CrmStage.LOST, "Lost in Partner Center"))
    assert lead.stage is CrmStage.LOST
    assert rig.crm.get(LEAD, lead.id) == lead


def test_an_update_says_what_it_wrote_and_an_old_version_is_refused(rig: Rig) -> None:
    lead = create(rig)
    values: dict[str, Any] = {
        "deal_value": Decimal("12.50"),
        "closing_date": date(2027, 7, 1),
        "contacts": (Person("Bea", "Dorn", "", "bea.dorn@fabrikam.example"),),
    }
    written = rig.crm.update(lead, RecordChange(paths(rig, values)))
    assert written.values == paths(rig, values)
    assert written.version == rig.crm.get(LEAD, lead.id).version
    with pytest.raises(VersionConflict):
        rig.crm.update(lead, RecordChange(paths(rig, {"notes": "late"})))


def test_changed_leads_are_told_apart_from_changed_opportunities(rig: Rig) -> None:
    lead = create(rig)
    (page,) = rig.crm.changes(LEAD, None)
    assert [(change.kind, change.id, change.syncs) for change in page.changes] == [(LEAD, lead.id, True)]
    (opportunities,) = rig.crm.changes(OPPORTUNITY, None)
    assert opportunities.changes == ()
    rig.crm.update(lead, RecordChange(paths(rig, {"notes": "Called."})))
    (page,) = rig.crm.changes(LEAD, page.cursor)
    assert [change.id for change in page.changes] == [lead.id]


def test_limits_are_those_of_the_kind(rig: Rig) -> None:
    leads, opportunities = rig.crm.catalogue(LEAD), rig.crm.catalogue(OPPORTUNITY)
    of_lead, of_opportunity = (rig.mapping.records[kind].field("deal_value").crm for kind in (LEAD, OPPORTUNITY))
    assert of_lead in leads.limits
    assert leads.limits["@contacts"].capacity == 1
    assert of_opportunity in opportunities.limits
    assert of_opportunity not in leads.limits
    assert leads.currencies == opportunities.currencies


def test_a_qualified_lead_is_an_open_opportunity_with_what_it_held(rig: Rig) -> None:
    assert rig.crm.capabilities.qualifies_leads
    lead = create(rig)
    made = qualify(rig, lead)
    assert (made.kind, made.stage, made.lead_id) == (OPPORTUNITY, CrmStage.ACTIVE, lead.id)
    for name in ("name", "deal_value", "currency", "closing_date", "notes", "contacts", "customer_name"):
        assert of(rig, made, name) == of(rig, lead, name), name
    assert rig.crm.get(OPPORTUNITY, made.id) == made
    after = rig.crm.get(LEAD, lead.id)
    assert after.stage is CrmStage.ACTIVE
    assert rig.crm.opportunity_of(after) == made


def test_a_lead_without_an_opportunity_says_so(rig: Rig) -> None:
    assert rig.crm.opportunity_of(create(rig)) is None


def test_a_lead_is_qualified_once(rig: Rig) -> None:
    lead = create(rig)
    made = qualify(rig, lead)
    with pytest.raises(VersionConflict):
        qualify(rig, lead)
    (page,) = rig.crm.changes(OPPORTUNITY, None)
    assert [change.id for change in page.changes] == [made.id]


def test_an_account_that_is_known_is_used(rig: Rig) -> None:
    account_id = rig.add_account("FABRIKAM", "10115")
    made = qualify(rig, create(rig), account_id)
    assert of(rig, made, "customer_name") == "FABRIKAM"
    accounts = rig.crm.prepare(deal(rig.mapping)).accounts
    assert [account.id for account in accounts] == [account_id]
