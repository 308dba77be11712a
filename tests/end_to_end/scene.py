"""One world with the app running in it, as tests look at it: people act on either side, and everything comes to rest.

The app's own timers never fire here; :meth:`Scene.settle` runs them by hand, so that every call is accounted for.
"""

from __future__ import annotations

import copy
import json
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueServiceClient

from sandbox.dataverse import DataverseSimulator
from sandbox.world import World
from shared.state.audit import AuditLine, AuditLog
from shared.state.connection import StorageConnection
from shared.state.cursors import CursorStore
from shared.state.links import LinkStore
from shared.state.queues import ALL_QUEUES, CRM_CHANGES
from shared.state.runs import Run, RunHistory
from shared.state.tables import Tables
from tests.end_to_end.sellers import seller_of
from tests.end_to_end.waiting import TIMEOUT_S, wait_for

DOCUMENTS = Path(__file__).parents[2] / "sandbox" / "documents"
NEVER_IN_A_TEST = "0 0 0 29 2 *"
NO_TIMERS = {
    "CRM_POLL_SCHEDULE": NEVER_IN_A_TEST,
    "SOLUTIONS_SCHEDULE": NEVER_IN_A_TEST,
    "AUTO_HEAL_SCHEDULE": NEVER_IN_A_TEST,
}


def new_document(name: str = "contoso-supply-chain", /, **changes: Any) -> dict[str, Any]:
    """An incoming referral of the sandbox's own documents; ``changes`` by path with ``__`` between the steps."""
    document = json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))
    for path, value in changes.items():
        *steps, last = path.split("__")
        holder = document
        for step in steps:
            holder = holder[step]
        holder[last] = copy.deepcopy(value)
    return dict(document)


def _lines(audit: str | None) -> list[str]:
    return [line.partition(" - ")[2] for line in (audit or "").splitlines()]


