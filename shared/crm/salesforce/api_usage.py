"""How many of its daily API calls the org has used, as every answer tells.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm
"""

from __future__ import annotations

import re

from shared.answers import Response
from shared.crm.port import ApiUsage

_USAGE = re.compile(r"(?<![\w-])api-usage=(\d{1,12})/(\d{1,12})", re.ASCII)


def read_usage(header: str) -> ApiUsage | None:
    """The usage that ``Sforce-Limit-Info`` tells, or ``None``."""
    match = _USAGE.search(header)
    return ApiUsage(int(match[1]), int(match[2])) if match else None


class UsageMeter:
    """Keeps what the last answer told; safe from any thread, since it only ever replaces one value."""

    def __init__(self) -> None:
        self.latest: ApiUsage | None = None

    def note(self, response: Response) -> None:
        self.latest = read_usage(response.header("Sforce-Limit-Info")) or self.latest
