"""Which CRM record and which referral are one deal, where another connector has linked them. Pure.

Microsoft's connector writes the referral's id on the record and the record's id on the referral
(``externalReferenceId``). Whatever these two do not tell without doubt is said, and left to a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.record import RecordKind
from shared.domain.referral import Referral

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class NamedRecord:
    """A record of the CRM, and the referral that it names, if any. ``syncs`` is its *Sync with Partner Center*."""

    kind: RecordKind
    id: str
    referral_id: str | None = None
    syncs: bool = False


@dataclass(frozen=True)
class Pair:
    record: NamedRecord
    referral: Referral


class Doubt(StrEnum):
    """Why two sides are not taken for one deal."""

    REFERRAL_UNSEEN = "referral_unseen"
    RECORD_UNKNOWN = "record_unknown"
    SEVERAL_RECORDS = "several_records"
    SEVERAL_REFERRALS = "several_referrals"
    OTHER_REFERRAL = "other_referral"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Unpaired:
    """``what`` says what was found and ``remedy`` what a person can do; both name no person."""

    doubt: Doubt
    referral_ids: tuple[str, ...]
    record_ids: tuple[str, ...]
    what: str
    remedy: str


@dataclass(frozen=True)
class Pairing:
    """``alone`` counts the referrals that neither name a record nor are named by one."""

    pairs: tuple[Pair, ...]
    unpaired: tuple[Unpaired, ...]
    alone: int


def same_id(text: str) -> str:
    """``text`` as ids are compared: the case of a GUID does not count, that of other ids does."""
    text = text.strip()
    return text.lower() if _GUID.fullmatch(text) else text


def unknown_references(records: Iterable[NamedRecord], referrals: Iterable[Referral]) -> tuple[Referral, ...]:
    """The referrals that name a CRM id which none of ``records`` has."""
    known = {same_id(record.id) for record in records}
    return tuple(
        one for one in _own(referrals) if one.external_reference and same_id(one.external_reference) not in known
    )


def unseen_referrals(records: Iterable[NamedRecord], referrals: Iterable[Referral]) -> tuple[str, ...]:
    """The ids of referrals that records name, and that are not among ``referrals``."""
    seen = {same_id(one.id) for one in _own(referrals)}
    named = (record.referral_id for record in records if record.referral_id)
    return tuple(dict.fromkeys(one for one in named if same_id(one) not in seen))


def pair_up(
    records: Sequence[NamedRecord], referrals: Sequence[Referral], record_of: Mapping[str, str] | None = None
) -> Pairing:
    """Every deal that both sides agree to be one, and all that is in doubt.

    ``record_of`` gives, by CRM id as a referral names it, the id under which ``records`` has it.
    """
    by_id = {same_id(record.id): record for record in records}
    by_id |= {same_id(name): by_id[same_id(one)] for name, one in (record_of or {}).items() if same_id(one) in by_id}
    naming: dict[str, list[NamedRecord]] = {}
    for record in records:
        if record.referral_id:
            naming.setdefault(same_id(record.referral_id), []).append(record)
    own = {same_id(one.id): one for one in _own(referrals)}
    unpaired = [_unseen(named) for key, named in naming.items() if key not in own]
    pairs: list[Pair] = []
    claims: dict[str, list[Referral]] = {}
    alone = 0
    for key, referral in own.items():
        referenced = by_id.get(same_id(referral.external_reference or ""))
        candidates = _candidates(naming.get(key, []), referenced)
        if len(candidates) > 1:
            unpaired.append(_several_records(referral, candidates))
        elif candidates:
            pairs.append(Pair(candidates[0], referral))
        elif referenced is not None and not referenced.referral_id:
            claims.setdefault(referenced.id, []).append(referral)
        elif referral.external_reference:
            unpaired.append(_refers_in_vain(referral, referenced))
        else:
            alone += 1
    for record_id, claiming in claims.items():
        record = by_id[same_id(record_id)]
        if len(claiming) == 1:
            pairs.append(Pair(record, claiming[0]))
        else:
            unpaired.append(_several_referrals(record, claiming))
    return Pairing(tuple(pairs), tuple(unpaired), alone)


def _own(referrals: Iterable[Referral]) -> list[Referral]:
    return [one for one in referrals if not one.is_microsofts]


def _candidates(naming: Sequence[NamedRecord], referenced: NamedRecord | None) -> list[NamedRecord]:
    """The records that may be the referral's. A lead gives way to the one opportunity: it has become that."""
    found = list(naming)
    if found and referenced is not None and referenced not in found:
        found.append(referenced)
    opportunities = [record for record in found if record.kind is RecordKind.OPPORTUNITY]
    return opportunities if len(opportunities) == 1 else found


def _unseen(naming: Sequence[NamedRecord]) -> Unpaired:
    return Unpaired(
        Doubt.REFERRAL_UNSEEN,
        (str(naming[0].referral_id),),
        tuple(record.id for record in naming),
        "The record names a referral that Partner Center does not show us",
        "If it was deleted, or belongs to another tenant, leave the record alone or clear its referral identifier.",
    )


def _several_records(referral: Referral, candidates: Sequence[NamedRecord]) -> Unpaired:
    return Unpaired(
        Doubt.SEVERAL_RECORDS,
        (referral.id,),
        tuple(record.id for record in candidates),
        f"{len(candidates)} records are linked to this referral",
        "Keep one: on the others clear the referral identifier, and set Sync with Partner Center to No.",
    )


def _several_referrals(record: NamedRecord, claiming: Sequence[Referral]) -> Unpaired:
    return Unpaired(
        Doubt.SEVERAL_REFERRALS,
        tuple(one.id for one in claiming),
        (record.id,),
        f"{len(claiming)} referrals name this record, which names none of them",
        "Write the identifier of the right one on the record, and close the others in Partner Center.",
    )


def _refers_in_vain(referral: Referral, referenced: NamedRecord | None) -> Unpaired:
    if referenced is None:
        return Unpaired(
            Doubt.RECORD_UNKNOWN,
            (referral.id,),
            (),
            f"The referral names the CRM id {(referral.external_reference or '')[:60]!r}, which the CRM does not have",
            "It is left alone. Restore the record, or work on the deal in Partner Center.",
        )
    return Unpaired(
        Doubt.OTHER_REFERRAL,
        (referral.id,),
        (referenced.id,),
        f"The referral names a record that belongs to the referral {referenced.referral_id}",
        "Correct the referral identifier on the record, or close one of the two referrals.",
    )
