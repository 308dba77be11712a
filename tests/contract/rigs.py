"""One rig per CRM adapter: the adapter on its CRM, and the hands of sellers and of bad luck on that CRM."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import requests

from sandbox.certificates import Certificates
from sandbox.control import Fault
from sandbox.dataverse import DataverseSimulator, faults
from sandbox.salesforce import INTEGRATION_USERNAME, ConnectedApp, OrgOptions, SalesforceSimulator
from sandbox.salesforce import faults as salesforce_faults
from sandbox.salesforce.schema import Field as LeadField
from sandbox.serving import Server
from shared.crm.dynamics365.adapter import Dynamics365
from shared.crm.dynamics365.errors import classifier
from shared.crm.port import CrmPort
from shared.crm.salesforce.adapter import Salesforce
from shared.crm.salesforce.api_usage import UsageMeter
from shared.crm.salesforce.auth import SERVICE as SALESFORCE
from shared.crm.salesforce.auth import SalesforceSession, client_credentials
from shared.crm.salesforce.errors import classifier as salesforce_classifier
from shared.domain.errors import RetryLater
from shared.domain.mapping import CrmMapping
from shared.domain.overlay import build_mapping
from shared.domain.values import Person, Solution
from shared.transport import Timeout, Transport
from tests.contract.deals import read_mapping
from tests.contract.memory_crm import MemoryCrm

PAGE_SIZE = 3
USER = Person("Alex", "Kim", "", "alex.kim@contoso.com")
OTHER_USER = Person("Dana", "Reyes", "", "dana.reyes@contoso.com")
NAME_LENGTH = 300
SOLUTION = "msft_microsoftpartnercentersolution"
SOLUTIONS, DETAILS = "Microsoft_Solutions__c", "Microsoft_Solution_Detail__c"


class Rig(Protocol):
    """``USER`` and ``OTHER_USER`` can own records; pages of changes hold ``PAGE_SIZE``; topics ``NAME_LENGTH``.

    ``renames_solutions``: a row has a name of its own, not that of the catalogue.
    """

    renames_solutions: bool

    @property
    def lead_statuses(self) -> Mapping[str, str]:
        """The names of ``lost`` and ``declined`` leads."""
        ...

    @property
    def crm(self) -> CrmPort: ...
    @property
    def mapping(self) -> CrmMapping: ...
    def calls(self) -> int:
        """How many requests the CRM has had."""
        ...

    def add_account(self, name: str, postal_code: str | None) -> str: ...
    def rename(self, record_id: str, name: str) -> None:
        """A seller renames the record."""
        ...

    def delete(self, record_id: str) -> None: ...
    def set_solutions(self, record_id: str, *solutions: Solution) -> None:
        """A seller adds, edits and removes solution rows until these are under the record."""
        ...

    def solution_rows(self, record_id: str) -> tuple[str, ...]:
        """Ids of the solution rows under the record, oldest first."""
        ...

    def expire_cursors(self) -> None: ...
    def throttle_next(self, after_s: int) -> None: ...
    def refuse_next(self) -> None:
        """The next call is answered with 503."""
        ...

    def cut_next(self) -> None:
        """The next call does its work, but its answer never comes."""
        ...


class MemoryRig:
    renames_solutions = True

    def __init__(self) -> None:
        self.mapping = read_mapping("dynamics365.toml")
        users = {person.email: person for person in (USER, OTHER_USER)}
        record = next(iter(self.mapping.records.values()))
        self._name = record.field("name").crm
        self.crm = MemoryCrm(self.mapping, max_lengths={self._name: NAME_LENGTH}, users=users, page_size=PAGE_SIZE)

    @property
    def lead_statuses(self) -> Mapping[str, str]:
        return self.mapping.adapter["lead"]["status_reasons"]  # type: ignore[no-any-return]

    def calls(self) -> int:
        return self.crm.calls.total()

    def add_account(self, name: str, postal_code: str | None) -> str:
        return self.crm.add_account(name=name, address1_postalcode=postal_code)

    def rename(self, record_id: str, name: str) -> None:
        self.crm.edit(record_id, {self._name: name})

    def delete(self, record_id: str) -> None:
        self.crm.delete(record_id)

    def set_solutions(self, record_id: str, *solutions: Solution) -> None:
        self.crm.edit(record_id, {"@solutions": solutions})

    def solution_rows(self, record_id: str) -> tuple[str, ...]:
        return self.crm.solutions.ids_under(record_id)

    def expire_cursors(self) -> None:
        self.crm.expire_cursors()

    def throttle_next(self, after_s: int) -> None:
        self.crm.fail_next(RetryLater("busy", code="throttled", after_s=after_s, status=429))

    def refuse_next(self) -> None:
        self.crm.fail_next(RetryLater("down", code="unavailable", status=503))

    def cut_next(self) -> None:
        self.crm.fail_next(RetryLater("cut", code="connection"), after_commit=True)


class Dynamics365Rig:
    renames_solutions = True

    def __init__(self, simulator: DataverseSimulator, url: str, root_file: Path) -> None:
        self.simulator = simulator
        self.mapping = read_mapping("dynamics365.toml")
        self.session = requests.Session()
        self.session.verify = str(root_file)
        self.session.trust_env = False  # REQUESTS_CA_BUNDLE would win over the line above
        self.transport = Transport(
            "Dynamics 365", lambda fresh: "token", classify=classifier(), timeout=Timeout(2, 10), session=self.session
        )
        self.url = url
        self.crm = self.adapter()

    def adapter(self, mapping: CrmMapping | None = None) -> Dynamics365:
        """A new adapter, as another worker would have it."""
        return Dynamics365(self.transport, self.url, mapping or self.mapping, page_size=PAGE_SIZE)

    @property
    def lead_statuses(self) -> Mapping[str, str]:
        return self.mapping.adapter["lead"]["status_reasons"]  # type: ignore[no-any-return]

    def calls(self) -> int:
        return len(self.simulator.control.calls)

    def add_account(self, name: str, postal_code: str | None) -> str:
        return self.simulator.insert("account", {"name": name, "address1_postalcode": postal_code})

    def rename(self, record_id: str, name: str) -> None:
        self.simulator.edit("opportunity", record_id, {"name": name})

    def delete(self, record_id: str) -> None:
        self.simulator.delete("opportunity", record_id)

    def set_solutions(self, record_id: str, *solutions: Solution) -> None:
        left = {row["msft_solutionidentifier"]: row for row in self._solutions(record_id)}
        for solution in solutions:
            row = left.pop(solution.id, None)
            body = {
                "msft_name": solution.name,
                "msft_solutionidentifier": solution.id,
                "msft_quantity": solution.quantity,
                "msft_price": solution.price,
            }
            if row is None:
                parent = {"msft_OpportunityId@odata.bind": f"/opportunities({record_id})"}
                self.simulator.insert(SOLUTION, {**body, **parent})
            elif {**row, **body} != row:
                self.simulator.edit(SOLUTION, row[f"{SOLUTION}id"], body)
        for row in left.values():
            self.simulator.delete(SOLUTION, row[f"{SOLUTION}id"])

    def solution_rows(self, record_id: str) -> tuple[str, ...]:
        return tuple(row[f"{SOLUTION}id"] for row in self._solutions(record_id))

    def _solutions(self, record_id: str) -> list[dict[str, Any]]:
        return [row for row in self.simulator.rows(SOLUTION) if row["_msft_opportunityid_value"] == record_id]

    def expire_cursors(self) -> None:
        self.simulator.expire_delta_tokens()

    def throttle_next(self, after_s: int) -> None:
        self.simulator.control.order(faults.too_many_requests(retry_after_s=after_s))

    def refuse_next(self) -> None:
        self.simulator.control.order(faults.unavailable())

    def cut_next(self) -> None:
        self.simulator.control.order(faults.cut_after_commit())


def check_token(authorization: str | None, audience: str) -> str | None:
    return None if authorization == "Bearer token" else "The token is not the one of this test."


@contextmanager
def dynamics365_rig(certificates: Certificates, simulator: DataverseSimulator) -> Iterator[Dynamics365Rig]:
    with Server(simulator.build, tls=certificates.server_context()) as server:
        rig = Dynamics365Rig(simulator, server.url, certificates.root_file)
        with rig.transport:
            yield rig


class TickingClock:
    """Every look at it is a second later: Salesforce tells the versions of a record apart by the second.

    ``step`` can be set to nought: then everything happens within one second.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.step = timedelta(seconds=1)
        self._now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        with self._lock:
            self._now += self.step
            return self._now

    def advance(self, by: timedelta) -> None:
        with self._lock:
            self._now += by


