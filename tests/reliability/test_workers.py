"""Three hosts on one storage under load, two of them killed and started again at random: the same end as without."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.certificates import make_certificates
from sandbox.local_host.process import CHECKOUT, HostProcess
from sandbox.world import World
from shared.state.runs import RunHistory
from shared.state.tables import StorageConnection, Tables
from tests.end_to_end.scene import NO_TIMERS, Scene
from tests.end_to_end.waiting import wait_for
from tests.reliability.locks_in_time import LocksInTime

SEED = 20260302
FROM_PARTNER_CENTER, FROM_CRM = 8, 7
KILLS, EDITS = 4, 14
MESSAGE_HIDDEN_S = 3
DEAD_AFTER_S = 3.0
"""No worker of these tests keeps a lock so long without a save: it takes a deal a fraction of a second."""
LONGEST_WAY = timedelta(seconds=60)
ACCEPTED = {"status": "Active", "substatus": "Accepted"}
SETTINGS = {**NO_TIMERS, "BRAKE_PERCENT": "100"}


@pytest.fixture(params=["dynamics365", "salesforce"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A world whose first host is never killed."""
    with ExitStack() as running:
        certificates = make_certificates(tmp_path / "certificates")
        world = running.enter_context(
            World(tmp_path / "world", crm=request.param, settings=SETTINGS, certificates=certificates)
        )
        port = int(world.app_url.rpartition(":")[2])
        world.host = running.enter_context(
            HostProcess(CHECKOUT, world.settings(), port, message_hidden_s=MESSAGE_HIDDEN_S)
        )
        world.register_webhook()
        scene = Scene(world)
        running.callback(scene.close)
        yield scene


class Deals:
    """So many from either side, from their first moment on; people edit whichever side is there."""

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self.scene = scene
        self.referral_ids = [scene.incoming(**ACCEPTED) for _ in range(FROM_PARTNER_CENTER)]
        self.record_ids = [scene.opportunity() for _ in range(FROM_CRM)]
        self._chance = chance

    def edit(self, number: int) -> None:
        """Somebody changes something on one side of one deal."""
        if self._chance.random() < 0.5:
            referral_id = self._chance.choice(self.referral_ids)
            records = self.scene.records_of(referral_id)
            record_id = records[0]["id"] if records else None
        else:
            record_id = self._chance.choice(self.record_ids)
            referrals = self.scene.referrals_of(record_id)
            referral_id = referrals[0]["id"] if referrals else None
        if record_id is None or (referral_id is not None and self._chance.random() < 0.5):
            self.scene.edit_referral(referral_id, details__notes=f"Call {number}.")
        else:
            self.scene.edit_crm(record_id, deal_value=1000 + number)


def kill_at_work(host: HostProcess, messages: int) -> int:
    """Killed while it works off so many messages at once; or fewer, where others have taken what there was.

    How many messages it had begun and not ended.
    """
    deadline = time.monotonic() + 3
    while under_way(host) < messages and time.monotonic() < deadline:
        time.sleep(0.005)
    host.kill()
    return under_way(host)


def under_way(host: HostProcess) -> int:
    log = host.log
    return log.count("Executing '") - log.count("Executed '")


def assert_whole(deals: Deals) -> None:
    """Every deal is there once on either side, both name each other, and all that people edit is the same."""
    scene = deals.scene
    pairs = [(referral_id, scene.record_of(referral_id)["id"]) for referral_id in deals.referral_ids]
    pairs += [(scene.referral_of(record_id)["id"], record_id) for record_id in deals.record_ids]
    assert len(scene.seller.records()) == len(pairs)
    ours = [one for one in scene.world.partner_center.store.all() if one["organizationId"] != "msft"]
    assert len(ours) == len(pairs)
    for referral_id, record_id in pairs:
        referral, record = scene.referral(referral_id), scene.record(record_id)
        assert referral["externalReferenceId"] == record_id
        assert record["referral_id"] == referral_id
        assert (record["notes"] or "") == (referral["details"]["notes"] or "")
        assert record["deal_value"] == referral["details"]["dealValue"]
        link = scene.links.find_by_referral(referral_id)
        assert link is not None
        assert (link.record_id, link.status.value, link.intent) == (record_id, "synced", None)


def assert_none_starved(scene: Scene, storage: str) -> None:
    """From the first try of a message to its last, also where its worker was killed or its deal was locked."""
    tables = Tables(StorageConnection(storage))
    tries = defaultdict(list)
    for run in RunHistory(tables).recent(5_000, 2):
        tries[run.correlation_id].append(run.started)
    tables.close()
    longest = max(max(times) - min(times) for times in tries.values())
    assert longest < LONGEST_WAY


def test_hosts_that_are_killed_under_load_leave_every_deal_whole(scene: Scene) -> None:
    chance = random.Random(SEED)
    storage = scene.world.settings()["AzureWebJobsStorage"]
    with LocksInTime(storage, dead_after_s=DEAD_AFTER_S) as locks, ExitStack() as running:
        starter = running.enter_context(ThreadPoolExecutor(2))
        others = [HostProcess(CHECKOUT, scene.world.settings(), message_hidden_s=MESSAGE_HIDDEN_S) for _ in range(2)]
        for host in others:
            running.callback(host.close)
        starting = [starter.submit(host.start) for host in others]
        starting[0].result()
        deals, cut_off = Deals(scene, chance), 0
        for number in range(KILLS):
            victim = others[number % 2]
            starting[number].result()
            for edit in range(EDITS):
                deals.edit(number * EDITS + edit)
            scene.world.run_now("crm_to_partner_center")
            cut_off += kill_at_work(victim, chance.randint(2, 5))
            starting.append(starter.submit(victim.start))
        for started in starting:
            started.result()
        scene.settle()
        wait_for(lambda: not locks.held(), "locks that are given back or have ended")
        scene.settle()
    assert cut_off, "no host was killed at work"
    assert_whole(deals)
    assert locks.too_long == []
    assert_none_starved(scene, storage)
