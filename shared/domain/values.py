"""Values that both sides share once converted: people and solutions, beside the plain str, bool, Decimal and date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, order=True)
class Person:
    """A customer contact or a team member. Two entries are one person when ``key`` is equal."""

    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    email: str = ""

    @property
    def key(self) -> str:
        """The address decides; without one, the name."""
        return self.email.strip().casefold() or f"{self.first_name} {self.last_name}".strip().casefold()


@dataclass(frozen=True, order=True)
class Solution:
    """One solution of a deal. ``id`` is Partner Center's, like ``SOL-34104-EBB`` or a category id."""

    id: str
    name: str = ""
    quantity: int | None = None
    price: Decimal | None = None

    @property
    def key(self) -> str:
        return self.id.strip().casefold()


Value = str | bool | int | Decimal | date | tuple[Person, ...] | tuple[Solution, ...] | None
"""A canonical field value. ``None`` is blank: absent, null and empty text are one thing to a seller, zero is not."""


def whole_characters(text: str) -> str:
    """``text`` with U+FFFD for each half of a surrogate pair: JSON can carry one, UTF-8 cannot."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def utf_16_length(text: str) -> int:
    """The length as both CRMs count it, whatever ``text`` holds."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
