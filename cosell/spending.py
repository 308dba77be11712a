"""Calls of a command count against the day's budgets like any others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.call_count import counting_calls
from shared.state.call_budget import CallBudget


@contextmanager
def spending(budget: CallBudget) -> Iterator[None]:
    """What is called inside the block is counted for today, however the block ends."""
    with counting_calls() as calls:
        try:
            yield
        finally:
            budget.add(calls.by_service())
