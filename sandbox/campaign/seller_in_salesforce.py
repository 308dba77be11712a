"""A seller at work in Salesforce."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from sandbox.campaign.cast import Customer, Person
from sandbox.campaign.plan import Field, PlannedDeal
from sandbox.campaign.sellers import Refused, Seller, Shown, audit_lines, without_mark
from sandbox.salesforce import SELLER_USERNAME, SalesforceSimulator
from sandbox.salesforce.errors import SalesforceError

SOLUTION, CATALOGUE = "Microsoft_Solutions__c", "Microsoft_Solution_Detail__c"
FIELDS = {
    Field.DEAL_VALUE: "Amount",
    Field.CURRENCY: "CurrencyIsoCode",
    Field.CLOSING_DATE: "CloseDate",
    Field.NOTES: "Description",
    Field.NAME: "Name",
    Field.VISIBILITY: "Referral_Visibility__c",
}
USERS = (SELLER_USERNAME, "dana.reyes@contoso.example", "sam.okafor@contoso.example")
HELP, PROOF_OF_CONCEPT = "How_can_Microsoft_help__c", "Proof of concept or demo"
ON_HOLD, ACTIVE = "On Hold", "Qualification"


class SalesforceSeller(Seller):
    labels: ClassVar[Mapping[Field, str]] = {
        Field.DEAL_VALUE: "Amount",
        Field.CURRENCY: "Opportunity Currency",
        Field.CLOSING_DATE: "Close Date",
        Field.NOTES: "Description",
        Field.NAME: "Opportunity Name",
    }

    def __init__(self, simulator: SalesforceSimulator) -> None:
        self._hands = simulator.hands
        self._users = {self._hands.user_id(username): username for username in USERS}

    def enter(self, deal: PlannedDeal, customer: Customer) -> str:
        account = self._account(customer)
        contact = self._contact(account, customer.contact)
        opportunity = self._hands.insert(
            "Opportunity",
            {
                "Name": deal.name,
                "Amount": Decimal(str(deal.value)),
                "CurrencyIsoCode": deal.currency,
                "CloseDate": deal.closing_date,
                "Description": f"First note of {deal.number}.",
                "StageName": ACTIVE,
                "AccountId": account,
                "ContactId": contact,
                **({HELP: PROOF_OF_CONCEPT} if deal.with_help else {}),
            },
        )
        self.add_solution(opportunity, f"SOL-START-{deal.number:05}")
        self._hands.edit("Opportunity", opportunity, {"Sync_With_Partner_Center__c": True})
        return opportunity

    def _account(self, customer: Customer) -> str:
        """A seller looks whether the customer is known before he types him in."""
        known = self._hands.find("Account", Name=customer.name)
        if known:
            return known[0]
        address = {"Street": customer.street, "City": customer.city, "PostalCode": customer.postal_code}
        billing = {f"Billing{name}": value for name, value in {**address, "Country": customer.country}.items()}
        return self._hands.insert("Account", {"Name": customer.name, **billing})

    def _contact(self, account: str, person: Person) -> str:
        known = self._hands.find("Contact", Email=person.email, AccountId=account)
        if known:
            return known[0]
        name = {"FirstName": person.first_name, "LastName": person.last_name}
        return self._hands.insert(
            "Contact", {**name, "Email": person.email, "Phone": person.phone, "AccountId": account}
        )

    def edit(self, record_id: str, field: Field, value: Any) -> None:
        match field:
            case Field.OWNER:
                body = {"OwnerId": list(self._users)[value]}
            case Field.HELP:
                body = {HELP: PROOF_OF_CONCEPT}
            case Field.DEAL_VALUE:
                body = {FIELDS[field]: Decimal(str(value))}
            case _:
                body = {FIELDS[field]: value}
        self._edit(record_id, body)

    def _edit(self, record_id: str, body: Mapping[str, Any]) -> None:
        self._do(lambda: self._hands.edit("Opportunity", record_id, body))

    def add_solution(self, record_id: str, identifier: str) -> None:
        detail = self._do(
            lambda: self._hands.insert(
                CATALOGUE, {"Name": f"Solution {identifier}", "Solution_Identifier__c": identifier}
            )
        )
        self._do(lambda: self._hands.insert(SOLUTION, {"Opportunity__c": record_id, "Solution__c": detail}))

    def remove_solution(self, record_id: str) -> str | None:
        rows = self._solution_rows(record_id)
        if len(rows) < 2:
            return None
        self._do(lambda: self._hands.delete(SOLUTION, rows[-1]["Id"]))
        return str(self._hands.row(CATALOGUE, rows[-1]["Solution__c"])["Solution_Identifier__c"])

    def solutions(self, record_id: str) -> set[str]:
        return {
            self._hands.row(CATALOGUE, row["Solution__c"])["Solution_Identifier__c"]
            for row in self._solution_rows(record_id)
        }

    def _solution_rows(self, record_id: str) -> list[dict[str, Any]]:
        return [self._hands.row(SOLUTION, row_id) for row_id in self._hands.find(SOLUTION, Opportunity__c=record_id)]

    def choose_contact(self, record_id: str, person: Person) -> None:
        """The primary contact role is another's from now on, and the opportunity is saved with it."""
        account = self._hands.row("Opportunity", record_id)["AccountId"]
        contact = self._contact(account, person)
        primary = self._hands.find("OpportunityContactRole", OpportunityId=record_id, IsPrimary=True)
        if primary:
            self._do(lambda: self._hands.edit("OpportunityContactRole", primary[0], {"ContactId": contact}))
        else:
            role = {"OpportunityId": record_id, "ContactId": contact, "IsPrimary": True}
            self._do(lambda: self._hands.insert("OpportunityContactRole", role))
        self._edit(record_id, {})

    def accept(self, record_id: str) -> None:
        if self._hands.row("Opportunity", record_id)["StageName"] != ON_HOLD:
            raise Refused("not on hold")
        self._edit(record_id, {"StageName": ACTIVE})

    def win(self, record_id: str) -> None:
        self._close(record_id, "Closed Won")

    def lose(self, record_id: str) -> None:
        self._close(record_id, "Closed Lost")

    def _close(self, record_id: str, stage: str) -> None:
        """Salesforce lets a seller close a deal twice; no seller does."""
        if self._hands.row("Opportunity", record_id)["IsClosed"]:
            raise Refused("closed already")
        self._edit(record_id, {"StageName": stage})

    @staticmethod
    def _do(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except SalesforceError as refused:
            raise Refused(str(refused)) from refused

    def show(self, record_id: str) -> Shown:
        row = self._hands.row("Opportunity", record_id)
        values = {field: row[name] for field, name in FIELDS.items()}
        day = values[Field.CLOSING_DATE]
        values[Field.CLOSING_DATE] = day.isoformat() if isinstance(day, date) else day
        values[Field.NAME] = without_mark(row["Name"] or "")
        closed = "won" if row["IsWon"] else "lost"
        open_ = "on hold" if row["StageName"] == ON_HOLD else "active"
        return Shown(
            id=record_id,
            referral_id=row["Referral_Identifier__c"],
            stage=closed if row["IsClosed"] else open_,
            values=values,
            owner=self._users.get(row["OwnerId"], ""),
            microsoft_crm_id=row["Microsoft_CRM_Identifier__c"],
            audit=audit_lines(row["Audit__c"]),
        )

    def alone(self) -> AbstractContextManager[object]:
        return self._hands.lock

    def record_of(self, referral_id: str) -> str | None:
        return next(iter(self._hands.find("Opportunity", Referral_Identifier__c=referral_id)), None)

    def record_ids(self) -> list[str]:
        return self._hands.find("Opportunity")

    def accounts(self) -> list[tuple[str, str]]:
        return [(row["Name"], row["BillingPostalCode"]) for row in self._hands.rows("Account")]

    def contacts(self) -> list[tuple[str, str]]:
        return [(row["AccountId"], row["Email"] or "") for row in self._hands.rows("Contact")]
