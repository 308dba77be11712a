"""What a campaign does, fixed by its seed before it begins: deals that come, edits of both sides, faults among them."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any


class Side(StrEnum):
    PARTNER_CENTER = "Partner Center"
    CRM = "CRM"


class Field(StrEnum):
    """What an edit changes. Stages and Microsoft's answer are edits too, as they travel like values."""

    DEAL_VALUE = "deal_value"
    CURRENCY = "currency"
    CLOSING_DATE = "closing_date"
    NOTES = "notes"
    NAME = "name"
    VISIBILITY = "visibility"
    SOLUTION = "solution"
    CONTACT = "contact"
    OWNER = "owner"
    STAGE = "stage"
    MICROSOFT = "microsoft"
    HELP = "help"


class Stage(StrEnum):
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True)
class PlannedDeal:
    """``accepted``: it arrives Active/Accepted. ``with_help``: its seller asks Microsoft for help when sharing it."""

    number: int
    origin: Side
    customer: int
    accepted: bool
    with_help: bool
    value: float
    currency: str
    closing_date: str

    @property
    def name(self) -> str:
        return f"Deal {self.number:05}"


@dataclass(frozen=True)
class PlannedEdit:
    deal: int
    side: Side
    field: Field
    value: Any


@dataclass(frozen=True)
class Plan:
    """``steps`` are deals, and edits that are made right after each other."""

    steps: tuple[PlannedDeal | tuple[PlannedEdit, ...], ...]
    edits: int


CURRENCIES = ("USD", "EUR", "GBP")
OWNERS = 3
_FIRST_DAY = date(2027, 1, 1)
_MERGED = (Field.DEAL_VALUE, Field.NOTES, Field.CLOSING_DATE)
# How often each kind of single edit is made: side, field, weight.
_KINDS: tuple[tuple[Side, Field, int], ...] = (
    (Side.PARTNER_CENTER, Field.DEAL_VALUE, 12),
    (Side.CRM, Field.DEAL_VALUE, 12),
    (Side.PARTNER_CENTER, Field.NOTES, 10),
    (Side.CRM, Field.NOTES, 10),
    (Side.PARTNER_CENTER, Field.CLOSING_DATE, 8),
    (Side.CRM, Field.CLOSING_DATE, 8),
    (Side.PARTNER_CENTER, Field.CURRENCY, 3),
    (Side.CRM, Field.CURRENCY, 3),
    (Side.PARTNER_CENTER, Field.NAME, 5),
    (Side.CRM, Field.NAME, 3),
    (Side.PARTNER_CENTER, Field.VISIBILITY, 2),
    (Side.CRM, Field.VISIBILITY, 2),
    (Side.CRM, Field.SOLUTION, 6),
    (Side.CRM, Field.CONTACT, 3),
    (Side.CRM, Field.OWNER, 3),
    (Side.CRM, Field.HELP, 2),
    (Side.PARTNER_CENTER, Field.MICROSOFT, 3),
)
_SHARE_OF_PAIRS = 0.12
_FROM_PARTNER_CENTER = 0.6
_KNOWN_CUSTOMER = 0.25


def make_plan(seed: int, deals: int, edits: int) -> Plan:
    """The same for the same arguments, on every machine."""
    chance = random.Random(seed)
    planned: list[PlannedDeal] = []
    for number in range(deals):
        planned.append(_deal(chance, number, planned))
    # All deals are there after two fifths of the campaign; the first few right away.
    places = sorted(int(chance.random() * edits * 0.4) for _ in planned)
    groups = list(_edits(chance, planned, places, edits))
    return Plan(tuple(groups), sum(len(group) for group in groups if isinstance(group, tuple)))


def _deal(chance: random.Random, number: int, earlier: list[PlannedDeal]) -> PlannedDeal:
    """Referrals of one new customer arrive at once; a seller, though, types a customer in before any is known."""
    from_microsoft = chance.random() < _FROM_PARTNER_CENTER
    known = [deal.customer for deal in earlier[-4:] if from_microsoft or deal.origin is Side.CRM]
    is_known = chance.random() < _KNOWN_CUSTOMER and bool(known)
    return PlannedDeal(
        number=number,
        origin=Side.PARTNER_CENTER if from_microsoft else Side.CRM,
        customer=chance.choice(known) if is_known else number,
        accepted=not from_microsoft or chance.random() < 0.4,
        with_help=chance.random() < 0.5,
        value=1000 + number,
        currency=chance.choice(CURRENCIES),
        closing_date=(_FIRST_DAY + timedelta(days=chance.randrange(300))).isoformat(),
    )


