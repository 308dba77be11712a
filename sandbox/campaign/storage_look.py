"""What of the app's storage shows from outside: how much waits in its queues, and the locks of dead workers."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient, UpdateMode
from azure.storage.queue import QueueServiceClient

LOCKS = (("links", "lock_owner ne ''", "lock_until"), ("locks", "", "until"))
"""Tables with locks that end by themselves, which rows hold one, and when it ends."""
LONG_AGO = timedelta(hours=1)


class StorageLook:
    """Past the storage proxy, so that no ordered fault is spent here."""

    def __init__(self, connection_string: str) -> None:
        self._queues = QueueServiceClient.from_connection_string(connection_string)
        self._tables = TableServiceClient.from_connection_string(connection_string)
        self._names: list[str] = []

    def waiting(self) -> int:
        """Messages in all queues, about; those that are hidden or being worked off among them."""
        return sum(self._length(name) for name in self._queue_names())

    def lengths(self) -> dict[str, int]:
        return {name: self._length(name) for name in self._queue_names()}

    def _queue_names(self) -> list[str]:
        return [one.name for one in self._queues.list_queues() if one.name]

    def _length(self, name: str) -> int:
        with suppress(ResourceNotFoundError):
            return self._queues.get_queue_client(name).get_queue_properties().approximate_message_count or 0
        return 0

    def end_locks(self) -> int:
        """Every lock has ended by itself, as after the minutes for which it was taken; how many those were.

        Right only while no host runs: whoever holds a lock then is dead.
        """
        ended = 0
        for table, held, until in LOCKS:
            client = self._tables.get_table_client(table)
            with suppress(ResourceNotFoundError):
                for row in list(client.query_entities(held)):
                    key = {"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]}
                    client.update_entity({**key, until: datetime.now(UTC) - LONG_AGO}, mode=UpdateMode.MERGE)
                    ended += 1
        return ended

    def close(self) -> None:
        self._queues.close()
        self._tables.close()