class SalesforceRig:
    renames_solutions = False
    CONSUMER_KEY, SECRET = "3MVG9consumer", "a-secret-of-the-sandbox"

    def __init__(self, simulator: SalesforceSimulator, clock: TickingClock, url: str, root_file: Path) -> None:
        self.simulator = simulator
        self.hands = simulator.hands
        self.clock = clock
        self.mapping = _mapping_of_org(simulator)
        self.http = requests.Session()
        self.http.verify = str(root_file)
        self.http.trust_env = False  # REQUESTS_CA_BUNDLE would win over the line above
        self.url = url
        self.session = self.sign_in()
        self.meter = UsageMeter()
        self.transport = Transport(
            SALESFORCE,
            self.session.authorize,
            classify=salesforce_classifier(self.meter.note, clock),
            timeout=Timeout(2, 10),
            session=self.http,
        )
        simulator.change_field("Opportunity", "Name", length=NAME_LENGTH)
        for person in (USER, OTHER_USER):
            names = {"FirstName": person.first_name, "LastName": person.last_name, "Alias": person.first_name}
            self.hands.insert("User", {**names, "Email": person.email, "Username": f"{person.email}.contract"})
        self.crm = self.adapter()

    def sign_in(self) -> SalesforceSession:
        return SalesforceSession(self.url, client_credentials(self.CONSUMER_KEY, self.SECRET), http=self.http)

    def adapter(self, mapping: CrmMapping | None = None, **options: Any) -> Salesforce:
        """A new adapter, as another worker would have it."""
        options = {"page_size": PAGE_SIZE, "clock": self.clock, "meter": self.meter, **options}
        return Salesforce(self.transport, self.session, mapping or self.mapping, **options)

    @property
    def lead_statuses(self) -> Mapping[str, str]:
        return self.mapping.adapter["lead"]["statuses"]  # type: ignore[no-any-return]

    def calls(self) -> int:
        return len(self.simulator.control.calls)

    def add_account(self, name: str, postal_code: str | None) -> str:
        return self.hands.insert("Account", {"Name": name, "BillingPostalCode": postal_code})

    def rename(self, record_id: str, name: str) -> None:
        self.hands.edit("Opportunity", record_id, {"Name": name})

    def delete(self, record_id: str) -> None:
        self.hands.delete("Opportunity", record_id)

    def set_solutions(self, record_id: str, *solutions: Solution) -> None:
        details = {row["Solution_Identifier__c"]: row["Id"] for row in self.hands.rows(DETAILS)}
        left = {row["Solution__c"]: row for row in self._solutions(record_id)}
        for solution in solutions:
            detail = details.get(solution.id) or self.hands.insert(
                DETAILS, {"Name": solution.name, "Solution_Identifier__c": solution.id}
            )
            row = left.pop(detail, None)
            body = {"Quantity__c": solution.quantity, "Price__c": solution.price}
            if row is None:
                self.hands.insert(SOLUTIONS, {**body, "Solution__c": detail, "Opportunity__c": record_id})
            elif {**row, **body} != row:
                self.hands.edit(SOLUTIONS, row["Id"], body)
        for row in left.values():
            self.hands.delete(SOLUTIONS, row["Id"])

    def solution_rows(self, record_id: str) -> tuple[str, ...]:
        return tuple(row["Id"] for row in self._solutions(record_id))

    def _solutions(self, record_id: str) -> list[dict[str, Any]]:
        return [row for row in self.hands.rows(SOLUTIONS) if row["Opportunity__c"] == record_id]

    def expire_cursors(self) -> None:
        """The recycle bin, which tells of deleted rows, goes back 15 days."""
        self.clock.advance(timedelta(days=15))

    def throttle_next(self, after_s: int) -> None:
        body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentRequests Limit exceeded."}]
        wait = {"Retry-After": str(after_s)}
        self.simulator.control.order(Fault(salesforce_faults.DATA_PATH, status=403, body=body, headers=wait))

    def refuse_next(self) -> None:
        self.simulator.control.order(salesforce_faults.unavailable())

    def cut_next(self) -> None:
        self.simulator.control.order(salesforce_faults.cut_after_commit())


