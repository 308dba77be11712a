"""The mapping as data: laid over row by row, named by settings, and refused with every mistake at once."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest

from shared.domain.errors import ConfigurationError
from shared.domain.mapping import AccountPolicy, ConflictPolicy, CrmMapping, Required, Travels
from shared.domain.overlay import build_mapping
from shared.domain.record import RecordKind
from tests.unit.domain.deals import MAPPING_FILE, OPPORTUNITIES, mapping_of, overlay_of

DOCUMENT = tomllib.loads(MAPPING_FILE.read_text(encoding="utf-8"))


def built(overlay: dict[str, Any] | None = None, field_names: dict[str, str] | None = None) -> CrmMapping:
    return build_mapping(DOCUMENT, overlay, field_names)


def row_of(mapping: CrmMapping, name: str) -> Any:
    return mapping.records[RecordKind.OPPORTUNITY].field(name)


def mistakes(overlay: Any, field_names: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        build_mapping(DOCUMENT, overlay, field_names, source="customize.toml")
    assert "customize.toml" in refusal.value.message
    assert refusal.value.code == "mapping"
    assert refusal.value.remedy
    return refusal.value.message


def test_a_row_is_changed_key_by_key_and_the_others_stay() -> None:
    mapping = built(overlay_of({"name": "deal_value", "crm": "new_value", "conflict": "hold"}))
    row, before = row_of(mapping, "deal_value"), OPPORTUNITIES.field("deal_value")
    assert row == before.model_copy(update={"crm": "new_value", "conflict": ConflictPolicy.HOLD})
    others = [one for one in mapping.records[RecordKind.OPPORTUNITY].fields if one.name != "deal_value"]
    assert others == [one for one in OPPORTUNITIES.fields if one.name != "deal_value"]


def test_a_row_keeps_its_place_and_a_new_one_comes_last() -> None:
    new = {"name": "campaign", "label": "C", "partner_center": "campaignId", "crm": "campaign", "converter": "text"}
    rows = built(overlay_of({"name": "notes", "label": "Notes"}, new)).records[RecordKind.OPPORTUNITY].fields
    assert [row.name for row in rows] == [*(row.name for row in OPPORTUNITIES.fields), "campaign"]


def test_choices_are_replaced_and_tables_laid_over() -> None:
    overlay = {
        "stages": {"lost": "Lost"},
        "records": {
            "opportunity": {
                "account": {"several": "oldest"},
                "columns": {"audit": ""},
                "constants": {"new_source": "Microsoft"},
                "fields": [{"name": "help", "choices": {"GeneralOrOther": "Anything"}}],
            }
        },
    }
    mapping = built(overlay)
    record = mapping.records[RecordKind.OPPORTUNITY]
    assert mapping.stages["lost"] == "Lost"
    assert mapping.stages["won"] == "Won"
    assert record.account is not None
    assert OPPORTUNITIES.account is not None
    assert record.account.several is AccountPolicy.OLDEST
    assert record.account.lookup == OPPORTUNITIES.account.lookup
    assert record.columns.audit == ""
    assert dict(record.constants) == {"new_source": "Microsoft"}
    assert dict(record.field("help").choices) == {"GeneralOrOther": "Anything"}


def test_what_was_given_is_not_changed() -> None:
    document, overlay = (
        copy.deepcopy(DOCUMENT),
        overlay_of({"name": "notes", "crm": "a"}, {"name": "help", "label": "H"}),
    )
    before = copy.deepcopy(overlay)
    build_mapping(document, overlay, {"notes": "b", "deal_value": "c"})
    assert document == DOCUMENT
    assert overlay == before


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("deal_value", "new_value", "new_value"),
        ("customer_country", "new_iso2", "customerid_account.new_iso2"),
        ("customer_country", "parentaccountid.new_iso2", "parentaccountid.new_iso2"),
        ("deal_value", "", "estimatedvalue"),
    ],
)
def test_a_setting_names_a_column(name: str, given: str, expected: str) -> None:
    assert row_of(built(None, {name: given}), name).crm == expected


def test_a_setting_goes_before_the_partners_file_and_unknown_rows_are_let_be() -> None:
    mapping = built(overlay_of({"name": "deal_value", "crm": "from_file"}), {"deal_value": "from_setting", "x": "y"})
    assert row_of(mapping, "deal_value").crm == "from_setting"


NEW_ROW = {"name": "extra", "label": "Extra", "partner_center": "campaignId", "crm": "extra", "converter": "text"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"name": "notes", "converter": "fax"}, "there is no converter 'fax'; there are choice, country"),
        ({"name": "notes", "partner_center": "name"}, "cannot change name after creation"),
        ({"name": "customer_name", "to_partner_center": "always"}, "cannot change customerProfile.name"),
        ({"name": "notes", "choices": {"a": "b"}}, "choices belong to the converter 'choice'"),
        ({"name": "notes", "converter": "choice"}, "choices belong to the converter 'choice'"),
        ({"name": "help", "choices": {"a": "x", "b": "x"}}, "the same CRM label"),
        ({"name": "notes", "conflict": "coin"}, "notes.conflict"),
        ({"name": "notes", "to_crm": "sometimes"}, "notes.to_crm"),
        ({"name": "notes", "required": "maybe"}, "notes.required"),
        ({"name": "notes", "colour": "red"}, "notes.colour"),
        ({"name": "notes", "crm": "no spaces"}, "notes.crm"),
        ({"name": "notes", "partner_center": "/details/notes"}, "notes.partner_center"),
        ({"name": "Not A Name"}, "Not A Name.name"),
        ({"name": "extra"}, "extra.crm"),
        ({**NEW_ROW, "crm": "estimatedvalue"}, "estimatedvalue is written by more than one: deal_value, extra"),
        ({**NEW_ROW, "partner_center": "details.notes"}, "details.notes is written by more than one: notes, extra"),
        ({**NEW_ROW, "crm": OPPORTUNITIES.columns.audit}, "more than one: extra, the connector itself"),
    ],
)
def test_a_mistake_in_a_row_is_told_with_the_name_of_the_row(row: dict[str, Any], said: str) -> None:
    assert said in mistakes(overlay_of(row))


def test_every_mistake_is_told_at_once() -> None:
    told = mistakes(
        {
            "surprise": 1,
            "records": {
                "opportunity": {
                    "columns": {"colour": "red"},
                    "account": {"match": []},
                    "fields": [{"name": "notes", "conflict": "coin"}, {"name": "deal_value", "converter": "fax"}],
                }
            },
        }
    )
    for place in ("surprise", "columns.colour", "account.match", "notes.conflict", "deal_value.converter"):
        assert place in told


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ({"records": "none"}, "records"),
        ({"records": {"opportunity": 5}}, "records.opportunity"),
        ({"records": {"opportunity": {"fields": "all"}}}, "fields"),
        ({"records": {"opportunity": {"fields": ["notes"]}}}, "fields"),
        ({"records": {"opportunity": {"fields": [{"label": "No name"}]}}}, "name"),
        ({"records": {"contract": {}}}, "contract"),
        (
            {"records": {"opportunity": {"account": {"match": ["nothing"]}}}},
            "account.match names nothing, which is no field",
        ),
        ({"records": {"opportunity": {"account": {"several": "guess"}}}}, "account.several"),
    ],
)
def test_a_file_of_another_shape_is_refused_in_words(overlay: Any, said: str) -> None:
    assert said in mistakes(overlay, {"deal_value": "x"})


def test_a_document_without_records_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="records"):
        build_mapping({})


def test_two_rows_of_one_name_are_refused() -> None:
    document = copy.deepcopy(DOCUMENT)
    rows = document["records"]["opportunity"]["fields"]
    rows.append(dict(rows[0]))
    with pytest.raises(ConfigurationError, match="more than one field is named name"):
        build_mapping(document)


def test_rows_that_only_read_may_share_a_place() -> None:
    mapping = built(
        overlay_of(
            {**NEW_ROW, "partner_center": "details.notes", "to_partner_center": "never"},
            {**NEW_ROW, "name": "more", "crm": "estimatedvalue", "to_crm": "never"},
        )
    )
    assert row_of(mapping, "extra").to_partner_center is Travels.NEVER


def test_a_row_that_cannot_be_patched_may_be_sent_at_creation() -> None:
    assert row_of(mapping_of(), "name").to_partner_center is Travels.CREATE


def test_a_row_by_name() -> None:
    assert OPPORTUNITIES.field("deal_value").required is Required.ALWAYS
    assert OPPORTUNITIES.has("deal_value")
    assert not OPPORTUNITIES.has("nothing")
    with pytest.raises(KeyError):
        OPPORTUNITIES.field("nothing")


def test_which_rows_are_of_the_account() -> None:
    assert OPPORTUNITIES.account_column(OPPORTUNITIES.field("customer_city")) == "address1_city"
    assert OPPORTUNITIES.account_column(OPPORTUNITIES.field("deal_value")) is None


def test_what_must_be_read_to_plan_is_each_path_once() -> None:
    paths = OPPORTUNITIES.crm_paths
    assert len(set(paths)) == len(paths)
    columns = OPPORTUNITIES.columns
    assert {columns.sync, columns.audit, columns.referral_id, "customerid_account.name", "@solutions"} <= set(paths)
    bare = OPPORTUNITIES.model_copy(update={"columns": columns.model_copy(update={"audit": "", "referral_link": ""})})
    assert "" not in bare.crm_paths
    assert "referral_link" not in {row.name for row in bare.all_fields}


def test_every_file_that_ships_can_be_used() -> None:
    for path in MAPPING_FILE.parent.glob("*.toml"):
        assert build_mapping(tomllib.loads(path.read_text(encoding="utf-8"))).records
