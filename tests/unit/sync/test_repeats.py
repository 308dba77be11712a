"""A worker may die after any step: the repeat finishes the work, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import product

import pytest

from shared.domain.errors import ConnectorError, LockTaken, RetryLater, VersionConflict
from shared.domain.record import CrmStage, StageChange
from shared.sync.outcome import Outcome, Result
from tests.property.world import World

LOST = RetryLater("The connection was lost")
ANYWHERE = [
    (side, operation, after_commit)
    for side, operation, after_commit in product(
        ("partner_center", "crm"), ("get", "list", "patch", "create", "prepare", "update"), (True, False)
    )
    if operation not in ({"prepare", "update"} if side == "partner_center" else {"list", "patch"})
]


def until_done(work: Callable[[], Outcome]) -> Outcome:
    """What a queue does: the same message again, until it is worked off."""
    for _ in range(4):
        try:
            return work()
        except RetryLater:
            continue
    raise AssertionError("the work is never done")


def fail(world: World, side: str, operation: str, after_commit: bool, error: ConnectorError = LOST) -> None:
    broken = world.crm if side == "crm" else world.partner_center
    broken.fail_next(error, operation=operation, after_commit=after_commit)


def ours_and_microsofts(world: World) -> Counter[str]:
    documents = map(world.partner_center.peek, world.partner_center.ids())
    return Counter("microsoft" if one["organizationId"] == "msft" else "ours" for one in documents)


@pytest.mark.parametrize("optimistic_lock", [True, False])
@pytest.mark.parametrize(("side", "operation", "after_commit"), ANYWHERE)
def test_a_new_referral_becomes_one_record(
    side: str, operation: str, after_commit: bool, optimistic_lock: bool
) -> None:
    world = World(optimistic_lock=optimistic_lock)
    referral_id = world.incoming()
    fail(world, side, operation, after_commit)
    until_done(lambda: world.referral_changed(referral_id))
    until_done(lambda: world.referral_changed(referral_id))
    (record_id,) = world.crm.ids()
    assert world.partner_center.peek(referral_id)["externalReferenceId"] == record_id
    assert world.record(record_id, "notes") == "First call on Monday."
    assert world.record(record_id, "name") == "✔ Fabrikam: supply chain on Azure"
    assert len(world.links.links) == 1
    assert world.audit(record_id)[-1].endswith(" - Partner Center Referral to CRM sync success.")


@pytest.mark.parametrize("first_repeat", ["crm", "partner_center"])
@pytest.mark.parametrize("help_wanted", ["Quotes or licensing", None])
@pytest.mark.parametrize(
    ("side", "operation", "after_commit"),
    [("partner_center", "create", True), ("partner_center", "create", False)]
    + [("crm", operation, after_commit) for operation in ("get", "update") for after_commit in (True, False)],
)
def test_a_shared_opportunity_becomes_one_referral_and_one_of_microsofts(
    side: str, operation: str, after_commit: bool, help_wanted: str | None, first_repeat: str
) -> None:
    world = World()
    record_id = world.opportunity(help=help_wanted)
    fail(world, side, operation, after_commit)
    try:
        world.record_changed(record_id)
    except RetryLater:
        if first_repeat == "partner_center":
            for referral_id in world.partner_center.ids():
                until_done(lambda made=referral_id: world.referral_changed(made))  # type: ignore[misc]
    until_done(lambda: world.record_changed(record_id))
    world.settle()
    assert ours_and_microsofts(world) == {"ours": 1} | ({"microsoft": 1} if help_wanted else {})
    assert world.crm.ids() == (record_id,)
    (link,) = world.links.links.values()
    assert link.intent is None
    assert world.crm.peek(record_id).values[world.record_mapping.columns.referral_id] == link.referral_id
    assert world.record(record_id, "name") == "✔ Northwind: data platform"


def test_the_second_post_is_not_made_again_when_only_its_answer_was_lost() -> None:
    world = World()
    record_id = world.opportunity(help="General or other")
    fail(world, "partner_center", "create", True)
    with pytest.raises(RetryLater):
        world.record_changed(record_id)
    fail(world, "partner_center", "create", True)
    with pytest.raises(RetryLater):
        world.record_changed(record_id)
    until_done(lambda: world.record_changed(record_id))
    assert ours_and_microsofts(world) == {"ours": 1, "microsoft": 1}
    assert next(iter(world.links.links.values())).microsoft_referral_id is not None


@pytest.mark.parametrize("error", [LOST, VersionConflict("It changed")], ids=["lost", "changed"])
@pytest.mark.parametrize("optimistic_lock", [True, False])
@pytest.mark.parametrize(("side", "operation", "after_commit"), ANYWHERE)
def test_edits_on_both_sides_arrive_whatever_breaks(
    side: str, operation: str, after_commit: bool, optimistic_lock: bool, error: ConnectorError
) -> None:
    world = World(optimistic_lock=optimistic_lock)
    referral_id = world.incoming(status="Active", substatus="Accepted")
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    world.partner_center.edit(referral_id, {"details.notes": "Theirs"})
    world.crm.edit(record_id, {"estimatedvalue": None, "@team": world.crm.peek(world.opportunity()).values["@team"]})
    if isinstance(error, VersionConflict) and (after_commit or operation not in ("patch", "update")):
        return
    fail(world, side, operation, after_commit, error)
    until_done(lambda: world.record_changed(record_id))
    until_done(lambda: world.referral_changed(referral_id))
    document = world.partner_center.peek(referral_id)
    assert world.record(record_id, "notes") == document["details"]["notes"] == "Theirs"
    assert world.record(record_id, "deal_value") is document["details"]["dealValue"] is None
    assert [member["email"] for member in document["team"]] == ["bo.roe@contoso.example"]
    assert len(world.links.links) == 1


def test_a_deal_that_is_won_on_hold_is_accepted_and_won_though_the_second_patch_was_lost() -> None:
    world = World()
    referral_id = world.incoming()
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    world.crm.edit(record_id, {}, StageChange(CrmStage.WON))
    fail(world, "partner_center", "patch", True)
    with pytest.raises(RetryLater):
        world.record_changed(record_id)
    assert world.partner_center.peek(referral_id)["substatus"] == "Accepted"
    until_done(lambda: world.record_changed(record_id))
    assert world.partner_center.peek(referral_id)["substatus"] == "Won"


def test_a_deal_that_never_holds_still_is_put_off() -> None:
    world = World()
    referral_id = world.incoming(status="Active", substatus="Accepted")
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    world.crm.edit(record_id, {"description": "Ours"})

    def edit_again() -> None:
        world.partner_center.edit(referral_id, {"details.dealValue": world.now.timestamp()})
        world.partner_center.on_next("patch", edit_again)

    world.partner_center.on_next("patch", edit_again)
    with pytest.raises(RetryLater, match="changed 5 times"):
        world.record_changed(record_id)


def test_an_edit_made_while_ours_is_written_is_read_and_planned_again() -> None:
    world = World()
    referral_id = world.incoming(status="Active", substatus="Accepted")
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    world.crm.edit(record_id, {"description": "Ours"})
    world.partner_center.edit(referral_id, {"details.dealValue": 7})
    outcome = world.record_changed(record_id)
    assert outcome.result is Result.SYNCED
    assert world.partner_center.peek(referral_id)["details"]["notes"] == "Ours"
    assert world.record(record_id, "deal_value") == 7


def test_a_deal_that_another_worker_has_is_left_to_it() -> None:
    world = World()
    referral_id = world.incoming()
    world.referral_changed(referral_id)
    (link,) = world.links.links
    with world.links.lock(link), pytest.raises(LockTaken):
        world.referral_changed(referral_id)
