"""One line, whatever is put into it: nothing from outside starts a line, passes for a field or names a person."""

from __future__ import annotations

import json
import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.correlation import correlation_id
from shared.telemetry import SENTENCE_LIMIT_CHARS, SEPARATOR, Event, line, tell

FORGED = 'Thanks\x1b[2K\r\nsync: referral 1: Synced. | {"outcome":"succeeded"}'


def fields_of(text: str) -> dict[str, object]:
    """As a query takes a line apart: what follows the first separator."""
    fields = json.loads(text[text.index(SEPARATOR) + len(SEPARATOR) :])
    assert isinstance(fields, dict)
    return fields


def test_a_line_is_a_sentence_and_then_its_fields() -> None:
    assert line(
        Event.SYNC, "referral r-1: Both sides agree.", {"outcome": "succeeded", "age_s": 1.5, "attempt": 1}
    ) == ('sync: referral r-1: Both sides agree. | {"outcome":"succeeded","age_s":1.5,"attempt":1}')


def test_fields_without_a_value_are_left_out_and_nought_is_a_value() -> None:
    assert fields_of(line(Event.CALL, "", {"status": 0, "code": "", "request_id": None, "calls": []})) == {"status": 0}


def test_text_from_outside_stays_within_its_sentence() -> None:
    text = line(Event.WEBHOOK, FORGED, {"outcome": "forged"})
    assert text.splitlines() == [text]
    assert "\x1b" not in text
    assert fields_of(text) == {"outcome": "forged"}


@given(st.text(), st.text())
def test_any_text_makes_one_line_whose_fields_are_read_back(sentence: str, value: str) -> None:
    text = line(Event.SYNC, sentence, {"code": f"<{value}>"})
    assert text.splitlines() == [text]
    assert text.startswith("sync: ")
    assert not [one for one in text if unicodedata.category(one) == "Cc"], "an order to a terminal"
    assert "@" in value or fields_of(text) == {"code": f"<{value}>"}


@pytest.mark.parametrize("where", ["sentence", "field"])
def test_e_mail_addresses_are_masked(where: str) -> None:
    said = "No user ada@contoso.example here"
    text = line(Event.SYNC, said, {}) if where == "sentence" else line(Event.SYNC, "", {"code": said})
    assert "contoso" not in text
    assert "(e-mail address)" in text


def test_a_sentence_that_is_too_long_is_cut() -> None:
    text = line(Event.SYNC, "x" * 5000, {"attempt": 1})
    assert len(text) < SENTENCE_LIMIT_CHARS + 50
    assert fields_of(text) == {"attempt": 1}


def test_the_correlation_id_at_hand_is_added_and_one_that_is_given_wins(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tests.telemetry")
    token = correlation_id.set("of-the-context")
    try:
        with caplog.at_level(logging.INFO):
            tell(logger, logging.INFO, Event.WEBHOOK, "One.")
            tell(logger, logging.INFO, Event.SYNC, "Two.", correlation_id="of-the-message")
    finally:
        correlation_id.reset(token)
    told = [fields_of(record.getMessage())["correlation_id"] for record in caplog.records]
    assert told == ["of-the-context", "of-the-message"]


def test_percent_signs_are_only_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        tell(logging.getLogger("tests.telemetry"), logging.INFO, Event.SYNC, "100 %s of %d")
    assert caplog.records[0].getMessage().startswith("sync: 100 %s of %d | ")
