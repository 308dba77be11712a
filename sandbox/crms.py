"""The CRM of the sandbox, whichever it is: started, and worked in by a seller. The demo knows only this.

Each side shows its opportunities in the same words, read from the simulator's own rows and not through the connector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from sandbox.control import Control
from sandbox.dataverse import DataverseSimulator
from sandbox.dataverse.seed import SELLER_ID, currency_id
from sandbox.entra import EntraSimulator
from sandbox.salesforce import INTEGRATION_USERNAME, SELLER_USERNAME, ConnectedApp, SalesforceSimulator
from sandbox.serving import Server

SECRET = "a secret of the sandbox"
DATAVERSE_CLIENT = "8a4f0c0b-6f0c-4b52-9d2c-1d3c0a3f7e55"
SALESFORCE_CLIENT = "3MVG9-sandbox-consumer-key"
MARKS = "✔❌ \ufe0f"
HELP = "Proof of concept or demo"


@dataclass(frozen=True)
class Opportunity:
    """One opportunity as its CRM shows it. ``stage`` is ``on hold``, ``active``, ``won`` or ``lost``."""

    id: str
    referral_id: str | None
    syncs: bool
    shown_name: str
    deal_value: Decimal | None
    currency: str | None
    decimals: int
    closing_date: str | None
    notes: str
    is_visible: bool
    stage: str
    customer: str | None
    country: str | None
    solutions: tuple[str, ...]
    microsoft_crm_id: str | None

    @property
    def name(self) -> str:
        """Without the connector's mark."""
        return self.shown_name.lstrip(MARKS)


class CrmSide(Protocol):
    """``name`` as people write it; ``setting`` is what the app setting ``CRM`` says."""

    name: str
    setting: str
    control: Control

    def server(self, tls: Any) -> Server: ...
    def settle_in(self, url: str, entra: EntraSimulator) -> dict[str, str]:
        """The side serves at ``url`` from now on; the app settings that lead there."""
        ...

    def expire_tokens(self) -> None:
        """Every access token that the CRM itself gave out is refused from now on."""
        ...

    def opportunities(self) -> list[Opportunity]: ...
    def take_off_hold(self, opportunity_id: str) -> None: ...
    def lose(self, opportunity_id: str) -> None: ...
    def win(self, opportunity_id: str) -> None: ...
    def change_value(self, opportunity_id: str, value: float) -> None: ...
    def enter_opportunity(self) -> str:
        """An opportunity that a seller types in and shares, asking Microsoft for help; its id."""
        ...

    def page(self) -> str:
        """The path under which the control routes show the opportunities."""
        ...


def crm_side(setting: str, entra: EntraSimulator) -> CrmSide:
    """The side that the app setting ``CRM`` names."""
    return SalesforceSide() if setting == "salesforce" else DataverseSide(entra)


