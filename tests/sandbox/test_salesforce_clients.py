"""The Salesforce simulator is held to two clients that were written by others, and insist on Salesforce's hosts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiosalesforce
import httpx
import pytest
import requests
from aiosalesforce.auth import ClientCredentialsFlow, JwtBearerFlow
from aiosalesforce.exceptions import DuplicatesDetectedError, MoreThanOneRecordError, NotFoundError
from aiosalesforce.exceptions import SalesforceError as AioSalesforceError
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_soql

from sandbox.certificates import Certificates
from sandbox.salesforce import (
    INTEGRATION_USERNAME,
    ConnectedApp,
    DuplicateRule,
    OrgOptions,
    SalesforceSimulator,
    faults,
)
from sandbox.serving import Server
from tests.sandbox.salesforce_api import DEAL, KEY

HOME = "https://acme.my.salesforce.com"
CONSUMER_KEY = "3MVG9-consumer-key"
SECRET = "a secret of the sandbox"


@dataclass
class Sandbox:
    simulator: SalesforceSimulator
    url: str
    certificates: Certificates

    def session(self) -> requests.Session:
        """Reaches the simulator, over TLS, under Salesforce's names."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.certificates.root_file)
        session.mount("https://", _Redirecting(self.url))
        return session

    def simple(self, **login: Any) -> Any:
        """A client; Any, since its own annotations call every object a bulk job."""
        by_secret = {"consumer_key": CONSUMER_KEY, "consumer_secret": SECRET, "domain": "acme.my"}
        return Salesforce(session=self.session(), version="66.0", **(login or by_secret))

    @asynccontextmanager
    async def asynchronous(self, auth: Any = None) -> AsyncIterator[aiosalesforce.Salesforce]:
        tls = ssl.create_default_context(cafile=str(self.certificates.root_file))
        async with httpx.AsyncClient(transport=_AsyncRedirecting(self.url, verify=tls), trust_env=False) as client:
            yield aiosalesforce.Salesforce(
                client, HOME, auth or ClientCredentialsFlow(CONSUMER_KEY, SECRET), version="66.0", retry_policy=None
            )


class _Redirecting(HTTPAdapter):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._target = urlsplit(url)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        asked = urlsplit(str(request.url))
        request.headers["Host"] = asked.netloc
        request.url = urlunsplit(asked._replace(scheme=self._target.scheme, netloc=self._target.netloc))
        return super().send(request, *args, **kwargs)


