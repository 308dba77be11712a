"""The outside world of a worker that is killed: simulators over TLS, storage, and what is left in the queues."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azure.storage.queue import QueueServiceClient

from sandbox.control import Control
from sandbox.crms import SalesforceSide
from sandbox.world import World
from shared.correlation import new_correlation_id
from shared.state.envelope import Envelope, parse
from shared.state.queues import ALL_QUEUES, CRM_CHANGES, POISON_SUFFIX, REFERRAL_EVENTS
from tests.end_to_end.scene import NO_TIMERS, Scene
from tests.reliability.steps import FILE, Sent, Step
from tests.reliability.warm_worker import Message, Timer, WarmWorker

LOCKS_HAVE_ENDED = 10
"""Minutes after a worker's death: the host gives its message back by then, and what it had locked is free."""
TICK_AFTER = 1
"""Minutes: in the very second in which a row of Salesforce was written it is told of again and again."""
TIMERS = (Timer("auto_heal"), Timer("crm_to_partner_center"), Timer("microsoft_solutions_to_partner_center"))
MOST_ROUNDS = 10
SETTINGS = {
    **NO_TIMERS,
    "SYNC_COSELL_OPPORTUNITIES_ONLY": "no",
    # All deals of a scenario may be closed at once.
    "BRAKE_PERCENT": "100",
}


def message(queue: str, kind: str, subject_id: str) -> Message:
    """The news that the referral, or the CRM record of that kind, has changed."""
    return Message(queue, Envelope(kind, subject_id, datetime.now(UTC), new_correlation_id()).dump())


class CrashWorld:
    """A world whose app runs only when told to, each time in a process of its own."""

    def __init__(self, world: World, worker: WarmWorker, scene: Scene) -> None:
        self.world = world
        self.worker = worker
        self.scene = scene
        self.given_up: dict[str, str] = {}
        """The reason of each message in a poison queue, by the id of its referral or record."""
        self._keys = itertools.count(1)
        addresses = (world.partner_center_url.removeprefix("https://"), world.crm_url.removeprefix("https://"))
        self.controls: dict[str, Control] = dict(
            zip(addresses, (world.partner_center.control, world.crm.control), strict=True)
        )
        """The vendors' simulators, by host and port."""
        self._names = {
            **dict(zip(addresses, ("Partner Center", world.crm.name), strict=True)),
            world.entra_url.removeprefix("https://"): "Entra",
            FILE: "disk",
        }

    def new_key(self) -> str:
        """A word for the names of one deal."""
        return f"K{next(self._keys):05}"

    def name(self, step: Step) -> str:
        """The step in the words of a failing test: with the name of the service for its address."""
        return f"{step.what} ({self._names.get(step.where, 'storage')})"

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The CRM's own rows, past the connector; ``table`` by the CRM's own name."""
        side = self.world.crm
        rows = side.simulator.hands.rows if isinstance(side, SalesforceSide) else self.world.dataverse.rows
        return [dict(row) for row in rows(table)]

    def warm_up(self) -> None:
        """The loaded app learns what every worker learns with its first deals; each process to come has it from it."""
        referral_id, record_id = self.scene.incoming(), self.scene.opportunity()
        news = (message(REFERRAL_EVENTS, "referral", referral_id), message(CRM_CHANGES, "opportunity", record_id))
        self.worker.warm_up(*news, *TIMERS)
        self.settle()

    def deliverable(self, sent: Iterable[Sent]) -> tuple[Message, ...]:
        """The messages as the host hands them out. Those that were given up are in ``given_up`` instead."""
        messages = tuple(Message(one.queue, one.body) for one in sent)
        for one in messages:
            if one.queue.endswith(POISON_SUFFIX):
                envelope = parse(one.body)
                self.given_up[envelope.id] = str(envelope.reason)
        return tuple(one for one in messages if not one.queue.endswith(POISON_SUFFIX))

    def deliver(self, *messages: Message) -> None:
        """All these messages are worked off, and what they led to as well; what is sent with a delay comes at once."""
        for _ in range(MOST_ROUNDS):
            if not messages:
                return
            messages = self.deliverable(self.worker.run(*messages, minutes_later=LOCKS_HAVE_ENDED).sent)
        raise AssertionError(f"messages are put off again and again: {messages}")

    def settle(self, *messages: Message) -> None:
        """The same, and the timers find nothing more to do."""
        for _ in range(MOST_ROUNDS):
            self.deliver(*messages)
            messages = self.deliverable(self.worker.run(*TIMERS, minutes_later=TICK_AFTER).sent)
            if not messages:
                return
        raise AssertionError(f"the timers find something again and again: {messages}")


@contextmanager
def crash_world(folder: Path, crm: str, **arguments: Any) -> Iterator[CrashWorld]:
    """A running world with a warm worker: it has synced a deal each way, and nothing is left to do."""
    with World(folder, crm=crm, settings=SETTINGS, **arguments) as world:
        scene = Scene(world)
        make_queues(world.settings()["AzureWebJobsStorage"])
        try:
            with WarmWorker(world.settings(), folder / "worker.log") as worker:
                running = CrashWorld(world, worker, scene)
                running.warm_up()
                yield running
        finally:
            scene.close()


def make_queues(connection_string: str) -> None:
    """As the host does for the functions that it loads: a worker finds the queues there."""
    with QueueServiceClient.from_connection_string(connection_string) as service:
        for queue in ALL_QUEUES:
            service.create_queue(queue)