class DataverseSide:
    name, setting = "Dynamics 365", "dynamics365"

    def __init__(self, entra: EntraSimulator) -> None:
        self.simulator = DataverseSimulator(entra.refusal, application_id=DATAVERSE_CLIENT)
        self.control = self.simulator.control

    def server(self, tls: Any) -> Server:
        return Server(self.simulator.build, tls=tls)

    def settle_in(self, url: str, entra: EntraSimulator) -> dict[str, str]:
        self.simulator.base_url = url
        return {
            "DYNAMICS365_URL": url,
            "DYNAMICS365_TENANT_ID": entra.tenant_id,
            "DYNAMICS365_CLIENT_ID": DATAVERSE_CLIENT,
            "DYNAMICS365_CLIENT_SECRET": SECRET,
        }

    def page(self) -> str:
        return "/_control/rows/opportunity"

    def expire_tokens(self) -> None:
        """None: Dataverse takes those of Entra."""

    def opportunities(self) -> list[Opportunity]:
        rows = self.simulator.rows
        accounts = {row["accountid"]: row for row in rows("account")}
        currencies = {row["transactioncurrencyid"]: row for row in rows("transactioncurrency")}
        solutions: dict[str, list[str]] = {}
        for row in rows("msft_microsoftpartnercentersolution"):
            solutions.setdefault(row["_msft_opportunityid_value"], []).append(row["msft_solutionidentifier"])
        return [
            self._opportunity(
                row,
                accounts.get(row["_customerid_value"] or "", {}),
                currencies.get(row["_transactioncurrencyid_value"] or "", {}),
                solutions.get(row["opportunityid"], []),
            )
            for row in rows("opportunity")
        ]

    @staticmethod
    def _opportunity(
        row: Mapping[str, Any], account: Mapping[str, Any], currency: Mapping[str, Any], solutions: list[str]
    ) -> Opportunity:
        stages = {1: "won", 2: "lost"}
        return Opportunity(
            id=row["opportunityid"],
            referral_id=row["msft_microsoftpartnercenterreferralidentifier"],
            syncs=row["msft_microsoftpartnercenterreferralsync"],
            shown_name=row["name"],
            deal_value=row["estimatedvalue"],
            currency=currency.get("isocurrencycode"),
            decimals=currency.get("currencyprecision", 2),
            closing_date=row["estimatedclosedate"],
            notes=row["description"] or "",
            is_visible=bool(row["msft_microsoftpartnercenterreferralvisible"]),
            stage=stages.get(row["statecode"]) or ("on hold" if row["statuscode"] == 2 else "active"),
            customer=account.get("name"),
            country=account.get("address1_country"),
            solutions=tuple(sorted(solutions)),
            microsoft_crm_id=row["msft_microsoftcrmidentifier"],
        )

    def take_off_hold(self, opportunity_id: str) -> None:
        self.simulator.edit("opportunity", opportunity_id, {"statuscode": 1})

    def lose(self, opportunity_id: str) -> None:
        self.simulator.lose(opportunity_id, 4)

    def win(self, opportunity_id: str) -> None:
        self.simulator.win(opportunity_id)

    def change_value(self, opportunity_id: str, value: float) -> None:
        self.simulator.edit("opportunity", opportunity_id, {"estimatedvalue": value})

    def enter_opportunity(self) -> str:
        insert = self.simulator.insert
        address = {"line1": "8 Airfield Road", "city": "Bristol", "postalcode": "BS1 5TR", "country": "United Kingdom"}
        account = insert("account", {"name": "Tailspin Toys", **{f"address1_{k}": v for k, v in address.items()}})
        contact = insert(
            "contact",
            {
                "firstname": "Rosa",
                "lastname": "Ng",
                "emailaddress1": "rosa.ng@tailspin.example",
                "telephone1": "+44 117 496 0000",
                "parentcustomerid_account@odata.bind": f"/accounts({account})",
            },
        )
        opportunity = insert(
            "opportunity",
            {
                "name": "Tailspin data platform",
                "estimatedvalue": 90000,
                "estimatedclosedate": "2027-04-15",
                "description": "Starts with the toy returns.\nThen the web shop.",
                "msft_microsoftpartnercenterhelp": 299600002,
                "customerid_account@odata.bind": f"/accounts({account})",
                "parentaccountid@odata.bind": f"/accounts({account})",
                "parentcontactid@odata.bind": f"/contacts({contact})",
                "transactioncurrencyid@odata.bind": f"/transactioncurrencies({currency_id('GBP')})",
                "ownerid@odata.bind": f"/systemusers({SELLER_ID})",
            },
        )
        insert(
            "msft_microsoftpartnercentersolution",
            {
                "msft_name": "Contoso Data Platform",
                "msft_solutionidentifier": "SOL-30051-ABC",
                "msft_OpportunityId@odata.bind": f"/opportunities({opportunity})",
            },
        )
        self.simulator.edit("opportunity", opportunity, {"msft_microsoftpartnercenterreferralsync": True})
        return opportunity


