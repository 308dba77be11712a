"""Solution rows under an opportunity, which its own version shows nothing of, reach the referral in one tick."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from tests.end_to_end.scene import Scene
from tests.end_to_end.seller_in_salesforce import SalesforceSeller

pytestmark = pytest.mark.crms("dynamics365", "salesforce")
TIMER = "microsoft_solutions_to_partner_center"
FIRST, SECOND, THIRD = "SOL-10342-QRS", "SOL-99999-XYZ", "SOL-55102-QRS"


def tick(scene: Scene) -> None:
    """One tick of the solutions, and what it queued worked off; nothing else looks at the CRM."""
    scene.run_timer(TIMER)
    scene.wait_quiet()


def sent(scene: Scene, referral_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = scene.referral(referral_id)["details"]["requirements"]["solutions"]
    return rows


def ids(scene: Scene, referral_id: str) -> list[str]:
    return [row["id"] for row in sent(scene, referral_id)]


@pytest.fixture(autouse=True)
def no_package(scene: Scene) -> None:
    """The deal alone: what Microsoft's package for Salesforce does when solutions change has a test of its own."""
    if isinstance(scene.seller, SalesforceSeller):
        scene.seller.use_package_trigger(on=False)


def crm_calls(scene: Scene) -> Counter[str]:
    """All of them, looks at what changed too."""
    return scene.seller.control.operations()


@pytest.fixture
def deal(scene: Scene) -> tuple[str, str]:
    """A deal in step, its rows known; ids of its referral and its opportunity."""
    referral_id, record_id = scene.accepted()
    tick(scene)
    assert ids(scene, referral_id) == list(scene.seller.solutions(record_id)) == [FIRST]
    return referral_id, record_id


def test_a_row_that_is_added_edited_and_removed_reaches_the_referral_each_time(
    scene: Scene, deal: tuple[str, str]
) -> None:
    referral_id, record_id = deal
    added = scene.add_solution(record_id, SECOND)
    tick(scene)
    assert ids(scene, referral_id) == [FIRST, SECOND]
    scene.seller.edit_solution(added, quantity=12, price=Decimal("250.5"), name="Contoso Vault")
    tick(scene)
    second = sent(scene, referral_id)[1]
    assert (second["name"], second["quantity"], second["price"]) == ("Contoso Vault", 12, 250.5)
    scene.seller.delete_solution(added)
    tick(scene)
    assert ids(scene, referral_id) == [FIRST]
    told = "CRM to Partner Center Referral sync success (Microsoft Partner Center Solutions)."
    assert scene.audit(record_id)[0] == told


def test_what_partner_center_knows_of_a_solution_beyond_the_row_stays(scene: Scene, deal: tuple[str, str]) -> None:
    referral_id, record_id = deal
    (before,) = sent(scene, referral_id)
    scene.seller.edit_solution(scene.seller.solutions(record_id)[FIRST], quantity=77)
    tick(scene)
    assert sent(scene, referral_id) == [{**before, "quantity": 77}]


def test_the_last_row_is_kept_in_partner_center_and_that_is_told_once_until_a_row_is_added(
    scene: Scene, deal: tuple[str, str]
) -> None:
    referral_id, record_id = deal
    scene.seller.delete_solution(scene.seller.solutions(record_id)[FIRST])
    tick(scene)
    scene.settle()
    assert ids(scene, referral_id) == [FIRST]
    told = [line for line in scene.audit(record_id) if "a referral needs at least one" in line]
    assert len(told) == 1
    scene.edit_crm(record_id, notes="Something else meanwhile.")
    scene.settle()
    assert scene.referral(referral_id)["details"]["notes"] == "Something else meanwhile."
    assert sum("a referral needs at least one" in line for line in scene.audit(record_id)) == 1
    scene.add_solution(record_id, THIRD)
    tick(scene)
    assert ids(scene, referral_id) == [THIRD]
    link = scene.links.find_by_referral(referral_id)
    assert link is not None
    assert (link.status.value, link.status_reason) == ("synced", "")


def test_a_row_without_an_identifier_is_told_of_by_name_and_mended(scene: Scene, deal: tuple[str, str]) -> None:
    referral_id, record_id = deal
    nameless = scene.add_solution(record_id, "")
    tick(scene)
    scene.wait_quiet()
    name = scene.seller.solution_name(nameless)
    assert f"the row {name!r} without a solution identifier" in scene.audit(record_id)[0]
    assert scene.record(record_id)["name"].startswith("❌")
    assert ids(scene, referral_id) == [FIRST]
    scene.seller.identify_solution(nameless, SECOND)
    tick(scene)
    assert ids(scene, referral_id) == [FIRST, SECOND]
    assert scene.record(record_id)["name"].startswith("✔")


