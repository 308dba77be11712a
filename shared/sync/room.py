"""Whether a deal can be remembered, asked before anything of it is written."""

from __future__ import annotations

import json

from shared.domain.base import Base, dump_base
from shared.domain.errors import Rejected
from shared.domain.mapping import RecordMapping
from shared.state.entities import DOCUMENT_LIMIT_CHARS

FOR_NEWS_CHARS = 32_000
"""What the base may grow by while it is written: audit lines, and texts as the CRM changes them."""


def require_room(base: Base, mapping: RecordMapping) -> None:
    """Raises ``Rejected`` (``too_large``) for a base that could not be stored once its deal is written.

    Found only afterwards, that would be a failure to tell of, on a record that has just been told of a success: each
    telling is a change of the record, which makes the next try.
    """
    length = len(json.dumps(dump_base(base, mapping), separators=(",", ":")))
    if length > DOCUMENT_LIMIT_CHARS - FOR_NEWS_CHARS:
        # Without the length, which differs with every line of the audit: the same failure is told once.
        raise Rejected(
            f"The deal has more text than the {DOCUMENT_LIMIT_CHARS - FOR_NEWS_CHARS:,} characters that can be stored, "
            "of which those outside ASCII take six or twelve",
            code="too_large",
            remedy="Shorten the longest text of the deal, on the side that has it.",
        )
