"""``python -m cosell backfill``: what it counts, queues and remembers, and when it stops."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest
from azure.storage.queue import QueueServiceClient

from cosell.backfill import STALLED_AFTER_S, Room
from cosell.command_line import main
from sandbox.azurite import Azurite
from sandbox.world import World
from shared.domain.errors import RetryLater
from shared.state.backfills import BackfillStore
from shared.state.connection import StorageConnection
from shared.state.queues import CRM_CHANGES, REFERRAL_EVENTS
from shared.state.tables import Tables
from tests.end_to_end.scene import new_document


class Queues:
    """Lengths as they are read, one after the other; the last one stays."""

    def __init__(self, *lengths: int) -> None:
        self._lengths = list(lengths)

    def lengths(self, queues: Sequence[str]) -> dict[str, int]:
        return {queues[0]: self._lengths.pop(0) if len(self._lengths) > 1 else self._lengths[0]}


class Budget:
    def __init__(self, *tight: str) -> None:
        self._tight = tight

    def tight(self) -> tuple[str, ...]:
        return self._tight


class Time:
    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def room(queues: Queues, budget: Budget, time: Time) -> Room:
    return Room(queues, budget, most_ahead=10, clock=time.clock, sleep=time.sleep)


def test_the_queue_is_filled_as_it_is_emptied() -> None:
    time = Time()
    room(Queues(30, 30, 20, 10, 9), Budget(), time)(CRM_CHANGES)
    assert time.now_s == 6
    room(Queues(0), Budget(), time)(CRM_CHANGES)
    assert time.now_s == 6, "an empty queue is not waited for"


def test_a_queue_that_nobody_empties_stops_the_backfill() -> None:
    time = Time()
    with pytest.raises(RetryLater) as caught:
        room(Queues(30), Budget(), time)(CRM_CHANGES)
    assert "Check that the app is running" in caught.value.remedy
    assert STALLED_AFTER_S < time.now_s < STALLED_AFTER_S + 5


def test_a_budget_that_is_nearly_spent_stops_it_until_tomorrow() -> None:
    with pytest.raises(RetryLater) as caught:
        room(Queues(0), Budget("Partner Center"), Time())(CRM_CHANGES)
    assert "Partner Center" in caught.value.message
    assert "tomorrow" in caught.value.remedy


def test_what_was_queued_is_remembered_in_portions_until_it_is_over(storage: str, storage_prefix: str) -> None:
    tables = Tables(StorageConnection(storage), prefix=storage_prefix)
    store = BackfillStore(tables)
    assert store.queued("crm-opportunity") == []
    for number in range(11):
        store.add("crm-opportunity", number, [f"id {number}", "other"])
    store.add("partner-center", 0, ["theirs"])
    assert store.queued("crm-opportunity") == [(f"id {number}", "other") for number in range(11)]
    store.forget("crm-opportunity")
    assert (store.queued("crm-opportunity"), store.queued("partner-center")) == ([], [("theirs",)])
    tables.close()


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The simulators and storage of its own; the app does not run, so what is queued can be counted."""
    folder = tmp_path_factory.mktemp("world")
    with Azurite() as azurite, World(folder, storage=azurite.connection_string) as world:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(world.certificates.root_file))
        yield world


def queued(world: World) -> dict[str, int]:
    with QueueServiceClient.from_connection_string(world.settings()["AzureWebJobsStorage"]) as service:
        names = [queue.name for queue in service.list_queues()]
        return {
            name: service.get_queue_client(name).get_queue_properties().approximate_message_count or 0 for name in names
        }


def test_the_command_counts_first_queues_after_a_yes_and_says_where_to_look(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        world.crm.enter_opportunity()
    world.partner_center.people.add_referral(new_document())
    settings = world.settings()
    assert main(["backfill", "--dry-run", "--json"], settings) == 0
    counted = json.loads(capsys.readouterr().out)
    assert (counted["queued"], queued(world)) == (0, {})
    assert {one["source"]: one["to_be_queued"] for one in counted["sources"]} == {
        "crm-opportunity": 2,
        "partner-center": 1,
    }
    assert main(["backfill"], settings) == 2
    assert "add --yes" in capsys.readouterr().err
    assert main(["backfill", "--yes", "--from-crm"], settings) == 0
    said = capsys.readouterr().out
    assert "crm-opportunity: 2 read, 0 in step, 0 not to be synced, 2 to be queued" in said
    assert f"{world.app_url}/api/run-history" in said
    assert queued(world) == {CRM_CHANGES: 2}
    assert main(["backfill", "--yes", "--from-partner-center", "--since", "2999-01-01"], settings) == 0
    assert "Everything is in step already." in capsys.readouterr().out
    assert main(["backfill", "--yes", "--from-partner-center", "--json"], settings) == 0
    assert json.loads(capsys.readouterr().out)["queued"] == 1
    assert queued(world) == {CRM_CHANGES: 2, REFERRAL_EVENTS: 1}


def test_a_date_that_is_none_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["backfill", "--since", "spring"], {})
    assert caught.value.code == 2
    assert "a date like 2026-03-01" in capsys.readouterr().err
