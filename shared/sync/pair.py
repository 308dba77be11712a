"""Both sides of one link as a sync finds them: read, or presumed from the base."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.base import (
    Base,
    RecordView,
    ReferralView,
    load_base,
    presume_record,
    presume_referral,
    show_microsofts,
    view_record,
    view_referral,
)
from shared.domain.begun import take_up
from shared.domain.errors import RetryLater
from shared.domain.mapping import RecordMapping
from shared.domain.merge import Conflict
from shared.domain.microsofts_side import MicrosoftsSide
from shared.domain.record import Record
from shared.domain.referral import Referral
from shared.domain.settle import Versions
from shared.sync.sides import LockedLink, Sides


@dataclass(frozen=True)
class Pair:
    """One attempt: what was read, and what is presumed from the base while its versions hold.

    ``untold`` are conflicts that a sync before settled, and was cut off before it told of them.
    """

    mapping: RecordMapping
    base: Base | None
    referral: Referral | None
    record: Record | None
    referral_view: ReferralView
    record_view: RecordView
    untold: tuple[Conflict, ...] = ()

    @property
    def agreed_base(self) -> Base:
        """The base, of a pair that has one: what is presumed is presumed from it."""
        return _there(self.base)

    @property
    def versions(self) -> Versions:
        etag = self.referral.etag if self.referral else self.base.etag if self.base else None
        version = self.record.version if self.record else self.base.record_version if self.base else None
        return Versions(etag, version)

    @property
    def is_echo(self) -> bool:
        """Whether only the referral was read, and it is still as the base says.

        The same is not said of a record: rows under it change without a new version of the record itself.
        """
        if self.record is not None or self.base is None:
            return False
        return self.versions.etag == self.base.etag and self.referral_view.microsofts == self.base.microsofts


def read_pair(
    sides: Sides,
    locked: LockedLink,
    referral: Referral | None,
    record: Record | None,
    microsofts: MicrosoftsSide | None,
) -> Pair:
    """What was not given is read, unless the base tells it; after a sync that was cut off it never does.

    A record that is presumed may only be written to where the CRM refuses a stale write.
    """
    link, mapping = locked.link, sides.mapping(locked.link.kind)
    base = load_base(link.base, mapping) if link.base else None
    was_cut_off = base is not None and bool(base.begun)
    # A failure is over when both sides were read and agree; only then is the record told so.
    is_failed = record is not None and link.failure is not None
    if referral is None and (base is None or base.etag is None or is_failed or was_cut_off):
        referral = sides.referral(referral_id_of(locked))
    can_presume = base is not None and base.record_version is not None
    if record is None and (was_cut_off or not can_presume):
        record = sides.crm.get(link.kind, record_id_of(locked))
    views = show_microsofts(
        view_referral(referral, mapping) if referral else presume_referral(_there(base)),
        view_record(record, mapping) if record else presume_record(_there(base)),
        microsofts or (base.microsofts if base else None),
        mapping,
    )
    if base is None or not was_cut_off:
        return Pair(mapping, base, referral, record, *views)
    reached, untold = take_up(base, *views, mapping)
    return Pair(mapping, reached, referral, record, *views, untold)


def _there(base: Base | None) -> Base:
    if base is None:
        raise AssertionError("without a base both sides are read")
    return base


def referral_id_of(locked: LockedLink) -> str:
    if locked.link.referral_id is None:
        raise RetryLater("The referral of this deal is still being created", code="unfinished")
    return locked.link.referral_id


def record_id_of(locked: LockedLink) -> str:
    if locked.link.record_id is None:
        raise RetryLater("The CRM record of this deal is still being created", code="unfinished")
    return locked.link.record_id
