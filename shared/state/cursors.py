"""How far each timer has read, in table ``cursors``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.state.clock import Clock, utc_now
from shared.state.entities import pack, unpack
from shared.state.tables import Tables

ROW_VERSION = 1


@dataclass(frozen=True)
class Cursor:
    """``stored_at`` tells the health page how long ago a timer last got through."""

    value: str
    stored_at: datetime


class CursorStore:
    """Cursors by name, of any length up to 480,000 characters: delta links can be long."""

    def __init__(self, tables: Tables, *, clock: Clock = utc_now):
        self._rows = tables.table("cursors")
        self._clock = clock

    def get(self, name: str) -> str | None:
        cursor = self.read(name)
        return None if cursor is None else cursor.value

    def read(self, name: str) -> Cursor | None:
        row = self._rows.get(name, "cursor")
        return None if row is None else Cursor(unpack("value", row.properties), row.properties["stored_at"])

    def set(self, name: str, value: str) -> None:
        """Stored in one write: a reader sees the whole old value or the whole new one."""
        properties = {"version": ROW_VERSION, "stored_at": self._clock(), **pack("value", value)}
        self._rows.put(name, "cursor", properties)
