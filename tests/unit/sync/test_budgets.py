"""What each event may cost in remote calls (design, section 12), counted on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from shared.domain.record import CrmStage, StageChange
from shared.sync.outcome import Outcome, Result
from tests.property.world import World

Calls = tuple[Counter[str], Counter[str]]


def spent(world: World, work: Callable[[], Outcome]) -> tuple[Outcome, Counter[str], Counter[str]]:
    """The outcome, and the calls to Partner Center and to the CRM that it took."""
    world.partner_center.calls.clear()
    world.crm.calls.clear()
    outcome = work()
    return outcome, Counter(world.partner_center.calls), Counter(world.crm.calls)


def accepted(world: World) -> tuple[str, str]:
    referral_id = world.incoming(status="Active", substatus="Accepted")
    world.referral_changed(referral_id)
    return referral_id, world.crm.ids()[0]


@pytest.mark.parametrize("optimistic_lock", [True, False])
def test_an_echo_costs_one_read_and_nothing_of_the_crm(optimistic_lock: bool) -> None:
    world = World(optimistic_lock=optimistic_lock)
    referral_id, _ = accepted(world)
    outcome, theirs, ours = spent(world, lambda: world.referral_changed(referral_id))
    assert outcome.result is Result.UNCHANGED
    assert (theirs, ours) == ({"get": 1}, {})


def test_our_own_write_coming_back_from_the_crm_costs_one_read_of_it() -> None:
    world = World()
    _, record_id = accepted(world)
    outcome, theirs, ours = spent(world, lambda: world.record_changed(record_id))
    assert outcome.result is Result.UNCHANGED
    assert (theirs, ours) == ({}, {"get": 1})


def test_a_change_in_partner_center_costs_one_read_and_one_write() -> None:
    world = World()
    referral_id, _ = accepted(world)
    world.partner_center.edit(referral_id, {"details.notes": "New notes", "details.dealValue": 1})
    outcome, theirs, ours = spent(world, lambda: world.referral_changed(referral_id))
    assert outcome.result is Result.SYNCED
    assert (theirs, ours) == ({"get": 1}, {"update": 1})


def test_a_crm_that_cannot_refuse_a_stale_write_is_read_first() -> None:
    world = World(optimistic_lock=False)
    referral_id, _ = accepted(world)
    world.partner_center.edit(referral_id, {"details.notes": "New notes"})
    _, theirs, ours = spent(world, lambda: world.referral_changed(referral_id))
    assert (theirs, ours) == ({"get": 1}, {"get": 1, "update": 1})


@pytest.mark.parametrize("stage", [{}, {"status": "Active", "substatus": "Accepted"}])
@pytest.mark.parametrize("known_account", [True, False])
def test_a_new_referral_costs_at_most_five(stage: dict[str, str], known_account: bool) -> None:
    world = World()
    if known_account:
        world.crm.add_account(name="FABRIKAM INC.", address1_postalcode="LS1 4AP")
    referral_id = world.incoming(**stage)
    outcome, theirs, ours = spent(world, lambda: world.referral_changed(referral_id))
    assert outcome.result is Result.CREATED
    assert theirs == {"get": 1, "patch": 1}
    assert ours == {"prepare": 1, "create": 1}


def test_a_change_in_the_crm_costs_at_most_two_and_one_write() -> None:
    world = World()
    _, record_id = accepted(world)
    world.crm.edit(record_id, {"description": "Ours", "estimatedvalue": None})
    outcome, theirs, ours = spent(world, lambda: world.record_changed(record_id))
    assert outcome.result is Result.SYNCED
    assert theirs == {"patch": 1}
    assert ours == {"get": 1, "update": 1}


def test_a_changed_set_costs_a_read_more() -> None:
    world = World()
    _, record_id = accepted(world)
    team = world.opportunity()
    world.crm.edit(record_id, {"@team": world.crm.peek(team).values["@team"]})
    _, theirs, ours = spent(world, lambda: world.record_changed(record_id))
    assert theirs == {"get": 1, "patch": 1}
    assert ours == {"get": 1, "update": 1}


def test_accepting_in_the_crm_is_one_patch() -> None:
    world = World()
    referral_id = world.incoming()
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    world.crm.edit(record_id, {"description": "Ours"}, StageChange(CrmStage.ACTIVE))
    _, theirs, ours = spent(world, lambda: world.record_changed(record_id))
    assert theirs == {"patch": 1}
    assert ours == {"get": 1, "update": 1}
    assert world.partner_center.peek(referral_id)["substatus"] == "Accepted"


@pytest.mark.parametrize(("help_wanted", "posts"), [("Quotes or licensing", 2), (None, 1)])
def test_sharing_costs_a_post_for_each_side_and_at_most_three_of_the_crm(help_wanted: str | None, posts: int) -> None:
    world = World()
    record_id = world.opportunity(help=help_wanted)
    outcome, theirs, ours = spent(world, lambda: world.record_changed(record_id))
    assert outcome.result is Result.CREATED
    assert theirs == {"create": posts}
    assert ours == {"get": 1, "update": 1}
    again, theirs, ours = spent(world, lambda: world.referral_changed(world.partner_center.ids()[0]))
    assert again.result is Result.UNCHANGED
    assert (theirs, ours) == ({"get": 1}, {})


def test_asking_for_help_later_costs_a_read_a_look_and_a_post() -> None:
    world = World()
    record_id = world.opportunity()
    world.record_changed(record_id)
    world.crm.edit(record_id, {world.record_mapping.field("help").crm: "General or other"})
    _, theirs, ours = spent(world, lambda: world.record_changed(record_id))
    assert theirs["list"] == 1, "Microsoft may be in the deal already"
    assert theirs["create"] == 1
    assert ours == {"get": 1, "update": 1}
