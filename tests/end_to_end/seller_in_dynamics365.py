"""A seller at work in Dynamics 365."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.control import Fault
from sandbox.dataverse import DataverseSimulator, faults
from sandbox.dataverse.schema import stable_id
from sandbox.dataverse.seed import currency_id
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
LEAD_COLUMNS = {
    "id": "leadid",
    "name": "subject",
    "first_name": "firstname",
    "last_name": "lastname",
    "email": "emailaddress1",
    "phone": "telephone1",
    "customer_name": "companyname",
    "customer_city": "address1_city",
    "customer_country": "address1_country",
    "deal_value": "estimatedamount",
    "closing_date": "estimatedclosedate",
    **{name: COLUMNS[name] for name in ("sync", "referral_id", "referral_link", "audit")},
}
LEAD_STATES = {"Open": 0, "Qualified": 1, "Lost": 2, "Canceled": 2}
LEAD_STATUSES = {1: "Open", 2: "Open", 3: "Qualified", 4: "Lost", 7: "Canceled"}
STATUSES = {"active": 1, "on_hold": 2}
STATUS_NAMES = {1: "In Progress", 2: "On Hold", 3: "Won", 4: "Canceled", 5: "Out-Sold"}
STATES = {1: 0, 2: 0, 3: 1, 4: 2, 5: 2}


class Dynamics365Seller(Seller):
    stages = Stages("On Hold", "In Progress", "Won", "Out-Sold", "Canceled", converted="In Progress")
    labels: ClassVar[Mapping[str, str]] = {
        "deal_value": "Est. revenue",
        "closing_date": "Est. close date",
        "notes": "Description",
        "customer_city": "Account city",
        "customer_country": "Account country or region",
        "contacts": "Contact",
        "solutions": "Microsoft Partner Center Solutions",
    }
    lead_stages = LeadStages("Open", "Qualified", "Lost", "Canceled")
    email, colleague = "alex.kim@contoso.com", "dana.reyes@contoso.com"
    always_filled: ClassVar[frozenset[str]] = frozenset()
    lead_lacks: ClassVar[frozenset[str]] = frozenset()
    refuses_stale_writes = True
    only_people_convert_leads = False
    keeps_qualified_leads_editable = True
    operations = Operations(
        look="GET /api/data/v9.2/opportunities",
        look_at_leads="GET /api/data/v9.2/leads",
        look_at_solutions="GET /api/data/v9.2/msft_microsoftpartnercentersolutions",
        read="GET /api/data/v9.2/opportunities(*)",
        update="PATCH /api/data/v9.2/opportunities(*)",
        write="POST /api/data/v9.2/$batch",
    )
    own = OwnColumns(
        notes="customerneed",
        phase="stepname",
        deal_value="budgetamount",
        currency="currentsituation",
        country="address1_county",
        probability="closeprobability",
        microsoft_status="currentsituation",
        microsoft_team="customerneed",
    )
    unknown_id = "0a0b0c0d-0000-4000-8000-000000000001"

    def __init__(self, simulator: DataverseSimulator) -> None:
        self._simulator = simulator
        self.control = simulator.control

    def add_account(self, values: Values) -> str:
        return self._simulator.insert("account", renamed({**ACCOUNT_COLUMNS, "made_at": "overriddencreatedon"}, values))

    def edit_account(self, account_id: str, values: Values) -> None:
        self._simulator.edit("account", account_id, renamed(ACCOUNT_COLUMNS, values))

    def account(self, account_id: str) -> dict[str, Any]:
        return shown(ACCOUNT_COLUMNS, self._simulator.row("account", account_id))

    def accounts(self) -> list[dict[str, Any]]:
        return [shown(ACCOUNT_COLUMNS, row) for row in self._simulator.rows("account")]

    def delete_account(self, account_id: str) -> None:
        self._simulator.delete("account", account_id)

    def add_contact(self, account_id: str, person: Values) -> str:
        account = {"parentcustomerid_account@odata.bind": f"/accounts({account_id})"}
        return self._simulator.insert("contact", {**renamed(PERSON, person), **account})

    def edit_contact(self, contact_id: str, person: Values) -> None:
        self._simulator.edit("contact", contact_id, renamed(PERSON, person))

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

    def owner(self, record_id: str) -> str:
        return self._email(self._simulator.row("opportunity", record_id)["_ownerid_value"])

    def change_owner(self, record_id: str, email: str) -> None:
        self.edit(record_id, {"ownerid@odata.bind": f"/systemusers({stable_id('systemuser', email)})"})

    def colleagues(self, record_id: str) -> list[str]:
        rows = self._simulator.rows("connection")
        return [self._email(row["_record2id_value"]) for row in rows if row["_record1id_value"] == record_id]

    def add_colleague(self, record_id: str, email: str) -> str:
        connection = {
            "record1id_opportunity@odata.bind": f"/opportunities({record_id})",
            "record2id_systemuser@odata.bind": f"/systemusers({stable_id('systemuser', email)})",
            "record2roleid@odata.bind": f"/connectionroles({stable_id('connectionrole', 'Territory Manager')})",
        }
        return self._simulator.insert("connection", connection)

    def remove_colleague(self, membership_id: str) -> None:
        self._simulator.delete("connection", membership_id)

    def _email(self, user_id: str) -> str:
        return str(self._simulator.row("systemuser", user_id)["internalemailaddress"])

    def add_solution(self, record_id: str, identifier: str) -> str:
        row = {"msft_name": "Contoso Backup", "msft_solutionidentifier": identifier}
        parent = {"msft_OpportunityId@odata.bind": f"/opportunities({record_id})"}
        return self._simulator.insert(SOLUTION, {**row, **parent})

    def edit_solution(self, row_id: str, *, name: str = "", **terms: Any) -> None:
        body = {f"msft_{term}": value for term, value in terms.items()}
        self._simulator.edit(SOLUTION, row_id, {**body, **({"msft_name": name} if name else {})})

    def identify_solution(self, row_id: str, identifier: str) -> None:
        self._simulator.edit(SOLUTION, row_id, {"msft_solutionidentifier": identifier})

    def delete_solution(self, row_id: str) -> None:
        self._simulator.delete(SOLUTION, row_id)

    def solution_name(self, row_id: str) -> str:
        return str(self._simulator.row(SOLUTION, row_id)["msft_name"])

    def solutions(self, record_id: str) -> dict[str, str]:
        rows = [row for row in self._simulator.rows(SOLUTION) if row["_msft_opportunityid_value"] == record_id]
        return {row["msft_solutionidentifier"]: row[f"{SOLUTION}id"] for row in rows}

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
        return [self._lead_by_name(row) for row in self._simulator.rows("lead")]

    def lead(self, lead_id: str) -> dict[str, Any]:
        return self._lead_by_name(self._simulator.row("lead", lead_id))

    def _lead_by_name(self, row: Values) -> dict[str, Any]:
        stage = LEAD_STATUSES[row["statuscode"]]
        assert row["statecode"] == LEAD_STATES[stage], "Dynamics 365 has no such state and status together"
        return {**shown(LEAD_COLUMNS, row), "stage": stage}

    def add_lead(self, values: Values) -> str:
        return self._simulator.insert("lead", renamed(LEAD_COLUMNS, {"name": "Our own", **values}))

    def edit_lead(self, lead_id: str, values: Values) -> None:
        self._simulator.edit("lead", lead_id, renamed(LEAD_COLUMNS, values))

    def disqualify(self, lead_id: str) -> None:
        self._simulator.edit("lead", lead_id, {"statecode": LEAD_STATES["Lost"], "statuscode": 4})

    def convert(self, lead_id: str, *, opportunity: bool = True) -> str | None:
        return self._simulator.qualify(lead_id, opportunity=opportunity)

    def lead_of(self, record_id: str) -> str | None:
        lead_id = self._simulator.row("opportunity", record_id)["_originatingleadid_value"]
        return None if lead_id is None else str(lead_id)

    def busy(self) -> Fault:
        return faults.too_many_requests(retry_after_s=1, path="batch")

    def update_request(self, record_id: str) -> tuple[str, str]:
        return record_id, "PATCH"

    def expire_cursors(self, cursors: CursorStore) -> None:
        """By the service: it keeps what changed for some days only."""
        self._simulator.expire_delta_tokens()
