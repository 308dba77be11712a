"""One rig per CRM adapter: the adapter on its CRM, and the hands of sellers and of bad luck on that CRM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import requests

from sandbox.certificates import Certificates
from sandbox.dataverse import DataverseSimulator, faults
from sandbox.serving import Server
from shared.crm.dynamics365.adapter import Dynamics365
from shared.crm.dynamics365.errors import classifier
from shared.crm.port import CrmPort
from shared.domain.errors import RetryLater
from shared.domain.mapping import CrmMapping
from shared.domain.values import Person, Solution
from shared.transport import Timeout, Transport
from tests.contract.deals import read_mapping
from tests.contract.memory_crm import MemoryCrm

PAGE_SIZE = 3
USER = Person("Alex", "Kim", "", "alex.kim@contoso.com")
OTHER_USER = Person("Dana", "Reyes", "", "dana.reyes@contoso.com")
NAME_LENGTH = 300
SOLUTION = "msft_microsoftpartnercentersolution"


class Rig(Protocol):
    """``USER`` and ``OTHER_USER`` can own records; pages of changes hold ``PAGE_SIZE``; topics ``NAME_LENGTH``."""

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
    def __init__(self) -> None:
        self.mapping = read_mapping("dynamics365.toml")
        users = {person.email: person for person in (USER, OTHER_USER)}
        record = next(iter(self.mapping.records.values()))
        self._name = record.field("name").crm
        self.crm = MemoryCrm(self.mapping, max_lengths={self._name: NAME_LENGTH}, users=users, page_size=PAGE_SIZE)

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
