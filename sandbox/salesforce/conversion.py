"""A lead becomes an account, a contact and an opportunity: what a seller does in the user interface; REST cannot.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_convertlead.htm
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sandbox.salesforce import errors
from sandbox.salesforce.rows import Row
from sandbox.salesforce.schema import CURRENCY_FIELD
from sandbox.salesforce.values import Value
from sandbox.salesforce.writes import Writer

_LONGEST_NAME = 80
_ADDRESS = ("Street", "City", "State", "PostalCode", "Country", "CountryCode", "StateCode")
_TO_ACCOUNT = ("Phone", "Website", "Industry", "AnnualRevenue", "NumberOfEmployees")
_TO_CONTACT = ("FirstName", "LastName", "Title", "Email", "Phone", "MobilePhone")


@dataclass(frozen=True)
class Converted:
    account_id: str
    contact_id: str
    opportunity_id: str | None


@dataclass(frozen=True)
class Conversion:
    """What the seller chooses. ``fields``: the administrator's mapping of custom fields, lead to opportunity."""

    status: str = "Closed - Converted"
    opportunity_name: str | None = None
    account_id: str | None = None
    contact_id: str | None = None
    create_opportunity: bool = True
    fields: Mapping[str, str] | None = None


def convert_lead(writer: Writer, lead: Row, chosen: Conversion) -> Converted:
    """The new rows, or the existing ones that were named; the lead is converted, and cannot be edited any more."""
    rows = writer.rows
    if lead.values["IsConverted"]:
        raise errors.lead_converted()
    statuses = [row.text("ApiName") for row in rows.of("LeadStatus") if row.values["IsConverted"]]
    if chosen.status not in statuses:
        raise errors.SalesforceError(400, "INVALID_STATUS", f"invalid convertedStatus: {chosen.status}", [])
    name = chosen.opportunity_name or lead.text("Company")[:_LONGEST_NAME]
    if len(name) > _LONGEST_NAME:
        raise errors.too_long("Opportunity Name", "opportunityName", name, _LONGEST_NAME)
    account_id = chosen.account_id or _account(writer, lead)
    contact_id = chosen.contact_id or _contact(writer, lead, account_id)
    opportunity_id = None
    if chosen.create_opportunity:
        opportunity_id = _opportunity(writer, lead, name, account_id, contact_id, chosen.fields or {})
    values: dict[str, Value] = {
        **lead.values,
        "Status": chosen.status,
        "IsConverted": True,
        "ConvertedDate": rows.stamp[:10],
        "ConvertedAccountId": account_id,
        "ConvertedContactId": contact_id,
        "ConvertedOpportunityId": opportunity_id,
        "LastModifiedDate": rows.stamp,
        "LastModifiedById": writer.user_id,
    }
    rows.put("Lead", lead.id, values)
    return Converted(account_id, contact_id, opportunity_id)


def _account(writer: Writer, lead: Row) -> str:
    values: dict[str, Value] = {name: lead.values[name] for name in _TO_ACCOUNT}
    values |= {f"Billing{part}": lead.values[part] for part in _ADDRESS if part in lead.values}
    sobject = writer.rows.schema.objects["Account"]
    return writer.insert(sobject, {**values, **_of_lead(lead), "Name": lead.values["Company"]}).id


def _contact(writer: Writer, lead: Row, account_id: str) -> str:
    values: dict[str, Value] = {name: lead.values[name] for name in _TO_CONTACT}
    values |= {f"Mailing{part}": lead.values[part] for part in _ADDRESS if part in lead.values}
    sobject = writer.rows.schema.objects["Contact"]
    return writer.insert(sobject, {**values, **_of_lead(lead), "AccountId": account_id}).id


def _opportunity(
    writer: Writer, lead: Row, name: str, account_id: str, contact_id: str, fields: Mapping[str, str]
) -> str:
    rows = writer.rows
    stages = sorted(rows.of("OpportunityStage"), key=lambda row: int(row.values["SortOrder"] or 0))
    first = next(row for row in stages if row.values["IsActive"])
    values: dict[str, Value] = {
        **{to: lead.values[source] for source, to in fields.items()},
        **_of_lead(lead),
        "Name": name,
        "AccountId": account_id,
        "ContactId": contact_id,
        "StageName": first.values["ApiName"],
        "CloseDate": _end_of_quarter(date.fromisoformat(rows.stamp[:10])).isoformat(),
        "LeadSource": lead.values["LeadSource"],
    }
    return writer.insert(rows.schema.objects["Opportunity"], values).id


def _of_lead(lead: Row) -> dict[str, Value]:
    return {name: lead.values[name] for name in ("OwnerId", CURRENCY_FIELD) if name in lead.values}


def _end_of_quarter(day: date) -> date:
    months = day.year * 12 + (day.month - 1) // 3 * 3 + 3
    return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)
