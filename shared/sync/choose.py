"""Opportunities that were chosen to be shared, many at a time: each is looked at, and switched to sync if it can be.

The referral itself is made by the app, as for any opportunity that a seller switches to sync.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from shared.domain.base import view_readable
from shared.domain.errors import NotFound, Rejected, VersionConflict
from shared.domain.mapping import FieldMapping, RecordMapping
from shared.domain.plan import Rules, check_for_crm
from shared.domain.record import Record, RecordChange, RecordKind
from shared.domain.sharing import missing_to_share
from shared.sync.patience import patiently
from shared.sync.share import why_not_shared
from shared.sync.sides import Sides

OPPORTUNITY = RecordKind.OPPORTUNITY
_YES, _NO = frozenset({"yes", "true", "1", "y"}), frozenset({"no", "false", "0", "n"})


class Standing(StrEnum):
    """What can be done with a chosen opportunity; only ``READY`` is written to, and is ``SWITCHED`` then.

    ``CHOSEN`` is switched to sync already, ``SHARED`` has its referral; ``CHANGED`` was changed by somebody else after
    it was looked at.
    """

    READY = "ready"
    SWITCHED = "switched"
    CHOSEN = "chosen_already"
    SHARED = "shared_already"
    LACKING = "lacking"
    NOT_NOW = "not_now"
    UNKNOWN = "unknown"
    CHANGED = "changed"

    @property
    def is_good(self) -> bool:
        """Whether nobody has to do anything about it."""
        return self in (Standing.READY, Standing.SWITCHED, Standing.CHOSEN, Standing.SHARED)


@dataclass(frozen=True)
class Chosen:
    """One opportunity. ``why`` says what is in the way or what it is already, in words for the operator."""

    id: str
    standing: Standing
    why: str = ""
    name: str = ""
    record: Record | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


def look_at(sides: Sides, record_id: str, help_wanted: str, visible: str, sleep: Callable[[float], None]) -> Chosen:
    """The opportunity, checked as the app checks it before it makes a referral; nothing is written.

    ``help_wanted`` is a label of the CRM or a code of Partner Center, ``visible`` a yes or no; blank changes nothing.
    """
    mapping = sides.mapping(OPPORTUNITY)
    try:
        record = patiently(lambda: sides.crm.get(OPPORTUNITY, record_id), sleep)
    except (NotFound, Rejected) as problem:
        return Chosen(record_id, Standing.UNKNOWN, f"{problem.message}. {problem.remedy}".strip())
    name = str(record.values.get(mapping.field("name").crm) or "") if mapping.has("name") else ""
    seen = Chosen(record_id, Standing.READY, name=name, record=record)
    if referral_id := _referral_of(sides, record, mapping):
        return replace(seen, standing=Standing.SHARED, why=f"It has the referral {referral_id}.")
    try:
        values = _wanted(record, mapping, sides.rules(OPPORTUNITY), help_wanted, visible)
    except Rejected as problem:
        return replace(seen, standing=Standing.LACKING, why=f"{problem.message}. {problem.remedy}".strip())
    after = replace(record, values={**record.values, **values})
    if reason := why_not_shared(after, mapping):
        return replace(seen, standing=Standing.NOT_NOW, why=reason)
    if lacking := missing_to_share(*_viewed(after, mapping)):
        return replace(seen, standing=Standing.LACKING, why=" ".join(lacking))
    changed = {path: value for path, value in values.items() if record.values.get(path) != value}
    if not changed:
        return replace(seen, standing=Standing.CHOSEN, why="It is switched to sync; the app shares it.")
    return replace(seen, values=changed)


def switch_to_sync(sides: Sides, chosen: Chosen) -> Chosen:
    """The opportunity that was found ready syncs from now on. One that changed since is left as it is."""
    if chosen.record is None or chosen.standing is not Standing.READY:
        return chosen
    try:
        sides.crm.update(chosen.record, RecordChange(chosen.values))
    except VersionConflict:
        return replace(chosen, standing=Standing.CHANGED, why="It was changed just now; run the same command again.")
    except Rejected as problem:
        return replace(chosen, standing=Standing.LACKING, why=f"{problem.message}. {problem.remedy}".strip())
    return replace(chosen, standing=Standing.SWITCHED)


def _referral_of(sides: Sides, record: Record, mapping: RecordMapping) -> str | None:
    link = sides.links.find_by_record(OPPORTUNITY, record.id)
    known = record.values.get(mapping.columns.referral_id) or (link.referral_id if link else None)
    return str(known) if known else None


def _viewed(record: Record, mapping: RecordMapping) -> tuple[Any, RecordMapping, Mapping[str, Rejected]]:
    view, unreadable = view_readable(record, mapping)
    return view, mapping, unreadable


def _wanted(record: Record, mapping: RecordMapping, rules: Rules, help_wanted: str, visible: str) -> dict[str, Any]:
    """By CRM path. Raises ``Rejected`` for a word that is no answer to its question."""
    values: dict[str, Any] = {mapping.columns.sync: True}
    if help_wanted:
        row = _row(mapping, "help")
        code = _help_code(row, help_wanted)
        check_for_crm(row, code, rules)
        values[row.crm] = None if code is None else row.convert.to_crm(code)
    if visible:
        row = _row(mapping, "visibility")
        values[row.crm] = row.convert.to_crm(_yes_or_no(row, visible))
    return values


def _row(mapping: RecordMapping, name: str) -> FieldMapping:
    if not mapping.has(name):
        raise Rejected(
            f"The mapping has no field {name}",
            code="mapping",
            remedy="Leave the column out, or add it to customize.toml.",
        )
    return mapping.field(name)


def _help_code(row: FieldMapping, words: str) -> str | None:
    for read in (row.convert.from_crm, row.convert.from_partner_center):
        try:
            code = read(words)
        except ValueError:
            continue
        return None if code is None else str(code)
    raise Rejected(
        f"{row.label} has no choice {words[:60]!r}",
        field=row.label,
        code="unknown_option",
        remedy=f"Write one of: {', '.join(row.choices.values())}.",
    )


def _yes_or_no(row: FieldMapping, words: str) -> bool:
    if words.casefold() in _YES | _NO:
        return words.casefold() in _YES
    raise Rejected(f"{row.label} is {words[:60]!r}", field=row.label, code="yes_or_no", remedy="Write yes or no.")
