"""The one place where values become part of a filter or a path. Pure."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from shared.domain.errors import Rejected


def guid(value: str, what: str) -> str:
    """``value`` in lower case with hyphens. Raises ``Rejected`` for anything but a GUID; ``what`` names it."""
    try:
        parsed = str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        parsed = ""
    # uuid.UUID also takes braces, "urn:uuid:" and stray hyphens, which the services do not.
    if not parsed or parsed != value.lower():
        raise Rejected(f"The {what} is not a GUID", code="not_a_guid", field=what, service="Partner Center")
    return parsed


def literal(value: str) -> str:
    """An OData string literal: quoted, with quotes inside doubled.

    https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html
    """
    return "'" + value.replace("'", "''") + "'"


def timestamp(value: datetime) -> str:
    """An OData DateTimeOffset literal in UTC. Raises ``ValueError`` for a time without a zone."""
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
