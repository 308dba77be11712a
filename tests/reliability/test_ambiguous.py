"""A write was done, and its answer never came: nothing is there twice, and no edit is lost."""

from __future__ import annotations

import pytest

from tests.reliability.ambiguous import Answer, lose_every_answer
from tests.reliability.crash_world import CrashWorld
from tests.reliability.scenarios import CREATES, UPDATES, Scenario, in_each_crm

WAITED_FOR = ("a new referral of a new customer", "an opportunity is shared with help", "an update in the CRM")
"""Scenarios that have a write of each kind; waiting for an answer is the one thing here that takes time."""


@pytest.mark.parametrize(("world", "scenario"), in_each_crm(CREATES + UPDATES), indirect=["world"], scope="module")
def test_a_write_whose_answer_is_lost_is_made_once(world: CrashWorld, scenario: Scenario) -> None:
    answers = [Answer.CUT, Answer.REFUSED]
    lose_every_answer(world, scenario, [*answers, Answer.LATE] if scenario.name in WAITED_FOR else answers)
