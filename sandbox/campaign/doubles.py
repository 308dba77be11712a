"""Counts what must be there once and is there twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MICROSOFT = "msft"


def count_doubles(
    referrals: Sequence[Mapping[str, Any]],
    referral_of_record: Mapping[str, str | None],
    accounts: Iterable[tuple[str, str]],
    contacts: Iterable[tuple[str, str]],
) -> dict[str, int]:
    """How many there are beyond the first, by what they are. Contacts without an address are nobody's double."""
    own = [one for one in referrals if one["organizationId"] != MICROSOFT]
    theirs = [one for one in referrals if one["organizationId"] == MICROSOFT]
    return {
        "opportunities of one referral": _beyond(filter(None, referral_of_record.values())),
        "referrals of one opportunity": _beyond(filter(None, (one.get("externalReferenceId") for one in own))),
        "accounts of one customer": _beyond(accounts),
        "contacts of one address": _beyond(one for one in contacts if one[1]),
        "invitations of Microsoft to one deal": _beyond(one["engagementId"] for one in theirs),
    }


def _beyond(keys: Iterable[Any]) -> int:
    return sum(count - 1 for count in Counter(keys).values())
