"""Referrals that Partner Center should never serve: each fails in words or syncs, and no other deal suffers from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import ConnectorError
from shared.domain.record import CrmStage, StageChange
from tests.fuzz.inputs import BOUNDED, JSON, each_with_one_thing_wrong, with_something_wrong
from tests.property.memory_partner_center import MemoryPartnerCenter
from tests.property.world import World, incoming_referral

NEW = {
    **incoming_referral(),
    "externalReferenceId": None,
    "statusReason": None,
    "trackingInfo": {"microsoftMsxId": "7-ABC"},
}
IMPOSSIBLE = [
    {"status": "x" * 5000},
    {"status": {"a": []}},
    {"details": {**NEW["details"], "dealValue": "1e999999"}},
    {"details": {**NEW["details"], "dealValue": float("nan")}},
    {"details": {**NEW["details"], "closingDateTime": "9999-12-31T23:59:59-14:00"}},
    {"details": {**NEW["details"], "notes": "\ud800"}},
    {"type": ["Shared"]},
    {"customerProfile": None},
    {"team": [None, 5, {"email": 7}]},
    {"updatedDateTime": 5},
]


class Broken:
    """The in-memory Partner Center, which serves one referral with other values than it has."""

    def __init__(self, inner: MemoryPartnerCenter) -> None:
        self._inner = inner
        self.referral_id = ""
        self.document: Any = None

    def get(self, referral_id: str) -> Any:
        return self.document if referral_id == self.referral_id else self._inner.get(referral_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def break_one(world: World, referral_id: str, wrong: Any) -> None:
    """From now on the referral is served as ``wrong``, or with the fields of it where both are objects."""
    broken = Broken(world.partner_center)
    broken.referral_id = referral_id
    broken.document = {**world.partner_center.peek(referral_id), **wrong} if isinstance(wrong, dict) else wrong
    world.sides = replace(world.sides, referrals=broken)


def sync(world: World, referral_id: str) -> None:
    """Succeeds, or fails in one line that fits into the audit."""
    try:
        world.referral_changed(referral_id)
    except ConnectorError as error:
        assert error.code
        assert len(str(error)) < 1500
        assert not {"\r", "\n"} & set(str(error))


WRONG = st.one_of(with_something_wrong(NEW), st.sampled_from(IMPOSSIBLE), JSON)


@BOUNDED
@given(WRONG)
def test_a_new_referral_with_something_wrong_fails_in_words_or_is_taken_in(wrong: Any) -> None:
    world = World()
    referral_id = world.partner_center.add(NEW)
    break_one(world, referral_id, wrong)
    sync(world, referral_id)
    sync(world, referral_id)
    assert len(world.crm.ids()) <= 1
    other = world.incoming()
    world.referral_changed(other)
    assert world.partner_center.peek(other)["externalReferenceId"] in world.crm.ids()


def test_every_place_of_a_referral_may_be_wrong() -> None:
    world = World()
    referral_id = world.partner_center.add(NEW)
    world.referral_changed(referral_id)
    whole = world.partner_center.peek(referral_id)
    for document in each_with_one_thing_wrong(whole):
        break_one(world, referral_id, document)
        sync(world, referral_id)
        fresh = World()
        new_id = fresh.partner_center.add(NEW)
        break_one(fresh, new_id, document)
        sync(fresh, new_id)
        assert len(fresh.crm.ids()) <= 1
    assert len(world.crm.ids()) == 1


@BOUNDED
@given(WRONG, st.booleans())
def test_a_referral_that_goes_wrong_later_can_be_mended(wrong: Any, optimistic_lock: bool) -> None:
    world = World(optimistic_lock=optimistic_lock)
    referral_id = world.partner_center.add(NEW)
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    world.crm.edit(record_id, {}, stage=StageChange(CrmStage.ACTIVE))
    world.record_changed(record_id)
    break_one(world, referral_id, wrong)
    sync(world, referral_id)
    assert world.crm.ids() == (record_id,)
