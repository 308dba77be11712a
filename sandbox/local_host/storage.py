"""The storage accounts that the app settings name: clients for queues, and for the host's own blobs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from sandbox.local_host.configuration import StartRefused

HOST_STORAGE = "AzureWebJobsStorage"
HOST_CONTAINER = "azure-webjobs-hosts"
# The development account and its key are public:
# https://learn.microsoft.com/azure/storage/common/storage-connect-azurite#connection-strings (2026-11)
DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:{blob}/devstoreaccount1;QueueEndpoint=http://127.0.0.1:{queue}/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:{table}/devstoreaccount1;"
)
# The SDK's own pauses between tries (15 s and more) are made for the internet; the emulator is on this machine.
_CLIENT_OPTIONS: dict[str, Any] = {
    "retry_total": 3,
    "initial_backoff": 0.1,
    "increment_base": 1.5,
    "random_jitter_range": 0.1,
    "connection_timeout": 5,
    "read_timeout": 30,
}


class Storage:
    """Queues and blobs by the name of a connection setting; belongs to one event loop, closed with ``close``."""

    def __init__(self, settings: Mapping[str, str]):
        self._settings = settings
        self._queue_services: dict[str, QueueServiceClient] = {}
        self._blob_service: BlobServiceClient | None = None
        self._arrivals: dict[tuple[str, str], list[asyncio.Event]] = {}

    def queue(self, name: str, connection: str = HOST_STORAGE) -> QueueClient:
        """A client that sends and receives message texts as they are, without encoding."""
        service = self._queue_services.get(connection)
        if service is None:
            text = self._connection_string(connection)
            try:
                service = QueueServiceClient.from_connection_string(text, **_CLIENT_OPTIONS)
            except ValueError as problem:
                raise StartRefused(f"the setting {connection} is not a connection string: {problem}") from problem
            self._queue_services[connection] = service
        return service.get_queue_client(name)

    def host_container(self) -> ContainerClient:
        """Where the host keeps the leases and the status of timers; not necessarily there yet."""
        if self._blob_service is None:
            text = self._connection_string(HOST_STORAGE)
            try:
                self._blob_service = BlobServiceClient.from_connection_string(text, **_CLIENT_OPTIONS)
            except ValueError as problem:
                raise StartRefused(f"the setting {HOST_STORAGE} is not a connection string: {problem}") from problem
        return self._blob_service.get_container_client(HOST_CONTAINER)

    def arrivals(self, queue_name: str, connection: str = HOST_STORAGE) -> asyncio.Event:
        """An event of the caller's own, set whenever this host sends to that queue."""
        event = asyncio.Event()
        self._arrivals.setdefault((connection, queue_name), []).append(event)
        return event

    async def send(self, queue_name: str, text: str, connection: str = HOST_STORAGE) -> None:
        """Puts ``text`` at the end of the queue, which is created if it is not there."""
        queue = self.queue(queue_name, connection)
        try:
            await queue.send_message(text)
        except ResourceNotFoundError:
            await create_unless_there(queue)
            await queue.send_message(text)
        for event in self._arrivals.get((connection, queue_name), []):
            event.set()

    async def close(self) -> None:
        for service in self._queue_services.values():
            await service.close()
        if self._blob_service is not None:
            await self._blob_service.close()

    def _connection_string(self, connection: str) -> str:
        # A binding may name its connection without the prefix AzureWebJobs, as in the host.
        text = self._settings.get(connection) or self._settings.get(f"AzureWebJobs{connection}")
        if not text:
            raise StartRefused(
                f"the setting {connection} is missing: give a storage connection string, "
                f"or for {HOST_STORAGE} the option --storage (Azurite: UseDevelopmentStorage=true)"
            )
        if text.strip().rstrip(";").lower() == "usedevelopmentstorage=true":
            return DEVELOPMENT_STORAGE.format(blob=10000, queue=10001, table=10002)
        return text


async def create_unless_there(queue: QueueClient) -> None:
    try:
        await queue.create_queue()
    except ResourceExistsError:
        pass
    except HttpResponseError as refused:
        if refused.status_code != 409:  # being created by another host just now
            raise
