"""The webhook while storage is away: refused, so that Partner Center sends the event again, and never lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox.azurite import Azurite
from sandbox.control import Fault
from sandbox.local_host.process import CHECKOUT, HostProcess
from sandbox.partner_center.delivery import NO_ANSWER
from sandbox.storage_proxy import StorageProxy
from sandbox.world import World
from tests.end_to_end.scene import NO_TIMERS, Scene
from tests.end_to_end.waiting import wait_for

UNTIL_TAKEN_BACK = 1_000_000


@pytest.fixture
def proxy() -> Iterator[StorageProxy]:
    # A storage of its own: in one that other tests have used, what they left waits in queues of the same names.
    with Azurite() as storage, StorageProxy(storage.ports) as door:
        yield door


@pytest.fixture
def scene(proxy: StorageProxy, tmp_path: Path) -> Iterator[Scene]:
    """A world of which only the app goes through the door to storage: the test looks past it."""
    with ExitStack() as running:
        world = running.enter_context(World(tmp_path / "world", settings=NO_TIMERS, storage=proxy.connection_string))
        port = int(world.app_url.rpartition(":")[2])
        world.host = running.enter_context(HostProcess(CHECKOUT, world.settings(), port))
        world.register_webhook()
        scene = Scene(world)
        running.callback(scene.close)
        yield scene


def test_an_event_that_cannot_be_queued_is_refused_and_comes_again(scene: Scene, proxy: StorageProxy) -> None:
    proxy.control.order(Fault("^/queue/", status=503, times=UNTIL_TAKEN_BACK))
    deliveries = scene.world.partner_center.deliveries
    deliveries.forget_log()
    referral_id = scene.incoming(status="Active", substatus="Accepted")
    delivery = wait_for(lambda: next((one for one in deliveries.log if one.attempts), None), "an answer")
    assert all(answer >= 500 or answer == NO_ANSWER for answer in delivery.statuses)
    proxy.control.forget_faults()
    scene.settle()
    assert 200 <= delivery.statuses[-1] < 300
    assert scene.record_of(referral_id)["id"] == scene.referral(referral_id)["externalReferenceId"]
