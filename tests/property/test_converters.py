"""What every converter promises: values survive the way out and back, and no JSON does worse than ``ValueError``."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pycountry
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.converters import CHECK_MARK, CONVERTERS, CROSS_MARK, Converter, cut, strip_marks
from shared.domain.mapping import FieldLimits
from shared.domain.values import Person, Solution

CHOICES = {"QuotesOrLicensing": "Quotes or licensing", "GeneralOrOther": "General or other"}
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=40)
TEXTS = PLAIN.map(str.strip).map(lambda text: text or None)
NAMES = TEXTS.map(lambda text: None if text is None else strip_marks(text) or None)
WORDS = st.text("abcXYZ äß✔🎉", max_size=8).map(str.strip)
AMOUNTS = st.none() | st.decimals(min_value=-(10**12), max_value=10**12, places=2)
PEOPLE = st.lists(st.builds(Person, WORDS, WORDS, WORDS, WORDS), max_size=5, unique_by=lambda one: one.key).map(tuple)
NAMED_PEOPLE = PEOPLE.map(lambda people: tuple(person for person in people if person.key))
SOLUTIONS = st.lists(
    st.builds(
        Solution,
        st.sampled_from(["SOL-34104-EBB", "sol-1", "CloudMigration", "Containers"]),
        WORDS,
        st.none() | st.integers(0, 10**6),
        st.none() | st.decimals(min_value=0, max_value=10**9, places=2),
    ),
    max_size=4,
    unique_by=lambda one: one.key,
).map(tuple)

CANONICAL: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "marked_text": NAMES,
    "money": AMOUNTS,
    "date": st.none() | st.dates(),
    "flag": st.booleans(),
    "one_way_flag": st.booleans(),
    "currency": st.none() | st.text("ABCXYZ", min_size=3, max_size=3),
    "country": st.none() | st.sampled_from([country.alpha_2 for country in pycountry.countries]),
    "choice": st.none() | st.sampled_from(sorted(CHOICES)),
    "people": NAMED_PEOPLE,
    "solutions": SOLUTIONS,
}
NAMED_VALUES = st.sampled_from(sorted(CANONICAL)).flatmap(lambda name: st.tuples(st.just(name), CANONICAL[name]))
LIMITS = st.builds(
    FieldLimits, max_length=st.none() | st.integers(0, 12), decimals=st.none() | st.integers(0, 4), capacity=st.none()
)
ANY_TEXT = st.text() | st.text(st.characters(categories=("Cs", "L", "N")), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.datetimes().map(str) | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "name", "email", "price", "quantity", "firstName"]), inner, max_size=4),
    max_leaves=6,
)
EXAMPLES = settings(max_examples=200, deadline=None)


def converter(name: str) -> Converter:
    return CONVERTERS[name](CHOICES if name == "choice" else {})


def through_json(document: Any) -> Any:
    return json.loads(json.dumps(document))


def test_every_converter_is_covered() -> None:
    assert set(CANONICAL) == set(CONVERTERS)


@EXAMPLES
@given(NAMED_VALUES)
def test_a_value_comes_back_from_partner_center_as_it_went(named: tuple[str, Any]) -> None:
    name, value = named
    convert = converter(name)
    assert convert.from_partner_center(through_json(convert.to_partner_center(value))) == value


@EXAMPLES
@given(NAMED_VALUES)
def test_a_value_comes_back_from_the_crm_as_it_went(named: tuple[str, Any]) -> None:
    name, value = named
    convert = converter(name)
    assert convert.from_crm(convert.to_crm(value)) == value


@EXAMPLES
@given(NAMED_VALUES)
def test_a_value_comes_back_from_the_store_as_it_went(named: tuple[str, Any]) -> None:
    name, value = named
    convert = converter(name)
    assert convert.load(through_json(convert.dump(value))) == value


@EXAMPLES
@given(NAMED_VALUES, LIMITS)
def test_what_the_crm_can_hold_is_not_cut_again_and_survives_the_crm(
    named: tuple[str, Any], limits: FieldLimits
) -> None:
    name, value = named
    convert = converter(name)
    held = convert.project(value, limits)
    assert convert.project(held, limits) == held
    if convert.to_crm(held) is not None:
        assert convert.from_crm(convert.to_crm(held)) == held


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(CANONICAL)), JSON)
def test_no_json_does_worse_than_a_value_error_and_what_is_taken_travels_on(name: str, raw: Any) -> None:
    convert = converter(name)
    try:
        value = convert.from_partner_center(raw)
    except ValueError:
        return
    assert value == value, "a value that differs from itself would be written for ever"
    convert.project(value, FieldLimits(max_length=4, decimals=2))
    json.dumps(convert.to_partner_center(value), allow_nan=False)
    assert convert.load(through_json(convert.dump(value))) == value
    assert convert.from_partner_center(through_json(convert.to_partner_center(value))) == value or name in (
        "money",
        "solutions",
    ), "only an amount of more digits than a JSON number may lose the last ones"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(set(CANONICAL) - {"people", "solutions"})), JSON)
def test_nothing_a_crm_answers_does_worse_than_a_value_error(name: str, raw: Any) -> None:
    convert = converter(name)
    try:
        value = convert.from_crm(raw)
    except ValueError:
        return
    assert convert.from_crm(convert.to_crm(value)) == value


@EXAMPLES
@given(ANY_TEXT, st.integers(0, 12))
def test_a_cut_text_is_whole_characters_from_the_start_within_the_limit(text: str, max_length: int) -> None:
    kept = cut(text, max_length)
    sound = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    assert sound.startswith(kept)
    assert len(kept.encode("utf-16-le")) // 2 <= max_length
    rest = sound[len(kept) :]
    if rest and sound == text:
        assert len((kept + rest[0]).encode("utf-16-le")) // 2 > max_length, "one more character would have fitted"


@pytest.mark.parametrize(
    ("max_length", "expected"), [(None, "ab🎉c"), (5, "ab🎉c"), (4, "ab🎉"), (3, "ab"), (2, "ab"), (0, "")]
)
def test_a_pair_of_surrogates_is_never_split(max_length: int | None, expected: str) -> None:
    assert cut("ab🎉c", max_length) == expected


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("text", "  a\r\nb\rc\n ", "a\nb\nc"),
        ("text", "", None),
        ("text", " \r\n ", None),
        ("text", "0", "0"),
        ("text", "half \ud83c of a pair", "half \ufffd of a pair"),
        ("marked_text", f"{CHECK_MARK}  Deal", "Deal"),
        ("marked_text", f"{CROSS_MARK}\ufe0f {CHECK_MARK} Deal {CHECK_MARK}", f"Deal {CHECK_MARK}"),
        ("marked_text", f"{CHECK_MARK} ", None),
        ("money", 0, Decimal(0)),
        ("money", "", None),
        ("money", None, None),
        ("money", "10000", Decimal(10000)),
        ("money", 0.1, Decimal("0.1")),
        ("date", "", None),
        ("date", "2027-01-31T23:59:59.9999999Z", date(2027, 1, 31)),
        ("date", "2027-01-31T23:00:00-05:00", date(2027, 2, 1)),
        ("date", "2027-01-31T23:00:00", date(2027, 1, 31)),
        ("date", "0001-01-01T00:00:00Z", date(1, 1, 1)),
        ("flag", None, False),
        ("one_way_flag", True, True),
        ("currency", " eur ", "EUR"),
        ("currency", "", None),
        ("country", "GBR", "GB"),
        ("country", "united states", "US"),
        ("country", "de", "DE"),
        ("country", "", None),
        ("choice", "quotesorlicensing", "QuotesOrLicensing"),
        ("choice", "Unknown", None),
        ("choice", "None", None),
        ("choice", "", None),
        ("people", None, ()),
        ("people", [{"firstName": None, "email": " mia@fabrikam.example "}], (Person(email="mia@fabrikam.example"),)),
        (
            "people",
            [{"email": "A@x.example"}, {"email": "a@x.example", "phoneNumber": "1"}],
            (Person("", "", "1", "a@x.example"),),
        ),
        ("people", [{"title": "CEO"}, {}], ()),
        ("people", [{"lastName": "half \ud83c"}], (Person(last_name="half \ufffd"),)),
        ("solutions", [], ()),
        ("solutions", [{"id": "SOL-1", "price": "", "quantity": ""}], (Solution("SOL-1"),)),
        ("solutions", [{"id": "SOL-1", "price": 0, "quantity": 0}], (Solution("SOL-1", "", 0, Decimal(0)),)),
        ("solutions", [{"id": "SOL-1", "quantity": 2.0}], (Solution("SOL-1", "", 2),)),
    ],
)
def test_what_partner_center_says_is_read_as(name: str, raw: Any, expected: Any) -> None:
    value = converter(name).from_partner_center(raw)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("text", 5, "int"),
        ("text", ["a"], "list"),
        ("money", True, "bool"),
        ("money", "a lot", "not a number"),
        ("money", float("nan"), "not a number"),
        ("money", "Infinity", "not a number"),
        ("money", 10**15, "not a number that a deal can have"),
        ("money", [], "list"),
        ("date", 20270131, "int"),
        ("date", "next spring", "next spring"),
        ("date", "9999-12-31T23:59:59-05:00", "9999-12-31"),
        ("date", "0001-01-01T00:00:00+05:00", "0001-01-01"),
        ("flag", "yes", "str"),
        ("flag", 1, "int"),
        ("currency", "EURO", "'EURO'"),
        ("currency", "€", "'€'"),
        ("country", "Atlantis", "'Atlantis'"),
        ("choice", "FreeLunch", "'FreeLunch'"),
        ("people", {"email": "a@x.example"}, "list"),
        ("people", ["a@x.example"], "list of objects"),
        ("people", [{"email": 5}], "email"),
        ("solutions", [{"name": "no id"}], "without an id"),
        ("solutions", [{"id": "SOL-1", "price": "NaN"}], "SOL-1"),
        ("solutions", [{"id": "SOL-1", "price": True}], "SOL-1"),
        ("solutions", [{"id": "SOL-1", "price": "Infinity"}], "SOL-1"),
        ("solutions", [{"id": "SOL-1", "quantity": 1.5}], "SOL-1"),
        ("solutions", [{"id": "SOL-1", "quantity": True}], "SOL-1"),
        ("solutions", [{"id": "SOL-1", "quantity": "many"}], "SOL-1"),
        ("solutions", [{"id": "SOL-1", "quantity": [1]}], "SOL-1"),
    ],
)
def test_what_it_does_not_understand_is_refused_in_words(name: str, raw: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        converter(name).from_partner_center(raw)


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("date", date(2027, 1, 31), date(2027, 1, 31)),
        ("date", datetime(2027, 1, 31, 23, tzinfo=UTC), date(2027, 1, 31)),
        ("date", "2027-01-31", date(2027, 1, 31)),
        ("money", Decimal("1.50"), Decimal("1.5")),
        ("choice", "quotes OR licensing", "QuotesOrLicensing"),
        ("choice", "None", None),
        ("country", "United Kingdom", "GB"),
        ("people", None, ()),
        ("people", (Person(email="A@x.example"), Person(email="a@x.example")), (Person(email="a@x.example"),)),
        ("people", (Person(),), ()),
        ("solutions", None, ()),
        ("marked_text", f"{CHECK_MARK} Deal\r\n", "Deal"),
    ],
)
def test_what_the_crm_says_is_read_as(name: str, raw: Any, expected: Any) -> None:
    assert converter(name).from_crm(raw) == expected


def test_an_option_that_the_mapping_does_not_know_is_refused_with_those_it_knows() -> None:
    with pytest.raises(ValueError, match=r"'Free lunch'.*Quotes or licensing, General or other"):
        converter("choice").from_crm("Free lunch")


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        ("0.005", 2, "0.01"),
        ("-0.005", 2, "-0.01"),
        ("1.5", 0, "2"),
        ("2.5", 0, "3"),
        ("1.2345", 3, "1.235"),
        ("7", 2, "7.00"),
        ("0.5", None, "0.5"),
    ],
)
def test_money_is_rounded_half_up(value: str, decimals: int | None, expected: str) -> None:
    assert str(converter("money").project(Decimal(value), FieldLimits(decimals=decimals))) == expected


@pytest.mark.parametrize(
    ("name", "held", "value", "expected"),
    [
        ("text", "ab", "abc", True),
        ("text", "ac", "abc", False),
        ("text", None, "abc", False),
        ("text", "ab", None, False),
        ("money", Decimal(10), Decimal("9.99"), True),
        ("money", Decimal(9), Decimal("9.99"), False),
        ("money", None, Decimal(1), False),
        ("money", Decimal(1), None, False),
        ("date", date(2027, 1, 1), date(2027, 1, 2), False),
        ("flag", False, True, False),
        ("people", (), (Person("Ada"),), False),
        ("solutions", (), (Solution("SOL-1"),), False),
    ],
)
def test_what_a_narrower_field_can_have_kept(name: str, held: Any, value: Any, expected: bool) -> None:
    assert converter(name).is_part_of(held, value) is expected


def test_a_marked_name_leaves_room_for_its_mark() -> None:
    assert converter("marked_text").project("abcdef", FieldLimits(max_length=6)) == "abcd"
    assert converter("marked_text").project("abcdef", FieldLimits(max_length=2)) == "a"
    assert converter("marked_text").project("abcdef", FieldLimits()) == "abcdef"


def test_what_partner_center_knows_of_a_member_or_a_solution_stays() -> None:
    members = [{"email": "Mia@x.example", "firstName": "Mia", "contactPreference": {"locale": "en-gb"}}]
    written = converter("people").to_partner_center((Person("Maria", "", "", "mia@x.example"),), members)
    assert written == [
        {
            "email": "mia@x.example",
            "firstName": "Maria",
            "lastName": "",
            "phoneNumber": "",
            "contactPreference": {"locale": "en-gb"},
        }
    ]
    rows = [{"id": "SOL-1", "name": "Old", "type": "Name", "publisherName": "Contoso", "price": 5}]
    solutions = (Solution("SOL-1", "New"), Solution("CloudMigration", "", 2, Decimal("1.5")))
    assert converter("solutions").to_partner_center(solutions, rows) == [
        {"id": "SOL-1", "name": "New", "type": "Name", "publisherName": "Contoso", "price": 5},
        {"id": "CloudMigration", "name": "", "type": "Category", "quantity": 2, "price": 1.5},
    ]
