from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from sandbox.azurite import Azurite, AzuriteNotReady


def test_blobs_queues_and_tables_answer(storage: str, storage_prefix: str) -> None:
    with BlobServiceClient.from_connection_string(storage) as blobs:
        assert blobs.create_container(storage_prefix).exists()
    with QueueServiceClient.from_connection_string(storage) as queues:
        queues.create_queue(storage_prefix)
        assert [queue.name for queue in queues.list_queues(name_starts_with=storage_prefix)] == [storage_prefix]
    with TableServiceClient.from_connection_string(storage) as tables, tables.create_table(storage_prefix) as table:
        table.create_entity({"PartitionKey": "Contoso", "RowKey": "1"})
        assert [entity["RowKey"] for entity in table.list_entities()] == ["1"]


def test_what_is_in_a_folder_outlives_the_process(tmp_path: Path) -> None:
    with Azurite(tmp_path / "data") as first:
        process_id = first.process_id
        with QueueServiceClient.from_connection_string(first.connection_string) as queues:
            queues.create_queue("contoso")
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    with (
        Azurite(tmp_path / "data") as second,
        QueueServiceClient.from_connection_string(second.connection_string) as queues,
    ):
        assert [queue.name for queue in queues.list_queues()] == ["contoso"]


def test_a_port_that_is_taken_is_said_clearly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        azurite = Azurite(ports=(taken.getsockname()[1], 0, 0))
        with pytest.raises(AzuriteNotReady, match="EADDRINUSE"):
            azurite.start()
