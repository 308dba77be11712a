"""The org's daily allowance of requests, over the last 24 hours.

https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_api.htm
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.salesforce import errors

_SPAN = timedelta(hours=24)


@dataclass
class DailyLimit:
    """``most`` requests in 24 hours; the next one is refused with 403."""

    clock: Callable[[], datetime]
    most: int
    _times: deque[datetime] = field(default_factory=deque)

    @property
    def used(self) -> int:
        now = self.clock()
        while self._times and self._times[0] <= now - _SPAN:
            self._times.popleft()
        return len(self._times)

    def count(self) -> None:
        """Raises REQUEST_LIMIT_EXCEEDED instead, where nothing is left."""
        if self.used >= self.most:
            raise errors.daily_limit_exceeded()
        self._times.append(self.clock())

    def header(self) -> dict[str, str]:
        return {"Sforce-Limit-Info": f"api-usage={self.used}/{self.most}"}

    def shown(self) -> dict[str, Any]:
        """What ``/limits`` answers; of the many limits of an org only those that a connector meets."""
        return {
            "DailyApiRequests": {"Max": self.most, "Remaining": max(0, self.most - self.used)},
            "DataStorageMB": {"Max": 5, "Remaining": 5},
        }
