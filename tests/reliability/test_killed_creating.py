"""The worker is killed at every step while it creates a side of a deal: the deal is whole in the end, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.crash_world import CrashWorld
from tests.reliability.enumeration import Repeat, kill_after_every_write
from tests.reliability.scenarios import CREATES, Scenario, in_each_crm
from tests.reliability.warm_worker import WarmWorker


@pytest.mark.parametrize("repeat", Repeat, ids=["message-first", "events-first"])
@pytest.mark.parametrize(("world", "scenario"), in_each_crm(CREATES), indirect=["world"], scope="module")
def test_what_a_killed_worker_began_to_create_is_finished_once(
    world: CrashWorld, scenario: Scenario, repeat: Repeat
) -> None:
    kill_after_every_write(world, scenario, repeat)


@pytest.mark.parametrize(("world", "scenario"), in_each_crm(CREATES[:1]), indirect=["world"], scope="module")
def test_a_worker_may_be_killed_at_its_very_first_work(world: CrashWorld, scenario: Scenario, tmp_path: Path) -> None:
    """It signs in, keeps the token, makes its tables and learns what the CRM has, and is killed at each of that too."""
    with WarmWorker(world.world.settings(), tmp_path / "worker.log") as cold:
        kill_after_every_write(world, scenario, Repeat.MESSAGE_FIRST, cold)
