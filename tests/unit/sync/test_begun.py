"""A sync that was cut off between its writes: what it left on a side is its own work, and no person's edit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from shared.domain.errors import RetryLater
from tests.property.world import World

NO_ANSWER = RetryLater("The connection was cut")
BUSY = RetryLater("Too many requests", after_s=1)


def accepted(world: World) -> tuple[str, str]:
    referral_id = world.incoming(status="Active", substatus="Accepted")
    world.referral_changed(referral_id)
    return referral_id, world.crm.ids()[0]


def edit_crm(world: World, record_id: str, **values: object) -> None:
    world.crm.edit(record_id, {world.record_mapping.field(name).crm: value for name, value in values.items()})


def both(world: World, referral_id: str, record_id: str, name: str) -> tuple[object, object]:
    document, row = world.partner_center.peek(referral_id), world.record_mapping.field(name)
    return document["details"][row.partner_center.removeprefix("details.")], world.record(record_id, name)


def conflicts_told(world: World, record_id: str) -> list[str]:
    return [line for line in world.audit(record_id) if "changed on both sides" in line]


def cut_off(world: World, work: Callable[[], object]) -> None:
    with pytest.raises(RetryLater):
        work()


def test_an_edit_that_follows_a_patch_without_an_answer_is_not_overruled_by_that_patch() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    edit_crm(world, record_id, notes="First thought.")
    world.partner_center.fail_next(NO_ANSWER, operation="patch", after_commit=True)
    world.partner_center.on_next("patch", lambda: edit_crm(world, record_id, notes="Second thought."))
    cut_off(world, lambda: world.record_changed(record_id))
    world.settle()
    assert both(world, referral_id, record_id, "notes") == ("Second thought.", "Second thought.")
    assert conflicts_told(world, record_id) == []


def test_an_edit_made_while_the_crm_was_too_busy_to_take_the_news_is_not_overruled() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    edit_crm(world, record_id, deal_value=Decimal(100))
    world.crm.fail_next(BUSY, operation="update")
    cut_off(world, lambda: world.record_changed(record_id))
    edit_crm(world, record_id, deal_value=Decimal(200))
    world.partner_center.edit(referral_id, {"details.notes": "Later, and about something else."})
    world.settle()
    assert both(world, referral_id, record_id, "deal_value") == (200, 200)
    assert conflicts_told(world, record_id) == []


def test_an_edit_made_while_the_sync_was_writing_is_not_overruled_by_what_the_sync_wrote() -> None:
    """The version of the record moves on between the two writes: HTTP 412, and both sides are read again."""
    world = World()
    referral_id, record_id = accepted(world)
    edit_crm(world, record_id, notes="First thought.")
    world.crm.on_next("update", lambda: edit_crm(world, record_id, notes="Second thought."))
    world.record_changed(record_id)
    world.settle()
    assert both(world, referral_id, record_id, "notes") == ("Second thought.", "Second thought.")
    assert conflicts_told(world, record_id) == []


def test_an_edit_in_partner_center_is_not_overruled_by_what_the_sync_wrote_to_the_crm() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    world.partner_center.edit(referral_id, {"details.notes": "First thought."})
    world.crm.on_next("update", lambda: world.partner_center.edit(referral_id, {"details.notes": "Second thought."}))
    world.crm.fail_next(NO_ANSWER, operation="update", after_commit=True)
    cut_off(world, lambda: world.referral_changed(referral_id))
    world.settle()
    assert both(world, referral_id, record_id, "notes") == ("Second thought.", "Second thought.")
    assert conflicts_told(world, record_id) == []


def test_a_value_that_was_put_back_meanwhile_stays_put_back() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    before = world.record(record_id, "notes")
    edit_crm(world, record_id, notes="A slip.")
    world.partner_center.fail_next(NO_ANSWER, operation="patch", after_commit=True)
    cut_off(world, lambda: world.record_changed(record_id))
    edit_crm(world, record_id, notes=before)
    world.record_changed(record_id)
    world.settle()
    assert both(world, referral_id, record_id, "notes") == (before, before)


def test_a_solution_removed_after_a_patch_without_an_answer_stays_removed() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    before = world.crm.peek(record_id).values["@solutions"]
    (known,) = before
    world.crm.edit(record_id, {"@solutions": (known, type(known)("SOL-2", "Second"))})
    world.partner_center.fail_next(NO_ANSWER, operation="patch", after_commit=True)
    cut_off(world, lambda: world.record_changed(record_id))
    world.crm.edit(record_id, {"@solutions": before})
    world.settle()
    solutions = world.partner_center.peek(referral_id)["details"]["requirements"]["solutions"]
    assert [one["id"] for one in solutions] == [known.id]


def test_a_conflict_is_told_although_the_sync_was_cut_off_after_it_was_settled() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    world.partner_center.edit(referral_id, {"details.dealValue": 111})
    edit_crm(world, record_id, deal_value=Decimal(222))
    world.crm.fail_next(BUSY, operation="update")
    cut_off(world, lambda: world.record_changed(record_id))
    outcome = world.record_changed(record_id)
    assert both(world, referral_id, record_id, "deal_value") == (222, 222)
    (told,) = conflicts_told(world, record_id)
    assert told.endswith(
        "Est. revenue was changed on both sides (Partner Center: 111; CRM: 222.00); the CRM's value was kept."
    )
    assert [conflict.field for conflict in outcome.conflicts] == ["deal_value"]
    world.settle()
    assert len(conflicts_told(world, record_id)) == 1


def test_a_conflict_settled_long_ago_is_told_even_if_the_sync_is_cut_off_again_with_other_news() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    world.partner_center.edit(referral_id, {"details.dealValue": 111})
    edit_crm(world, record_id, deal_value=Decimal(222))
    world.crm.fail_next(BUSY, operation="update")
    cut_off(world, lambda: world.record_changed(record_id))
    edit_crm(world, record_id, notes="Something else.")
    world.crm.fail_next(BUSY, operation="update")
    cut_off(world, lambda: world.record_changed(record_id))
    world.settle()
    assert both(world, referral_id, record_id, "notes") == ("Something else.", "Something else.")
    assert len(conflicts_told(world, record_id)) == 1


def test_who_edits_what_the_sync_wrote_to_the_crm_without_an_answer_has_seen_it_and_wins() -> None:
    """Even where the other side changed later, in another field: the audit on the record shows that it was done."""
    world = World()
    referral_id, record_id = accepted(world)
    world.partner_center.edit(referral_id, {"details.notes": "Theirs."})
    world.crm.fail_next(NO_ANSWER, operation="update", after_commit=True)
    cut_off(world, lambda: world.referral_changed(referral_id))
    assert world.record(record_id, "notes") == "Theirs."
    edit_crm(world, record_id, notes="Ours, in answer to theirs.")
    world.partner_center.edit(referral_id, {"details.dealValue": 77})
    world.settle()
    assert both(world, referral_id, record_id, "notes") == ("Ours, in answer to theirs.",) * 2
    assert conflicts_told(world, record_id) == []


def test_an_edit_that_crossed_a_write_to_the_crm_that_was_never_done_is_settled_by_the_policy_and_told() -> None:
    world = World()
    referral_id, record_id = accepted(world)
    world.partner_center.edit(referral_id, {"details.dealValue": 111})
    world.crm.fail_next(BUSY, operation="update")
    cut_off(world, lambda: world.referral_changed(referral_id))
    edit_crm(world, record_id, deal_value=Decimal(222))
    world.partner_center.edit(referral_id, {"details.notes": "Later."})
    world.settle()
    assert both(world, referral_id, record_id, "deal_value") == (111, 111)
    assert len(conflicts_told(world, record_id)) == 1


def test_who_edits_partner_center_after_a_patch_without_an_answer_wins_and_is_told_of() -> None:
    """Whether that PATCH was done cannot be known any more; the later edit is theirs."""
    world = World()
    referral_id, record_id = accepted(world)
    edit_crm(world, record_id, deal_value=Decimal(111))
    world.partner_center.fail_next(NO_ANSWER, operation="patch", after_commit=True)
    cut_off(world, lambda: world.record_changed(record_id))
    world.partner_center.edit(referral_id, {"details.dealValue": 222})
    edit_crm(world, record_id, notes="Later, and about something else.")
    world.settle()
    assert both(world, referral_id, record_id, "deal_value") == (222, 222)
    (told,) = conflicts_told(world, record_id)
    assert told.endswith("(Partner Center: 222; CRM: 111.00); Partner Center's value was kept.")
