"""Real tables with names of their own for every test, and a clock that the test sets."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator

import pytest

from shared.state.connection import StorageConnection
from shared.state.tables import Tables
from tests.state.clock import FakeClock


@pytest.fixture(scope="session")
def connection(storage: str) -> StorageConnection:
    return StorageConnection(storage)


@pytest.fixture
def tables(connection: StorageConnection, storage_prefix: str) -> Iterator[Tables]:
    tables = Tables(connection, prefix=storage_prefix)
    yield tables
    tables.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, as long as the test lasts: bound, but not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def unreachable(closed_port: int) -> StorageConnection:
    """A storage account that does not answer."""
    key = base64.b64encode(b"x" * 64).decode()
    endpoints = "".join(f"{service}Endpoint=http://127.0.0.1:{closed_port}/contoso;" for service in ("Queue", "Table"))
    return StorageConnection(f"DefaultEndpointsProtocol=http;AccountName=contoso;AccountKey={key};{endpoints}")