class Scene:
    """The world, and what can be seen of it on both sides and in the app's own storage."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seller = seller_of(world)
        self.people = world.partner_center.people
        storage = world.settings()["AzureWebJobsStorage"]
        self._tables = Tables(StorageConnection(storage))
        self.links = LinkStore(self._tables)
        self._audit = AuditLog(self._tables)
        self._runs = RunHistory(self._tables)
        self._cursors = CursorStore(self._tables)
        self._queues = QueueServiceClient.from_connection_string(storage)
        self._busy = ""

    def expire_cursors(self) -> None:
        """The next looks at the CRM have to read all of it."""
        self.seller.expire_cursors(self._cursors)

    def close(self) -> None:
        self._tables.close()
        self._queues.close()

    @property
    def crm(self) -> DataverseSimulator:
        """For tests of what only Dynamics 365 has."""
        return self.world.dataverse

    # Acts of people. Values by the mapping's names or by the CRM's own (see tests.end_to_end.seller).

    def incoming(self, document: str = "contoso-supply-chain", /, **changes: Any) -> str:
        """A referral that arrives from Microsoft; its id."""
        return str(self.people.add_referral(new_document(document, **changes))["id"])

    def taken_in(self, document: str = "contoso-supply-chain", /, **changes: Any) -> tuple[str, str]:
        """A referral that arrived and has its opportunity, everything at rest; both ids."""
        referral_id = self.incoming(document, **changes)
        self.settle()
        return referral_id, str(self.record_of(referral_id)["id"])

    def accepted(self, document: str = "contoso-supply-chain", /, **changes: Any) -> tuple[str, str]:
        """The same, and accepted on both sides."""
        return self.taken_in(document, status="Active", substatus="Accepted", **changes)

    def account(self, **values: Any) -> str:
        address = {
            "customer_address_line_1": "5 Pine Street",
            "customer_city": "Seattle",
            "customer_postal_code": "98101",
            "customer_country": "United States",
        }
        return self.seller.add_account({"customer_name": "Northwind Traders", **address, **values})

    def opportunity(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        account: Mapping[str, Any] | None = None,
        contact: bool = True,
        solution: bool = True,
    ) -> str:
        """An opportunity that a seller wants to share: its account, contact and solution row with it; its id."""
        account_id = self.account(**(account or {}))
        all_values: dict[str, Any] = {
            "name": "Northwind: data platform",
            "deal_value": 120000,
            "currency": "USD",
            "closing_date": "2027-02-15",
            "notes": "They want to start small.",
            "sync": True,
            **(values or {}),
        }
        contact_id = self.contact(account_id) if contact else None
        opportunity_id = self.seller.add_opportunity(all_values, account_id, contact_id)
        if solution:
            self.add_solution(opportunity_id)
        return opportunity_id

    def contact(self, account_id: str) -> str:
        person = {"first_name": "Ada", "last_name": "Berg", "email": "ada.berg@northwind.example"}
        return self.seller.add_contact(account_id, {**person, "phone": "+1 206 555 0100"})

    def add_solution(self, opportunity_id: str, identifier: str = "SOL-34104-EBB") -> str:
        return self.seller.add_solution(opportunity_id, identifier)

    def edit_crm(self, record_id: str, **values: Any) -> None:
        self.seller.edit(record_id, values)

    def edit_referral(self, referral_id: str, **changes: Any) -> None:
        """``changes`` by path with ``__`` between the steps."""
        self.people.edit_referral(
            referral_id, {f"/{path.replace('__', '/')}": value for path, value in changes.items()}
        )

    # Both sides

    def referral(self, referral_id: str) -> dict[str, Any]:
        return self.world.partner_center.store.of_anyone(referral_id)

    def stage_of(self, referral_id: str) -> str:
        referral = self.referral(referral_id)
        return f"{referral['status']}/{referral['substatus']}"

    def records_of(self, referral_id: str) -> list[dict[str, Any]]:
        return [row for row in self.seller.records() if row["referral_id"] == referral_id]

    def record_of(self, referral_id: str) -> dict[str, Any]:
        """The referral's one opportunity; the test fails if there are none or several."""
        (row,) = self.records_of(referral_id)
        return row

    def record(self, record_id: str) -> dict[str, Any]:
        return self.seller.record(record_id)

    def stage(self, record_id: str) -> str:
        """As the CRM calls it: one of the names in ``seller.stages``."""
        return str(self.record(record_id)["stage"])

    def referrals_of(self, record_id: str) -> list[dict[str, Any]]:
        """The partner's own referrals that carry this CRM id, oldest first."""
        return [one for one in self.world.partner_center.store.all() if one["externalReferenceId"] == record_id]

    def referral_of(self, record_id: str) -> dict[str, Any]:
        (document,) = self.referrals_of(record_id)
        return document

    def microsofts(self, engagement_id: str) -> list[dict[str, Any]]:
        """Microsoft's side of an engagement, once per invitation."""
        return [
            one
            for one in self.world.partner_center.store.all()
            if one["engagementId"] == engagement_id and one["organizationId"] == "msft"
        ]

    def audit(self, record_id: str) -> list[str]:
        """The lines of the CRM's audit field, newest first, without their times."""
        return _lines(self.record(record_id)["audit"])

    def lead_of(self, referral_id: str) -> dict[str, Any]:
        """The referral's one lead."""
        (row,) = [row for row in self.seller.leads() if row["referral_id"] == referral_id]
        return row

    def lead_audit(self, lead_id: str) -> list[str]:
        return _lines(self.seller.lead(lead_id)["audit"])

    # The app's own books

    def runs_of(self, subject_id: str) -> list[Run]:
        """Newest first."""
        return [run for run in self._runs.recent(5000, 2) if run.subject_id.lower() == subject_id.lower()]

    def audit_rows(self, referral_id: str) -> list[AuditLine]:
        """The audit table's lines of the referral's link, newest first."""
        link = self.links.find_by_referral(referral_id)
        return self._audit.of_link(link.id if link else f"referral-{referral_id}")

    def queue_lengths(self) -> dict[str, int]:
        """By name, hidden messages included; without those that are empty."""
        return {name: length for name in ALL_QUEUES if (length := self._length(name))}

    def _are_queues_empty(self) -> bool:
        """Asks first for the queue that was busy the last time: most often it still is."""
        for queue in sorted(ALL_QUEUES, key=lambda name: name != self._busy):
            if self._length(queue):
                self._busy = queue
                return False
        return True

    def _length(self, queue: str) -> int:
        with suppress(ResourceNotFoundError):
            return self._queues.get_queue_client(queue).get_queue_properties().approximate_message_count or 0
        return 0

    # Coming to rest

    def executed(self, function: str) -> int:
        """How often the host has run ``function`` to its end."""
        assert self.world.host is not None
        return self.world.host.log.count(f"Executed '{function}' (")

    def run_timer(self, function: str) -> None:
        """One tick of a timer; returns when it is over."""
        before = self.executed(function)
        self.world.run_now(function)
        wait_for(lambda: self.executed(function) > before, f"{function} runs")

    def settle(self, timeout_s: float = TIMEOUT_S) -> None:
        """Every event is delivered and worked off, and a look at the CRM finds nothing more to do."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.wait_quiet(deadline - time.monotonic())
            before = self.executed("crm_opportunity_to_partner_center")
            self.run_timer("crm_to_partner_center")
            # What the look has queued is in the queue now, or has been worked off: that is counted before it is gone.
            if not self._length(CRM_CHANGES) and self.executed("crm_opportunity_to_partner_center") == before:
                return

    def wait_quiet(self, timeout_s: float = TIMEOUT_S) -> None:
        """No callback is under way, and no message is in a queue or being worked off."""
        deadline = time.monotonic() + timeout_s
        while True:
            raised = len(self.world.partner_center.deliveries.log)
            self._wait_delivered(deadline)
            wait_for(
                lambda: not any(map(self._length, ALL_QUEUES)), "empty queues", max(deadline - time.monotonic(), 0.1)
            )
            self._wait_delivered(deadline)
            # An event raised meanwhile may have put a message where this had already looked.
            if raised == len(self.world.partner_center.deliveries.log):
                return

    def _wait_delivered(self, deadline: float) -> None:
        try:
            self.world.partner_center.wait_idle(max(deadline - time.monotonic(), 0.1))
        except TimeoutError as problem:
            pytest.fail(f"{problem}; queues: {self.queue_lengths()}")

    # Budgets

    def forget_calls(self) -> None:
        self.world.partner_center.control.forget_calls()
        self.seller.control.forget_calls()

    def calls(self) -> tuple[Counter[str], Counter[str]]:
        """Calls to Partner Center and to the CRM by operation, without looks at which opportunities changed."""
        crm = self.seller.control.operations()
        del crm[self.seller.operations.look]
        partner_center = self.world.partner_center.control.operations()
        return Counter({name: n for name, n in partner_center.items() if "/referrals" in name}), crm
