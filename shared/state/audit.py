"""The audit: one line per outcome and link, only ever added to, in table ``audit``."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from shared.domain.errors import Rejected
from shared.state.entities import Entity, cut, newest_first_key, pack, unpack
from shared.state.tables import Row, Tables

ROW_VERSION = 1
MESSAGE_LIMIT_CHARS = 8_000
SHORT_VALUE_CHARS = 500
SHORT_VALUE_CHARS_OUTSIDE_ASCII = 125
"""Stored as JSON in ASCII, where an emoji takes twelve characters."""
_TEXTS = ("referral_id", "record_id", "kind", "trigger", "direction", "outcome", "error_code", "request_id")


@dataclass(frozen=True)
class AuditLine:
    """What one piece of work did to one deal.

    ``outcome`` is ``synced``, ``unchanged``, ``waiting``, ``rejected``, ``retry``, ``failed``, ``dry_run``, ...;
    ``conflicts`` hold both values; ``calls`` counts API calls by service; ``request_id`` is the failing service's own.
    ``crm_usage`` is ``used`` and ``most``: the calls that anybody made of the CRM in 24 hours, and those it allows.
    Empty where the work made none, or the CRM does not tell.
    """

    at: datetime
    link_id: str
    outcome: str
    message: str = ""
    referral_id: str | None = None
    record_id: str | None = None
    kind: str | None = None
    trigger: str = ""
    direction: str = ""
    fields_changed: tuple[str, ...] = ()
    conflicts: tuple[Mapping[str, Any], ...] = ()
    error_code: str = ""
    request_id: str = ""
    correlation_id: str = ""
    calls: Mapping[str, int] = field(default_factory=dict)
    duration_ms: int = 0
    crm_usage: Mapping[str, int] = field(default_factory=dict)


class AuditLog:
    """Lines are added and read, never changed."""

    def __init__(self, tables: Tables):
        self._rows = tables.table("audit")

    def append(self, line: AuditLine) -> None:
        """The line is stored, once even if storage's answer is lost. Values too long for one row are shortened."""
        key = newest_first_key(line.at, uuid.uuid4().hex[:8])
        try:
            self._rows.put(line.link_id, key, _properties(line))
        except Rejected:  # for its size: a shortened line tells more than none
            self._rows.put(line.link_id, key, _properties(_shortened(line)))

    def of_link(self, link_id: str, limit: int = 50) -> list[AuditLine]:
        """The link's lines, newest first."""
        return [_line(row) for row in self._rows.partition(link_id, limit=limit)]


def _properties(line: AuditLine) -> Entity:
    return {
        "version": ROW_VERSION,
        "at": line.at,
        "message": cut(line.message, MESSAGE_LIMIT_CHARS),
        "correlation_id": line.correlation_id,
        "duration_ms": line.duration_ms,
        **{name: getattr(line, name) for name in _TEXTS},
        **pack("fields_changed", list(line.fields_changed)),
        **pack("conflicts", [dict(conflict) for conflict in line.conflicts]),
        **pack("calls", dict(line.calls)),
        **(pack("crm_usage", dict(line.crm_usage)) if line.crm_usage else {}),
    }


def _shortened(line: AuditLine) -> AuditLine:
    conflicts = (
        {name: _short(value) if isinstance(value, str) else value for name, value in conflict.items()}
        for conflict in line.conflicts[:100]
    )
    return replace(line, conflicts=tuple(conflicts), fields_changed=line.fields_changed[:100])


def _short(value: str) -> str:
    return cut(value, SHORT_VALUE_CHARS if value.isascii() else SHORT_VALUE_CHARS_OUTSIDE_ASCII)


def _line(row: Row) -> AuditLine:
    properties = row.properties
    return AuditLine(
        at=properties["at"],
        link_id=row.partition,
        message=properties["message"],
        correlation_id=properties["correlation_id"],
        duration_ms=properties["duration_ms"],
        crm_usage=unpack("crm_usage", properties) or {},
        fields_changed=tuple(unpack("fields_changed", properties)),
        conflicts=tuple(unpack("conflicts", properties)),
        calls=unpack("calls", properties),
        **{name: properties[name] for name in _TEXTS if name in properties},
    )
