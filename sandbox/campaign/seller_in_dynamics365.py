"""A seller at work in Dynamics 365."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any, ClassVar

from sandbox.campaign.cast import Customer, Person
from sandbox.campaign.plan import CURRENCIES, Field, PlannedDeal
from sandbox.campaign.sellers import Refused, Seller, Shown, audit_lines, without_mark
from sandbox.dataverse import DataverseSimulator
from sandbox.dataverse.errors import DataverseError
from sandbox.dataverse.schema import stable_id
from sandbox.dataverse.seed import currency_id

SOLUTION = "msft_microsoftpartnercentersolution"
COLUMNS = {
    Field.DEAL_VALUE: "estimatedvalue",
    Field.CLOSING_DATE: "estimatedclosedate",
    Field.NOTES: "description",
    Field.NAME: "name",
    Field.VISIBILITY: "msft_microsoftpartnercenterreferralvisible",
}
USERS = ("alex.kim@contoso.com", "dana.reyes@contoso.com", "sam.okafor@contoso.com")
OWNERS = {stable_id("systemuser", address): address for address in USERS}
CODES = {currency_id(code): code for code in CURRENCIES}
HELP, PROOF_OF_CONCEPT = "msft_microsoftpartnercenterhelp", 299600002
SYNC = "msft_microsoftpartnercenterreferralsync"
REFERRAL_ID = "msft_microsoftpartnercenterreferralidentifier"
AUDIT = "msft_microsoftpartnercenterreferralsyncaudit"
STAGES = {1: "won", 2: "lost"}
ON_HOLD, IN_PROGRESS, CANCELED = 2, 1, 4


class Dynamics365Seller(Seller):
    labels: ClassVar[Mapping[Field, str]] = {
        Field.DEAL_VALUE: "Est. revenue",
        Field.CURRENCY: "Currency",
        Field.CLOSING_DATE: "Est. close date",
        Field.NOTES: "Description",
        Field.NAME: "Topic",
    }

    def __init__(self, simulator: DataverseSimulator) -> None:
        self._simulator = simulator
        self._hands = simulator.hands

    def enter(self, deal: PlannedDeal, customer: Customer) -> str:
        account = self._account(customer)
        contact = self._contact(account, customer.contact)
        body: dict[str, Any] = {
            "name": deal.name,
            "estimatedvalue": Decimal(str(deal.value)),
            "estimatedclosedate": deal.closing_date,
            "description": f"First note of {deal.number}.",
            "customerid_account@odata.bind": f"/accounts({account})",
            "parentcontactid@odata.bind": f"/contacts({contact})",
            "transactioncurrencyid@odata.bind": f"/transactioncurrencies({currency_id(deal.currency)})",
            "ownerid@odata.bind": f"/systemusers({stable_id('systemuser', USERS[0])})",
        }
        if deal.with_help:
            body[HELP] = PROOF_OF_CONCEPT
        opportunity = self._simulator.insert("opportunity", body)
        self.add_solution(opportunity, f"SOL-START-{deal.number:05}")
        self._simulator.edit("opportunity", opportunity, {SYNC: True})
        return opportunity

    def _account(self, customer: Customer) -> str:
        """A seller looks whether the customer is known before he types him in."""
        known = self._hands.find("account", name=customer.name)
        if known:
            return known[0]
        address = {
            "address1_line1": customer.street,
            "address1_city": customer.city,
            "address1_postalcode": customer.postal_code,
            "address1_country": customer.country,
        }
        return self._simulator.insert("account", {"name": customer.name, **address})

    def _contact(self, account: str, person: Person) -> str:
        known = self._hands.find("contact", emailaddress1=person.email, parentcustomerid=account)
        if known:
            return known[0]
        return self._simulator.insert(
            "contact",
            {
                "firstname": person.first_name,
                "lastname": person.last_name,
                "emailaddress1": person.email,
                "telephone1": person.phone,
                "parentcustomerid_account@odata.bind": f"/accounts({account})",
            },
        )

    def edit(self, record_id: str, field: Field, value: Any) -> None:
        body: dict[str, Any]
        match field:
            case Field.CURRENCY:
                body = {"transactioncurrencyid@odata.bind": f"/transactioncurrencies({currency_id(value)})"}
            case Field.OWNER:
                body = {"ownerid@odata.bind": f"/systemusers({list(OWNERS)[value]})"}
            case Field.HELP:
                body = {HELP: PROOF_OF_CONCEPT}
            case Field.DEAL_VALUE:
                body = {COLUMNS[field]: Decimal(str(value))}
            case _:
                body = {COLUMNS[field]: value}
        self._do(lambda: self._simulator.edit("opportunity", record_id, body))

    def add_solution(self, record_id: str, identifier: str) -> None:
        row = {"msft_name": f"Solution {identifier}", "msft_solutionidentifier": identifier}
        parent = {"msft_OpportunityId@odata.bind": f"/opportunities({record_id})"}
        self._do(lambda: self._simulator.insert(SOLUTION, {**row, **parent}))

    def remove_solution(self, record_id: str) -> str | None:
        rows = self._solution_rows(record_id)
        if len(rows) < 2:
            return None
        self._do(lambda: self._simulator.delete(SOLUTION, rows[-1][f"{SOLUTION}id"]))
        return str(rows[-1]["msft_solutionidentifier"])

    def solutions(self, record_id: str) -> set[str]:
        return {row["msft_solutionidentifier"] for row in self._solution_rows(record_id)}

    def _solution_rows(self, record_id: str) -> list[dict[str, Any]]:
        ids = self._hands.find(SOLUTION, msft_opportunityid=record_id)
        return [self._simulator.row(SOLUTION, row_id) for row_id in ids]

    def choose_contact(self, record_id: str, person: Person) -> None:
        account = self._simulator.row("opportunity", record_id)["_customerid_value"]
        body = {"parentcontactid@odata.bind": f"/contacts({self._contact(account, person)})"}
        self._do(lambda: self._simulator.edit("opportunity", record_id, body))

    def accept(self, record_id: str) -> None:
        row = self._simulator.row("opportunity", record_id)
        if (row["statecode"], row["statuscode"]) != (0, ON_HOLD):
            raise Refused("not on hold")
        self._do(lambda: self._simulator.edit("opportunity", record_id, {"statuscode": IN_PROGRESS}))

    def win(self, record_id: str) -> None:
        self._do(lambda: self._simulator.win(record_id))

    def lose(self, record_id: str) -> None:
        self._do(lambda: self._simulator.lose(record_id, CANCELED))

    @staticmethod
    def _do(act: Callable[[], object]) -> None:
        try:
            act()
        except DataverseError as refused:
            raise Refused(str(refused)) from refused

    def show(self, record_id: str) -> Shown:
        row = self._simulator.row("opportunity", record_id)
        values = {field: row[column] for field, column in COLUMNS.items()}
        values[Field.NAME] = without_mark(row["name"] or "")
        values[Field.VISIBILITY] = bool(values[Field.VISIBILITY])
        values[Field.CURRENCY] = CODES.get(row["_transactioncurrencyid_value"])
        return Shown(
            id=record_id,
            referral_id=row[REFERRAL_ID],
            stage=STAGES.get(row["statecode"]) or ("on hold" if row["statuscode"] == ON_HOLD else "active"),
            values=values,
            owner=OWNERS.get(row["_ownerid_value"], ""),
            microsoft_crm_id=row["msft_microsoftcrmidentifier"],
            audit=audit_lines(row[AUDIT]),
        )

    def alone(self) -> AbstractContextManager[object]:
        return self._hands.lock

    def record_of(self, referral_id: str) -> str | None:
        return next(iter(self._hands.find("opportunity", **{REFERRAL_ID: referral_id})), None)

    def record_ids(self) -> list[str]:
        return self._hands.find("opportunity")

    def accounts(self) -> list[tuple[str, str]]:
        return [(row["name"], row["address1_postalcode"]) for row in self._simulator.rows("account")]

    def contacts(self) -> list[tuple[str, str]]:
        return [(row["_parentcustomerid_value"], row["emailaddress1"] or "") for row in self._simulator.rows("contact")]
