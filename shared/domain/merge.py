"""Three-way merge of one field: what both sides hold now, against what they last agreed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.domain.base import Agreed
from shared.domain.mapping import ConflictPolicy, FieldLimits, FieldMapping, Travels
from shared.domain.sets import by_key, fit_into, merge_sets


class Side(StrEnum):
    PARTNER_CENTER = "partner_center"
    CRM = "crm"


@dataclass(frozen=True)
class Conflict:
    """Both sides changed the field. ``winner`` is ``None`` while a person has to decide."""

    field: str
    partner_center: Any
    crm: Any
    winner: Side | None
    is_personal: bool = False


@dataclass(frozen=True)
class Merged:
    """One field's outcome: the value each side should hold, and whether it must be written there."""

    row: FieldMapping
    partner_center: Any
    crm: Any
    write_partner_center: bool = False
    write_crm: bool = False
    conflict: Conflict | None = None

    @property
    def agreed(self) -> Agreed:
        return Agreed(self.partner_center, self.crm)

    @property
    def is_held(self) -> bool:
        return self.conflict is not None and self.conflict.winner is None


def merge_field(
    row: FieldMapping, there: Any, here: Any, base: Agreed | None, limits: FieldLimits, newer: Side
) -> Merged:
    """``there`` is Partner Center's value, ``here`` the CRM's; ``newer`` is the side whose record changed last.

    A value that only one side changed travels, if its row lets it; equal values, as far as the CRM can hold them,
    are agreed whatever the base says.
    """
    if Travels.ALWAYS not in (row.to_crm, row.to_partner_center):
        return Merged(row, there, here)
    if row.convert.is_set:
        return _merge_sets(row, there, here, base, limits, newer)
    project = row.convert.project
    held_there, held_here = project(there, limits), project(here, limits)
    if held_there == held_here:
        return Merged(row, there, here)
    if row.convert.one_way:
        return _deliver(row, there, here, True, limits, to_crm=bool(there), to_partner_center=bool(here))
    winner, conflict = _winner(row, (there, here), base, newer, lambda value: project(value, limits))
    if winner is Side.PARTNER_CENTER:
        return _deliver(row, there, here, there, limits, to_crm=True, conflict=conflict)
    if winner is Side.CRM:
        tail = _beyond_the_limit(there, held_there) if here else ""
        value = f"{here}{tail}" if tail else here
        # With the tail in sight the next edit knows where it begins, and a seller can do away with it.
        return _deliver(row, there, here, value, limits, to_partner_center=True, to_crm=bool(tail), conflict=conflict)
    return Merged(row, there, here, conflict=conflict)


def _winner(
    row: FieldMapping,
    sides: tuple[Any, Any],
    base: Agreed | None,
    newer: Side,
    project: Callable[[Any], Any],
) -> tuple[Side | None, Conflict | None]:
    there, here = sides
    changed_there = base is None or base.partner_center != there
    changed_here = base is None or project(base.crm) != project(here)
    if changed_there and changed_here:
        if base is None and (there is None) != (here is None):
            return (Side.CRM if there is None else Side.PARTNER_CENTER), None
        winner = _by_policy(row.conflict, there, here, newer)
        return winner, Conflict(row.name, there, here, winner, row.personal)
    if changed_there or (not changed_here and _has_room_now(row, there, here)):
        return Side.PARTNER_CENTER, None
    return (Side.CRM if changed_here else None), None


def _has_room_now(row: FieldMapping, there: Any, here: Any) -> bool:
    """The CRM holds what an earlier limit left of Partner Center's value, and has room for more now."""
    return row.to_partner_center is Travels.ALWAYS and row.convert.is_part_of(here, there)


def _by_policy(policy: ConflictPolicy, there: Any, here: Any, newer: Side) -> Side | None:
    match policy:
        case ConflictPolicy.HOLD:
            return None
        case ConflictPolicy.PARTNER_CENTER:
            return Side.PARTNER_CENTER
        case ConflictPolicy.CRM:
            return Side.CRM
        case ConflictPolicy.FILLED if (there is None) != (here is None):
            return Side.CRM if there is None else Side.PARTNER_CENTER
        case _:
            return newer


def _deliver(
    row: FieldMapping,
    there: Any,
    here: Any,
    value: Any,
    limits: FieldLimits,
    *,
    to_crm: bool = False,
    to_partner_center: bool = False,
    conflict: Conflict | None = None,
) -> Merged:
    """``value`` goes where it is wanted and its row lets it; elsewhere each side keeps what it has."""
    write_crm = to_crm and row.to_crm is Travels.ALWAYS
    write_there = to_partner_center and row.to_partner_center is Travels.ALWAYS
    return Merged(
        row,
        partner_center=value if write_there else there,
        crm=row.convert.project(value, limits) if write_crm else here,
        write_partner_center=write_there,
        write_crm=write_crm,
        conflict=conflict,
    )


def _beyond_the_limit(there: Any, held_there: Any) -> str:
    """The end of a text that the CRM has no room for: an edit made in the CRM must not cut it off elsewhere."""
    if isinstance(there, str) and isinstance(held_there, str) and there.startswith(held_there):
        return there[len(held_there) :]
    return ""


def _merge_sets(
    row: FieldMapping, there: Any, here: Any, base: Agreed | None, limits: FieldLimits, newer: Side
) -> Merged:
    if row.conflict is ConflictPolicy.HOLD and _both_changed(there, here, base):
        is_personal = row.personal or row.converter == "people"
        return Merged(row, there, here, conflict=Conflict(row.name, there, here, None, is_personal))
    prefer_crm = _by_policy(row.conflict, there, here, newer) is Side.CRM
    wanted = merge_sets(
        there,
        here,
        None if base is None else base.partner_center,
        None if base is None else base.crm,
        prefer_crm=prefer_crm,
    )
    strangers = _strangers(there, here, base) if limits.capacity is None else set()
    fitting = fit_into([element for element in wanted if element.key not in strangers], here, limits.capacity)
    write_there = by_key(wanted) != by_key(there) and row.to_partner_center is Travels.ALWAYS
    write_here = by_key(fitting) != by_key(here) and row.to_crm is Travels.ALWAYS
    return Merged(
        row,
        partner_center=wanted if write_there else there,
        crm=fitting if write_here else here,
        write_partner_center=write_there,
        write_crm=write_here,
    )


def _strangers(there: Any, here: Any, base: Agreed | None) -> set[str]:
    """Elements that the CRM did not take when they were last offered, like people who are none of its users.

    Unchanged since, they are not offered again with every look.
    """
    if base is None:
        return set()
    offered, taken = by_key(base.partner_center), by_key(base.crm)
    return {
        key
        for key, element in by_key(there).items()
        if offered.get(key) == element and key not in taken and key not in by_key(here)
    }


def _both_changed(there: Any, here: Any, base: Agreed | None) -> bool:
    """Each side of a set differs from the base and from the other; without a base a blank one is no edit."""
    if by_key(there) == by_key(here):
        return False
    old_there, old_here = (base.partner_center, base.crm) if base else ((), ())
    return by_key(there) != by_key(old_there) and by_key(here) != by_key(old_here)
