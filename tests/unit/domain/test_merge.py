"""One field, three ways: what travels, what waits and what is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.base import Agreed
from shared.domain.mapping import NO_LIMITS, ConflictPolicy, FieldLimits, FieldMapping
from shared.domain.merge import Conflict, Merged, Side, merge_field
from shared.domain.values import Person

PC, CRM = Side.PARTNER_CENTER, Side.CRM
A, B, C = (Person(email=f"{name}@x.example") for name in "abc")


def row(converter: str = "text", path: str = "details.notes", **changes: Any) -> FieldMapping:
    return FieldMapping(
        **{"name": "field", "label": "Field", "partner_center": path, "crm": "field", "converter": converter, **changes}
    )


NOTES = row()
VALUE = row("money", "details.dealValue")
TEAM = row("people", "team")
CREATED_ONCE = row(path="name", to_crm="create", to_partner_center="create")


def merge(
    there: Any, here: Any, base: Any, *, of: FieldMapping = NOTES, limits: FieldLimits = NO_LIMITS, newer: Side = PC
) -> Merged:
    agreed = None if base is None else base if isinstance(base, Agreed) else Agreed(base, base)
    return merge_field(of, there, here, agreed, limits, newer)


def writes(merged: Merged) -> tuple[bool, bool]:
    return merged.write_partner_center, merged.write_crm


OLD = Agreed("old", "old")
BLANK = Agreed(None, None)


@pytest.mark.parametrize(
    ("there", "here", "base", "to_partner_center", "to_crm", "value"),
    [
        ("old", "old", OLD, False, False, "old"),
        ("new", "old", OLD, False, True, "new"),
        ("old", "new", OLD, True, False, "new"),
        ("new", "new", OLD, False, False, "new"),
        (None, "old", OLD, False, True, None),
        ("old", None, OLD, True, False, None),
        (None, None, OLD, False, False, None),
        ("new", None, BLANK, False, True, "new"),
        (None, "new", BLANK, True, False, "new"),
        ("new", None, None, False, True, "new"),
        (None, "new", None, True, False, "new"),
        ("same", "same", None, False, False, "same"),
    ],
)
def test_what_one_side_changed_travels(
    there: Any, here: Any, base: Any, to_partner_center: bool, to_crm: bool, value: Any
) -> None:
    merged = merge(there, here, base)
    assert writes(merged) == (to_partner_center, to_crm)
    assert (merged.partner_center, merged.crm) == (value, value)
    assert merged.conflict is None


@pytest.mark.parametrize(
    ("there", "here", "base", "expected"),
    [
        (Decimal(0), Decimal(5), Decimal(5), Decimal(0)),
        (Decimal(5), Decimal(0), Decimal(5), Decimal(0)),
        (None, Decimal(0), Decimal(0), None),
        (Decimal(0), None, Decimal(0), None),
        (Decimal(0), None, Agreed(None, None), Decimal(0)),
        (None, Decimal(0), None, Decimal(0)),
    ],
)
def test_zero_is_a_value_and_blank_is_not_zero(there: Any, here: Any, base: Any, expected: Any) -> None:
    merged = merge(there, here, base, of=VALUE)
    assert writes(merged) != (False, False)
    assert (merged.partner_center, merged.crm) == (expected, expected)


@pytest.mark.parametrize(
    ("policy", "there", "here", "newer", "winner"),
    [
        ("newest", "theirs", "ours", PC, PC),
        ("newest", "theirs", "ours", CRM, CRM),
        ("newest", None, "ours", PC, PC),
        ("partner_center", "theirs", "ours", CRM, PC),
        ("crm", "theirs", "ours", PC, CRM),
        ("filled", "theirs", "ours", PC, PC),
        ("filled", "theirs", "ours", CRM, CRM),
        ("filled", None, "ours", PC, CRM),
        ("filled", "theirs", None, CRM, PC),
        ("hold", "theirs", "ours", PC, None),
        ("hold", None, "ours", CRM, None),
    ],
)
def test_what_both_changed_goes_by_the_policy(
    policy: str, there: Any, here: Any, newer: Side, winner: Side | None
) -> None:
    merged = merge(there, here, OLD, of=row(conflict=policy), newer=newer)
    assert merged.conflict is not None
    assert (merged.conflict.partner_center, merged.conflict.crm, merged.conflict.winner) == (there, here, winner)
    assert writes(merged) == (winner is CRM, winner is PC)
    assert merged.is_held is (winner is None)
    if winner is not None:
        value = here if winner is CRM else there
        assert merged.agreed == Agreed(value, value)


@pytest.mark.parametrize(("policy", "winner"), [("newest", CRM), ("partner_center", PC), ("crm", CRM), ("hold", None)])
def test_without_a_base_two_values_are_a_conflict(policy: str, winner: Side | None) -> None:
    merged = merge("theirs", "ours", None, of=row(conflict=policy), newer=CRM)
    assert merged.conflict == Conflict("field", "theirs", "ours", winner)


@pytest.mark.parametrize("policy", list(ConflictPolicy))
@pytest.mark.parametrize("here", ["old", "new"])
def test_a_policy_has_no_say_where_only_one_side_changed(policy: ConflictPolicy, here: str) -> None:
    merged = merge("new" if here == "old" else "old", here, OLD, of=row(conflict=policy))
    assert merged.agreed == Agreed("new", "new")
    assert merged.conflict is None


@pytest.mark.parametrize(
    ("there", "here", "base", "expected"),
    [
        ("old", "new", OLD, (False, False)),
        ("new", "old", OLD, (False, False)),
        ("theirs", "ours", OLD, (False, False)),
        ("theirs", "ours", None, (False, False)),
    ],
)
@pytest.mark.parametrize("policy", list(ConflictPolicy))
def test_a_row_for_creation_only_is_never_written_later_nor_a_conflict(
    there: str, here: str, base: Any, expected: tuple[bool, bool], policy: ConflictPolicy
) -> None:
    of = CREATED_ONCE.model_copy(update={"conflict": policy})
    merged = merge(there, here, base, of=of)
    assert writes(merged) == expected
    assert merged.agreed == Agreed(there, here), "each side keeps its own"
    assert merged.conflict is None, "where nothing travels nobody has lost"


@pytest.mark.parametrize(
    ("directions", "there", "here", "expected"),
    [
        ({"to_partner_center": "never"}, "new", "old", (False, True)),
        ({"to_partner_center": "create"}, "old", "new", (False, False)),
        ({"to_crm": "never"}, "new", "old", (False, False)),
        ({"to_crm": "create"}, "old", "new", (True, False)),
    ],
)
def test_a_one_way_row_travels_one_way(
    directions: dict[str, str], there: str, here: str, expected: tuple[bool, bool]
) -> None:
    assert writes(merge(there, here, OLD, of=row(**directions))) == expected


@pytest.mark.parametrize(
    ("there", "here", "base", "expected"),
    [
        (True, False, Agreed(True, True), (False, True)),
        (False, True, Agreed(True, True), (True, False)),
        (False, True, Agreed(False, False), (True, False)),
        (True, False, None, (False, True)),
        (False, False, Agreed(True, True), (False, False)),
    ],
)
def test_a_one_way_flag_only_goes_from_no_to_yes(there: bool, here: bool, base: Any, expected: Any) -> None:
    flag = row("one_way_flag", "consent.consentToShareReferralWithMicrosoftSellers")
    merged = merge(there, here, base, of=flag, newer=PC if there is False else CRM)
    assert writes(merged) == expected
    assert merged.conflict is None
    assert merged.agreed == (Agreed(True, True) if there or here else Agreed(False, False))


LONG = "a" * 20 + " and the end of a long text"
SHORT = FieldLimits(max_length=20)


def test_a_text_that_the_crm_holds_only_in_part_is_agreed() -> None:
    merged = merge(LONG, LONG[:20], Agreed(LONG, LONG[:20]), limits=SHORT)
    assert writes(merged) == (False, False)
    assert merged.agreed == Agreed(LONG, LONG[:20])


def test_an_edit_in_the_crm_keeps_the_end_that_only_partner_center_has_room_for() -> None:
    merged = merge(LONG, "edited", Agreed(LONG, LONG[:20]), limits=SHORT)
    assert writes(merged) == (True, True)
    assert merged.agreed == Agreed("edited and the end of a long text", "edited and the end o")


def test_a_second_edit_right_away_keeps_it_too() -> None:
    first = merge(LONG, "one", Agreed(LONG, LONG[:20]), limits=SHORT).agreed
    assert merge(first.partner_center, first.crm, first, limits=SHORT).agreed == first, "at rest"
    second = merge(first.partner_center, first.crm.replace("one", "a"), first, limits=SHORT)
    assert second.agreed == Agreed("a and the end of a long text", "a and the end of a l")


def test_a_seller_can_take_the_end_away_too() -> None:
    first = merge(LONG, "one", Agreed(LONG, LONG[:20]), limits=SHORT).agreed
    second = merge(first.partner_center, "one", first, limits=SHORT).agreed
    assert second == Agreed("one long text", "one long text")
    assert merge(second.partner_center, "one", second, limits=SHORT).agreed == Agreed("one", "one")


def test_a_crm_that_has_more_room_now_is_given_the_rest() -> None:
    merged = merge(LONG, LONG[:20], Agreed(LONG, LONG[:20]), limits=FieldLimits(max_length=30))
    assert writes(merged) == (False, True)
    assert merged.agreed == Agreed(LONG, LONG[:30])
    cents = merge(Decimal("9.99"), Decimal(10), Agreed(Decimal("9.99"), Decimal(10)), of=VALUE)
    assert cents.agreed == Agreed(Decimal("9.99"), Decimal("9.99"))


def test_clearing_the_field_in_the_crm_clears_all_of_it() -> None:
    assert merge(LONG, None, Agreed(LONG, LONG[:20]), limits=SHORT).agreed == Agreed(None, None)


def test_a_new_text_of_partner_center_replaces_all_of_it() -> None:
    merged = merge("b" * 30, LONG[:20], Agreed(LONG, LONG[:20]), limits=SHORT)
    assert merged.agreed == Agreed("b" * 30, "b" * 20)


def test_a_text_cut_for_the_crm_is_no_change_of_the_crm() -> None:
    merged = merge("new", "old and c", Agreed("old and cut", "old and cut"), limits=FieldLimits(max_length=9))
    assert writes(merged) == (False, True)
    assert merged.conflict is None


def test_an_amount_the_crm_rounded_is_agreed() -> None:
    merged = merge(Decimal("9.99"), Decimal(10), None, of=VALUE, limits=FieldLimits(decimals=0))
    assert writes(merged) == (False, False)
    assert merged.agreed == Agreed(Decimal("9.99"), Decimal(10))


def test_sets_are_merged_element_by_element_both_ways() -> None:
    merged = merge((A, B), (B, C), Agreed((B,), (B,)), of=TEAM)
    assert merged.agreed == Agreed((A, B, C), (A, B, C))
    assert writes(merged) == (True, True)
    assert merged.conflict is None


def test_a_set_in_another_order_is_the_same_set() -> None:
    assert writes(merge((A, B), (B, A), None, of=TEAM)) == (False, False)


def test_people_whom_the_crm_did_not_take_are_offered_once() -> None:
    base = Agreed((B,), (B,))
    offered = merge((A, B), (B,), base, of=TEAM)
    assert writes(offered) == (False, True)
    settled = Agreed((A, B), (B,))  # the CRM has no user A
    assert writes(merge((A, B), (B,), settled, of=TEAM)) == (False, False)
    more = merge((A, B, C), (B,), settled, of=TEAM)
    assert more.agreed == Agreed((A, B, C), (B, C))
    known_now = merge((A, B), (A, B), settled, of=TEAM)
    assert writes(known_now) == (False, False)


def test_a_crm_with_room_for_one_keeps_the_one_it_has() -> None:
    merged = merge((A, B), (B,), Agreed((A, B), (B,)), of=TEAM, limits=FieldLimits(capacity=1))
    assert writes(merged) == (False, False)
    swapped = merge((A, C), (B,), Agreed((A, B), (B,)), of=TEAM, limits=FieldLimits(capacity=1))
    assert swapped.agreed == Agreed((A, C), (A,))
    assert writes(swapped) == (False, True)


def test_a_set_goes_only_where_its_row_lets_it() -> None:
    of = row("people", "team", to_crm="create")
    merged = merge((A,), (B,), Agreed((), ()), of=of)
    assert writes(merged) == (True, False)
    assert merged.agreed == Agreed((A, B), (B,))


@pytest.mark.parametrize(("policy", "name"), [("crm", "Bo"), ("partner_center", "Ada"), ("newest", "Ada")])
def test_one_element_edited_on_both_sides_goes_by_the_policy(policy: str, name: str) -> None:
    ada, bo = Person("Ada", email="a@x.example"), Person("Bo", email="a@x.example")
    merged = merge((ada,), (bo,), Agreed((A,), (A,)), of=row("people", "team", conflict=policy), newer=PC)
    assert [person.first_name for person in merged.partner_center] == [name]
    assert merged.partner_center == merged.crm


@pytest.mark.parametrize(
    ("there", "here", "base", "held"),
    [
        ((A, B), (A, C), Agreed((A,), (A,)), True),
        ((A,), (B,), None, True),
        ((A, B), (A,), Agreed((A,), (A,)), False),
        ((A,), (A, B), Agreed((A,), (A,)), False),
        ((A, B), (B, A), Agreed((A,), (A,)), False),
        ((A, B), (A,), Agreed((A, B), (A,)), False),
    ],
)
def test_a_set_under_hold_waits_when_both_sides_changed_it(there: Any, here: Any, base: Any, held: bool) -> None:
    merged = merge(there, here, base, of=row("people", "team", conflict="hold"), limits=FieldLimits(capacity=2))
    assert merged.is_held is held
    if held:
        assert writes(merged) == (False, False)
        assert merged.conflict == Conflict("field", there, here, None, is_personal=True)