class _AsyncRedirecting(httpx.AsyncHTTPTransport):
    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(**more)
        self._target = httpx.URL(url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # The Host header stays Salesforce's.
        request.url = request.url.copy_with(host=self._target.host, port=self._target.port)
        return await super().handle_async_request(request)


@pytest.fixture
def sandbox(certificates: Certificates) -> Iterator[Sandbox]:
    app = ConnectedApp(
        CONSUMER_KEY,
        INTEGRATION_USERNAME,
        SECRET,
        certificates.signing_certificate_file.read_bytes(),
        frozenset({INTEGRATION_USERNAME}),
    )
    simulator = SalesforceSimulator([app], base_url=HOME, options=OrgOptions(page_size=200))
    with Server(simulator.build, tls=certificates.server_context()) as server:
        yield Sandbox(simulator, server.url, certificates)


def test_simple_salesforce_signs_in_with_a_secret_and_with_a_key(sandbox: Sandbox) -> None:
    key_file = str(sandbox.certificates.signing_key_file)
    by_key = sandbox.simple(username=INTEGRATION_USERNAME, consumer_key=CONSUMER_KEY, privatekey_file=key_file)
    for client in (sandbox.simple(), by_key):
        assert client.sf_instance == "acme.my.salesforce.com"
        assert client.limits()["DailyApiRequests"]["Max"] == 15000
        assert client.api_usage["api-usage"].total == 15000
    with pytest.raises(SalesforceAuthenticationFailed, match=r"invalid_client\): invalid client credentials"):
        sandbox.simple(consumer_key=CONSUMER_KEY, consumer_secret="wrong", domain="acme.my")


def test_simple_salesforce_signs_in_again_when_the_session_has_expired(sandbox: Sandbox) -> None:
    client = sandbox.simple()
    sandbox.simulator.expire_sessions()
    assert client.Account.create({"Name": "Fabrikam"})["success"] is True
    sandbox.simulator.expire_sessions()
    assert client.query("SELECT Name FROM Account")["records"][0]["Name"] == "Fabrikam"
    assert sandbox.simulator.control.count("POST /services/oauth2/token") == 3


def test_simple_salesforce_works_on_rows(sandbox: Sandbox) -> None:
    client = sandbox.simple()
    account = client.Account.create({"Name": "O'Neil \\ Söhne", "BillingCountry": "DE"})["id"]
    created = client.Opportunity.upsert(f"{KEY}/r-1", {**DEAL, "AccountId": account})
    updated = client.Opportunity.upsert(f"{KEY}/r-1", {"Amount": 1200.5})
    assert (created, updated) == (201, 200)
    deal = client.Opportunity.get_by_custom_id(KEY, "r-1")
    assert client.Opportunity.update(deal["Id"], {"NextStep": "call"}) == 204
    row = client.Opportunity.get(deal["Id"])
    assert (row["Amount"], row["NextStep"], row["Name"]) == (1200.5, "call", "Contoso rollout")
    found = client.query(
        format_soql(
            "SELECT Id FROM Opportunity WHERE Account.Name = {} AND Amount > {} AND CreatedDate > {}",
            "O'Neil \\ Söhne",
            1000,
            datetime(2026, 1, 1, tzinfo=UTC),
        )
    )
    assert [each["Id"] for each in found["records"]] == [deal["Id"]]
    start, end = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (-5, 5))
    assert client.Opportunity.updated(start, end)["ids"] == [deal["Id"]]
    assert client.Opportunity.delete(deal["Id"]) == 204
    assert [row["id"] for row in client.Opportunity.deleted(start, end)["deletedRecords"]] == [deal["Id"]]
    assert client.query_all("SELECT Id FROM Opportunity", include_deleted=True)["totalSize"] == 1
    names = [each["name"] for each in client.describe()["sobjects"]]
    assert "Microsoft_Solutions__c" in names
    assert client.Lead.describe()["keyPrefix"] == "00Q"


def test_simple_salesforce_reads_page_after_page(sandbox: Sandbox) -> None:
    client = sandbox.simple()
    for start in range(0, 450, 150):
        records = [{"attributes": {"type": "Account"}, "Name": f"A{start + number}"} for number in range(150)]
        client.restful("composite/sobjects", method="POST", json={"allOrNone": True, "records": records})
    everything = client.query_all("SELECT Name FROM Account ORDER BY Id")
    assert [row["Name"] for row in everything["records"]] == [f"A{number}" for number in range(450)]
    assert sandbox.simulator.control.count("GET /services/data/v66.0/query/01g") == 2


