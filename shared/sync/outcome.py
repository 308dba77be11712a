"""What became of one piece of work, for the audit, the run history and the log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.link import Link
from shared.domain.merge import Conflict


class Result(StrEnum):
    """``WAITING`` is for a person, ``IGNORED`` for deals that are not the connector's business."""

    UNCHANGED = "unchanged"
    SYNCED = "synced"
    CREATED = "created"
    WAITING = "waiting"
    IGNORED = "ignored"
    DRY_RUN = "dry_run"


@dataclass(frozen=True)
class Outcome:
    """``message`` is for the operator and names no person; ``sent`` and ``received`` are field labels."""

    result: Result
    message: str
    link: Link | None = None
    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
