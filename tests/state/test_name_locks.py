"""Locks by name, on real storage."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.errors import LockTaken
from shared.state.connection import StorageConnection
from shared.state.name_locks import NameLocks
from shared.state.tables import Tables


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def locks(storage: str, storage_prefix: str, clock: Clock) -> Iterator[NameLocks]:
    tables = Tables(StorageConnection(storage), prefix=storage_prefix)
    yield NameLocks(tables, clock=clock, jitter=lambda: 0.5)
    tables.close()


def test_a_name_is_held_by_one_at_a_time_and_free_again(locks: NameLocks) -> None:
    with locks.hold("customer-1"):
        with locks.hold("customer-2"):
            pass
        with pytest.raises(LockTaken) as taken, locks.hold("customer-1"):
            pass
        assert taken.value.after_s == 2.5
    with locks.hold("customer-1"):
        pass


def test_a_name_is_free_again_after_a_failure(locks: NameLocks) -> None:
    with pytest.raises(RuntimeError), locks.hold("customer-1"):
        raise RuntimeError
    with locks.hold("customer-1"):
        pass


def test_a_lock_whose_worker_died_ends_by_itself_and_its_ghost_takes_nothing_back(
    locks: NameLocks, clock: Clock
) -> None:
    dead = locks.hold("customer-1")
    dead.__enter__()
    clock.now += timedelta(minutes=6)
    with pytest.raises(LockTaken), locks.hold("customer-1"):
        pass
    clock.now += timedelta(minutes=2)
    with locks.hold("customer-1"):
        dead.__exit__(None, None, None)
        with pytest.raises(LockTaken), locks.hold("customer-1"):
            pass


def test_of_many_at_once_one_gets_it(locks: NameLocks) -> None:
    holding: list[int] = []

    def attempt(number: int) -> bool:
        try:
            with locks.hold("customer-1"):
                holding.append(number)
                assert len(holding) == 1
                holding.clear()
        except LockTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as workers:
        assert any(workers.map(attempt, range(8)))
