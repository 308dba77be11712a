"""All links at hand, for work that looks at every deal: one scan instead of two reads for each."""

from __future__ import annotations

from collections.abc import Iterable

from shared.domain.link import Link
from shared.domain.pairing import same_id
from shared.domain.record import RecordKind


class LinkIndex:
    """The links as they were when they were read, by the ids of both sides."""

    def __init__(self, links: Iterable[Link]) -> None:
        self._by_referral: dict[str, Link] = {}
        self._by_record: dict[tuple[RecordKind, str], Link] = {}
        for link in links:
            for referral_id in (link.microsoft_referral_id, link.referral_id):
                if referral_id is not None:
                    self._by_referral[same_id(referral_id)] = link
            if link.record_id is not None:
                self._by_record[link.kind, same_id(link.record_id)] = link

    def of_referral(self, referral_id: str) -> Link | None:
        """The link of our own referral, or of Microsoft's side of it."""
        return self._by_referral.get(same_id(referral_id))

    def of_record(self, kind: RecordKind, record_id: str) -> Link | None:
        return self._by_record.get((kind, same_id(record_id)))
