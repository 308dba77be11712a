"""The one way in which these tests wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Value = TypeVar("Value")
TIMEOUT_S = 60.0


def wait_for(condition: Callable[[], Value | None], what: str, timeout_s: float = TIMEOUT_S) -> Value:
    """The first true value of ``condition``; the test fails when it does not come in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    pytest.fail(f"waited {timeout_s} s in vain: {what}")
