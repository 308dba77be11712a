"""*Microsoft Solution Details* of the CRM in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from shared.crm.port import SavedDetails, SolutionDetail


class MemoryDetails:
    """``rows`` by identifier. Names longer than ``NAME_LENGTH`` are refused, as by any column of text."""

    NAME_LENGTH = 200

    def __init__(self) -> None:
        self.rows: dict[str, SolutionDetail] = {}

    def save(
        self, rows: Sequence[SolutionDetail], *, dry_run: bool, progress: Callable[[int], None] | None
    ) -> SavedDetails:
        refused = {row.key: "its name is too long" for row in rows if len(row.name) > self.NAME_LENGTH}
        merged = {row.key: _over(self.rows.get(row.key), row) for row in rows if row.key not in refused}
        changed = {key: row for key, row in merged.items() if self.rows.get(key) != row}
        created = len(changed.keys() - self.rows.keys())
        if not dry_run:
            self.rows |= changed
            if progress and changed:
                progress(len(changed))
        return SavedDetails(created, len(changed) - created, len(merged) - len(changed), refused)


def _over(old: SolutionDetail | None, new: SolutionDetail) -> SolutionDetail:
    """``new``, with the identifier as it was, and with what it leaves blank as it was."""
    return (
        new
        if old is None
        else replace(old, name=new.name, type=new.type or old.type, publisher=new.publisher or old.publisher)
    )
