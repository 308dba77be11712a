from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from azure.data.tables import TableServiceClient

from sandbox.serving import Server
from shared.domain.errors import ConfigurationError, ConnectorError, Rejected, RetryLater
from shared.settings import load_settings
from shared.state.connection import StorageConnection, storage_connection
from shared.state.entities import pack, unpack
from shared.state.tables import Tables

ACCOUNT_KEY = "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4"


@pytest.mark.parametrize(
    "key", ["a/b\\c#d?e", "50% off + more", "O'Neil", "ß→合🤝", "\x00\x1f\x7f\x9f\ud800", " ", "~2f", "x" * 512]
)
def test_awkward_keys_are_kept_as_they_are(tables: Tables, key: str) -> None:
    table = tables.table("keys")
    assert table.insert(key, key, {"n": 1}) is not None
    row = table.get(key, key)
    assert row is not None
    assert (row.partition, row.key, row.properties["n"]) == (key, key, 1)
    assert [found.partition for found in table.partition(key)] == [key]


def test_values_come_back_and_blank_ones_are_left_out(tables: Tables) -> None:
    table = tables.table("rows")
    at = datetime(2026, 3, 1, 10, 20, 30, 123456, tzinfo=UTC)
    text = "".join(map(chr, range(1, 0x3000))) + "🤝"
    table.put("p", "r", {"at": at, "flag": False, "count": 0, "empty": "", "none": None, **pack("text", text)})
    row = table.get("p", "r")
    assert row is not None
    assert row.properties["at"] == at
    assert type(row.properties["at"]) is datetime
    assert row.properties["flag"] is False
    assert (row.properties["count"], row.properties["empty"]) == (0, "")
    assert "none" not in row.properties
    assert unpack("text", row.properties) == text


def test_the_largest_document_is_stored(tables: Tables) -> None:
    table = tables.table("rows")
    table.put("p", "r", pack("base", "x" * 479_998))
    row = table.get("p", "r")
    assert row is not None
    assert unpack("base", row.properties) == "x" * 479_998


def test_a_row_that_is_too_large_is_never_sent(tables: Tables) -> None:
    table = tables.table("rows")
    with pytest.raises(Rejected, match="property text is over 64 KiB"):
        table.put("p", "r", {"text": "x" * 40_000})
    assert table.get("p", "r") is None


def test_a_row_is_inserted_once(tables: Tables) -> None:
    table = tables.table("rows")
    assert table.insert("p", "r", {"n": 1}) is not None
    assert table.insert("p", "r", {"n": 2}) is None
    row = table.get("p", "r")
    assert row is not None
    assert row.properties["n"] == 1


def test_a_write_is_refused_when_the_row_changed_or_went(tables: Tables) -> None:
    table = tables.table("rows")
    first = table.insert("p", "r", {"a": 1, "b": 1})
    assert first is not None
    second = table.merge("p", "r", {"a": 2}, first)
    assert second is not None
    assert table.replace("p", "r", {"a": 3}, first) is None
    assert table.merge("p", "r", {"a": 3}, first) is None
    row = table.get("p", "r")
    assert row is not None
    assert (row.properties["a"], row.properties["b"], row.etag) == (2, 1, second)
    assert table.replace("p", "r", {"a": 4}, second) is not None
    row = table.get("p", "r")
    assert row is not None
    assert "b" not in row.properties
    assert table.replace("p", "gone", {"a": 5}, second) is None


def test_queries_take_as_many_rows_as_asked_for(tables: Tables) -> None:
    table = tables.table("rows")
    for number in range(5):
        table.put("p", f"r{number}", {"is_odd": bool(number % 2), "name": f"O'Neil {number}"})
    table.put("q", "r0", {"is_odd": False, "name": "x"})
    assert [row.key for row in table.partition("p")] == ["r0", "r1", "r2", "r3", "r4"]
    assert [row.key for row in table.partition("p", limit=2)] == ["r0", "r1"]
    assert [row.key for row in table.partition("p", limit=0)] == []
    assert [row.key for row in table.partition("p", "is_odd eq @odd", odd=True)] == ["r1", "r3"]
    assert [row.key for row in table.query("name eq @name", name="O'Neil 2")] == ["r2"]


def test_a_table_that_somebody_deleted_is_made_again_by_the_next_try(
    tables: Tables, storage: str, storage_prefix: str
) -> None:
    table = tables.table("rows")
    table.put("p", "r", {})
    with TableServiceClient.from_connection_string(storage) as service:
        service.delete_table(f"{storage_prefix}rows")
    with pytest.raises(RetryLater):
        table.get("p", "r")
    assert table.get("p", "r") is None


