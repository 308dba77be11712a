"""The actions of Dynamics 365 Sales: win, lose, qualify.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-web-api-actions
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.dataverse import errors
from sandbox.dataverse.payloads import parse_payload
from sandbox.dataverse.rows import Row
from sandbox.dataverse.rules import default_status
from sandbox.dataverse.values import Reference, Value, timestamp
from sandbox.dataverse.writes import Writer

WON, LOST = 1, 2
_DEFAULT_STATUS = -1
_FROM_LEAD_TO_ACCOUNT = {
    "companyname": "name",
    "telephone1": "telephone1",
    "websiteurl": "websiteurl",
    "description": "description",
}
_FROM_LEAD_TO_CONTACT = ("firstname", "lastname", "jobtitle", "emailaddress1", "telephone1", "mobilephone")
_FROM_LEAD_TO_OPPORTUNITY = {
    "subject": "name",
    "description": "description",
    "estimatedamount": "estimatedvalue",
    "estimatedclosedate": "estimatedclosedate",
    "budgetamount": "budgetamount",
    "transactioncurrencyid": "transactioncurrencyid",
    "ownerid": "ownerid",
}


def close_by_action(writer: Writer, parameters: Mapping[str, Any], state: int) -> Row:
    """WinOpportunity and LoseOpportunity: the opportunity is closed, and a completed close activity tells of it."""
    body, status = parameters.get("OpportunityClose"), parameters.get("Status")
    if not isinstance(body, dict) or not isinstance(status, int):
        raise errors.bad_argument("Required members missing for operation: OpportunityClose and Status.")
    table = writer.rows.schema.tables["opportunityclose"]
    close = parse_payload(writer.rows, table, body, writer.root, creating=True).values
    opportunity = writer.rows.follow(_reference(close.get("opportunityid")))
    if opportunity is None:
        raise errors.bad_argument("Required field 'opportunityid' is missing.")
    return close_opportunity(writer, opportunity, state, status, close)


def close_opportunity(
    writer: Writer,
    opportunity: Row,
    state: int,
    status: int = _DEFAULT_STATUS,
    close: Mapping[str, Value] | None = None,
) -> Row:
    """The closed opportunity. ``status`` -1 takes the state's default reason."""
    table = writer.rows.schema.tables["opportunity"]
    if opportunity.values["statecode"] != 0:
        raise errors.opportunity_closed()
    chosen = default_status(table, state) if status == _DEFAULT_STATUS else status
    option = table.columns["statuscode"].option(chosen)
    if option is None or option.state != state:
        raise errors.wrong_status("opportunity", status, state)
    now = timestamp(writer.rows.clock())
    values: dict[str, Value] = {"actualend": now, **(close or {})}
    if values.get("actualrevenue") is None:
        values["actualrevenue"] = opportunity.values["estimatedvalue"] if state == WON else None
    values |= {
        "opportunityid": Reference("opportunity", opportunity.id),
        "opportunitystatecode": state,
        "opportunitystatuscode": chosen,
        "transactioncurrencyid": opportunity.values["transactioncurrencyid"],
    }
    row = writer.insert(writer.rows.schema.tables["opportunityclose"], values)
    writer.change(row, {"statecode": 1, "statuscode": 2}, by_action=True)
    closed: dict[str, Value] = {
        "statecode": state,
        "statuscode": chosen,
        "actualvalue": row.values["actualrevenue"],
        "actualclosedate": str(row.values["actualend"])[:10],
    }
    return writer.change(opportunity, closed, by_action=True)


def qualify_lead(
    writer: Writer, lead: Row, parameters: Mapping[str, Any], extra_columns: Mapping[str, str]
) -> list[Row]:
    """QualifyLead: the rows it made; ``extra_columns`` maps further columns of the lead to the opportunity's.

    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/qualifylead
    """
    wanted = {name: parameters.get(name) for name in ("CreateAccount", "CreateContact", "CreateOpportunity")}
    status = parameters.get("Status")
    if not all(isinstance(value, bool) for value in wanted.values()) or not isinstance(status, int):
        raise errors.bad_argument(
            "Required members missing for operation: CreateAccount, CreateContact, CreateOpportunity and Status."
        )
    if lead.values["statecode"] != 0:
        raise errors.lead_closed()
    table = writer.rows.schema.tables["lead"]
    chosen = default_status(table, 1) if status == _DEFAULT_STATUS else status
    option = table.columns["statuscode"].option(chosen)
    if option is None or option.state != 1:
        raise errors.wrong_status("lead", status, 1)
    made = _customer_rows(writer, lead, account=bool(wanted["CreateAccount"]), contact=bool(wanted["CreateContact"]))
    lead_values: dict[str, Value] = {"statecode": 1, "statuscode": chosen}
    for row in made:
        lead_values["parentaccountid" if row.table == "account" else "parentcontactid"] = Reference(row.table, row.id)
    if wanted["CreateOpportunity"]:
        parents = {**lead.values, **lead_values}
        opportunity = _opportunity(writer, lead, parents, {**_FROM_LEAD_TO_OPPORTUNITY, **extra_columns})
        lead_values["qualifyingopportunityid"] = Reference("opportunity", opportunity.id)
        made.append(opportunity)
    writer.change(lead, lead_values, by_action=True)
    return made


def _customer_rows(writer: Writer, lead: Row, *, account: bool, contact: bool) -> list[Row]:
    tables, made = writer.rows.schema.tables, []
    employer = lead.values["parentaccountid"]
    if account and lead.values.get("companyname"):
        values = {to: lead.values[name] for name, to in _FROM_LEAD_TO_ACCOUNT.items()}
        values |= {name: value for name, value in lead.values.items() if name.startswith("address1_")}
        made.append(writer.insert(tables["account"], values))
        employer = Reference("account", made[0].id)
    if contact:
        person = {name: lead.values[name] for name in _FROM_LEAD_TO_CONTACT}
        made.append(writer.insert(tables["contact"], {**person, "parentcustomerid": employer}))
    return made


def _opportunity(writer: Writer, lead: Row, parents: Mapping[str, Value], columns: Mapping[str, str]) -> Row:
    values = {to: lead.values[name] for name, to in columns.items()}
    account, contact = parents.get("parentaccountid"), parents.get("parentcontactid")
    values |= {
        "originatingleadid": Reference("lead", lead.id),
        "parentaccountid": account,
        "parentcontactid": contact,
        "customerid": account or contact or lead.values["customerid"],
    }
    return writer.insert(writer.rows.schema.tables["opportunity"], values)


def _reference(value: Value) -> Reference | None:
    return value if isinstance(value, Reference) else None
