"""Takes deals over that another connector has linked: reads both sides whole, pairs them, and remembers the pairs.

Only links are written; neither side is. What was adopted before is passed over, so all of it may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from shared.domain.adopt import Choice, Difference, adopt, microsofts_id
from shared.domain.base import dump_base
from shared.domain.errors import ConfigurationError, LockTaken, NotFound, Rejected, RetryLater
from shared.domain.link import Link, link_id_for_referral
from shared.domain.pairing import (
    Doubt,
    NamedRecord,
    Pair,
    Unpaired,
    pair_up,
    same_id,
    unknown_references,
    unseen_referrals,
)
from shared.domain.record import Record, RecordKind
from shared.domain.referral import Referral, parse_referral
from shared.sync.link_index import LinkIndex
from shared.sync.patience import patiently
from shared.sync.sides import Sides

EVER = datetime(2015, 1, 1, tzinfo=UTC)
"""Before the first co-sell referral."""
READ_AT_ONCE = 100
UNREADABLE = "unreadable_answer"
"""The code of an answer that no adapter can read: one odd row must not keep the other deals from being taken over."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """A pair and the ``link`` to remember it by; without one, ``problem`` says why it cannot be taken over yet."""

    record: NamedRecord
    referral: Referral
    link: Link | None
    differences: tuple[Difference, ...] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        """The deal's name in Partner Center."""
        return str(self.referral.document.get("name") or "")


@dataclass(frozen=True)
class Survey:
    """Both sides as they stand. ``known`` pairs have their link already; ``unshared`` records will be shared by the
    connector's first look at the CRM: they are switched to sync and name no referral."""

    candidates: tuple[Candidate, ...]
    known: int
    unpaired: tuple[Unpaired, ...]
    alone: int
    unshared: tuple[NamedRecord, ...]


@dataclass(frozen=True)
class Adopted:
    """``busy`` deals were being synced just then, or were by somebody else first; ``refused`` tells what clashed."""

    adopted: int
    busy: int
    refused: tuple[str, ...]


@dataclass(frozen=True)
class _BothSides:
    records: list[NamedRecord]
    referrals: list[Referral]
    unreadable: list[Unpaired]


def survey(
    sides: Sides,
    kinds: Iterable[RecordKind],
    links: Iterable[Link],
    progress: Progress,
    sleep: Callable[[float], None],
    choice: Choice = Choice.POLICY,
) -> Survey:
    """What there is to take over. A call for each page of either side, and one for many linked records.

    A service that is busy for a moment is asked again; ``RetryLater`` is raised once it stays so.
    """
    kinds = tuple(kinds)
    both = _read_both(sides, kinds, progress)
    _add_unseen(sides, both)
    pairing = pair_up(both.records, both.referrals, _resolve(sides, kinds, both))
    known = LinkIndex(links)
    theirs = {one.engagement_id: one for one in both.referrals if one.is_microsofts and one.engagement_id}
    open_pairs = [pair for pair in pairing.pairs if not _is_synced(_link_of(known, pair))]
    candidates = []
    for number, (pair, record) in enumerate(_with_records(sides, open_pairs, sleep), start=1):
        microsofts = theirs.get(pair.referral.engagement_id or "")
        reading = _Reading(sides, pair, microsofts, shows_microsofts=bool(theirs))
        candidates.append(reading.candidate(record, _link_of(known, pair), choice, sleep))
        progress(f"{number:,} of {len(open_pairs):,} linked records read")
    return Survey(
        candidates=tuple(candidates),
        known=len(pairing.pairs) - len(open_pairs),
        unpaired=(*both.unreadable, *pairing.unpaired),
        alone=pairing.alone,
        unshared=_unshared(both.records, pairing.pairs),
    )


def adopt_all(sides: Sides, candidates: Sequence[Candidate], progress: Progress) -> Adopted:
    """Every candidate with a link is remembered, unless somebody has synced the deal in the meantime."""
    adopted = busy = 0
    refused: list[str] = []
    links = [one.link for one in candidates if one.link is not None]
    for number, link in enumerate(links, start=1):
        try:
            if _remember(sides, link):
                adopted += 1
            else:
                busy += 1
        except LockTaken:
            busy += 1
        except Rejected as problem:
            refused.append(str(problem))
        progress(f"{number:,} of {len(links):,} pairs taken over")
    return Adopted(adopted, busy, tuple(refused))


def _remember(sides: Sides, link: Link) -> bool:
    with sides.links.lock(link.id, new=link) as locked:
        if locked.link.base is None and locked.link.intent is None:
            locked.save(link, release=True)
        return locked.link.base == link.base


