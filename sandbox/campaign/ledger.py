"""Every edit that was made, and whether what both sides hold in the end is what these edits demand."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sandbox.campaign.plan import Field, Side

Document = Mapping[str, Any]
MERGED = (Field.DEAL_VALUE, Field.CURRENCY, Field.CLOSING_DATE, Field.NOTES)
"""Fields that travel both ways and are merged."""
SHOWN = (*MERGED, Field.NAME, Field.VISIBILITY)


@dataclass(frozen=True)
class Edit:
    """One edit that its side took. ``order`` is that of commits on both sides together, 1 being the first.

    ``before`` is what the side held right before, ``across`` what the other side held then; ``None`` for what is not
    merged, and where the other side did not have the deal yet.
    """

    deal: int
    side: Side
    field: Field
    value: Any
    at: datetime
    order: int
    before: Any = None
    across: Any = None

    @property
    def in_step(self) -> bool:
        """Both sides held the same, so that whoever edited had seen all there was to see."""
        return self.before is not None and bool(self.before == self.across)


class Ledger:
    def __init__(self) -> None:
        self._edits: dict[tuple[int, Field], list[Edit]] = defaultdict(list)
        self._order = itertools.count(1)

    def add(self, deal: int, side: Side, field: Field, value: Any, *, before: Any = None, across: Any = None) -> None:
        """To be called right after the side took the edit, in the order of the edits."""
        values = (None if one is None else comparable(field, one) for one in (before, across))
        made = Edit(deal, side, field, comparable(field, value), datetime.now(UTC), next(self._order), *values)
        self._edits[deal, field].append(made)

    def of(self, deal: int, field: Field) -> list[Edit]:
        return self._edits.get((deal, field), [])


def comparable(field: Field, value: Any) -> Any:
    """A value as both sides can be compared in it: amounts to the cent, days in ISO form, lines with one line end."""
    match field:
        case Field.DEAL_VALUE:
            return None if value is None else Decimal(str(value)).quantize(Decimal("0.01"))
        case Field.CLOSING_DATE:
            return None if value is None else str(value)[:10]
        case Field.NOTES | Field.NAME:
            return str(value or "").replace("\r\n", "\n").strip()
        case Field.VISIBILITY:
            return bool(value)
        case _:
            return value


def referral_values(referral: Document) -> dict[Field, Any]:
    """What Partner Center holds, in the terms of :class:`sandbox.campaign.sellers.Shown`."""
    details, consent = referral.get("details") or {}, referral.get("consent") or {}
    return {
        Field.DEAL_VALUE: details.get("dealValue"),
        Field.CURRENCY: details.get("currency"),
        Field.CLOSING_DATE: details.get("closingDateTime"),
        Field.NOTES: details.get("notes"),
        Field.NAME: referral.get("name"),
        Field.VISIBILITY: consent.get("consentToShareReferralWithMicrosoftSellers"),
    }
