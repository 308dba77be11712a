"""Links that are not whole yet, and sides of a deal that are not ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.errors import RetryLater, VersionConflict
from shared.domain.link import Intent, Link, link_id_for_referral
from shared.domain.record import RecordKind
from shared.sync.outcome import Result
from shared.sync.reconcile import reconcile
from shared.sync.related import bring_related
from tests.property.world import World

ACCEPTED = {"status": "Active", "substatus": "Accepted"}


def half_link(referral_id: str | None = None, record_id: str | None = None) -> Link:
    return Link("half", RecordKind.OPPORTUNITY, referral_id=referral_id, record_id=record_id)


def test_microsofts_side_brings_our_own_up_to_date() -> None:
    world = World()
    ours = world.incoming(**ACCEPTED, engagementId="e-1")
    theirs = world.incoming(**ACCEPTED, engagementId="e-1", organizationId="msft")
    assert bring_related(world.sides, theirs).result is Result.CREATED
    world.partner_center.edit(ours, {"details.notes": "Newer"})
    bring_related(world.sides, theirs)
    assert world.record(world.crm.ids()[0], "notes") == "Newer"
    assert len(world.crm.ids()) == 1


def test_our_own_side_told_of_as_related_is_brought_all_the_same() -> None:
    world = World()
    ours = world.incoming()
    assert bring_related(world.sides, ours).result is Result.CREATED
    assert bring_related(world.sides, ours).result is Result.UNCHANGED


def test_sides_that_are_not_ours_are_let_be() -> None:
    world = World()
    assert "does not show us" in bring_related(world.sides, "unseen").message
    alone = world.incoming(organizationId="msft")
    assert "has no referral" in bring_related(world.sides, alone).message
    assert world.writes() == 0


def test_a_record_that_another_worker_made_meanwhile_is_used() -> None:
    world = World()
    referral_id = world.incoming(**ACCEPTED)
    world.crm.fail_next(VersionConflict("There is one already"), operation="create", after_commit=True)
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    assert world.partner_center.peek(referral_id)["externalReferenceId"] == record_id


def test_a_duplicate_that_the_crm_does_not_find_yet_is_looked_for_later() -> None:
    world = World()
    world.crm.fail_next(VersionConflict("There is one already"), operation="create")
    with pytest.raises(RetryLater, match="refused the record as a duplicate"):
        world.referral_changed(world.incoming())


def test_a_link_that_lost_its_worker_before_the_record_is_finished_from_the_crm() -> None:
    world = World()
    referral_id = world.incoming(**ACCEPTED)
    world.referral_changed(referral_id)
    (record_id,) = world.crm.ids()
    link_id = link_id_for_referral(referral_id)
    world.links.links = {link_id: replace(half_link(referral_id), id=link_id)}
    world.crm.edit(record_id, {"description": "Ours"})
    world.record_changed(record_id)
    world.settle()
    assert [link.record_id for link in world.links.links.values()] == [record_id]
    assert world.partner_center.ids() == (referral_id,)


def test_a_dry_run_finishes_no_link_that_was_left_half_done() -> None:
    world = World()
    referral_id = world.incoming(**ACCEPTED)
    world.links.links["half"] = half_link(referral_id)
    world.sides = replace(world.sides, dry_run=True)
    assert world.referral_changed(referral_id).message == "Dry run: would create the record in the CRM."
    assert world.writes() == 0


def test_a_record_that_was_switched_off_before_its_referral_was_made_gets_none() -> None:
    world = World()
    record_id = world.opportunity()
    intent = Intent("create_referral", world.now, record_id)
    world.links.links["half"] = replace(half_link(record_id=record_id), intent=intent)
    world.crm.edit(record_id, {world.record_mapping.columns.sync: False})
    assert world.record_changed(record_id).result is Result.IGNORED
    assert not world.partner_center.ids()


@pytest.mark.parametrize("link", [half_link(record_id="1"), half_link(referral_id="1")])
def test_a_pair_that_is_not_a_pair_yet_is_put_off(link: Link) -> None:
    world = World()
    if link.referral_id:
        link = replace(link, referral_id=world.incoming())
    world.links.links["half"] = link
    with world.links.lock("half") as locked, pytest.raises(RetryLater, match="still being created"):
        reconcile(world.sides, locked)


def test_microsoft_is_not_invited_to_a_deal_that_was_closed_meanwhile() -> None:
    world = World()
    record_id = world.opportunity()
    world.record_changed(record_id)
    (referral_id,) = world.partner_center.ids()
    world.crm.edit(record_id, {world.record_mapping.field("help").crm: "General or other"})
    world.partner_center.edit(referral_id, {"status": "Closed", "substatus": "Won"})
    world.record_changed(record_id)
    assert world.partner_center.ids() == (referral_id,)
