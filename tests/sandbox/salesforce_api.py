"""Calls the Salesforce simulator as a client that holds a good token sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import requests

from sandbox.salesforce import OrgOptions, SalesforceSimulator
from sandbox.serving import Server

VERSION = "66.0"
KEY = "Referral_Identifier__c"
DEAL = {"Name": "Contoso rollout", "StageName": "Prospecting", "CloseDate": "2026-06-30"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 8, 15, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float = 1) -> None:
        self.now += timedelta(seconds=seconds)


class Org:
    """One simulator, served over HTTP, and its clock. Paths are relative to ``/services/data/v66.0/``."""

    def __init__(self, simulator: SalesforceSimulator, clock: Clock, url: str, session: requests.Session) -> None:
        self.simulator = simulator
        self.hands = simulator.hands
        self.clock = clock
        self.url = url
        self.token = simulator.open_session()
        self._session = session

    def __call__(
        self, method: str, path: str, body: Any = None, *, version: str = VERSION, **headers: str
    ) -> requests.Response:
        """``headers`` are given with underscores for dashes."""
        sent = {"Authorization": f"Bearer {self.token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        address = path if path.startswith("/") else f"/services/data/v{version}/{path}"
        return self._session.request(method, f"{self.url}{address}", json=body, headers=sent, timeout=20)

    def make(self, sobject: str, **values: Any) -> str:
        """The id of a new row, made through the API."""
        made = self("POST", f"sobjects/{sobject}", values)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def deal(self, **values: Any) -> str:
        return self.make("Opportunity", **{**DEAL, **values})

    def read(self, sobject: str, row_id: str, *names: str) -> list[Any]:
        """The values of these fields, through the API."""
        found = self("GET", f"sobjects/{sobject}/{row_id}?fields={','.join(names)}")
        assert found.status_code == 200, found.text
        return [found.json()[name] for name in names]

    def query(self, soql: str, *, resource: str = "query", **headers: str) -> dict[str, Any]:
        answer = self.ask(soql, resource=resource, **headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ask(self, soql: str, *, resource: str = "query", **headers: str) -> requests.Response:
        return self("GET", f"{resource}?{urlencode({'q': soql})}", **headers)

    def names(self, where: str, sobject: str = "Opportunity") -> list[str]:
        return [row["Name"] for row in self.query(f"SELECT Name FROM {sobject} {where}")["records"]]


@contextmanager
def served(options: OrgOptions | None = None) -> Iterator[Org]:
    clock = Clock()
    simulator = SalesforceSimulator(clock=clock, options=options)
    with Server(simulator.build) as server, requests.Session() as session:
        yield Org(simulator, clock, server.url, session)


def error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()[0]["errorCode"]
