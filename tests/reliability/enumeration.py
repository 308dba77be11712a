"""Kills a worker after each write of its work, one deal for each, and looks at what the next worker makes of it.

The writes are those that the work made when nobody disturbed it, so a step that is new in the code is killed at without
anyone remembering. "After a step" and "before the next one" are one moment to everybody outside, and a read leaves
everything outside as it was: so a kill after every write, and one before the first, are all the kills that there are.
The last one comes when all is written, and only the message has not been deleted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

from tests.reliability.crash_world import CrashWorld
from tests.reliability.deals import Deal
from tests.reliability.scenarios import Scenario, ready
from tests.reliability.sight import Sight
from tests.reliability.steps import Step
from tests.reliability.warm_worker import Message, Report, WarmWorker


class Repeat(Enum):
    """Who is first to look at the deal once the dead worker's lock has ended."""

    MESSAGE_FIRST = "the message, given back by the host"
    EVENTS_FIRST = "timers, and webhooks of what the dead worker had written"


def undisturbed(world: CrashWorld, scenario: Scenario, worker: WarmWorker) -> tuple[tuple[Step, ...], dict[str, Any]]:
    """The writes of the scenario's work, and a picture of the deal that it leaves: whole, and as the scenario says."""
    (deal,) = ready(world, scenario, 1)
    report = worker.run(scenario.news(deal))
    assert not report.was_killed
    assert not report.sent, "the work was put off"
    for call in scenario.calls:
        assert any(re.match(call, step.what) for step in report.writes), f"no {call} in {report.writes}"
    world.deliver(*deal.webhooks(world.scene))  # what the service itself makes of it comes in as well
    before = Sight(world)
    deal = before.found(deal)
    world.deliver(deal.news_of_referral(), deal.news_of_record())
    after = Sight(world)
    # What the link remembers is what both sides are: told of either once more, the app writes nothing anywhere.
    assert (before.referral(deal), before.in_crm(deal)) == (after.referral(deal), after.in_crm(deal))
    shown = after.picture(deal)
    assert f"{shown['referral']['status']}/{shown['referral']['substatus']}" == scenario.stage
    assert len(shown["microsoft"]) == scenario.microsofts
    return report.writes, shown


def kill_after_every_write(
    world: CrashWorld, scenario: Scenario, repeat: Repeat, victim: WarmWorker | None = None
) -> None:
    """Fails with the moments after which a deal was not whole, or not once, or not as without the kill.

    ``victim`` is the worker that is killed: the world's own unless given.
    """
    victim = victim or world.worker
    writes, expected = undisturbed(world, scenario, victim)
    deals = ready(world, scenario, len(writes) + 1)
    messages = [scenario.news(deal) for deal in deals]
    left: list[Message] = []
    for count, news in enumerate(messages):
        report = victim.run(news, kill_after_writes=count)
        assert report.was_killed, f"there were fewer than {count} writes: {named(world, report)}"
        assert report.writes == writes[:count], f"not the same writes as before: {named(world, report)}"
        left += world.deliverable(report.sent)
    if repeat is Repeat.EVENTS_FIRST:
        world.settle(*(event for deal in deals for event in deal.webhooks(world.scene)), *left)
        left = []
    world.settle(*(replace(news, dequeue_count=2) for news in messages), *left)
    sight = Sight(world)
    problems = [
        f"killed {moment(world, writes, count)}: {problem}"
        for count, deal in enumerate(deals)
        if (problem := what_is_wrong(sight, deal, expected))
    ]
    assert not problems, "\n".join(problems)


def named(world: CrashWorld, report: Report) -> str:
    return ", ".join(map(world.name, report.writes))


def moment(world: CrashWorld, writes: Sequence[Step], count: int) -> str:
    """Where the worker was killed, in words."""
    if count == 0:
        return "before it wrote anything"
    after = f"after {world.name(writes[count - 1])}"
    if count == len(writes):
        return f"{after}, its last write"
    return f"{after} ({count} of {len(writes)}), before {world.name(writes[count])}"


def what_is_wrong(sight: Sight, deal: Deal, expected: dict[str, Any]) -> str:
    """Empty for a deal that is whole and in everything as ``expected``."""
    try:
        shown = sight.picture(deal)
    except AssertionError as problem:
        return str(problem)
    return "; ".join(differences(expected, shown))


def differences(expected: Any, shown: Any, path: str = "") -> list[str]:
    """Each value that differs, by its path."""
    if isinstance(expected, dict) and isinstance(shown, dict):
        names = sorted(expected.keys() | shown.keys())
        return [line for name in names for line in differences(expected.get(name), shown.get(name), f"{path}.{name}")]
    if isinstance(expected, list) and isinstance(shown, list) and len(expected) == len(shown):
        pairs = enumerate(zip(expected, shown, strict=True))
        return [line for number, pair in pairs for line in differences(*pair, f"{path}[{number}]")]
    return [] if expected == shown else [f"{path.lstrip('.')} is {shown!r}, and {expected!r} when nothing goes wrong"]
