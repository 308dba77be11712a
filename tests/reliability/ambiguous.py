"""Loses the answer to each write of a piece of work after the service has done it, one deal for each.

The writes are those to either vendor that the work makes when nobody disturbs it. Azure's own SDK repeats what storage
did not answer; the tests of the stores hold that.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from sandbox.control import Control, Fault
from tests.end_to_end.waiting import wait_for
from tests.reliability.crash_world import CrashWorld
from tests.reliability.deals import Deal
from tests.reliability.enumeration import undisturbed, what_is_wrong
from tests.reliability.scenarios import Scenario, ready
from tests.reliability.sight import Sight
from tests.reliability.steps import Step
from tests.reliability.warm_worker import Message

WRITES = "POST|PATCH|PUT|DELETE"
PATIENCE_S = 1.0
"""How long the worker waits for an answer that comes too late: instead of its usual half a minute."""
TOO_LATE_S = 1.4


class Answer(Enum):
    """What becomes of the answer to a write that was done."""

    CUT = "the connection was cut"
    REFUSED = "503 was answered"
    LATE = "it was done only after the worker had given up waiting"


def lose_every_answer(world: CrashWorld, scenario: Scenario, answers: Sequence[Answer]) -> None:
    """Fails with the writes after which a deal was not whole, or not once, or not as when all answers come."""
    writes, expected = undisturbed(world, scenario, world.worker)
    remote = [number for number, step in enumerate(writes) if step.where in world.controls]
    assert remote, f"nothing is written to a vendor: {writes}"
    losses = [(number, answer) for number in remote for answer in answers]
    deals = ready(world, scenario, len(losses))
    left: list[Message] = []
    for deal, (number, answer) in zip(deals, losses, strict=True):
        left += _work_without(world, scenario, deal, writes[: number + 1], answer)
    world.settle(*left)
    sight = Sight(world)
    problems = [
        f"{world.name(writes[number])}, write {number + 1}, {answer.value}: {problem}"
        for deal, (number, answer) in zip(deals, losses, strict=True)
        if (problem := what_is_wrong(sight, deal, expected))
    ]
    assert not problems, "\n".join(problems)


def _work_without(
    world: CrashWorld, scenario: Scenario, deal: Deal, writes: Sequence[Step], answer: Answer
) -> tuple[Message, ...]:
    """The work is done without the answer to the last of ``writes``; what it has put off, to be done again."""
    control = world.controls[writes[-1].where]
    earlier = sum(step.where == writes[-1].where for step in writes[:-1])
    is_late = answer is Answer.LATE
    fault = Fault(
        path="",
        method=WRITES,
        status=503 if answer is Answer.REFUSED else 0,
        after_commit=True,
        delay_s=TOO_LATE_S if is_late else 0.0,
        skip=earlier,
    )
    done = _writes_of(control) + earlier + 1
    control.order(fault)
    report = world.worker.run(scenario.news(deal), patience_s=PATIENCE_S if is_late else 30.0)
    assert fault.times == 0, f"the work did not come to {world.name(writes[-1])}"
    wait_for(lambda: _writes_of(control) >= done, "the write is done after all")
    return world.deliverable(report.sent)


def _writes_of(control: Control) -> int:
    return control.count(f"^({WRITES}) ")
