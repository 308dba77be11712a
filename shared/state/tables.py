"""Table Storage: point reads, writes guarded by ETag, queries. Keys are escaped here, limits are held here."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.domain.errors import RetryLater
from shared.state.connection import (
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    RETRIES,
    StorageConnection,
    refuse_malformed,
    storage_errors,
)
from shared.state.entities import Entity, escape_key, require_within_limits, unescape_key

if TYPE_CHECKING:
    from azure.data.tables import TableClient, TableServiceClient

BACKOFF_FACTOR_S = 0.4
PAGE_LIMIT_ROWS = 1000
"""The service gives no more rows at a time."""


@dataclass(frozen=True)
class Row:
    """One entity as read: its keys, its properties, and the ETag it had."""

    partition: str
    key: str
    properties: Mapping[str, Any]
    etag: str


class Tables:
    """The tables of one storage account. Safe for threads; connects when a table is first used."""

    def __init__(self, connection: StorageConnection, *, prefix: str = ""):
        self._connection = connection
        self._prefix = prefix
        self._service: TableServiceClient | None = None
        self._lock = threading.Lock()

    def table(self, name: str) -> Table:
        return Table(self, self.full_name(name))

    def full_name(self, name: str) -> str:
        """The name of the table in the account: several installations may share one."""
        return self._prefix + name

    def close(self) -> None:
        """Closes the connections; the next use opens them again."""
        with self._lock:
            if self._service is not None:
                self._service.close()
                self._service = None

    def service(self) -> TableServiceClient:
        with self._lock:
            if self._service is None:
                self._service = self._connect()
            return self._service

    def _connect(self) -> TableServiceClient:
        from azure.data.tables import TableServiceClient

        options: dict[str, Any] = {
            "connection_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": READ_TIMEOUT_S,
            "retry_total": RETRIES,
            "retry_backoff_factor": BACKOFF_FACTOR_S,
        }
        if self._connection.connection_string is None:
            return TableServiceClient(self._connection.table_url, credential=self._connection.credential(), **options)
        with refuse_malformed():
            return TableServiceClient.from_connection_string(self._connection.connection_string, **options)


class Table:
    """One table, created when first used. Methods raise ``RetryLater`` while storage is away."""

    def __init__(self, tables: Tables, name: str):
        self._tables = tables
        self._name = name
        self._is_created = False

    def get(self, partition: str, key: str) -> Row | None:
        from azure.core.exceptions import ResourceNotFoundError

        with self._client(f"read {partition!r}") as client:
            try:
                return _row(client.get_entity(escape_key(partition), escape_key(key)))
            except ResourceNotFoundError as error:
                if getattr(error, "error_code", None) == "TableNotFound":
                    raise
                return None

    def insert(self, partition: str, key: str, properties: Mapping[str, Any]) -> str | None:
        """The new row's ETag, or ``None`` where there is one with these keys already. Blank properties are left out."""
        from azure.core.exceptions import ResourceExistsError

        entity = _entity(partition, key, properties)
        with self._client(f"store {partition!r}") as client:
            try:
                return str(client.create_entity(entity)["etag"])
            except ResourceExistsError:
                return None

    def replace(self, partition: str, key: str, properties: Mapping[str, Any], etag: str) -> str | None:
        """The row's new ETag; ``None``, and nothing written, if it changed since ``etag`` or is gone."""
        return self._update(partition, key, properties, etag, whole=True)

    def merge(self, partition: str, key: str, properties: Mapping[str, Any], etag: str) -> str | None:
        """As :meth:`replace`, but properties that are not named stay."""
        return self._update(partition, key, properties, etag, whole=False)

    def put(self, partition: str, key: str, properties: Mapping[str, Any]) -> None:
        """The row has these properties and no others, whatever was there before."""
        from azure.data.tables import UpdateMode

        entity = _entity(partition, key, properties)
        with self._client(f"store {partition!r}") as client:
            client.upsert_entity(entity, mode=UpdateMode.REPLACE)

    def delete(self, partition: str, key: str, etag: str | None = None) -> None:
        """There is no such row after this; with ``etag``, one that changed since is left alone."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError

        condition = MatchConditions.Unconditionally if etag is None else MatchConditions.IfNotModified
        with self._client(f"delete {partition!r}") as client, contextlib.suppress(ResourceModifiedError):
            client.delete_entity(escape_key(partition), escape_key(key), etag=etag, match_condition=condition)

    def partition(self, partition: str, where: str = "", limit: int | None = None, **values: Any) -> Iterator[Row]:
        """Rows of one partition in order of their keys, as :meth:`query` reads them."""
        clause = f"PartitionKey eq @partition and ( {where} )" if where else "PartitionKey eq @partition"
        return self.query(clause, limit, partition=escape_key(partition), **values)

    def query(self, where: str, limit: int | None = None, **values: Any) -> Iterator[Row]:
        """At most ``limit`` rows in order of partition and key, read page by page as they are taken.

        ``where`` is OData, with ``@name`` for each of ``values``; spaces around it, where the SDK splits.
        """
        page_rows = PAGE_LIMIT_ROWS if limit is None else min(max(limit, 1), PAGE_LIMIT_ROWS)
        with self._client("read rows") as client:
            entities = iter(client.query_entities(where, parameters=values, results_per_page=page_rows))
        for _ in itertools.count() if limit is None else range(limit):
            with self._client("read rows"):
                entity = next(entities, None)
            if entity is None:
                return
            yield _row(entity)

    def _update(self, partition: str, key: str, properties: Mapping[str, Any], etag: str, *, whole: bool) -> str | None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
        from azure.data.tables import UpdateMode

        entity = _entity(partition, key, properties)
        mode = UpdateMode.REPLACE if whole else UpdateMode.MERGE
        with self._client(f"store {partition!r}") as client:
            try:
                written = client.update_entity(
                    entity, mode=mode, etag=etag, match_condition=MatchConditions.IfNotModified
                )
            except (ResourceModifiedError, ResourceNotFoundError):
                return None
            return str(written["etag"])

    @contextmanager
    def _client(self, what: str) -> Iterator[TableClient]:
        """The SDK's client; its errors come out as ours. A table that somebody deleted is made again next time."""
        try:
            with storage_errors(f"{what} in table {self._name}"):
                service = self._tables.service()
                if not self._is_created:
                    service.create_table_if_not_exists(self._name)
                    self._is_created = True
                yield service.get_table_client(self._name)
        except RetryLater as error:
            if error.status == 404:
                self._is_created = False
            raise


def _entity(partition: str, key: str, properties: Mapping[str, Any]) -> Entity:
    entity = {"PartitionKey": escape_key(partition), "RowKey": escape_key(key)}
    entity.update({name: value for name, value in properties.items() if value is not None})
    require_within_limits(entity)
    return entity


def _row(entity: Mapping[str, Any]) -> Row:
    return Row(
        partition=unescape_key(entity["PartitionKey"]),
        key=unescape_key(entity["RowKey"]),
        properties={name: _plain(value) for name, value in entity.items()},
        etag=str(getattr(entity, "metadata", {})["etag"]),
    )


def _plain(value: Any) -> Any:
    """The SDK's own kind of datetime would travel on, with its text, into everything made from it."""
    return datetime.combine(value.date(), value.time(), UTC) if isinstance(value, datetime) else value
