from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import ConnectorError, Rejected
from shared.state.entities import (
    DOCUMENT_LIMIT_CHARS,
    PROPERTY_LIMIT_CHARS,
    cut,
    escape_key,
    newest_first_key,
    pack,
    require_within_limits,
    time_of_key,
    unescape_key,
    unpack,
)

any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates and control characters too
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=20,
)
times = st.datetimes(datetime(2000, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(documents)
def test_what_is_packed_comes_back(document: Any) -> None:
    assert unpack("base", pack("base", document)) == document


@given(st.integers(0, 3), st.integers(-3, 3), st.sampled_from(["a", "é", "合", "🤝", "\ud800", '"', "\x00"]))
def test_long_texts_are_cut_into_properties_that_fit(parts: int, more: int, character: str) -> None:
    text = character * max(0, parts * PROPERTY_LIMIT_CHARS // 6 + more)
    entity = pack("base", text)
    assert unpack("base", entity) == text
    require_within_limits({"PartitionKey": "p", "RowKey": "r", **entity})
    assert all(len(part) <= PROPERTY_LIMIT_CHARS for part in entity.values() if isinstance(part, str))


def test_the_largest_document_fits_beside_other_properties_and_one_more_character_does_not() -> None:
    largest = "x" * (DOCUMENT_LIMIT_CHARS - 2)  # two quotation marks
    entity = {"PartitionKey": "p", "RowKey": "r", "reason": "x" * PROPERTY_LIMIT_CHARS, **pack("base", largest)}
    require_within_limits(entity)
    with pytest.raises(Rejected, match="480,001 characters") as caught:
        pack("base", largest + "x")
    assert caught.value.code == "too_large"


def test_numbers_that_json_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack("base", float("nan"))


def test_a_shorter_document_laid_over_a_longer_one_is_read_alone() -> None:
    entity = {**pack("base", "x" * 100_000), **pack("base", "short")}
    assert unpack("base", entity) == "short"


def test_nothing_packed_is_none() -> None:
    assert unpack("base", {"PartitionKey": "p", "baseline_0": "x"}) is None


def test_a_part_that_is_gone_is_said() -> None:
    entity = {"PartitionKey": "r-1~2f2", **pack("base", "x" * 100_000)}
    del entity["base_1"]
    with pytest.raises(ConnectorError, match="base of 'r-1/2' is damaged"):
        unpack("base", entity)


@pytest.mark.parametrize(
    "properties",
    [
        {"text": "x" * (32 * 1024 + 1)},
        {"text": "🤝" * (16 * 1024 + 1)},
        {f"text_{index}": "x" * PROPERTY_LIMIT_CHARS for index in range(17)},
        {f"flag_{index}": True for index in range(253)},
    ],
)
def test_what_the_service_would_refuse_is_refused(properties: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as caught:
        require_within_limits({"PartitionKey": "p", "RowKey": "r", **properties})
    assert caught.value.code == "too_large"


def test_what_the_service_takes_is_taken() -> None:
    properties: dict[str, Any] = {f"flag_{index}": True for index in range(251)}
    require_within_limits({"PartitionKey": "p", "RowKey": "r", **properties, "text": "x" * 32 * 1024})


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=40))
def test_keys_are_escaped_and_back(key: str) -> None:
    escaped = escape_key(key)
    assert unescape_key(escaped) == key
    assert escaped.isascii()
    assert not set(escaped) & set("/\\#?%'+ \t\n\r\x7f")


def test_ids_stay_readable() -> None:
    assert escape_key("r-3f2504e0-4f89-11d3-9a0c-0305e82c3301") == "r-3f2504e0-4f89-11d3-9a0c-0305e82c3301"
    assert escape_key("a/b~c") == "a~2fb~7ec"


@pytest.mark.parametrize("key", ["", "x" * 513, "/" * 171])
def test_keys_that_cannot_be_are_refused(key: str) -> None:
    with pytest.raises(Rejected) as caught:
        escape_key(key)
    assert caught.value.code == "bad_id"


@given(times, times)
def test_keys_sort_newest_first_and_give_their_time_back(one: datetime, other: datetime) -> None:
    assert (newest_first_key(one, "a") < newest_first_key(other, "a")) == (one > other)
    assert time_of_key(newest_first_key(one, "0af")) == one


@pytest.mark.parametrize("text", ["", "12-a", "9" * 18 + "-a", "0" * 18, "0" * 18 + "-A/.."])
def test_other_texts_are_no_keys(text: str) -> None:
    assert time_of_key(text) is None


def test_the_smallest_difference_counts() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    assert newest_first_key(at + timedelta(microseconds=1), "z") < newest_first_key(at, "a")


def test_cut() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "ab…"
