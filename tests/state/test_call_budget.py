"""Counting calls over several workers, on real storage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.state.call_budget import CallBudget
from shared.state.connection import StorageConnection
from shared.state.tables import Tables


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def tables(storage: str, storage_prefix: str) -> Iterator[Tables]:
    tables = Tables(StorageConnection(storage), prefix=storage_prefix)
    yield tables
    tables.close()


def test_calls_of_all_workers_add_up(tables: Tables) -> None:
    clock = Clock()
    one, other = CallBudget(tables, {}, clock=clock), CallBudget(tables, {}, clock=clock)
    one.add({"Partner Center": 2, "Dynamics 365": 1})
    other.add({"Partner Center": 3})
    assert one.spent() == other.spent() == {"Partner Center": 5, "Dynamics 365": 1}


def test_a_budget_is_tight_from_eighty_percent_on_and_a_new_day_is_not(tables: Tables) -> None:
    clock = Clock()
    budget = CallBudget(tables, {"Partner Center": 10}, clock=clock)
    budget.add({"Partner Center": 7, "Dynamics 365": 500})
    assert budget.tight() == ()
    budget.add({"Partner Center": 1})
    assert budget.tight() == ("Partner Center",)
    clock.now += timedelta(days=1)
    assert budget.tight() == ()
    assert budget.spent() == {}


def test_few_calls_are_stored_after_a_while_and_many_at_once(tables: Tables) -> None:
    clock = Clock()
    one, other = CallBudget(tables, {}, clock=clock), CallBudget(tables, {}, clock=clock)
    one.add({"Partner Center": 1})  # the first is stored at once
    one.add({"Partner Center": 1})
    assert other.spent() == {"Partner Center": 1}
    clock.now += timedelta(seconds=31)
    one.add({"Partner Center": 1})
    assert other.spent() == {"Partner Center": 3}
    one.add({"Partner Center": 25})
    assert other.spent() == {"Partner Center": 28}
