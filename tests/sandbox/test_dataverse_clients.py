"""The Dataverse simulator is held to two clients that were written by others."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.upsert import UpsertItem

from sandbox.certificates import Certificates
from sandbox.dataverse import DataverseSimulator
from sandbox.serving import Server

PEER = Path(__file__).with_name("dataverse_peer.mjs")
REFERRAL_ID = "msft_microsoftpartnercenterreferralidentifier"


def accept_good(authorization: str | None, audience: str) -> str | None:
    return None if authorization == "Bearer good" else "The token is not valid."


class GoodCredential:
    """A TokenCredential; remembers the scopes that it was asked for."""

    def __init__(self) -> None:
        self.scopes: set[str] = set()

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes |= set(scopes)
        return AccessToken("good", int(time.time()) + 3600)


@pytest.fixture
def simulator() -> DataverseSimulator:
    return DataverseSimulator(accept_good)


@pytest.fixture
def credential() -> GoodCredential:
    return GoodCredential()


@pytest.fixture
def sdk(
    simulator: DataverseSimulator,
    credential: GoodCredential,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[DataverseClient]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.root_file))
    with (
        Server(simulator.build, tls=certificates.server_context()) as server,
        DataverseClient(server.url, credential) as client,
    ):
        yield client


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node and the sandbox's packages")
def test_dynamics_web_api_finds_a_dataverse(simulator: DataverseSimulator) -> None:
    with Server(simulator.build) as server:
        run = subprocess.run(["node", PEER, server.url], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "retrieved": {"name": "Contoso rollout", "estimatedvalue": 1200.5},
        "stale": {
            "status": 412,
            "message": "The version of the existing record doesn't match the RowVersion property provided.",
        },
        "upserted": ["Fabrikam first", "Fabrikam second"],
        "pages": [2, 1],
        "fullRead": ["Contoso rollout 2", "Fabrikam second", "Adatum"],
        "delta": ["Woodgrove", ["deleted", True]],
        "nothingNew": [],
        "batch": ["Northwind", ["Contoso CRM"]],
        "failedBatch": [400],
        "won": "Won",
    }
    assert [account["name"] for account in simulator.rows("account")] == ["Northwind"]


def test_the_official_sdk_creates_lists_and_updates(sdk: DataverseClient, credential: GoodCredential) -> None:
    first = sdk.records.create(
        "opportunity", {"name": "Contoso", "msft_microsoftpartnercenterhelp": "Quotes or licensing"}
    )
    sdk.records.create("opportunity", [{"name": "Fabrikam"}, {"name": "Adatum"}])
    sdk.records.update("opportunity", first, {"description": "Two sites"})
    row = sdk.records.retrieve("opportunity", first)
    assert row is not None
    assert (row["description"], row["msft_microsoftpartnercenterhelp"]) == ("Two sites", 299600003)
    pages = list(sdk.records.list_pages("opportunity", select=["name"], orderby=["name"], page_size=2))
    assert [[found["name"] for found in page] for page in pages] == [["Adatum", "Contoso"], ["Fabrikam"]]
    assert {scope.rpartition("/")[2] for scope in credential.scopes} == {".default"}


def test_the_official_sdk_upserts_one_and_several(sdk: DataverseClient, simulator: DataverseSimulator) -> None:
    def item(referral_id: str, name: str) -> UpsertItem:
        return UpsertItem(alternate_key={REFERRAL_ID: referral_id}, record={"name": name})

    sdk.records.upsert("opportunity", [item("r-1", "first")])
    sdk.records.upsert("opportunity", [item("r-1", "second"), item("r-2", "other")])
    assert [(row[REFERRAL_ID], row["name"]) for row in simulator.rows("opportunity")] == [
        ("r-1", "second"),
        ("r-2", "other"),
    ]


def test_the_official_sdk_sees_a_change_set_rolled_back(sdk: DataverseClient, simulator: DataverseSimulator) -> None:
    batch = sdk.batch.new()
    with batch.changeset() as changes:
        account = changes.records.create("account", {"name": "Fabrikam"})
        changes.records.create("opportunity", {"name": "Deal", "customerid_account@odata.bind": account})
    done = batch.execute()
    assert [response.status_code for response in done.responses] == [204, 204]
    assert simulator.rows("opportunity")[0]["_customerid_value"] == done.responses[0].entity_id

    batch = sdk.batch.new()
    with batch.changeset() as changes:
        changes.records.create("account", {"name": "Adatum"})
        changes.records.create("account", {"name": "x" * 161})
    batch.records.create("account", {"name": "Woodgrove"})
    mixed = batch.execute(continue_on_error=True)
    assert [response.status_code for response in mixed.responses] == [400, 204]
    assert [row["name"] for row in simulator.rows("account")] == ["Fabrikam", "Woodgrove"]


def test_the_official_sdk_reads_our_errors(sdk: DataverseClient) -> None:
    with pytest.raises(HttpError) as raised:
        sdk.records.create("opportunity", {"name": "x" * 301})
    assert (raised.value.status_code, raised.value.details["service_error_code"]) == (400, "0x80044331")
