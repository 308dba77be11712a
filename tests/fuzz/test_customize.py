from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.errors import ConfigurationError
from shared.domain.overlay import build_mapping
from shared.domain.toml_lines import key_lines
from shared.mapping_files import load_mapping
from shared.settings import Settings
from tests.fuzz.inputs import BOUNDED, FEW, JSON, TEXTS, each_with_one_thing_wrong, with_something_wrong

MAPPINGS = Path(__file__).parents[2] / "shared" / "mappings"


@cache
def shipped(crm: str) -> dict[str, Any]:
    return tomllib.loads((MAPPINGS / f"{crm}.toml").read_text(encoding="utf-8"))


def built(document: Any, overlay: Any, names: dict[str, str] | None = None) -> None:
    """The mapping, or an error that says where; nothing else."""
    try:
        build_mapping(document, overlay, names)
    except ConfigurationError as error:
        assert error.code == "mapping"
        assert error.remedy


TOML_VALUES = JSON.filter(lambda value: value is not None)
ROW = st.dictionaries(
    st.sampled_from(["name", "label", "partner_center", "crm", "converter", "conflict", "choices", "to_crm", "wrong"]),
    TOML_VALUES,
    max_size=4,
)
OVERLAYS = st.recursive(
    st.one_of(TOML_VALUES, st.lists(ROW, max_size=2)),
    lambda inner: st.dictionaries(
        st.sampled_from(
            [
                "records",
                "opportunity",
                "lead",
                "fields",
                "columns",
                "account",
                "stages",
                "adapter",
                "choices",
                "constants",
            ]
        ),
        inner,
        max_size=3,
    ),
    max_leaves=6,
)


@BOUNDED
@given(st.dictionaries(st.sampled_from(["records", "stages", "adapter"]), OVERLAYS, max_size=2), TEXTS)
@example({"records": {"opportunity": {"fields": [{"name": ["a"]}]}}}, "new_value")
@example({"records": {"opportunity": {"fields": [{"name": {"a": 1}, "crm": 5}]}}}, "new_value")
def test_any_overlay_is_a_mapping_or_a_mistake_with_its_place(overlay: dict[str, Any], name: str) -> None:
    built(shipped("dynamics365"), overlay, {"deal_value": name})


@pytest.mark.parametrize("crm", ["dynamics365", "salesforce"])
def test_every_place_of_a_mapping_file_may_be_wrong(crm: str) -> None:
    for number, document in enumerate(each_with_one_thing_wrong(shipped(crm))):
        if number % 7 == 0:  # some of each; all of them take half a minute
            built(document, {})


@FEW
@given(with_something_wrong(shipped("salesforce"), TOML_VALUES))
def test_a_mapping_file_with_something_wrong_says_where(document: Any) -> None:
    built(document, {})


@BOUNDED
@given(st.one_of(st.text(max_size=200), st.text("[]{}=\"'.\n #abc1", max_size=60)))
@example("[records.opportunity\n")
@example('"""\n[a]\n')
@example("a = {b = [\n]}\n")
def test_lines_of_keys_are_found_in_any_text(text: str) -> None:
    assert all(line > 0 for line in key_lines(text).values())


@FEW
@given(
    content=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")))
)
@example(content=b"\xff\xfe[\x00")
def test_any_file_is_read_or_refused_by_name(content: bytes, tmp_path_factory: Any) -> None:
    file = tmp_path_factory.mktemp("customize") / "customize.toml"
    file.write_bytes(content)
    try:
        load_mapping(Settings.model_construct(**{"CRM": "dynamics365", "CUSTOMIZE_FILE": file}))
    except ConfigurationError as error:
        assert "customize.toml" in error.message