def _mapping_of_org(simulator: SalesforceSimulator) -> CrmMapping:
    """Leads of Salesforce have no topic, value or closing date; this org's administrator made fields for them."""
    own = (
        ("name", "Topic__c", "marked_text", LeadField("Topic__c", "string", "Topic", length=NAME_LENGTH)),
        ("deal_value", "Value__c", "money", LeadField("Value__c", "currency", "Value", precision=18, scale=2)),
        ("closing_date", "Closing__c", "date", LeadField("Closing__c", "date", "Closing")),
    )
    paths = {"name": "name", "deal_value": "details.dealValue", "closing_date": "details.closingDateTime"}
    lead = simulator.schema.objects["Lead"]
    fields = {definition.name: definition for *_, definition in own}
    simulator.schema.objects["Lead"] = replace(lead, fields={**lead.fields, **fields})
    rows = []
    for name, field, converter, definition in own:
        simulator.change_field("Lead", field, label=definition.label)  # which is also when the API begins to see it
        row = {"name": name, "label": name, "partner_center": paths[name], "crm": field, "converter": converter}
        rows.append({**row, "to_partner_center": "never"})
    own_mapping = {
        "records": {"lead": {"fields": rows}},
        "adapter": {"org": {"settles_after_s": 1}},  # this org and the adapter have one clock, and nothing shows late
    }
    return build_mapping(read_mapping("salesforce.toml").model_dump(mode="json"), own_mapping)


@contextmanager
def salesforce_rig(certificates: Certificates, **options: Any) -> Iterator[SalesforceRig]:
    """On an org with ``options`` over those of one that installed infra/salesforce, and has no opportunity teams."""
    clock = TickingClock()
    app = ConnectedApp(SalesforceRig.CONSUMER_KEY, INTEGRATION_USERNAME, SalesforceRig.SECRET)
    chosen = {"unique_referral_identifier": True, "team_selling": False, **options}
    simulator = SalesforceSimulator([app], clock=clock, options=OrgOptions(**chosen))
    with Server(simulator.build, tls=certificates.server_context()) as server:
        rig = SalesforceRig(simulator, clock, server.url, certificates.root_file)
        with rig.transport:
            yield rig
