"""A mistake in ``customize.toml`` is told with the file, the line and what to do."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from shared.crm.dynamics365.tables import read_tables
from shared.domain.errors import ConfigurationError
from shared.domain.record import RecordKind
from shared.domain.toml_lines import key_lines, line_of
from shared.mapping_files import load_mapping
from shared.settings import Settings

WHOLE = '''# The partner's own changes
title = """
[not.a.table]
key = "no key"
"""
list = [
  "a = 1",   # ] not the end
  "b",
]

[stages]
on_hold = "Waiting"
"quoted key" = 'x' # [no.table]

[[records.opportunity.fields]]
label = "Value"
name = "deal_value"
crm = "new_value"

[records.opportunity.fields.choices]
a = "A"

[[records.opportunity.fields]]
name = 'help'
conflict = "crm"

[[records.opportunity.fields]]
label = "nobody"

[records.opportunity]
account.match = ["customer_name"]
constants = { new_source = "x", new_other = [1,
  2] }
after = 1
'''


def settings_for(file: Path) -> Settings:
    return Settings.model_construct(crm="dynamics365", customize_file=file)


def mistake(tmp_path: Path, text: str) -> str:
    file = tmp_path / "customize.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_tables(load_mapping(settings_for(file)))
    return str(caught.value)


def test_every_key_has_its_line() -> None:
    lines = {".".join(place): line for place, line in key_lines(WHOLE).items()}
    assert lines == {
        "title": 2,
        "list": 6,
        "stages": 11,
        "stages.on_hold": 12,
        "stages.quoted key": 13,
        "records.opportunity.fields.deal_value": 17,
        "records.opportunity.fields.deal_value.label": 16,
        "records.opportunity.fields.deal_value.name": 17,
        "records.opportunity.fields.deal_value.crm": 18,
        "records.opportunity.fields.deal_value.choices": 20,
        "records.opportunity.fields.deal_value.choices.a": 21,
        "records.opportunity.fields.help": 24,
        "records.opportunity.fields.help.name": 24,
        "records.opportunity.fields.help.conflict": 25,
        "records.opportunity.fields.#": 27,
        "records.opportunity.fields.#.label": 28,
        "records.opportunity": 30,
        "records.opportunity.account.match": 31,
        "records.opportunity.constants": 32,
        "records.opportunity.after": 34,
    }
    assert tomllib.loads(WHOLE)["records"]["opportunity"]["after"] == 1


def test_a_place_that_is_not_there_has_the_line_of_what_is_around_it() -> None:
    lines = key_lines(WHOLE)
    assert line_of(lines, ("records", "opportunity", "fields", "help", "converter")) == 24
    assert line_of(lines, ("records", "opportunity", "account", "lookup")) == 30
    assert line_of(lines, ("adapter", "team")) is None


FIELD = '\n[[records.opportunity.fields]]\nname = "deal_value"\n'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f'{FIELD}converter = "cash"', 4, "there is no converter 'cash'; there are"),
        (f'{FIELD}convertor = "money"', 4, "there is no such key: correct its spelling, or remove it"),
        (f'{FIELD}conflict = "me"', 4, "'newest', 'partner_center', 'crm', 'filled' or 'hold'"),
        (f'{FIELD}choices = {{ a = "b" }}', 3, "choices belong to the converter 'choice'"),
        ('[[records.opportunity.fields]]\nname = "segment"\ncrm = "new_segment"', 2, "it is missing: add it"),
        ('\n[[records.opportunity.fields]]\nlabel = "Segment"', 2, "name: it is missing: add it"),
        ('[records.opportunity.account]\nseveral = "newest"', 2, "'hold', 'oldest' or 'create'"),
        ('[records.opportunity.account]\n\nmatch = ["vat_id"]', 3, "account.match names vat_id, which is no field"),
        ("# nothing\nrecord = 1", 2, "there is no such key"),
        ("records = 1", 1, "Input should be a valid dictionary"),
        ('[records.opportunity]\nfields = ["deal_value"]', 2, "valid dictionary"),
        ("[adapter.contacts]\n# the address\nemail = 3", 3, "adapter.contacts.email: Input should be a valid string"),
        ("[adapter.contacts]\nmail = 'x'", 2, "adapter.contacts.mail: there is no such key"),
    ],
)
def test_a_mistake_names_file_line_and_remedy(tmp_path: Path, text: str, line: int, words: str) -> None:
    said = mistake(tmp_path, text)
    assert "customize.toml cannot be used" in said
    assert f"line {line}, " in said
    assert words in said
    assert "Mend the named" in said


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    said = mistake(tmp_path, f'{FIELD}converter = "cash"\ncrm = "no spaces"\n[stages]\nwon = 5')
    assert [f"line {number}, " in said for number in (4, 5, 7)] == [True, True, True]


def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    said = mistake(tmp_path, '[stages]\nwon = "Won\n')
    assert "customize.toml is not valid TOML" in said
    assert "line 2" in said


def test_a_file_of_another_encoding_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "customize.toml"
    file.write_bytes("[stages]\nwon = 'Gewonnen für uns'".encode("utf-16"))
    with pytest.raises(ConfigurationError, match=r"customize\.toml is not text in UTF-8.*Save the file as UTF-8"):
        load_mapping(settings_for(file))


def test_a_good_file_is_laid_over(tmp_path: Path) -> None:
    file = tmp_path / "customize.toml"
    file.write_text(f'\ufeff{FIELD}crm = "new_value"', encoding="utf-8")
    assert load_mapping(settings_for(file)).records[RecordKind.OPPORTUNITY].field("deal_value").crm == "new_value"
