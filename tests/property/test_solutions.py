"""Random edits of solution rows and of a referral's solutions: both come to rest, and nobody's lone edit is lost."""

from __future__ import annotations

from hypothesis import given, note, settings
from hypothesis import strategies as st

from shared.domain.base import view_record, view_referral
from shared.domain.referral import parse_referral
from shared.domain.sets import by_key
from shared.domain.values import Solution
from tests.property.world import World

IDENTIFIERS = st.sampled_from(["SOL-34104-EBB", "SOL-55102-QRS", "BigData"])
SOLUTIONS = st.lists(
    st.builds(Solution, IDENTIFIERS, st.sampled_from(["Supply", "Vault"]), st.integers(1, 3)),
    max_size=3,
    unique_by=lambda one: one.key,
).map(tuple)
SIDES = st.sampled_from(["crm", "partner_center"])
HISTORIES = st.lists(st.tuples(SIDES, SOLUTIONS | st.none()), max_size=8)
"""A side and the solutions that people leave there, or ``None`` for the sync hearing of that side."""


class Deal:
    def __init__(self) -> None:
        self.world = World()
        self.referral_id = self.world.incoming(status="Active", substatus="Accepted")
        self.world.referral_changed(self.referral_id)
        (self.record_id,) = self.world.crm.ids()
        self.row = self.world.record_mapping.field("solutions")

    def edit(self, side: str, solutions: tuple[Solution, ...]) -> None:
        if side == "crm":
            self.world.crm.edit(self.record_id, {self.row.crm: solutions})
        else:
            rows = self.row.convert.to_partner_center(solutions)
            self.world.partner_center.edit(self.referral_id, {self.row.partner_center: rows})

    def hear(self, side: str) -> None:
        if side == "crm":
            self.world.record_changed(self.record_id)
        else:
            self.world.referral_changed(self.referral_id)

    def run(self, history: list[tuple[str, tuple[Solution, ...] | None]]) -> None:
        for side, solutions in history:
            note(f"{side}: {solutions}")
            if solutions is None:
                self.hear(side)
            else:
                self.edit(side, solutions)

    @property
    def sides(self) -> tuple[dict[str, Solution], dict[str, Solution]]:
        mapping = self.world.record_mapping
        there = view_referral(parse_referral(self.world.partner_center.peek(self.referral_id)), mapping)
        here = view_record(self.world.crm.peek(self.record_id), mapping)
        return by_key(there.values["solutions"]), by_key(here.values["solutions"])


@settings(max_examples=150, deadline=None)
@given(HISTORIES)
def test_solutions_come_to_rest_and_a_referral_never_loses_its_last_to_the_crm(
    history: list[tuple[str, tuple[Solution, ...] | None]],
) -> None:
    deal = Deal()
    deal.run(history)
    had_some = bool(deal.sides[0])
    deal.world.settle()
    assert bool(deal.sides[0]) >= had_some
    writes = deal.world.writes()
    deal.hear("crm")
    deal.hear("partner_center")
    assert deal.world.writes() == writes


@settings(max_examples=150, deadline=None)
@given(HISTORIES)
def test_what_sellers_alone_do_is_what_the_referral_has(
    history: list[tuple[str, tuple[Solution, ...] | None]],
) -> None:
    deal = Deal()
    deal.run([step for step in history if step[0] == "crm" or step[1] is None])
    deal.world.settle()
    there, here = deal.sides
    if here:
        assert there == here
    else:
        assert there


@settings(max_examples=100, deadline=None)
@given(SOLUTIONS, st.booleans())
def test_what_partner_center_alone_did_survives_an_edit_of_something_else(
    solutions: tuple[Solution, ...], heard: bool
) -> None:
    deal = Deal()
    before = deal.sides[1]
    deal.edit("partner_center", solutions)
    if heard:
        deal.hear("partner_center")
    deal.world.crm.edit(deal.record_id, {"description": "Something else"})
    deal.world.settle()
    assert deal.sides == (by_key(solutions), before)


@settings(max_examples=100, deadline=None)
@given(SOLUTIONS)
def test_a_row_added_in_the_crm_joins_what_partner_center_alone_did(solutions: tuple[Solution, ...]) -> None:
    deal = Deal()
    deal.edit("partner_center", solutions)
    new = Solution("SOL-77777-NEW", "Contoso New", 1)
    deal.edit("crm", (*deal.sides[1].values(), new))
    deal.world.settle()
    assert deal.sides[0] == {**by_key(solutions), new.key: new}
