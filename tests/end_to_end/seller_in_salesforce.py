"""A seller at work in Salesforce."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from sandbox.control import Fault
from sandbox.salesforce import SELLER_USERNAME, Conversion, SalesforceSimulator
from sandbox.salesforce.schema import Field
from shared.state.cursors import CursorStore
from tests.end_to_end.seller import (
    PROOF_OF_CONCEPT,
    LeadStages,
    Operations,
    OwnColumns,
    Seller,
    Stages,
    Values,
    renamed,
    shown,
)
from tests.end_to_end.waiting import wait_for

FIELDS = {
    "id": "Id",
    "name": "Name",
    "deal_value": "Amount",
    "currency": "CurrencyIsoCode",
    "closing_date": "CloseDate",
    "notes": "Description",
    "visibility": "Referral_Visibility__c",
    "sync": "Sync_With_Partner_Center__c",
    "referral_id": "Referral_Identifier__c",
    "referral_link": "Referral_Link__c",
    "referral_program": "Referral_Program__c",
    "audit": "Audit__c",
    "microsoft_crm_id": "Microsoft_CRM_Identifier__c",
    "stage": "StageName",
    "account": "AccountId",
}
ACCOUNT_FIELDS = {
    "customer_name": "Name",
    "customer_address_line_1": "BillingStreet",
    "customer_city": "BillingCity",
    "customer_postal_code": "BillingPostalCode",
    "customer_country": "BillingCountry",
}
PERSON = {"first_name": "FirstName", "last_name": "LastName", "email": "Email", "phone": "Phone"}
LEAD_FIELDS = {
    "id": "Id",
    "customer_name": "Company",
    "customer_city": "City",
    "customer_country": "Country",
    "stage": "Status",
    **PERSON,
    **{name: FIELDS[name] for name in ("sync", "referral_id", "referral_link", "audit", "notes")},
}
SOLUTIONS, DETAILS = "Microsoft_Solutions__c", "Microsoft_Solution_Detail__c"
QUERY, CHANGES = "GET /services/data/v66.0/query", "GET /services/data/v66.0/queryAll"
COMPOSITE = "POST /services/data/v66.0/composite"
OWN_FIELDS = (
    Field("Customer_Need__c", "textarea", "Customer Need", length=32_000),
    Field("Pipeline_Phase__c", "string", "Pipeline Phase", length=80),
    Field("Budget__c", "currency", "Budget", precision=18, scale=2),
    Field("Budget_Currency__c", "string", "Budget Currency", length=3),
    Field("Microsoft_Status__c", "string", "Microsoft Status", length=80),
    Field("Microsoft_Team__c", "string", "Microsoft Team", length=255),
)
HELP = "How_can_Microsoft_help__c"
HELP_CHOICES = {PROOF_OF_CONCEPT: "Proof of concept or demo", None: None}
STAGES = Stages("On Hold", "Qualification", "Closed Won", "Closed Lost", "Closed Lost", converted="Prospecting")
OPEN_STAGES = {"active": STAGES.active, "on_hold": STAGES.on_hold}

SETTLED_AT_ONCE = "[adapter.org]\nsettles_after_s = 0\n"
"""Nobody in these tests saves a record twice in one second (:meth:`SalesforceSeller.edit`): to look at each change
again ten seconds later would only take time."""


class SalesforceSeller(Seller):
    stages = STAGES
    labels: ClassVar[Mapping[str, str]] = {
        "deal_value": "Amount",
        "closing_date": "Close Date",
        "notes": "Description",
        "customer_city": "Billing City",
        "customer_country": "Billing Country",
        "contacts": "Primary Contact",
        "solutions": "Microsoft Partner Center Solutions",
    }
    lead_stages = LeadStages("Open - Not Contacted", "Closed - Converted", *2 * ("Closed - Not Converted",))
    email, colleague = SELLER_USERNAME, "dana.reyes@contoso.example"
    always_filled = frozenset({"closing_date"})
    lead_lacks = frozenset({"name", "deal_value", "closing_date"})
    refuses_stale_writes = False
    only_people_convert_leads = True
    keeps_qualified_leads_editable = False
    operations = Operations(
        look=CHANGES,
        look_at_leads=CHANGES,
        look_at_solutions=CHANGES,
        read=QUERY,
        update=COMPOSITE,
        write=COMPOSITE,
    )
    own = OwnColumns(
        notes="Customer_Need__c",
        phase="Pipeline_Phase__c",
        deal_value="Budget__c",
        currency="Budget_Currency__c",
        country="ShippingCountry",
        probability="Probability",
        microsoft_status="Microsoft_Status__c",
        microsoft_team="Microsoft_Team__c",
    )
    unknown_id = "006Hs00000ZZZZZIAA"

    def __init__(self, simulator: SalesforceSimulator) -> None:
        self._simulator = simulator
        self._hands = simulator.hands
        self.control = simulator.control
        for field in OWN_FIELDS:
            simulator.add_field("Opportunity", field)

    def add_account(self, values: Values) -> str:
        rest = {name: value for name, value in values.items() if name != "made_at"}
        account_id = self._hands.insert("Account", renamed(ACCOUNT_FIELDS, rest))
        if "made_at" in values:
            self._hands.backdate("Account", account_id, values["made_at"])
        return account_id

    def edit_account(self, account_id: str, values: Values) -> None:
        self._hands.edit("Account", account_id, renamed(ACCOUNT_FIELDS, values))

    def account(self, account_id: str) -> dict[str, Any]:
        return shown(ACCOUNT_FIELDS, self._hands.row("Account", account_id))

    def accounts(self) -> list[dict[str, Any]]:
        return [shown(ACCOUNT_FIELDS, row) for row in self._hands.rows("Account")]

    def delete_account(self, account_id: str) -> None:
        self._hands.delete("Account", account_id)

    def add_contact(self, account_id: str, person: Values) -> str:
        return self._hands.insert("Contact", {**renamed(PERSON, person), "AccountId": account_id})

    def edit_contact(self, contact_id: str, person: Values) -> None:
        self._hands.edit("Contact", contact_id, renamed(PERSON, person))

    def contact(self, contact_id: str) -> dict[str, Any]:
        row = self._hands.row("Contact", contact_id)
        return {**shown(PERSON, row), "account": row["AccountId"]}

    def choose_contact(self, record_id: str, contact_id: str) -> None:
        role = {"OpportunityId": record_id, "ContactId": contact_id, "IsPrimary": True}
        self._hands.insert("OpportunityContactRole", role)

    def add_opportunity(self, values: Values, account_id: str, contact_id: str | None) -> str:
        body = {"StageName": self.stages.active, **self._body(values), "AccountId": account_id}
        return self._hands.insert("Opportunity", {**body, **({"ContactId": contact_id} if contact_id else {})})

    def edit(self, record_id: str, values: Values) -> None:
        """In a later second than the record's last change: Salesforce stamps both alike, and nobody could tell."""
        self._wait_for_a_new_second("Opportunity", record_id)
        self._hands.edit("Opportunity", record_id, self._body(values))

    def _wait_for_a_new_second(self, sobject: str, row_id: str) -> None:
        last = datetime.fromisoformat(self._hands.row(sobject, row_id)["SystemModstamp"])
        wait_for(lambda: datetime.now(UTC) >= last + timedelta(seconds=1), "a new second")

    def _body(self, values: Values) -> dict[str, Any]:
        body = dict(values)
        if "stage" in body:
            body["stage"] = OPEN_STAGES[body["stage"]]
        if "help" in body:
            body[HELP] = HELP_CHOICES[body.pop("help")]
        if isinstance(body.get("deal_value"), int):
            body["deal_value"] = Decimal(body["deal_value"])
        return renamed(FIELDS, body)

    def delete(self, record_id: str) -> None:
        self._hands.delete("Opportunity", record_id)

    def win(self, record_id: str) -> None:
        self.edit(record_id, {"StageName": self.stages.won})

    def lose(self, record_id: str, stage: str) -> None:
        self.edit(record_id, {"StageName": stage})

    def why_closed(self, record_id: str) -> str:
        """In the audit field: an opportunity of Salesforce has no field for it."""
        return str(self.record(record_id)["audit"])

    def words_of_closing(self, outcome: str, reason: str = "") -> str:
        return f"{outcome} in Partner Center: {reason}." if reason else f"(Stage: {outcome})"

    def reopen(self, record_id: str) -> None:
        self.edit(record_id, {"stage": "active"})

    def owner(self, record_id: str) -> str:
        return self._email(self._hands.row("Opportunity", record_id)["OwnerId"])

    def change_owner(self, record_id: str, email: str) -> None:
        self.edit(record_id, {"OwnerId": self._hands.user_id(email)})

    def colleagues(self, record_id: str) -> list[str]:
        rows = self._hands.rows("OpportunityTeamMember")
        return [self._email(row["UserId"]) for row in rows if row["OpportunityId"] == record_id]

    def add_colleague(self, record_id: str, email: str) -> str:
        member = {"OpportunityId": record_id, "UserId": self._hands.user_id(email)}
        return self._hands.insert("OpportunityTeamMember", member)

    def remove_colleague(self, membership_id: str) -> None:
        self._hands.delete("OpportunityTeamMember", membership_id)

    def _email(self, user_id: str) -> str:
        return str(self._hands.row("User", user_id)["Email"])

    def add_solution(self, record_id: str, identifier: str) -> str:
        return self._hands.insert(SOLUTIONS, {"Opportunity__c": record_id, "Solution__c": self._detail(identifier)})

    def _detail(self, identifier: str) -> str | None:
        """Sellers pick from the list of solution details; what is not in it yet is put there."""
        known = {str(row["Solution_Identifier__c"]).casefold(): row["Id"] for row in self._hands.rows(DETAILS)}
        if not identifier or identifier.casefold() in known:
            return known.get(identifier.casefold())
        return self._hands.insert(DETAILS, {"Name": "Contoso Backup", "Solution_Identifier__c": identifier})

    def edit_solution(self, row_id: str, *, name: str = "", **terms: Any) -> None:
        """Quantity and price are the row's; the name is that of the solution in the list, for every deal."""
        if name:
            self._hands.edit(DETAILS, self._hands.row(SOLUTIONS, row_id)["Solution__c"], {"Name": name})
        self._wait_for_a_new_second(SOLUTIONS, row_id)
        self._hands.edit(SOLUTIONS, row_id, {f"{term.title()}__c": value for term, value in terms.items()})

    def identify_solution(self, row_id: str, identifier: str) -> None:
        self._wait_for_a_new_second(SOLUTIONS, row_id)
        self._hands.edit(SOLUTIONS, row_id, {"Solution__c": self._detail(identifier)})

    def delete_solution(self, row_id: str) -> None:
        self._hands.delete(SOLUTIONS, row_id)

    def solution_name(self, row_id: str) -> str:
        return str(self._hands.row(SOLUTIONS, row_id)["Name"])

    def solutions(self, record_id: str) -> dict[str, str]:
        details = {row["Id"]: row["Solution_Identifier__c"] for row in self._hands.rows(DETAILS)}
        rows = [row for row in self._hands.rows(SOLUTIONS) if row["Opportunity__c"] == record_id]
        return {details.get(row["Solution__c"], ""): row["Id"] for row in rows}

    def record(self, record_id: str) -> dict[str, Any]:
        return self._by_name(self._hands.row("Opportunity", record_id))

    def records(self) -> list[dict[str, Any]]:
        return [self._by_name(row) for row in self._hands.rows("Opportunity")]

    def _by_name(self, row: Values) -> dict[str, Any]:
        names = {choice: name for name, choice in HELP_CHOICES.items()}
        roles = self._hands.rows("OpportunityContactRole")
        primary = (one["ContactId"] for one in roles if one["OpportunityId"] == row["Id"] and one["IsPrimary"])
        day = row["CloseDate"]
        return {
            **shown(FIELDS, row),
            "closing_date": day.isoformat() if isinstance(day, date) else day,
            "contact": next(primary, None),
            "help": names[row[HELP]],
        }

    def leads(self) -> list[dict[str, Any]]:
        return [shown(LEAD_FIELDS, row) for row in self._hands.rows("Lead")]

    def lead(self, lead_id: str) -> dict[str, Any]:
        return shown(LEAD_FIELDS, self._hands.row("Lead", lead_id))

    def add_lead(self, values: Values) -> str:
        return self._hands.insert("Lead", renamed(LEAD_FIELDS, {"customer_name": "Our own", **values}))

    def edit_lead(self, lead_id: str, values: Values) -> None:
        self._wait_for_a_new_second("Lead", lead_id)
        self._hands.edit("Lead", lead_id, renamed(LEAD_FIELDS, values))

    def disqualify(self, lead_id: str) -> None:
        self.edit_lead(lead_id, {"stage": self.lead_stages.lost})

    def convert(self, lead_id: str, *, opportunity: bool = True) -> str | None:
        self._wait_for_a_new_second("Lead", lead_id)
        return self._hands.convert_lead(lead_id, Conversion(create_opportunity=opportunity)).opportunity_id

    def lead_of(self, record_id: str) -> str | None:
        leads = self._hands.rows("Lead")
        return next((row["Id"] for row in leads if row["ConvertedOpportunityId"] == record_id), None)

    def busy(self) -> Fault:
        body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentRequests Limit exceeded."}]
        return Fault("composite", "POST", 403, {"Retry-After": "1"}, body)

    def update_request(self, record_id: str) -> tuple[str, str]:
        """Whichever record it is of: that is said in the body alone."""
        return "composite", "POST"

    def expire_cursors(self, cursors: CursorStore) -> None:
        """By lying about for longer than the recycle bin keeps what was deleted."""
        for name in ("crm-opportunity", "solutions"):
            if stored := cursors.get(name):
                cursor = json.loads(stored)
                long_ago = datetime.fromisoformat(cursor["since"]) - timedelta(days=30)
                cursors.set(name, json.dumps({**cursor, "since": long_ago.strftime("%Y-%m-%dT%H:%M:%SZ")}))

    # For tests of what only Salesforce does

    def use_package_trigger(self, *, on: bool) -> None:
        """Microsoft's package brings it; an org with the fields of infra/salesforce alone has none."""
        self._simulator.use_package_trigger(on=on)

    def edit_meanwhile(self, record_id: str, values: Values) -> None:
        """While the connector writes next: after it has asked whether anything changed, and before its write."""
        self._wait_for_a_new_second("Opportunity", record_id)
        body = self._body(values)
        self._simulator.meanwhile(lambda: self._hands.edit("Opportunity", record_id, body))
