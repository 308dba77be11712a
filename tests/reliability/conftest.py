from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reliability.crash_world import CrashWorld, crash_world


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashWorld]:
    """The outside world of a worker that is killed, with the CRM that the test's parameter names."""
    with crash_world(tmp_path_factory.mktemp("world"), request.param) as running:
        yield running