def test_simple_salesforce_understands_refusals(sandbox: Sandbox) -> None:
    client = sandbox.simple()
    with pytest.raises(SalesforceResourceNotFound) as missing:
        client.Opportunity.get("006000000000001AAA")
    said: Any = missing.value.content
    assert said[0]["errorCode"] == "NOT_FOUND"
    with pytest.raises(SalesforceMalformedRequest) as refused:
        client.Opportunity.create({"Name": "x"})
    said = refused.value.content
    assert said[0]["fields"] == ["StageName", "CloseDate"]
    with pytest.raises(SalesforceMalformedRequest, match="MALFORMED_QUERY"):
        client.query("SELECT Id FROM Account WHERE Name = 'it's'")
    for _ in range(2):
        client.Opportunity.create({**DEAL, KEY: "r-1"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        client.Opportunity.upsert(f"{KEY}/r-1", {"Name": "which?"})
    sandbox.simulator.control.order(faults.daily_limit_exceeded())
    with pytest.raises(SalesforceRefusedRequest, match="REQUEST_LIMIT_EXCEEDED"):
        client.query("SELECT Id FROM Account")


def test_aiosalesforce_signs_in_works_and_pages(sandbox: Sandbox) -> None:
    async def work() -> None:
        auth = JwtBearerFlow(CONSUMER_KEY, INTEGRATION_USERNAME, Path(sandbox.certificates.signing_key_file))
        async with sandbox.asynchronous(auth) as client:
            assert (await client.get_limits())["DailyApiRequests"]["Max"] == 15000
        async with sandbox.asynchronous() as client:
            rows = client.sobject
            first = await rows.upsert("Opportunity", "r-1", KEY, DEAL)
            second = await rows.upsert("Opportunity", "r-1", KEY, {"Amount": 5.25})
            assert (first.created, second.created, first.id == second.id) == (True, False, True)
            sandbox.simulator.expire_sessions()
            await rows.update("Opportunity", first.id, {"NextStep": "call"})
            row = await rows.get("Opportunity", "r-1", KEY, ["Amount", "NextStep"])
            assert (row["Amount"], row["NextStep"]) == (5.25, "call")
            for number in range(201):
                sandbox.simulator.hands.insert("Account", {"Name": f"A{number}"})
            assert len([row async for row in client.query("SELECT Id FROM Account")]) == 201
            await rows.delete("Opportunity", first.id)
            with pytest.raises(NotFoundError):
                await rows.get("Opportunity", first.id)
            deleted = [row async for row in client.query("SELECT Id FROM Opportunity", include_all_records=True)]
            assert [row["Id"] for row in deleted] == [first.id]

    asyncio.run(work())


def test_aiosalesforce_composes(sandbox: Sandbox) -> None:
    async def work() -> None:
        async with sandbox.asynchronous() as client:
            async with client.composite(all_or_none=True) as composite:
                account = composite.sobject.create("Account", {"Name": "Fabrikam"})
                deal = composite.sobject.upsert(
                    "Opportunity", "r-1", KEY, {**DEAL, "AccountId": str(account.reference.id)}
                )
                read = composite.sobject.get("Opportunity", "r-1", KEY)
                found = composite.query("SELECT Name FROM Account")
            assert (deal.created, read.record["AccountId"]) == (True, account.id)
            assert [row["Name"] for row in found.records] == ["Fabrikam"]
            async with client.composite(all_or_none=True) as composite:
                lost = composite.sobject.create("Account", {"Name": "Adatum"})
                wrong = composite.sobject.create("Opportunity", {"Name": "x", "AccountId": str(lost.reference.id)})
            assert (lost.is_success, wrong.status_code) == (False, 400)
            with pytest.raises(AioSalesforceError, match="PROCESSING_HALTED"):
                lost.raise_for_status()
        assert [row["Name"] for row in sandbox.simulator.hands.rows("Account")] == ["Fabrikam"]

    asyncio.run(work())


def test_aiosalesforce_understands_duplicates(sandbox: Sandbox) -> None:
    async def work() -> None:
        kim = {"LastName": "Kim", "Company": "Contoso", "Email": "kim@contoso.example"}
        lead = sandbox.simulator.hands.insert("Lead", {**kim, KEY: "r-1"})
        sandbox.simulator.hands.insert("Lead", {**kim, KEY: "r-1"})
        sandbox.simulator.add_rule(DuplicateRule("Lead", ("Email",)))
        async with sandbox.asynchronous() as client:
            with pytest.raises(DuplicatesDetectedError) as found:
                await client.sobject.create("Lead", kim)
            assert found.value.duplicates[0]["id"] == lead
            with pytest.raises(MoreThanOneRecordError):
                await client.sobject.upsert("Lead", "r-1", KEY, {"Title": "CTO"})

    asyncio.run(work())
