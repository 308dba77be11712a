from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from sandbox.local_host.bindings import Schedule
from sandbox.local_host.process import HostProcess
from sandbox.local_host.timers import Firing, TimerStatus, first_firing
from tests.local_host.conftest import SAMPLE_APP, Queues, sample_settings, wait_for

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
NEXT_HOUR = datetime(2026, 11, 21, 13, 0, tzinfo=UTC)


def status_with_next(moment: datetime) -> TimerStatus:
    return TimerStatus("2026-11-20T00:00:00+00:00", moment.isoformat(), "2026-11-20T00:00:00+00:00")


@pytest.mark.parametrize(
    ("status", "at_startup", "firing"),
    [
        (None, False, Firing(NEXT_HOUR)),
        (None, True, Firing(NOW)),
        (status_with_next(NOW + timedelta(hours=1)), False, Firing(NEXT_HOUR)),
        (status_with_next(NOW), False, Firing(NOW, is_past_due=True)),
        (status_with_next(NOW - timedelta(days=9)), False, Firing(NOW, is_past_due=True)),
    ],
)
def test_first_firing_of_an_hourly_timer(status: TimerStatus | None, at_startup: bool, firing: Firing) -> None:
    assert first_firing(Schedule("0 0 * * * *"), status, NOW, at_startup=at_startup) == firing


def ticks(queues: Queues) -> list[dict[str, Any]]:
    return [json.loads(body) for body in queues.bodies("ticks")]


def test_of_two_hosts_one_fires_and_the_other_takes_over(storage: str, queues: Queues, storage_prefix: str) -> None:
    mine = Queues(queues.service, storage_prefix)
    settings = sample_settings(storage, storage_prefix, TICK_SCHEDULE="* * * * * *")
    seen: list[dict[str, Any]] = []

    def has_fired(count: int, process: int) -> bool:
        seen.extend(ticks(mine))
        return len([tick for tick in seen if tick["process"] == process]) >= count

    with (
        HostProcess(SAMPLE_APP, settings, host_id=storage_prefix) as first,
        HostProcess(SAMPLE_APP, settings, host_id=storage_prefix) as second,
    ):
        wait_for(lambda: "another host holds the lease" in second.log, "the second host stands by")
        wait_for(lambda: has_fired(4, first.process_id), "four ticks of the first host")
        assert {tick["process"] for tick in seen} == {first.process_id}
        moments = sorted(tick["at"] for tick in seen)
        assert len(moments) <= moments[-1] - moments[0] + 2, "more firings than seconds"
        assert first.stop() == 0
        wait_for(lambda: has_fired(2, second.process_id), "two ticks of the second host")


def test_a_tick_missed_while_no_host_ran_is_made_up_once(storage: str, queues: Queues, storage_prefix: str) -> None:
    mine = Queues(queues.service, storage_prefix)
    hours_ago = {"Last": "2026-01-01T00:00:00+00:00", "Next": "2026-01-01T01:00:00+00:00", "LastUpdated": "x"}
    with BlobServiceClient.from_connection_string(storage) as service:
        container = service.get_container_client("azure-webjobs-hosts")
        if not container.exists():
            container.create_container()
        blob = container.get_blob_client(f"timers/{storage_prefix}/Host.Functions.tick/status")
        blob.upload_blob(json.dumps(hours_ago))
        settings = sample_settings(storage, storage_prefix)
        with HostProcess(SAMPLE_APP, settings, host_id=storage_prefix):
            (tick,) = wait_for(lambda: ticks(mine), "the tick that was missed")
            wait_for(lambda: json.loads(blob.download_blob().readall()) != hours_ago, "the new status")
        assert (tick["past_due"], tick["status"]) == (True, hours_ago)
        kept = json.loads(blob.download_blob().readall())
        assert datetime.fromisoformat(kept["Next"]) > datetime.now(UTC)
        with HostProcess(SAMPLE_APP, settings, host_id=storage_prefix) as host:
            wait_for(lambda: "timer 'tick': this host holds the lease" in host.log, "the timer is awake")
            assert host.stop() == 0
        assert ticks(mine) == []
        lock = container.get_blob_client(f"locks/{storage_prefix}/Host.Functions.tick.Listener")
        assert lock.get_blob_properties().lease.state == "available"


def test_a_timer_runs_by_hand(host: HostProcess, queues: Queues) -> None:
    response = requests.post(
        f"{host.url}/admin/functions/tick", json={}, headers={"x-functions-key": host.key("master")}, timeout=30
    )
    assert response.status_code == 202
    (tick,) = wait_for(lambda: ticks(queues), "the tick ordered by hand")
    assert (tick["process"], tick["past_due"]) == (host.process_id, False)
