"""What was found out about one part of the installation, in words for whoever has to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """``WARNING`` works, and will not for long or not as well; ``UNKNOWN`` could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """``remedy`` says what to do, and is blank where there is nothing to do.

    Presence, counts, ages and names of settings, columns and roles; never a secret or a person's data.
    """

    name: str
    condition: Condition
    what: str
    remedy: str = ""
