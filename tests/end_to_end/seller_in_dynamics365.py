"""A seller at work in Dynamics 365."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.dataverse import DataverseSimulator
from sandbox.dataverse.seed import currency_id
from tests.end_to_end.seller import PROOF_OF_CONCEPT, Seller, Stages, Values, renamed, shown

COLUMNS = {
    "id": "opportunityid",
    "name": "name",
    "deal_value": "estimatedvalue",
    "closing_date": "estimatedclosedate",
    "notes": "description",
    "visibility": "msft_microsoftpartnercenterreferralvisible",
    "sync": "msft_microsoftpartnercenterreferralsync",
    "referral_id": "msft_microsoftpartnercenterreferralidentifier",
    "referral_link": "msft_microsoftpartnercenterreferrallink",
    "referral_program": "msft_microsoftpartnercenterreferralprogram",
    "audit": "msft_microsoftpartnercenterreferralsyncaudit",
    "microsoft_crm_id": "msft_microsoftcrmidentifier",
    "account": "_customerid_value",
    "contact": "_parentcontactid_value",
}
ACCOUNT_COLUMNS = {
    "customer_name": "name",
    "customer_address_line_1": "address1_line1",
    "customer_city": "address1_city",
    "customer_postal_code": "address1_postalcode",
    "customer_country": "address1_country",
}
PERSON = {"first_name": "firstname", "last_name": "lastname", "email": "emailaddress1", "phone": "telephone1"}
HELP = "msft_microsoftpartnercenterhelp"
HELP_CODES = {PROOF_OF_CONCEPT: 299600002, None: None}
SOLUTION = "msft_microsoftpartnercentersolution"
STATUSES = {"active": 1, "on_hold": 2}
STATUS_NAMES = {1: "In Progress", 2: "On Hold", 3: "Won", 4: "Canceled", 5: "Out-Sold"}
STATES = {1: 0, 2: 0, 3: 1, 4: 2, 5: 2}


class Dynamics365Seller(Seller):
    stages = Stages("On Hold", "In Progress", "Won", "Out-Sold", "Canceled")
    labels: ClassVar[Mapping[str, str]] = {
        "deal_value": "Est. revenue",
        "closing_date": "Est. close date",
        "notes": "Description",
        "customer_city": "Account city",
        "customer_country": "Account country or region",
        "contacts": "Contact",
        "solutions": "Microsoft Partner Center Solutions",
    }
    email = "alex.kim@contoso.com"
    always_filled: ClassVar[frozenset[str]] = frozenset()
    unknown_id = "0a0b0c0d-0000-4000-8000-000000000001"

    def __init__(self, simulator: DataverseSimulator) -> None:
        self._simulator = simulator
        self.control = simulator.control

    def add_account(self, values: Values) -> str:
        return self._simulator.insert("account", renamed(ACCOUNT_COLUMNS, values))

    def edit_account(self, account_id: str, values: Values) -> None:
        self._simulator.edit("account", account_id, renamed(ACCOUNT_COLUMNS, values))

    def account(self, account_id: str) -> dict[str, Any]:
        return shown(ACCOUNT_COLUMNS, self._simulator.row("account", account_id))

    def delete_account(self, account_id: str) -> None:
        self._simulator.delete("account", account_id)

    def add_contact(self, account_id: str, person: Values) -> str:
        account = {"parentcustomerid_account@odata.bind": f"/accounts({account_id})"}
        return self._simulator.insert("contact", {**renamed(PERSON, person), **account})

    def contact(self, contact_id: str) -> dict[str, Any]:
        row = self._simulator.row("contact", contact_id)
        return {**shown(PERSON, row), "account": row["_parentcustomerid_value"]}

    def choose_contact(self, record_id: str, contact_id: str) -> None:
        self.edit(record_id, {"parentcontactid@odata.bind": f"/contacts({contact_id})"})

    def add_opportunity(self, values: Values, account_id: str, contact_id: str | None) -> str:
        body = {**self._body(values), "customerid_account@odata.bind": f"/accounts({account_id})"}
        if contact_id:
            body["parentcontactid@odata.bind"] = f"/contacts({contact_id})"
        return self._simulator.insert("opportunity", body)

    def edit(self, record_id: str, values: Values) -> None:
        self._simulator.edit("opportunity", record_id, self._body(values))

    def _body(self, values: Values) -> dict[str, Any]:
        body = dict(values)
        if "currency" in body:
            body["transactioncurrencyid@odata.bind"] = f"/transactioncurrencies({currency_id(body.pop('currency'))})"
        if "stage" in body:
            body["statuscode"] = STATUSES[body.pop("stage")]
        if "help" in body:
            body[HELP] = HELP_CODES[body.pop("help")]
        return renamed(COLUMNS, body)

    def delete(self, record_id: str) -> None:
        self._simulator.delete("opportunity", record_id)

    def win(self, record_id: str) -> None:
        self._simulator.win(record_id)

    def lose(self, record_id: str, stage: str) -> None:
        self._simulator.lose(record_id, next(status for status, name in STATUS_NAMES.items() if name == stage))

    def why_closed(self, record_id: str) -> str:
        """In the row that Dynamics 365 keeps beside the closing of an opportunity."""
        rows = self._simulator.rows("opportunityclose")
        (close,) = [row for row in rows if row["_opportunityid_value"] == record_id]
        return f"{close['subject']} {close['description'] or ''}"

    def words_of_closing(self, outcome: str, reason: str = "") -> str:
        return f"{outcome} in Partner Center{': ' if reason else ''}{reason}"

    def reopen(self, record_id: str) -> None:
        self._simulator.reopen(record_id, STATUSES["active"])

    def add_solution(self, record_id: str, identifier: str) -> str:
        row = {"msft_name": "Contoso Backup", "msft_solutionidentifier": identifier}
        parent = {"msft_OpportunityId@odata.bind": f"/opportunities({record_id})"}
        return self._simulator.insert(SOLUTION, {**row, **parent})

    def solutions(self, record_id: str) -> list[str]:
        rows = self._simulator.rows(SOLUTION)
        return [row["msft_solutionidentifier"] for row in rows if row["_msft_opportunityid_value"] == record_id]

    def record(self, record_id: str) -> dict[str, Any]:
        return self._by_name(self._simulator.row("opportunity", record_id))

    def records(self) -> list[dict[str, Any]]:
        return [self._by_name(row) for row in self._simulator.rows("opportunity")]

    def _by_name(self, row: Values) -> dict[str, Any]:
        status = row["statuscode"]
        assert row["statecode"] == STATES[status], "Dynamics 365 has no such state and status together"
        currencies = self._simulator.rows("transactioncurrency")
        codes = {one["transactioncurrencyid"]: one["isocurrencycode"] for one in currencies}
        names = {code: name for name, code in HELP_CODES.items()}
        return {
            **shown(COLUMNS, row),
            "currency": codes.get(row["_transactioncurrencyid_value"]),
            "help": names[row[HELP]],
            "stage": STATUS_NAMES[status],
        }

    def leads(self) -> list[dict[str, Any]]:
        return [shown(COLUMNS, row) for row in self._simulator.rows("lead")]
