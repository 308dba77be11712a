"""Sets of people and solutions: read from lists, compared without order, merged element by element."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from shared.domain.values import Person, Solution, whole_characters


class Keyed(Protocol):
    @property
    def key(self) -> str: ...


Element = TypeVar("Element", bound=Keyed)


def by_key(elements: Iterable[Element] | None) -> dict[str, Element]:
    """Elements by key, in order; a later one with the same key replaces the earlier."""
    return {element.key: element for element in elements or ()}


def merge_sets(
    partner_center: Sequence[Element],
    crm: Sequence[Element],
    base_partner_center: Sequence[Element] | None,
    base_crm: Sequence[Element] | None,
    *,
    prefer_crm: bool,
) -> tuple[Element, ...]:
    """What both sides should hold: each side's additions, removals and edits since the base, taken together.

    Without a base nothing is known to be removed: the union. Where both sides edited one element, ``prefer_crm``
    decides; what one side edited and the other removed stays. The order is Partner Center's, new elements of the CRM
    at the end.
    """
    there, here = by_key(partner_center), by_key(crm)
    old_there, old_here = by_key(base_partner_center), by_key(base_crm)
    merged = dict(there)
    for key in old_here.keys() - here.keys():
        if old_there.get(key) == there.get(key):
            merged.pop(key, None)
    for key, element in here.items():
        edited_here = key not in old_here or old_here[key] != element
        edited_there = key in there and old_there.get(key) != there[key]
        if key not in there and not edited_here:
            continue  # removed there, now or before
        if key not in merged or (edited_here and (prefer_crm or not edited_there)):
            if key in there and key not in old_here and not prefer_crm:
                continue
            merged[key] = element
    return tuple(merged.values())


def fit_into(merged: Sequence[Element], held: Sequence[Element], capacity: int | None) -> tuple[Element, ...]:
    """The part of ``merged`` that a CRM with room for ``capacity`` elements should hold: what it has, then the rest."""
    if capacity is None or len(merged) <= capacity:
        return tuple(merged)
    wanted, present = by_key(merged), by_key(held)
    order = [key for key in present if key in wanted] + [key for key in wanted if key not in present]
    return tuple(wanted[key] for key in order[:capacity])


class People:
    """Members of a referral's ``team`` lists. What Partner Center knows of a member beyond the name stays."""

    is_set = True
    one_way = False

    def from_partner_center(self, raw: Any) -> tuple[Person, ...]:
        return _known(_person(member) for member in _rows(raw))

    def to_partner_center(self, value: Sequence[Person], current: Any = None) -> list[dict[str, Any]]:
        known = {_person(member).key: member for member in _rows(current)}
        return [
            {
                **known.get(person.key, {}),
                "firstName": person.first_name,
                "lastName": person.last_name,
                "phoneNumber": person.phone,
                "email": person.email,
            }
            for person in value
        ]

    def from_crm(self, raw: Sequence[Person] | None) -> tuple[Person, ...]:
        return _known(raw)

    def to_crm(self, value: Sequence[Person]) -> tuple[Person, ...]:
        return tuple(value)

    def project(self, value: Sequence[Person], limits: Any) -> tuple[Person, ...]:
        return tuple(value)

    def is_part_of(self, held: Any, value: Any) -> bool:
        return False

    def dump(self, value: Sequence[Person]) -> list[dict[str, str]]:
        return [asdict(person) for person in value]

    def load(self, stored: Sequence[Mapping[str, str]] | None) -> tuple[Person, ...]:
        return tuple(Person(**person) for person in stored or ())


class Solutions:
    """The solutions of a deal; ``SOL-`` ids are named solutions, other ids are Microsoft's categories."""

    is_set = True
    one_way = False

    def from_partner_center(self, raw: Any) -> tuple[Solution, ...]:
        return tuple(by_key(_solution(row) for row in _rows(raw)).values())

    def to_partner_center(self, value: Sequence[Solution], current: Any = None) -> list[dict[str, Any]]:
        known = {_solution(row).key: row for row in _rows(current)}
        return [self._row(solution, known.get(solution.key, {})) for solution in value]

    def _row(self, solution: Solution, known: Mapping[str, Any]) -> dict[str, Any]:
        row = {"type": "Name" if solution.id.upper().startswith("SOL-") else "Category", **known}
        row |= {"id": solution.id, "name": solution.name}
        if solution.quantity is not None:
            row["quantity"] = solution.quantity
        if solution.price is not None:
            row["price"] = float(solution.price)
        return row

    def from_crm(self, raw: Sequence[Solution] | None) -> tuple[Solution, ...]:
        """Rows of one identifier are one solution, the last of them. ``ValueError`` names a row without one."""
        for solution in raw or ():
            if not solution.key:
                name = f"the row {solution.name!r}" if solution.name.strip() else "a row without a name"
                raise ValueError(f"has {name} without a solution identifier")
        return tuple(by_key(raw).values())

    def to_crm(self, value: Sequence[Solution]) -> tuple[Solution, ...]:
        return tuple(value)

    def project(self, value: Sequence[Solution], limits: Any) -> tuple[Solution, ...]:
        return tuple(value)

    def is_part_of(self, held: Any, value: Any) -> bool:
        return False

    def dump(self, value: Sequence[Solution]) -> list[dict[str, Any]]:
        return [
            {**asdict(solution), "price": None if solution.price is None else str(solution.price)} for solution in value
        ]

    def load(self, stored: Sequence[Mapping[str, Any]] | None) -> tuple[Solution, ...]:
        return tuple(
            Solution(row["id"], row["name"], row["quantity"], None if row["price"] is None else Decimal(row["price"]))
            for row in stored or ()
        )


def _rows(raw: Any) -> list[Mapping[str, Any]]:
    if raw is None:
        return []
    if not isinstance(raw, list) or not all(isinstance(row, Mapping) for row in raw):
        raise ValueError("is not a list of objects")
    return raw


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"holds a {name} that is not text")
    return whole_characters(value).strip()


def _person(member: Mapping[str, Any]) -> Person:
    return Person(*(_text(member, name) for name in ("firstName", "lastName", "phoneNumber", "email")))


def _known(people: Iterable[Person] | None) -> tuple[Person, ...]:
    """Each once; an entry without name and address is nobody."""
    return tuple(person for person in by_key(people).values() if person.key)


def _solution(row: Mapping[str, Any]) -> Solution:
    identifier = _text(row, "id")
    if not identifier:
        raise ValueError("holds a solution without an id")
    try:
        quantity, price = _number(row.get("quantity")), _number(row.get("price"))
        if quantity is not None and quantity != quantity.to_integral_value():
            raise ValueError("part of a solution")
    except (ValueError, ArithmeticError):
        raise ValueError(f"holds solution {identifier} with a price or quantity that is not a number") from None
    return Solution(identifier, _text(row, "name"), None if quantity is None else int(quantity), price)


def _number(raw: Any) -> Decimal | None:
    """``ValueError`` or ``ArithmeticError`` for what no price or quantity can be."""
    if raw is None or raw == "":
        return None
    value = Decimal(str(raw))
    if not value.is_finite() or abs(value) >= Decimal(10) ** 15:
        raise ValueError("out of bounds")
    return value