@dataclass(frozen=True)
class _Reading:
    """One pair being read. ``microsofts`` is Microsoft's side of it, where Partner Center lists that."""

    sides: Sides
    pair: Pair
    microsofts: Referral | None
    shows_microsofts: bool

    def candidate(
        self, whole: Record | None, untouched: Link | None, choice: Choice, sleep: Callable[[float], None]
    ) -> Candidate:
        """``whole`` is the record as it was read along with others; what was missing there is read by itself."""
        record, referral = self.pair.record, self.pair.referral
        try:
            whole = whole or patiently(lambda: self.sides.crm.get(record.kind, record.id), sleep)
            link, differences = self._link(whole, untouched, choice)
        except (Rejected, NotFound, RetryLater) as problem:
            if isinstance(problem, RetryLater) and problem.code != UNREADABLE:
                raise
            return Candidate(record, referral, None, problem=f"{problem.message}. {problem.remedy}".strip())
        return Candidate(record, referral, link, differences)

    def _link(self, record: Record, untouched: Link | None, choice: Choice) -> tuple[Link, tuple[Difference, ...]]:
        referral, mapping = self.pair.referral, self.sides.mapping(record.kind)
        adoption = adopt(referral, record, self.microsofts, mapping, self.sides.rules(record.kind), choice)
        link = Link(
            id=untouched.id if untouched else link_id_for_referral(referral.id),
            kind=record.kind,
            referral_id=referral.id,
            engagement_id=referral.engagement_id,
            microsoft_referral_id=microsofts_id(
                referral, record, self.microsofts, mapping, shows_microsofts=self.shows_microsofts
            ),
            record_id=record.id,
            base=dump_base(adoption.base, mapping),
            status=adoption.status,
            updated_at=self.sides.clock(),
        )
        return link, adoption.differences


def _with_records(
    sides: Sides, pairs: Sequence[Pair], sleep: Callable[[float], None]
) -> Iterator[tuple[Pair, Record | None]]:
    """Each pair with its record as it was read along with others; without it where the CRM left it out."""
    for start in range(0, len(pairs), READ_AT_ONCE):
        portion = pairs[start : start + READ_AT_ONCE]
        found: dict[str, Record] = {}
        for kind in dict.fromkeys(pair.record.kind for pair in portion):
            ids = [pair.record.id for pair in portion if pair.record.kind is kind]
            try:
                found.update(patiently(partial(sides.crm.get_many, kind, ids), sleep))
            except RetryLater as problem:
                if problem.code != UNREADABLE:
                    raise
        yield from ((pair, found.get(pair.record.id)) for pair in portion)


def _link_of(known: LinkIndex, pair: Pair) -> Link | None:
    return known.of_referral(pair.referral.id) or known.of_record(pair.record.kind, pair.record.id)


def _is_synced(link: Link | None) -> bool:
    """A link that nobody has synced yet is as good as none: only the pair is written down."""
    return link is not None and (link.base is not None or link.intent is not None)


def _read_both(sides: Sides, kinds: Iterable[RecordKind], progress: Progress) -> _BothSides:
    records = []
    for kind in kinds:
        for page in sides.crm.changes(kind, None):
            changes = (change for change in page.changes if not change.deleted)
            records += [NamedRecord(kind, change.id, change.referral_id, change.syncs) for change in changes]
            progress(f"{len(records):,} records of {sides.crm.name} read")
    referrals: dict[str, Referral] = {}
    unreadable: list[Unpaired] = []
    for documents in sides.referrals.updated_since(EVER):
        for document in documents:
            try:
                referral = parse_referral(document)
            except Rejected as problem:
                unreadable.append(_unreadable(str(document.get("id") or ""), problem))
            else:
                # One that changes while the pages are read may be on two of them: the later one is newer.
                referrals[same_id(referral.id)] = referral
        progress(f"{len(referrals):,} referrals read")
    return _BothSides(records, list(referrals.values()), unreadable)


def _unreadable(referral_id: str, problem: Rejected) -> Unpaired:
    return Unpaired(Doubt.UNREADABLE, (referral_id,), (), problem.message, problem.remedy)


def _add_unseen(sides: Sides, both: _BothSides) -> None:
    """What a list leaves out while it changes, Partner Center may still show by its id."""
    for referral_id in unseen_referrals(both.records, both.referrals):
        try:
            both.referrals.append(parse_referral(sides.referrals.get(referral_id)))
        except (NotFound, Rejected):
            continue
        except ConfigurationError as problem:
            if problem.code != "forbidden":
                raise


def _resolve(sides: Sides, kinds: Sequence[RecordKind], both: _BothSides) -> dict[str, str]:
    """Ids of records that the CRM knows otherwise than the referrals name them: a Salesforce id has a short form."""
    found: dict[str, str] = {}
    for referral in unknown_references(both.records, both.referrals):
        reference = str(referral.external_reference)
        for kind in (kind for kind in referral.record_kinds if kind in kinds):
            try:
                found[reference] = sides.crm.get(kind, reference).id
                break
            except (NotFound, Rejected):
                continue
    return found


def _unshared(records: Iterable[NamedRecord], pairs: Iterable[Pair]) -> tuple[NamedRecord, ...]:
    paired = {pair.record.id for pair in pairs}
    return tuple(
        record
        for record in records
        if record.syncs and not record.referral_id and record.id not in paired and record.kind is RecordKind.OPPORTUNITY
    )
