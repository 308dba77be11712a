"""What the CRM's audit field says of conflicts and rules, read as a seller reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.campaign.plan import Field, Side

_CONFLICT = re.compile(
    r"^\S+ \S+ - (?P<label>.+) was changed on both sides"
    r"(?: \(Partner Center: (?P<there>.*); CRM: (?P<here>.*)\))?; "
    r"(?P<winner>the CRM|Partner Center)'s value was kept\.$"
)
BOTH_FINAL = "both are final and were left as they are"
CLOSED = "changed in the CRM, but a closed referral cannot be changed"


@dataclass(frozen=True)
class ConflictLine:
    """Values are empty where the audit keeps them to itself."""

    label: str
    partner_center: str | None
    crm: str | None
    winner: Side

    def tells(self, field: Field, winner: Any, loser: Any) -> bool:
        """Whether the line names these two values, or is of a personal field and names none."""
        if self.partner_center is None or self.crm is None:
            return True
        ours, theirs = (
            (self.partner_center, self.crm) if self.winner is Side.PARTNER_CENTER else (self.crm, self.partner_center)
        )
        return _same(field, ours, winner) and _same(field, theirs, loser)

    def names(self, field: Field, value: Any) -> bool:
        """Whether the line names this value, or is of a personal field and names none."""
        told = (self.partner_center, self.crm)
        return None in told or any(_same(field, one, value) for one in told if one is not None)


def conflict_lines(audit: Iterable[str]) -> list[ConflictLine]:
    """Newest first, as the audit has them."""
    found = (_CONFLICT.match(line) for line in audit)
    return [
        ConflictLine(
            match["label"],
            match["there"],
            match["here"],
            Side.CRM if match["winner"] == "the CRM" else Side.PARTNER_CENTER,
        )
        for match in found
        if match
    ]


def says_closed(audit: Iterable[str], label: str) -> bool:
    """Whether the audit says that a change of this field came after the referral was closed."""
    return any(CLOSED in line and label in line for line in audit)


def _same(field: Field, told: str, value: Any) -> bool:
    if field is Field.DEAL_VALUE:
        try:
            return bool(Decimal(told) == value)
        except InvalidOperation:
            return False
    return told == ("blank" if value in (None, "") else str(value))
