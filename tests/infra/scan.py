"""``checkov --config-file .checkov.yaml | python -m tests.infra.scan``: 0 only if all was read and nothing found.

checkov itself ends with 0 on a file that it cannot parse, and on one in which it sees no resource.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

RESOURCES_AT_LEAST = 20


def complaints(report: dict[str, Any]) -> Iterator[str]:
    """One sentence for each thing that is wrong; ``report`` is checkov's, in JSON."""
    results = report.get("results", {})
    for file in results.get("parsing_errors", ()):
        yield f"{file} could not be parsed"
    for check in results.get("failed_checks", ()):
        yield f"{check['check_id']} {check['resource']}: {check['check_name']}"
    passed = {check["resource"] for check in results.get("passed_checks", ())}
    counted = report.get("summary", report).get("resource_count", 0)
    if counted < RESOURCES_AT_LEAST or not passed:
        yield f"only {counted} resources were looked at, with {len(passed)} of which something was checked"


def main() -> int:
    found = list(complaints(json.load(sys.stdin)))
    print("\n".join(found) or "checkov found nothing")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
