"""The brake, on real storage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.errors import Rejected
from shared.state.brake import FEW_DEALS, Brake
from shared.state.connection import StorageConnection
from shared.state.tables import Tables


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 58, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def tables(storage: str, storage_prefix: str) -> Iterator[Tables]:
    tables = Tables(StorageConnection(storage), prefix=storage_prefix)
    yield tables
    tables.close()


def test_it_stops_at_the_set_share_of_all_deals_and_goes_on_after_a_release(tables: Tables) -> None:
    clock = Clock()
    brake = Brake(tables, 20, lambda: 100, clock=clock)
    for number in range(20):
        brake.check(f"r-{number}")
        clock.now += timedelta(seconds=20)  # over the turn of an hour, too
    with pytest.raises(Rejected, match="20 of 100 deals") as stopped:
        brake.check("r-20")
    assert stopped.value.code == "brake"
    brake.check("r-3")  # counted already: the same deal again is no more of them
    brake.release()
    brake.check("r-20")


def test_few_deals_are_never_too_many(tables: Tables) -> None:
    brake = Brake(tables, 20, lambda: FEW_DEALS, clock=Clock())
    for number in range(FEW_DEALS):
        brake.check(f"r-{number}")
    with pytest.raises(Rejected):
        brake.check("r-one-more")


def test_what_was_closed_over_an_hour_ago_does_not_count(tables: Tables) -> None:
    clock = Clock()
    brake = Brake(tables, 20, lambda: 50, clock=clock)
    for number in range(10):
        brake.check(f"r-{number}")
    with pytest.raises(Rejected):
        brake.check("r-10")
    clock.now += timedelta(minutes=61)
    brake.check("r-10")