def _edits(
    chance: random.Random, deals: list[PlannedDeal], places: list[int], edits: int
) -> Iterator[PlannedDeal | tuple[PlannedEdit, ...]]:
    moves = _stage_moves(chance, deals, places, edits)
    made, there = 0, 0
    while made < edits or there < len(deals):
        while there < len(deals) and (places[there] <= made or there == 0 or made >= edits):
            yield deals[there]
            there += 1
        if made >= edits:
            continue
        is_due = bool(moves) and moves[0][0] <= made
        group = moves.popleft()[1] if is_due else _group(chance, chance.randrange(there), made)
        made += len(group)
        yield group


def _group(chance: random.Random, deal: int, serial: int) -> tuple[PlannedEdit, ...]:
    """One edit, or one on each side at the same time: of one field, or of two."""
    if chance.random() >= _SHARE_OF_PAIRS:
        side, field = chance.choices([kind[:2] for kind in _KINDS], [kind[2] for kind in _KINDS])[0]
        return (PlannedEdit(deal, side, field, _value(chance, side, field, deal, serial)),)
    sides = chance.sample(list(Side), 2)
    fields = [chance.choice(_MERGED)] * 2 if chance.random() < 0.5 else chance.sample(_MERGED, 2)
    return tuple(
        PlannedEdit(deal, side, field, _value(chance, side, field, deal, serial + place))
        for place, (side, field) in enumerate(zip(sides, fields, strict=True))
    )


def _value(chance: random.Random, side: Side, field: Field, deal: int, serial: int) -> Any:
    """A value that no other edit of the field has, where there are enough of them: it tells whose edit it is."""
    match field:
        case Field.DEAL_VALUE:
            return 10_000 + serial + chance.choice((0, 0.25, 0.5))
        case Field.NOTES:
            return f"Note {serial} of {deal}, by {side}.\nAsk Ines Vandermeer about the budget."
        case Field.CLOSING_DATE:
            return (_FIRST_DAY + timedelta(days=300 + serial)).isoformat()
        case Field.NAME:
            return f"Deal {deal:05}, called {serial}"
        case Field.CURRENCY:
            return chance.choice(CURRENCIES)
        case Field.SOLUTION:
            return None if chance.random() < 0.4 else f"SOL-{serial:05}-{deal:05}"
        case Field.CONTACT:
            return 100_000 + serial
        case Field.OWNER:
            return chance.randrange(OWNERS)
        case Field.MICROSOFT:
            return f"7-{serial:08}"
        case _:
            return True


def _stage_moves(
    chance: random.Random, deals: list[PlannedDeal], places: list[int], edits: int
) -> deque[tuple[int, tuple[PlannedEdit, ...]]]:
    """Each with the number of edits before it. Most deals are accepted soon; two fifths end before the campaign."""
    moves: list[tuple[int, tuple[PlannedEdit, ...]]] = []

    def move(earliest: int, latest: int, deal: PlannedDeal, stage: Stage, *sides: Side) -> None:
        place = chance.randrange(earliest, max(earliest + 1, latest))
        moves.append((place, tuple(PlannedEdit(deal.number, side, Field.STAGE, stage) for side in sides)))

    for deal, place in zip(deals, places, strict=True):
        fate, side = chance.random(), chance.choice(list(Side))
        if not deal.accepted:
            if fate < 0.12:
                move(place + 1, edits, deal, Stage.DECLINED, side)
                continue
            if fate < 0.9:
                move(place + 1, place + max(2, edits // 5), deal, Stage.ACCEPTED, side)
        end = chance.random()
        if end < 0.4:
            stage = Stage.WON if end < 0.22 else Stage.LOST
            both = list(Side) if chance.random() < 0.1 else [side]
            move(max(place + 1, edits * 3 // 5), edits, deal, stage, *both)
    return deque(sorted(moves, key=lambda move: (move[0], move[1][0].deal)))
