"""Laws of merging sets: nothing that one side alone did is lost, and doing it again changes nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.sets import by_key, fit_into, merge_sets
from shared.domain.values import Person

Team = tuple[Person, ...]

PEOPLE = st.builds(
    Person, first_name=st.sampled_from(["Ada", "Bo"]), email=st.sampled_from([f"{name}@x.example" for name in "abcde"])
)
TEAMS = st.lists(PEOPLE, max_size=5, unique_by=lambda one: one.key).map(tuple)
EXAMPLES = settings(max_examples=300, deadline=None)


def merge(there: Team, here: Team, base: tuple[Team, Team] | None, *, prefer_crm: bool) -> dict[str, Person]:
    old_there, old_here = base or (None, None)
    return by_key(merge_sets(there, here, old_there, old_here, prefer_crm=prefer_crm))


@EXAMPLES
@given(TEAMS, st.booleans())
def test_equal_sides_stay_as_they_are_with_or_without_a_base(team: Team, prefer_crm: bool) -> None:
    assert merge_sets(team, team, None, None, prefer_crm=prefer_crm) == team
    assert merge_sets(team, team, team, team, prefer_crm=prefer_crm) == team


@EXAMPLES
@given(TEAMS, TEAMS, st.booleans())
def test_without_a_base_nothing_is_taken_for_removed(there: Team, here: Team, prefer_crm: bool) -> None:
    merged = merge(there, here, None, prefer_crm=prefer_crm)
    expected = {**by_key(there), **by_key(here)} if prefer_crm else {**by_key(here), **by_key(there)}
    assert merged == expected


@EXAMPLES
@given(TEAMS, TEAMS, st.booleans())
def test_what_only_one_side_changed_is_what_both_should_hold(old: Team, new: Team, prefer_crm: bool) -> None:
    assert merge(new, old, (old, old), prefer_crm=prefer_crm) == by_key(new)
    assert merge(old, new, (old, old), prefer_crm=prefer_crm) == by_key(new)


@EXAMPLES
@given(TEAMS, TEAMS, TEAMS, st.booleans())
def test_a_merge_that_was_written_to_both_sides_is_not_changed_again(
    base: Team, there: Team, here: Team, prefer_crm: bool
) -> None:
    merged = merge_sets(there, here, base, base, prefer_crm=prefer_crm)
    assert merge_sets(merged, merged, merged, merged, prefer_crm=prefer_crm) == merged
    assert merge(merged, merged, (base, base), prefer_crm=prefer_crm) == by_key(merged), "told again by a late event"


@EXAMPLES
@given(TEAMS, TEAMS, TEAMS, st.booleans())
def test_neither_side_is_favoured_but_by_preference(base: Team, there: Team, here: Team, prefer_crm: bool) -> None:
    merged = merge(there, here, (base, base), prefer_crm=prefer_crm)
    mirrored = merge(here, there, (base, base), prefer_crm=not prefer_crm)
    assert merged == mirrored


@EXAMPLES
@given(TEAMS, TEAMS, TEAMS, st.booleans())
def test_each_element_by_itself_is_merged_three_ways(base: Team, there: Team, here: Team, prefer_crm: bool) -> None:
    merged = merge(there, here, (base, base), prefer_crm=prefer_crm)
    old, theirs, ours = by_key(base), by_key(there), by_key(here)
    for key in {*old, *theirs, *ours}:
        was, that, this = old.get(key), theirs.get(key), ours.get(key)
        if that == this or this == was:
            expected = that
        elif that == was:
            expected = this
        elif that is None or this is None:
            expected = that or this  # an edit is not undone by a removal that knew nothing of it
        else:
            expected = this if prefer_crm else that
        assert merged.get(key) == expected, key


@EXAMPLES
@given(TEAMS, TEAMS, st.none() | st.integers(0, 6))
def test_the_crm_keeps_what_it_has_before_it_takes_more(wanted: Team, held: Team, capacity: int | None) -> None:
    fitting = fit_into(wanted, held, capacity)
    assert by_key(fitting).items() <= by_key(wanted).items()
    assert len(fitting) == (len(wanted) if capacity is None else min(len(wanted), capacity))
    kept = [person.key for person in held if person.key in by_key(wanted)]
    assert set(kept[: len(fitting)]) <= set(by_key(fitting))
    assert by_key(fit_into(wanted, fitting, capacity)) == by_key(fitting), "what fitted is not swapped about"


def test_the_order_is_partner_centers_and_new_ones_come_last() -> None:
    a, b, c, d = (Person(email=f"{name}@x.example") for name in "abcd")
    assert merge_sets((b, a, c), (d, c, b), (b, c), (c, b), prefer_crm=True) == (b, a, c, d)


def test_of_one_that_the_crm_could_not_hold_before_partner_centers_version_stays_unless_the_crm_is_preferred() -> None:
    known, typed = Person("Ada", "Berg", "1", "a@x.example"), Person("Ada", email="a@x.example")
    assert merge_sets((known,), (typed,), (known,), (), prefer_crm=False) == (known,)
    assert merge_sets((known,), (typed,), (known,), (), prefer_crm=True) == (typed,)


def test_of_two_with_one_key_the_later_counts() -> None:
    first, second = Person("Ada", email="a@x.example"), Person("Eva", email="A@X.example ")
    assert by_key([first, second]) == {"a@x.example": second}
    assert by_key(None) == {}
