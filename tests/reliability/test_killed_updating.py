"""The worker is killed at every step while it brings a change to the other side: it arrives, and nothing is lost."""

from __future__ import annotations

import pytest

from tests.reliability.crash_world import CrashWorld
from tests.reliability.enumeration import Repeat, kill_after_every_write
from tests.reliability.scenarios import UPDATES, Scenario, in_each_crm


@pytest.mark.parametrize(("world", "scenario"), in_each_crm(UPDATES), indirect=["world"], scope="module")
def test_a_change_that_a_killed_worker_began_to_bring_arrives(world: CrashWorld, scenario: Scenario) -> None:
    kill_after_every_write(world, scenario, Repeat.MESSAGE_FIRST)
