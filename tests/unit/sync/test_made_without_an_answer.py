"""One side was made from the other, and the sync was cut off before it wrote down what both agreed on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.domain.errors import RetryLater
from tests.property.world import World

NO_ANSWER = RetryLater("The connection was cut")


def conflicts_told(world: World, record_id: str) -> list[str]:
    return [line for line in world.audit(record_id) if "changed on both sides" in line]


def shared_without_an_answer(world: World) -> tuple[str, str]:
    record_id = world.opportunity()
    world.partner_center.fail_next(NO_ANSWER, operation="create", after_commit=True)
    with pytest.raises(RetryLater):
        world.record_changed(record_id)
    (referral_id,) = world.partner_center.ids()
    return referral_id, record_id


def taken_in_without_an_answer(world: World) -> tuple[str, str]:
    referral_id = world.incoming(status="Active", substatus="Accepted")
    world.crm.fail_next(NO_ANSWER, operation="create", after_commit=True)
    with pytest.raises(RetryLater):
        world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    return referral_id, record_id


def test_an_edit_made_before_the_new_referral_was_known_reaches_it() -> None:
    world = World()
    referral_id, record_id = shared_without_an_answer(world)
    world.crm.edit(record_id, {"description": "On second thought."})
    world.record_changed(record_id)
    world.settle()
    assert world.partner_center.peek(referral_id)["details"]["notes"] == "On second thought."
    assert world.record(record_id, "notes") == "On second thought."
    assert conflicts_told(world, record_id) == []


def test_the_help_that_was_asked_for_stays_though_a_referral_of_ours_does_not_show_it() -> None:
    world = World()
    record_id = world.opportunity(help="Quotes or licensing")
    world.partner_center.fail_next(NO_ANSWER, operation="create", after_commit=True)
    with pytest.raises(RetryLater):
        world.record_changed(record_id)
    world.record_changed(record_id)
    world.settle()
    assert world.record(record_id, "help") == "Quotes or licensing"
    assert len(world.partner_center.ids()) == 2
    assert len(world.audit(record_id)) == 1


def test_an_edit_of_a_new_referral_that_was_not_known_yet_reaches_the_record() -> None:
    world = World()
    referral_id, record_id = shared_without_an_answer(world)
    world.partner_center.edit(referral_id, {"details.notes": "Theirs."})
    world.crm.edit(record_id, {"estimatedvalue": Decimal(7)})
    world.record_changed(record_id)
    world.settle()
    assert world.record(record_id, "notes") == "Theirs."
    assert world.partner_center.peek(referral_id)["details"]["dealValue"] == 7
    assert conflicts_told(world, record_id) == []


def test_an_edit_of_a_new_record_that_was_not_known_yet_reaches_the_referral_though_that_changed_later() -> None:
    world = World()
    referral_id, record_id = taken_in_without_an_answer(world)
    world.crm.edit(record_id, {"estimatedvalue": Decimal(7)})
    world.partner_center.edit(referral_id, {"details.notes": "Theirs, and later."})
    world.settle()
    assert world.partner_center.peek(referral_id)["details"]["dealValue"] == 7
    assert world.record(record_id, "deal_value") == 7
    assert world.record(record_id, "notes") == "Theirs, and later."
    assert conflicts_told(world, record_id) == []


def test_people_whom_the_crm_did_not_take_stay_in_the_referral() -> None:
    """The record shows fewer people than the referral: nobody has removed them."""
    world = World()
    customer = world.partner_center.peek(world.incoming())["customerProfile"]
    people = [
        {"firstName": name, "lastName": "Berg", "email": f"{name}@fabrikam.example", "phoneNumber": ""}
        for name in ("ada", "bo")
    ]
    referral_id = world.incoming(
        status="Active", substatus="Accepted", customerProfile={**customer, "team": people}, team=people
    )
    before = world.partner_center.peek(referral_id)
    world.crm.fail_next(NO_ANSWER, operation="create", after_commit=True)
    with pytest.raises(RetryLater):
        world.referral_changed(referral_id)
    world.referral_changed(referral_id)
    world.settle()
    after = world.partner_center.peek(referral_id)
    assert after["customerProfile"]["team"] == before["customerProfile"]["team"]
    assert after["team"] == before["team"]


def test_whoever_tells_of_the_new_record_first_it_is_the_same() -> None:
    world = World()
    referral_id, record_id = taken_in_without_an_answer(world)
    world.crm.edit(record_id, {"name": "Ours"})
    world.partner_center.edit(referral_id, {"details.notes": "Theirs, and later."})
    world.record_changed(record_id)
    world.settle()
    assert world.record(record_id, "name").endswith("Ours")
    assert world.record(record_id, "notes") == "Theirs, and later."
    assert world.crm.ids() == (record_id,)


def test_both_edits_of_one_field_are_a_conflict_all_the_same() -> None:
    world = World()
    referral_id, record_id = taken_in_without_an_answer(world)
    world.crm.edit(record_id, {"estimatedvalue": Decimal(7)})
    world.partner_center.edit(referral_id, {"details.dealValue": 8})
    world.settle()
    assert world.record(record_id, "deal_value") == 8
    (told,) = conflicts_told(world, record_id)
    assert "(Partner Center: 8; CRM: 7.00)" in told
