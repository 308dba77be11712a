"""What tests of all folders may ask for: real storage on loopback, and names that no other test uses."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from sandbox.azurite import Azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """One storage emulator in memory for all tests of this process; its content stays until the end of the session."""
    with Azurite() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def storage(request: pytest.FixtureRequest) -> str:
    """The connection string of the emulator: one that runs elsewhere, as in Docker, where TEST_STORAGE names it."""
    elsewhere = os.environ.get("TEST_STORAGE", "")
    return elsewhere or str(request.getfixturevalue("azurite").connection_string)


@pytest.fixture
def storage_prefix() -> str:
    """Begins the names of one test's queues, tables and containers: lower-case letters and digits, a letter first."""
    return f"t{uuid.uuid4().hex[:12]}"