def test_two_rows_of_one_identifier_are_one_solution(scene: Scene, deal: tuple[str, str]) -> None:
    referral_id, record_id = deal
    scene.add_solution(record_id, SECOND)
    scene.add_solution(record_id, SECOND.lower())
    tick(scene)
    assert [identifier.upper() for identifier in ids(scene, referral_id)] == [FIRST, SECOND]


def test_solutions_edited_in_partner_center_stay_there_and_survive_edits_of_the_crm(
    scene: Scene, deal: tuple[str, str]
) -> None:
    referral_id, record_id = deal
    (first,) = sent(scene, referral_id)
    more = [
        {**first, "quantity": 500},
        {"id": THIRD, "name": "Contoso Vault", "type": "Name", "publisherName": "Contoso"},
    ]
    scene.edit_referral(referral_id, details__requirements__solutions=more)
    scene.settle()
    assert list(scene.seller.solutions(record_id)) == [FIRST], "to the CRM they travel at creation only"
    scene.edit_crm(record_id, notes="Unrelated.")
    scene.settle()
    assert sent(scene, referral_id) == more
    scene.add_solution(record_id, SECOND)
    tick(scene)
    assert sent(scene, referral_id)[:2] == more
    assert ids(scene, referral_id)[2:] == [SECOND]


def test_a_missing_solution_that_is_added_lets_the_opportunity_be_shared(scene: Scene) -> None:
    record_id = scene.opportunity(solution=False)
    scene.settle()
    assert "Microsoft Partner Center Solutions" in scene.audit(record_id)[0]
    assert scene.referrals_of(record_id) == []
    scene.add_solution(record_id)
    tick(scene)
    assert [row["id"] for row in scene.referral_of(record_id)["details"]["requirements"]["solutions"]] == [
        "SOL-34104-EBB"
    ]
    assert scene.record(record_id)["name"].startswith("✔")


def test_rows_the_connector_made_cost_one_read_and_an_idle_tick_one_call(scene: Scene) -> None:
    scene.accepted()
    scene.forget_calls()
    tick(scene)
    operations = scene.seller.operations
    assert scene.calls()[0] == {}
    assert crm_calls(scene) == {operations.look_at_solutions: 1, operations.read: 1}
    scene.forget_calls()
    tick(scene)
    assert (scene.calls()[0], crm_calls(scene)) == ({}, {operations.look_at_solutions: 1})


def test_a_changed_row_costs_two_calls_to_partner_center(scene: Scene, deal: tuple[str, str]) -> None:
    _, record_id = deal
    scene.add_solution(record_id, SECOND)
    scene.forget_calls()
    tick(scene)
    partner_center, crm = scene.calls()[0], crm_calls(scene)
    echoes = 1  # the referral's own event of our PATCH
    assert partner_center.total() <= 2 + echoes, partner_center
    assert crm.pop(scene.seller.operations.look_at_solutions) == 1
    assert crm.total() <= 2, crm


def test_a_cursor_that_expired_loses_no_removal(scene: Scene, deal: tuple[str, str]) -> None:
    referral_id, record_id = deal
    added = scene.add_solution(record_id, SECOND)
    tick(scene)
    assert ids(scene, referral_id) == [FIRST, SECOND]
    scene.seller.delete_solution(added)
    scene.expire_cursors()
    tick(scene)
    assert ids(scene, referral_id) == [FIRST]


@pytest.mark.crms("salesforce")
def test_a_deal_that_microsofts_package_takes_out_of_the_sync_waits_for_its_seller(
    scene: Scene, deal: tuple[str, str]
) -> None:
    """Its trigger on the solution rows unticks *Sync with Partner Center* where none is left; Dynamics 365 has no such
    thing."""
    referral_id, record_id = deal
    assert isinstance(scene.seller, SalesforceSeller)
    scene.seller.use_package_trigger(on=True)
    scene.seller.delete_solution(scene.seller.solutions(record_id)[FIRST])
    scene.settle()
    tick(scene)
    assert scene.record(record_id)["sync"] is False
    scene.edit_crm(record_id, notes="Without a solution.")
    scene.settle()
    assert "will travel once the record is switched to sync" in scene.runs_of(record_id)[0].message
    assert ids(scene, referral_id) == [FIRST]
    scene.add_solution(record_id, THIRD)
    scene.edit_crm(record_id, sync=True)
    scene.settle()
    assert ids(scene, referral_id) == [THIRD]
    assert scene.referral(referral_id)["details"]["notes"] == "Without a solution."
