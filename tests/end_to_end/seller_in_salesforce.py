"""A seller at work in Salesforce."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from sandbox.salesforce import SELLER_USERNAME, SalesforceSimulator
from tests.end_to_end.seller import PROOF_OF_CONCEPT, Seller, Stages, Values, renamed, shown
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
HELP = "How_can_Microsoft_help__c"
HELP_CHOICES = {PROOF_OF_CONCEPT: "Proof of concept or demo", None: None}
STAGES = Stages("On Hold", "Qualification", "Closed Won", "Closed Lost", "Closed Lost")
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
    email = SELLER_USERNAME
    always_filled = frozenset({"closing_date"})
    unknown_id = "006Hs00000ZZZZZIAA"

    def __init__(self, simulator: SalesforceSimulator) -> None:
        self._hands = simulator.hands
        self.control = simulator.control

    def add_account(self, values: Values) -> str:
        return self._hands.insert("Account", renamed(ACCOUNT_FIELDS, values))

    def edit_account(self, account_id: str, values: Values) -> None:
        self._hands.edit("Account", account_id, renamed(ACCOUNT_FIELDS, values))

    def account(self, account_id: str) -> dict[str, Any]:
        return shown(ACCOUNT_FIELDS, self._hands.row("Account", account_id))

    def delete_account(self, account_id: str) -> None:
        self._hands.delete("Account", account_id)

    def add_contact(self, account_id: str, person: Values) -> str:
        return self._hands.insert("Contact", {**renamed(PERSON, person), "AccountId": account_id})

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
        last = datetime.fromisoformat(self._hands.row("Opportunity", record_id)["SystemModstamp"])
        wait_for(lambda: datetime.now(UTC) >= last + timedelta(seconds=1), "a new second")
        self._hands.edit("Opportunity", record_id, self._body(values))

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

    def add_solution(self, record_id: str, identifier: str) -> str:
        """Sellers pick from the list of solution details; what is not in it yet is put there."""
        known = {row["Solution_Identifier__c"]: row["Id"] for row in self._hands.rows("Microsoft_Solution_Detail__c")}
        detail = known.get(identifier) or self._hands.insert(
            "Microsoft_Solution_Detail__c", {"Name": "Contoso Backup", "Solution_Identifier__c": identifier}
        )
        return self._hands.insert("Microsoft_Solutions__c", {"Opportunity__c": record_id, "Solution__c": detail})

    def solutions(self, record_id: str) -> list[str]:
        details = {row["Id"]: row["Solution_Identifier__c"] for row in self._hands.rows("Microsoft_Solution_Detail__c")}
        rows = self._hands.rows("Microsoft_Solutions__c")
        return [details[row["Solution__c"]] for row in rows if row["Opportunity__c"] == record_id]

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
        return [shown(FIELDS, row) for row in self._hands.rows("Lead")]
