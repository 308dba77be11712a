"""Record ids: 15 characters where case matters, or 18 with three more that make case recoverable.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/field_types.htm
"""

from __future__ import annotations

import re
from collections import Counter

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?", re.ASCII)
_SHORT = 15
# What stands between prefix and number in the ids of this org: instance and a reserved zero.
_INSTANCE = "Hs00"


def checksum(short: str) -> str:
    """The three characters for 15: bit n of each is whether character n of its five is upper case."""
    groups = (short[start : start + 5] for start in range(0, _SHORT, 5))
    return "".join(_CHECKSUM[sum(1 << bit for bit, char in enumerate(group) if "A" <= char <= "Z")] for group in groups)


def long_id(text: str) -> str | None:
    """The 18 characters of a well-formed id of either length; None for anything else, a wrong checksum included."""
    if _SHAPE.fullmatch(text) is None:
        return None
    whole = text[:_SHORT] + checksum(text[:_SHORT])
    return whole if text in {whole, whole[:_SHORT]} else None


class IdMint:
    """Gives out ids; like the service it never gives one twice, even if what it was for is rolled back."""

    def __init__(self) -> None:
        self._numbers: Counter[str] = Counter()

    def next(self, prefix: str) -> str:
        self._numbers[prefix] += 1
        short = f"{prefix}{_INSTANCE}{_base62(self._numbers[prefix]):0>8}"
        return short + checksum(short)


def _base62(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
