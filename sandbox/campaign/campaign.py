"""One campaign from start to table: the world, the edits, the faults among them, the settling, the judging."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sandbox.azurite import Azurite
from sandbox.campaign.faults import Weather, plan_faults
from sandbox.campaign.fleet import Fleet
from sandbox.campaign.people import NotYet, People
from sandbox.campaign.plan import PlannedDeal, PlannedEdit, make_plan
from sandbox.campaign.sellers import seller_of
from sandbox.campaign.storage_look import StorageLook
from sandbox.campaign.table import Result, judge_all
from sandbox.partner_center import RuleOptions
from sandbox.storage_proxy import StorageProxy
from sandbox.world import World

WAITING_PER_HOST = 60
"""So many messages per host may wait before people pause: edits come as fast as the app takes them in."""
WAITING_PER_DEAL = 0.2
"""Or so many, where that is more: those of killed hosts and of locked deals wait for minutes."""
LOOK_EVERY_S = 0.5
TELL_EVERY_S = 3.0
LONGEST_WAIT_S = 10.0
"""For deals to reach the side on which they are to be edited, once all else is done."""
PATIENCE = 2
LEAST_TIME_S = 60.0
"""Edits may take so many times as long as was asked for, and always so long; what was not made by then is not made."""


@dataclass(frozen=True)
class Options:
    """``minutes`` is the time over which edits are spread. ``real_waits``: what a dead worker leaves behind is waited
    for as long as in Azure, up to ten minutes; otherwise its locks end once the faults are over.
    """

    seed: int
    deals: int
    edits: int
    faults: int
    minutes: float
    crm: str = "dynamics365"
    hosts: int = 2
    real_waits: bool = False
    settle_s: float = 120.0

    @property
    def heal_every_s(self) -> int:
        """Each look lists what changed in ten minutes, so that many deals are looked at less often."""
        return 3 if self.deals <= 100 else 15 if self.deals <= 500 else 60

    @property
    def message_hidden_s(self) -> int | None:
        return None if self.real_waits else 8


class Campaign:
    """Runs once. ``tell`` gets a line every few seconds."""

    def __init__(self, options: Options, folder: Path, tell: Callable[[str], None]) -> None:
        self._options = options
        self._folder = folder
        self._tell = tell
        self._plan = make_plan(options.seed, options.deals, options.edits)
        self._faults = deque(plan_faults(options.seed, options.faults, real_waits=options.real_waits))
        self._planned_faults = max(1, len(self._faults))
        self._running = ExitStack()
        self._made = 0
        self._began_s = 0.0
        self._told_s = 0.0

    def run(self) -> Result:
        """Everything that was started is gone when this returns or raises."""
        with self._running:
            self._start()
            self._act()
            settled_s = self._settle()
            return judge_all(self._world, self._people, self._seller, self._weather, self._fleet, self._look, settled_s)

    def _start(self) -> None:
        options, enter = self._options, self._running.enter_context
        self._tell("starting storage, simulators and hosts")
        azurite = enter(Azurite())
        self._storage = enter(StorageProxy(azurite.ports))
        self._look = StorageLook(azurite.connection_string)
        self._running.callback(self._look.close)
        self._world = World(
            self._folder, crm=options.crm, storage=self._storage.connection_string, settings=_settings(options)
        )
        enter(self._world)
        # So that a second invitation would be seen, not refused.
        self._world.partner_center.store.options = RuleOptions(allow_second_invitation=True)
        self._fleet = Fleet(self._world, self._folder, options.hosts, options.message_hidden_s)
        self._running.callback(self._fleet.close)
        self._fleet.start()
        self._world.register_webhook()
        self._seller = seller_of(self._world.crm)
        self._people = People(self._world, self._seller)
        chance = random.Random(f"{options.seed}/strikes")
        self._weather = Weather(self._world, self._fleet, self._storage, chance)
        self._began_s = time.monotonic()

    def _act(self) -> None:
        """Every step of the plan, at its time and not while too much waits; what is not there yet comes later."""
        seconds = self._options.minutes * 60
        pace_s = seconds / max(1, self._plan.edits)
        deadline = self._began_s + max(PATIENCE * seconds, LEAST_TIME_S)
        later: deque[PlannedEdit] = deque()
        looked_s = 0.0
        for step in self._plan.steps:
            if isinstance(step, PlannedDeal):
                self._people.begin(step)
                continue
            self._strike_what_is_due()
            for _ in range(min(3, len(later))):
                self._make(later.popleft(), later)
            for edit in step:
                self._made += 1
                self._make(edit, later)
            if time.monotonic() - looked_s > LOOK_EVERY_S:
                self._wait_for_the_app(deadline)
                looked_s = time.monotonic()
            self._sleep_until(self._began_s + self._made * pace_s)
            if time.monotonic() > deadline:
                break
        self._make_what_is_left(later, deadline)

    def _make_what_is_left(self, later: deque[PlannedEdit], deadline: float) -> None:
        """Edits of deals that had not reached that side; those of a deal that never will are not made."""
        deadline = min(deadline, time.monotonic() + LONGEST_WAIT_S)
        while later and time.monotonic() < deadline:
            for _ in range(len(later)):
                self._make(later.popleft(), later)
            time.sleep(LOOK_EVERY_S)

    def _make(self, edit: PlannedEdit, later: deque[PlannedEdit]) -> None:
        try:
            self._people.make(edit)
        except NotYet:
            later.append(edit)

    def _strike_what_is_due(self) -> None:
        while self._faults and 1 - len(self._faults) / self._planned_faults <= self._made / max(1, self._plan.edits):
            self._weather.strike(self._faults.popleft())

    def _wait_for_the_app(self, deadline: float) -> None:
        limit = max(WAITING_PER_HOST * self._options.hosts, WAITING_PER_DEAL * self._options.deals)
        while (waiting := self._look.waiting()) > limit and time.monotonic() < deadline:
            self._report(waiting)
            time.sleep(LOOK_EVERY_S)
        self._report(waiting)

    def _sleep_until(self, moment_s: float) -> None:
        left_s = moment_s - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)

    def _settle(self) -> float:
        """Nothing fails any more, and nothing is left to do; how long that took, or the deadline."""
        self._tell("no more faults: letting it settle")
        began_s = time.monotonic()
        self._weather.clear()
        if not self._options.real_waits:
            self._fleet.stop()
            ended = self._look.end_locks()
            self._tell(f"{ended} locks of dead workers have ended")
            self._fleet.start()
        deadline = began_s + self._options.settle_s
        quiet_since_s: float | None = None
        while time.monotonic() < deadline:
            waiting = self._look.waiting()
            self._report(waiting)
            is_busy = waiting > 0 or self._deliveries_under_way()
            quiet_since_s = None if is_busy else quiet_since_s or time.monotonic()
            if quiet_since_s is not None and time.monotonic() - quiet_since_s > self._options.heal_every_s + 3:
                return quiet_since_s - began_s
            time.sleep(LOOK_EVERY_S)
        return self._options.settle_s

    def _deliveries_under_way(self) -> bool:
        self._world.partner_center.deliveries.forget_log()
        return bool(self._world.partner_center.deliveries.log)

    def _report(self, waiting: int) -> None:
        if self._fleet.problem is not None:
            raise self._fleet.problem
        if time.monotonic() - self._told_s < TELL_EVERY_S:
            return
        self._told_s = time.monotonic()
        self._world.partner_center.deliveries.forget_log()
        self._tell(
            f"{len(self._people.deals)}/{self._options.deals} deals, {self._made}/{self._plan.edits} edits tried, "
            f"{self._weather.counted().total()} faults, {self._fleet.killed} hosts killed, {waiting} messages wait"
        )


def _settings(options: Options) -> dict[str, str]:
    """Timers that tick often, and no brake: a campaign closes more of its deals than a company does in an hour."""
    heal = options.heal_every_s
    return {
        "CRM_POLL_SCHEDULE": "*/2 * * * * *",
        "SOLUTIONS_SCHEDULE": "*/3 * * * * *",
        "AUTO_HEAL_SCHEDULE": f"*/{heal} * * * * *" if heal < 60 else "0 * * * * *",
        "BRAKE_PERCENT": "100",
    }
