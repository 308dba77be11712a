"""Which of the chosen opportunities are switched to sync, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import Rejected, RetryLater
from shared.domain.record import CrmStage
from shared.sync.choose import Chosen, Standing, look_at, switch_to_sync
from tests.property.world import World


class Choosing:
    def __init__(self) -> None:
        self.world = World()
        self.columns = self.world.record_mapping.columns

    def opportunity(self, *, stage: CrmStage = CrmStage.ACTIVE, **changes: Any) -> str:
        return self.world.opportunity(stage=stage, **{self.columns.sync: False, **changes})

    def look(self, record_id: str, help_wanted: str = "", visible: str = "") -> Chosen:
        return look_at(self.world.sides, record_id, help_wanted, visible, lambda seconds: None)


def test_a_complete_opportunity_is_switched_and_the_app_shares_it() -> None:
    one = Choosing()
    record_id = one.opportunity()
    chosen = one.look(record_id)
    assert (chosen.standing, chosen.values) == (Standing.READY, {one.columns.sync: True})
    assert one.world.crm.calls["update"] == 0
    assert switch_to_sync(one.world.sides, chosen).standing is Standing.SWITCHED
    one.world.record_changed(record_id)
    (referral_id,) = one.world.partner_center.ids()
    assert one.world.partner_center.peek(referral_id)["externalReferenceId"] == record_id
    assert one.look(record_id).standing is Standing.SHARED


@pytest.mark.parametrize("words", ["Proof of concept or demo", "proofofconceptordemo", "PROOF OF CONCEPT OR DEMO"])
def test_help_and_visibility_are_set_along_with_it(words: str) -> None:
    one = Choosing()
    record_id = one.opportunity(visibility=False)
    chosen = one.look(record_id, words, "Yes")
    switch_to_sync(one.world.sides, chosen)
    assert one.world.record(record_id, "help") == "Proof of concept or demo"
    assert one.world.record(record_id, "visibility") is True
    one.world.record_changed(record_id)
    assert one.world.partner_center.calls["create"] == 2, "Microsoft's side, too"


def test_what_it_would_lack_with_that_is_said_and_nothing_is_written() -> None:
    one = Choosing()
    record_id = one.opportunity(contacts=(), deal_value=None)
    assert "Est. revenue" in one.look(record_id).why
    assert "Contact" not in one.look(record_id).why
    chosen = one.look(record_id, "General or other")
    assert "Contact" in chosen.why, "with help somebody must be there to talk to"
    assert switch_to_sync(one.world.sides, chosen) == chosen
    assert one.world.crm.calls["update"] == 0


@pytest.mark.parametrize(
    ("help_wanted", "visible", "why"),
    [("A lunch", "", "no choice 'A lunch'"), ("", "perhaps", "Write yes or no")],
)
def test_a_word_that_is_no_answer_is_said(help_wanted: str, visible: str, why: str) -> None:
    one = Choosing()
    chosen = one.look(one.opportunity(), help_wanted, visible)
    assert chosen.standing is Standing.LACKING
    assert why in chosen.why


@pytest.mark.parametrize(("stage", "why"), [(CrmStage.ON_HOLD, "On hold"), (CrmStage.WON, "Already closed")])
def test_a_stage_in_which_nothing_is_shared_is_said(stage: CrmStage, why: str) -> None:
    one = Choosing()
    chosen = one.look(one.opportunity(stage=stage))
    assert chosen.standing is Standing.NOT_NOW
    assert chosen.why.startswith(why)


def test_what_is_there_already_is_passed_over() -> None:
    one = Choosing()
    record_id = one.world.opportunity()
    assert one.look(record_id).standing is Standing.CHOSEN
    with_help = one.look(record_id, "General or other")
    assert (with_help.standing, one.columns.sync in with_help.values) == (Standing.READY, False)
    assert one.look("nobody").standing is Standing.UNKNOWN


def test_a_change_by_somebody_else_is_not_written_over() -> None:
    one = Choosing()
    record_id = one.opportunity()
    chosen = one.look(record_id)
    one.world.crm.edit(record_id, {"description": "Later"})
    after = switch_to_sync(one.world.sides, chosen)
    assert (after.standing, "run the same command again" in after.why) == (Standing.CHANGED, True)
    assert one.world.crm.peek(record_id).values[one.columns.sync] is False


def test_a_crm_that_refuses_one_says_why_and_one_that_is_busy_is_asked_again() -> None:
    one = Choosing()
    record_id = one.opportunity()
    one.world.crm.fail_next(RetryLater("busy"), operation="get")
    chosen = one.look(record_id)
    one.world.crm.fail_next(Rejected("A rule of yours says no"), operation="update")
    after = switch_to_sync(one.world.sides, chosen)
    assert (after.standing, "A rule of yours" in after.why) == (Standing.LACKING, True)
