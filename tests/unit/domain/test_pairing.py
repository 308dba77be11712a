"""Which record and which referral are one deal, and what is left to a person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.domain.pairing import Doubt, NamedRecord, Pairing, pair_up, unknown_references, unseen_referrals
from shared.domain.record import RecordKind
from shared.domain.referral import Referral, ReferralStage

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
ONE, TWO = "7D23E5CA-0000-4000-8000-000000000001", "7d23e5ca-0000-4000-8000-000000000002"
A, B = "0a0b0c0d-0000-4000-8000-00000000000a", "0a0b0c0d-0000-4000-8000-00000000000b"


def referral(referral_id: str = ONE, names: str | None = None, **changes: Any) -> Referral:
    document = {"externalReferenceId": names}
    values = {"organization_id": "contoso", "etag": '"1"', "stage": ReferralStage.ACCEPTED, "updated_at": AT}
    return Referral(document, referral_id, "engagement", **{**values, **changes})


def opportunity(record_id: str = A, names: str | None = None) -> NamedRecord:
    return NamedRecord(RecordKind.OPPORTUNITY, record_id, names)


def lead(record_id: str = B, names: str | None = None) -> NamedRecord:
    return NamedRecord(RecordKind.LEAD, record_id, names)


def found(pairing: Pairing) -> list[tuple[str, str]]:
    return [(pair.record.id, pair.referral.id) for pair in pairing.pairs]


def doubts(pairing: Pairing) -> list[tuple[Doubt, tuple[str, ...], tuple[str, ...]]]:
    return [(one.doubt, one.referral_ids, one.record_ids) for one in pairing.unpaired]


def test_two_sides_that_name_each_other_are_a_pair_whatever_the_case_of_their_guids() -> None:
    pairing = pair_up([opportunity(A, ONE.lower())], [referral(ONE, A.upper())])
    assert (found(pairing), pairing.unpaired) == ([(A, ONE)], ())


def test_one_name_is_enough_as_long_as_nothing_speaks_against_it() -> None:
    assert found(pair_up([opportunity(A, ONE)], [referral(ONE)])) == [(A, ONE)]
    assert found(pair_up([opportunity(A)], [referral(ONE, A)])) == [(A, ONE)]
    assert found(pair_up([opportunity(A, ONE)], [referral(ONE, "deleted long ago")])) == [(A, ONE)]


def test_ids_that_are_no_guids_differ_by_case() -> None:
    record = NamedRecord(RecordKind.OPPORTUNITY, "006Hs00000AbCdEIAV")
    assert found(pair_up([record], [referral(ONE, "006HS00000ABCDEIAV")])) == []
    assert found(pair_up([record], [referral(ONE, "006Hs00000AbCdE")], {"006Hs00000AbCdE": record.id}))


def test_two_records_of_one_referral_are_candidates_and_neither_is_taken() -> None:
    pairing = pair_up([opportunity(A, ONE), opportunity(B, ONE)], [referral(ONE, A)])
    assert (found(pairing), doubts(pairing)) == ([], [(Doubt.SEVERAL_RECORDS, (ONE,), (A, B))])
    pairing = pair_up([opportunity(A, ONE), opportunity(B)], [referral(ONE, B)])
    assert (found(pairing), doubts(pairing)) == ([], [(Doubt.SEVERAL_RECORDS, (ONE,), (A, B))])


def test_two_referrals_that_claim_one_record_are_said_and_neither_is_taken() -> None:
    pairing = pair_up([opportunity(A)], [referral(ONE, A), referral(TWO, A)])
    assert (found(pairing), doubts(pairing)) == ([], [(Doubt.SEVERAL_REFERRALS, (ONE, TWO), (A,))])


def test_a_record_goes_with_the_referral_that_it_names_not_with_one_that_names_it() -> None:
    pairing = pair_up([opportunity(A, ONE)], [referral(ONE), referral(TWO, A)])
    assert (found(pairing), doubts(pairing)) == ([(A, ONE)], [(Doubt.OTHER_REFERRAL, (TWO,), (A,))])


def test_a_lead_gives_way_to_the_opportunity_that_it_became() -> None:
    assert found(pair_up([lead(B, ONE), opportunity(A, ONE)], [referral(ONE, B)])) == [(A, ONE)]
    assert found(pair_up([lead(B), opportunity(A, ONE)], [referral(ONE, B)])) == [(A, ONE)]
    assert found(pair_up([lead(B, ONE)], [referral(ONE)])) == [(B, ONE)]


def test_what_one_side_does_not_have_is_said() -> None:
    pairing = pair_up([opportunity(A, TWO)], [referral(ONE, B)])
    assert doubts(pairing) == [(Doubt.REFERRAL_UNSEEN, (TWO,), (A,)), (Doubt.RECORD_UNKNOWN, (ONE,), ())]
    assert "0a0b0c0d" in pairing.unpaired[1].what


def test_what_is_not_linked_at_all_is_no_doubt() -> None:
    pairing = pair_up([opportunity(A)], [referral(ONE)])
    assert (found(pairing), pairing.unpaired, pairing.alone) == ([], (), 1)


def test_microsofts_side_is_nobodys_pair() -> None:
    theirs = referral(ONE, A, organization_id="msft")
    pairing = pair_up([opportunity(A)], [theirs])
    assert (found(pairing), pairing.unpaired, pairing.alone) == ([], (), 0)
    assert unseen_referrals([opportunity(A, ONE)], [theirs]) == (ONE,)


def test_what_has_to_be_asked_for_one_by_one() -> None:
    records, referrals = [opportunity(A, TWO), opportunity(B, ONE)], [referral(ONE, "CRM-7")]
    assert unseen_referrals(records, referrals) == (TWO,)
    assert unknown_references(records, referrals) == (referrals[0],)
    assert unknown_references(records, [referral(ONE, A), referral(TWO)]) == ()
