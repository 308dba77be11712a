"""Several hosts of one app on one storage, of which one is killed now and then and comes back."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.local_host.process import CHECKOUT, HostProcess
from sandbox.world import World

HOST_ID = "campaign"


class Fleet:
    """``count`` hosts between ``start`` and ``stop``. The first one has the world's address, where webhooks arrive.

    Each life of each host has a log file of its own in ``folder``: ``logs`` are all of them. ``message_hidden_s`` is
    how soon the messages of a killed host come back.
    """

    def __init__(self, world: World, folder: Path, count: int, message_hidden_s: int | None) -> None:
        self._world = world
        self._folder = folder
        self._count = count
        self._message_hidden_s = message_hidden_s
        self._settings = world.settings()
        self._hosts: list[HostProcess | None] = [None] * count
        self._lives = [0] * count
        self._lock = threading.Lock()
        self._starters = ThreadPoolExecutor(max_workers=count, thread_name_prefix="start-host")
        self.problem: Exception | None = None
        self.logs: list[Path] = []
        self.killed = 0

    def start(self) -> None:
        """All hosts serve. The first one makes the keys that all of them have."""
        self._start(0)
        for future in [self._starters.submit(self._start, place) for place in range(1, self._count)]:
            future.result()

    def _start(self, place: int) -> None:
        """Each life has a process object of its own, so that no log is written over."""
        try:
            host = HostProcess(
                CHECKOUT,
                self._settings,
                self._world.port if place == 0 else 0,
                keys_file=self._folder / "keys.json",
                log_file=self._new_log(place),
                host_id=HOST_ID,
                message_hidden_s=self._message_hidden_s,
            )
            host.start()
        except Exception as problem:
            self.problem = problem
            raise
        with self._lock:
            self._hosts[place] = host
            if place == 0:
                self._world.host = host

    def _new_log(self, place: int) -> Path:
        with self._lock:
            self._lives[place] += 1
            log = self._folder / f"host-{place}-life-{self._lives[place]}.log"
            self.logs.append(log)
        return log

    def kill_one(self, chance: random.Random) -> bool:
        """A host is dead at once, and starts again at once; ``False`` while none of them is up."""
        place = chance.randrange(self._count)
        with self._lock:
            host, self._hosts[place] = self._hosts[place], None
        if host is None:
            return False
        host.close()
        self.killed += 1
        self._starters.submit(self._start, place)
        return True

    def stop(self) -> None:
        """All hosts have ended what they were doing and are gone; hosts that just start are waited for."""
        self._starters.shutdown()
        self._starters = ThreadPoolExecutor(max_workers=self._count, thread_name_prefix="stop-host")
        with self._lock:
            hosts, self._hosts = self._hosts, [None] * self._count
        list(self._starters.map(_stop, [host for host in hosts if host is not None]))

    def close(self) -> None:
        """No host is left, whatever it was doing."""
        self._starters.shutdown(cancel_futures=True)
        for host in self._hosts:
            if host is not None:
                host.close()


def _stop(host: HostProcess) -> None:
    try:
        host.stop()
    finally:
        host.close()
