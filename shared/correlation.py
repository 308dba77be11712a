"""The id that ties together everything done for one event: log lines, audit rows and the vendors' own logs."""

from __future__ import annotations

import uuid
from contextvars import ContextVar

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
"""Set by each trigger from its message; empty where no trigger runs."""


def new_correlation_id() -> str:
    """A fresh GUID, from now on this context's :data:`correlation_id`."""
    value = str(uuid.uuid4())
    correlation_id.set(value)
    return value
