from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.local_host.configuration import StartRefused
from sandbox.local_host.keys import Keys, load_keys

KEYS = Keys("m", {"default": "h"}, {"greet": {"default": "f"}, "other": {"default": "o"}})


@pytest.mark.parametrize(
    ("level", "accepted"), [("anonymous", "mhfo-"), ("FUNCTION", "mhf"), ("function", "mhf"), ("admin", "m")]
)
def test_a_level_opens_for_its_keys_only(level: str, accepted: str) -> None:
    given = {letter: letter.replace("-", "") for letter in "mhfo-"}
    assert "".join(letter for letter, key in given.items() if KEYS.allow(level, key, "greet")) == accepted


def test_a_key_with_letters_beyond_ascii_is_wrong_and_nothing_worse() -> None:
    assert not KEYS.allow("function", "schlüssel", "greet")


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    made = load_keys(file, ["greet"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_keys(file, ["greet"]) == made
    assert json.loads(file.read_text()).keys() == {"master", "host", "functions"}
    assert len({made.master, made.host["default"], made.functions["greet"]["default"]}) == 3


def test_a_new_function_gets_its_key_and_the_others_keep_theirs(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    before = load_keys(file, ["greet"])
    after = load_keys(file, ["greet", "carry"])
    assert after.functions["greet"] == before.functions["greet"]
    assert load_keys(file, []).functions["carry"] == after.functions["carry"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"master": "m"}',
        '{"master": "", "host": {}, "functions": {}}',
        '{"master": "m", "host": {}, "functions": {"greet": {"default": ""}}}',
        '{"master": "m", "host": {}, "functions": {"greet": 1}}',
    ],
)
def test_a_file_that_is_not_a_keys_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(StartRefused, match="is not a keys file"):
        load_keys(file, ["greet"])
    assert file.read_text() == text
