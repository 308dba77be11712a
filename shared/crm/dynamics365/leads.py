"""A lead becomes an opportunity: the action that does it, and the opportunity that came of it. No I/O.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/qualifylead
"""

from __future__ import annotations

from typing import Any

from shared.answers import Response
from shared.crm.dynamics365.batch import ChangeSet, Part
from shared.crm.dynamics365.layout import Layout, Row
from shared.crm.dynamics365.lookups import rows_of
from shared.crm.dynamics365.writes import Draft, known_contact
from shared.crm.port import Prepared
from shared.domain.errors import ConfigurationError, VersionConflict
from shared.domain.record import CrmStage, Record, StageChange
from shared.domain.values import Person

_ACTION = "Microsoft.Dynamics.CRM.QualifyLead"
_PARENTS = "_parentaccountid_value,_parentcontactid_value"


def opportunity_part(layout: Layout, lead_id: str) -> Part:
    """The opportunities made of a lead, the oldest first."""
    lead = layout.places.lead
    if lead is None:
        raise ConfigurationError(
            "The Dynamics 365 mapping does not say by which lookup an opportunity names its lead",
            code="mapping",
            remedy="Set lead under [adapter.opportunity] to the lookup, originatingleadid.",
            service="Dynamics 365",
        )
    query = f"$filter={lead.id_property}%20eq%20{lead_id}&{layout.query}&$orderby=createdon%20asc"
    return Part("GET", f"{layout.table.entity_set}?{query}", "opportunity.of_lead")


def oldest(answer: Response, layout: Layout) -> Record | None:
    rows = rows_of(answer)
    return layout.record(rows[0]) if rows else None


def parents_part(layout: Layout, lead: Record) -> Part:
    """Which account and contact a seller has chosen for the lead."""
    return Part("GET", f"{layout.table.path(lead.id)}?$select={layout.table.primary_id},{_PARENTS}", "lead.get")


def qualifying(leads: Layout, lead: Record, row: Row, prepared: Prepared, account_id: str | None) -> ChangeSet:
    """The change set that qualifies ``lead``, whose ``row`` was just read for ``parents_part``.

    A seller's own choice of account and contact wins; what nobody chose and nothing matches is made. The lead is
    written too, with its version, which the action does not take.
    """
    if lead.version is not None and row.get("@odata.etag") != lead.version:
        raise VersionConflict(f"The lead {lead.id} changed since it was read", service="Dynamics 365")
    draft, path = Draft(leads), leads.table.path(lead.id)
    account_id = row.get("_parentaccountid_value") or account_id
    (person, *_) = lead.values.get("@contacts") or (Person(),)
    contact_id = row.get("_parentcontactid_value") or known_contact(person, prepared, account_id)
    sync = leads.mapping.columns.sync
    body: dict[str, Any] = {sync: lead.values.get(sync)}
    if account_id:
        body["parentaccountid@odata.bind"] = f"/{leads.account_table.path(account_id)}"
    if contact_id:
        body["parentcontactid@odata.bind"] = f"/contacts({contact_id})"
    draft.add(Part("PATCH", path, "lead.update", body, {"If-Match": lead.version or "*"}))
    parameters: dict[str, Any] = {
        "CreateAccount": not account_id,
        "CreateContact": not contact_id and bool(person.first_name or person.phone or person.email),
        "CreateOpportunity": True,
        "Status": leads.reasons.value_for(StageChange(CrmStage.ACTIVE)),
    }
    if account_id:
        customer = {"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": account_id}
        parameters["OpportunityCustomerId"] = customer
    draft.add(Part("POST", f"{path}/{_ACTION}", "lead.qualify", parameters))
    return draft.change_set()
