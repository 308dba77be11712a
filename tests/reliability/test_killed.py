"""The worker is killed at every step of its work: the deal is whole on both sides in the end, once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reliability.crash_world import CrashWorld, crash_world
from tests.reliability.enumeration import Repeat, kill_after_every_write
from tests.reliability.scenarios import CREATES, UPDATES, Scenario


@pytest.fixture(scope="module", params=["dynamics365", "salesforce"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashWorld]:
    with crash_world(tmp_path_factory.mktemp("world"), request.param) as running:
        yield running


@pytest.mark.parametrize("scenario", CREATES + UPDATES, ids=str)
@pytest.mark.parametrize("repeat", Repeat)
def test_killed(world: CrashWorld, scenario: Scenario, repeat: Repeat) -> None:
    if scenario.only not in ("", world.world.crm.setting):
        pytest.skip("only Dynamics 365 has it")
    kill_after_every_write(world, scenario, repeat)