class SalesforceSide:
    name, setting = "Salesforce", "salesforce"

    def __init__(self) -> None:
        app = ConnectedApp(SALESFORCE_CLIENT, INTEGRATION_USERNAME, consumer_secret=SECRET)
        self.simulator = SalesforceSimulator([app])
        self.control = self.simulator.control

    def server(self, tls: Any) -> Server:
        return Server(self.simulator.build, tls=tls)

    def settle_in(self, url: str, entra: EntraSimulator) -> dict[str, str]:
        self.simulator.base_url = url
        return {
            "SALESFORCE_LOGIN_URL": url,
            "SALESFORCE_CLIENT_ID": SALESFORCE_CLIENT,
            "SALESFORCE_CLIENT_SECRET": SECRET,
        }

    def page(self) -> str:
        return "/_control/rows/Opportunity"

    def expire_tokens(self) -> None:
        self.simulator.expire_sessions()

    def opportunities(self) -> list[Opportunity]:
        rows = self.simulator.hands.rows
        accounts = {row["Id"]: row for row in rows("Account")}
        identifiers = {row["Id"]: row["Solution_Identifier__c"] for row in rows("Microsoft_Solution_Detail__c")}
        decimals = {row["IsoCode"]: int(row["DecimalPlaces"]) for row in rows("CurrencyType")}
        solutions: dict[str, list[str]] = {}
        for row in rows("Microsoft_Solutions__c"):
            solutions.setdefault(row["Opportunity__c"], []).append(identifiers.get(row["Solution__c"], ""))
        return [
            self._opportunity(row, accounts.get(row["AccountId"] or "", {}), decimals, solutions.get(row["Id"], []))
            for row in rows("Opportunity")
        ]

    @staticmethod
    def _opportunity(
        row: Mapping[str, Any], account: Mapping[str, Any], decimals: Mapping[str, int], solutions: list[str]
    ) -> Opportunity:
        closed = "won" if row["IsWon"] else "lost"
        open_ = "on hold" if row["StageName"] == "On Hold" else "active"
        day = row["CloseDate"]
        return Opportunity(
            id=row["Id"],
            referral_id=row["Referral_Identifier__c"],
            syncs=bool(row["Sync_With_Partner_Center__c"]),
            shown_name=row["Name"],
            deal_value=None if row["Amount"] is None else Decimal(str(row["Amount"])),
            currency=row["CurrencyIsoCode"],
            decimals=decimals.get(row["CurrencyIsoCode"], 2),
            closing_date=day.isoformat() if isinstance(day, date) else day,
            notes=row["Description"] or "",
            is_visible=bool(row["Referral_Visibility__c"]),
            stage=closed if row["IsClosed"] else open_,
            customer=account.get("Name"),
            country=account.get("BillingCountry"),
            solutions=tuple(sorted(solutions)),
            microsoft_crm_id=row["Microsoft_CRM_Identifier__c"],
        )

    def take_off_hold(self, opportunity_id: str) -> None:
        self._edit(opportunity_id, StageName="Qualification")

    def lose(self, opportunity_id: str) -> None:
        self.simulator.hands.lose(opportunity_id)

    def win(self, opportunity_id: str) -> None:
        self.simulator.hands.win(opportunity_id)

    def change_value(self, opportunity_id: str, value: float) -> None:
        self._edit(opportunity_id, Amount=Decimal(str(value)))

    def _edit(self, opportunity_id: str, **values: Any) -> None:
        self.simulator.hands.edit("Opportunity", opportunity_id, values)

    def enter_opportunity(self) -> str:
        insert = self.simulator.hands.insert
        address = {"Street": "8 Airfield Road", "City": "Bristol", "PostalCode": "BS1 5TR", "Country": "United Kingdom"}
        account = insert("Account", {"Name": "Tailspin Toys", **{f"Billing{k}": v for k, v in address.items()}})
        contact = insert(
            "Contact",
            {
                "FirstName": "Rosa",
                "LastName": "Ng",
                "Email": "rosa.ng@tailspin.example",
                "Phone": "+44 117 496 0000",
                "AccountId": account,
            },
        )
        opportunity = insert(
            "Opportunity",
            {
                "Name": "Tailspin data platform",
                "Amount": Decimal(90000),
                "CurrencyIsoCode": "GBP",
                "CloseDate": "2027-04-15",
                "StageName": "Qualification",
                "Description": "Starts with the toy returns.\nThen the web shop.",
                "How_can_Microsoft_help__c": HELP,
                "AccountId": account,
                "ContactId": contact,
            },
            by=SELLER_USERNAME,
        )
        detail = insert(
            "Microsoft_Solution_Detail__c",
            {"Name": "Contoso Data Platform", "Solution_Identifier__c": "SOL-30077-TSP"},
        )
        insert("Microsoft_Solutions__c", {"Opportunity__c": opportunity, "Solution__c": detail})
        self._edit(opportunity, Sync_With_Partner_Center__c=True)
        return opportunity
