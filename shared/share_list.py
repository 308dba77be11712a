"""Reads which opportunities are to be shared from a CSV or Excel file, and what is to be set on each.

Columns: Opportunity Id*, How can Microsoft help?, Referral visibility; other columns are passed over, so that a report
of the CRM can be used as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.errors import Rejected
from shared.sheets import Cells, cell_text, read_sheet

_IDS = ("opportunityid", "id", "recordid", "donotmodifyopportunity")
"""Headers without case and blanks; the last is what an export of Dynamics 365 to Excel calls it."""
_HELP = ("howcanmicrosofthelp", "help")
_VISIBILITY = ("referralvisibility", "visibility", "visible")


@dataclass(frozen=True)
class Wish:
    """One opportunity to share, as it was written down. ``line`` is that of the file, 0 for an id given by itself.

    ``help`` is a label of the CRM or a code of Partner Center, ``visible`` a yes or no; blank leaves what is there.
    """

    line: int
    id: str
    help: str = ""
    visible: str = ""


def read_share_list(file: Path) -> tuple[Wish, ...]:
    """Every opportunity once, the last of several lines. Raises ``Rejected`` for a file that is no such list."""
    return parse_share_list(read_sheet(file), file.name)


def parse_share_list(rows: Iterable[Cells], source: str) -> tuple[Wish, ...]:
    """``rows`` are line numbers and cells; the first that is not blank holds the headers. Pure."""
    filled = [(line, [cell_text(cell) for cell in cells]) for line, cells in rows]
    filled = [(line, cells) for line, cells in filled if any(cells)]
    heads = [re.sub(r"[\W_]+", "", head).casefold() for head in filled[0][1]] if filled else []
    column = _column(heads, _IDS)
    if column is None:
        raise Rejected(
            f"{source} has no column Opportunity Id",
            code="share_list",
            remedy="Name the columns Opportunity Id*, How can Microsoft help?, Referral visibility.",
        )
    helps, visible = _column(heads, _HELP), _column(heads, _VISIBILITY)
    wishes = (
        Wish(line, _cell(cells, column), _cell(cells, helps), _cell(cells, visible)) for line, cells in filled[1:]
    )
    return tuple({wish.id: wish for wish in wishes if wish.id}.values())


def _column(heads: Sequence[str], names: Sequence[str]) -> int | None:
    return next((index for name in names for index, head in enumerate(heads) if head == name), None)


def _cell(cells: Sequence[str], column: int | None) -> str:
    return cells[column] if column is not None and column < len(cells) else ""