def test_storage_that_is_away_is_a_reason_to_retry(unreachable: StorageConnection) -> None:
    tables = Tables(unreachable)
    with pytest.raises(RetryLater, match="read 'r-1' in table links: storage cannot be reached") as caught:
        tables.table("links").get("r-1", "link")
    assert caught.value.service == "Storage"
    tables.close()


@pytest.mark.parametrize(("status", "expected"), [(503, RetryLater), (403, ConfigurationError), (400, ConnectorError)])
def test_what_storage_answers_decides_what_happens_next(status: int, expected: type[ConnectorError]) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"x-ms-request-id": "b1c2", "Retry-After": "0"})

    def build() -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return app

    with Server(build) as server:
        tables = Tables(
            StorageConnection(
                f"DefaultEndpointsProtocol=http;AccountName=contoso;AccountKey={ACCOUNT_KEY};TableEndpoint={server.url}/contoso"
            )
        )
        with pytest.raises(ConnectorError) as caught:
            tables.table("links").get("r-1", "link")
        tables.close()
    assert type(caught.value) is expected
    assert caught.value.status == status
    assert caught.value.request_id == "b1c2"
    assert ACCOUNT_KEY not in str(caught.value)
    if isinstance(caught.value, RetryLater):
        assert caught.value.after_s == 0


def test_text_that_is_no_connection_string_is_said_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="not a connection string") as caught:
        Tables(StorageConnection("hunter2")).table("links").get("r-1", "link")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(StorageConnection("hunter2"))


REQUIRED = {
    "CRM": "dynamics365",
    "PARTNER_CENTER_TENANT_ID": "11111111-1111-1111-1111-111111111111",
    "PARTNER_CENTER_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
    "PARTNER_CENTER_CLIENT_SECRET": "secret",
    "KEY_VAULT_URL": "https://contoso-cosell.vault.azure.net",
    "DYNAMICS365_URL": "https://contoso.crm.dynamics.com",
}
BY_NAME = {"AzureWebJobsStorage__accountName": "contosocosell"}
BY_ADDRESS = {
    "AzureWebJobsStorage__tableServiceUri": "https://contosocosell.table.core.chinacloudapi.cn/",
    "AzureWebJobsStorage__queueServiceUri": "https://contosocosell.queue.core.chinacloudapi.cn/",
    "AzureWebJobsStorage__clientId": "44444444-4444-4444-4444-444444444444",
}


def test_where_the_storage_account_is() -> None:
    by_string = storage_connection(
        load_settings({**REQUIRED, **BY_NAME, "AzureWebJobsStorage": "UseDevelopmentStorage=true;"})
    )
    assert by_string == StorageConnection("UseDevelopmentStorage=true")
    by_name = storage_connection(load_settings({**REQUIRED, **BY_NAME}))
    assert by_name.connection_string is None
    assert by_name.table_url == "https://contosocosell.table.core.windows.net"
    assert by_name.queue_url == "https://contosocosell.queue.core.windows.net"
    by_address = storage_connection(load_settings({**REQUIRED, **BY_ADDRESS}))
    assert by_address.table_url == "https://contosocosell.table.core.chinacloudapi.cn"
    assert by_address.queue_url == "https://contosocosell.queue.core.chinacloudapi.cn"
    assert by_address.client_id == "44444444-4444-4444-4444-444444444444"


def test_development_storage_is_known() -> None:
    tables = Tables(StorageConnection("UseDevelopmentStorage=true"))
    assert tables.service().url == "http://127.0.0.1:10002/devstoreaccount1"
    tables.close()


def test_by_identity_the_service_is_asked_at_its_address() -> None:
    tables = Tables(StorageConnection(table_url="https://contosocosell.table.core.windows.net", client_id="44444444"))
    assert tables.service().url == "https://contosocosell.table.core.windows.net"
    tables.close()


def test_importing_the_stores_does_not_import_the_sdks() -> None:
    """The first event after a quiet time waits for imports."""
    import subprocess
    import sys

    modules = "audit, cursors, envelope, links, queues, runs, tables"
    check = f"import sys; from shared.state import {modules}; print([m for m in sys.modules if m.startswith('azure')])"
    printed = subprocess.run(
        [sys.executable, "-c", check], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
