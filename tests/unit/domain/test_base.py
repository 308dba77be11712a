"""What is remembered of a deal, and how both sides look when they are presumed from it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.base import (
    Agreed,
    Base,
    dump_base,
    load_base,
    presume_record,
    presume_referral,
    view_record,
    view_referral,
)
from shared.domain.errors import Rejected
from shared.domain.mapping import RecordMapping
from shared.domain.record import CrmStage, Record, RecordChange, RecordKind, StageChange
from shared.domain.referral import LINK_TEMPLATE, ReferralStage, parse_referral
from shared.domain.settle import RecordAfter, Versions, agreed_as_they_are, presumed_record, settle
from shared.domain.stages import Stages
from tests.property.test_converters import CANONICAL
from tests.unit.domain.deals import (
    AGREED_AT,
    LATER,
    OPPORTUNITIES,
    RULES,
    VALUES,
    base_of,
    opportunities,
    plan_of,
    record_of,
    referral_of,
)

MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)
VERSIONS = st.none() | st.text(max_size=8)


def values_of(mapping: RecordMapping) -> st.SearchStrategy[dict[str, Agreed]]:
    """Any value of its kind on each side, for any of the fields."""
    rows = [row for row in mapping.fields if row.converter != "choice"]
    sides = {row.name: st.builds(Agreed, CANONICAL[row.converter], CANONICAL[row.converter]) for row in rows}
    return st.fixed_dictionaries({}, optional=sides)


BASES = st.builds(
    Base,
    fields=values_of(OPPORTUNITIES),
    stages=st.builds(Stages, st.sampled_from(ReferralStage), st.sampled_from(CrmStage)),
    etag=VERSIONS,
    record_version=VERSIONS,
    referral_updated_at=MOMENTS,
    record_modified_at=MOMENTS,
    audit=st.text(max_size=20),
    name_in_crm=st.text(max_size=20),
    sync=st.booleans(),
    held=st.dictionaries(st.sampled_from(["notes", "deal_value"]), st.lists(st.none() | st.text(), max_size=2)),
    present=values_of(OPPORTUNITIES),
)


@settings(max_examples=100, deadline=None)
@given(BASES)
def test_a_base_comes_back_from_the_store_as_it_went(base: Base) -> None:
    assert load_base(json.loads(json.dumps(dump_base(base, OPPORTUNITIES))), OPPORTUNITIES) == base


def test_a_base_is_plain_json_with_exact_amounts() -> None:
    document = json.loads(json.dumps(dump_base(base_of(), OPPORTUNITIES)))
    assert document["fields"]["deal_value"] == ["50000", "50000"]
    assert document["fields"]["closing_date"] == ["2027-01-31", "2027-01-31"]
    assert document["stages"] == ["accepted", "active"]


@pytest.mark.parametrize(
    "change",
    [
        {"crm": "new_value"},
        {"partner_center": "details.budget", "to_partner_center": "create"},
        {"converter": "text"},
    ],
)
def test_a_row_that_the_mapping_has_otherwise_now_starts_afresh_and_both_sides_are_read(change: dict[str, Any]) -> None:
    loaded = load_base(dump_base(base_of(), OPPORTUNITIES), opportunities({"name": "deal_value", **change}))
    assert "deal_value" not in loaded.fields
    assert loaded.fields["notes"] == base_of().fields["notes"]
    assert (loaded.etag, loaded.record_version) == (None, None)


def test_choices_that_changed_start_afresh() -> None:
    fewer = opportunities({"name": "help", "choices": {"GeneralOrOther": "Anything"}})
    stored = dump_base(base_of(fields={"help": Agreed("QuotesOrLicensing", "QuotesOrLicensing")}), OPPORTUNITIES)
    assert "help" not in load_base(stored, fewer).fields


@pytest.mark.parametrize("change", [{"label": "Deal"}, {"remedy": "Ask."}, {"conflict": "crm"}, {"to_crm": "never"}])
def test_a_row_that_only_behaves_otherwise_keeps_its_base(change: dict[str, str]) -> None:
    mapping = opportunities({"name": "deal_value", **change})
    assert load_base(dump_base(base_of(), OPPORTUNITIES), mapping) == base_of()


def test_a_row_that_is_new_or_gone_has_both_sides_read() -> None:
    row = {"name": "campaign", "label": "Campaign", "partner_center": "campaignId", "crm": "x", "converter": "text"}
    more = opportunities(row)
    assert load_base(dump_base(base_of(), OPPORTUNITIES), more).etag is None
    back = load_base(dump_base(base_of(fields={"campaign": Agreed("a", "a")}), more), OPPORTUNITIES)
    assert "campaign" not in back.fields
    assert back.record_version is None


def test_a_value_of_no_row_is_not_stored() -> None:
    stored = dump_base(base_of(fields={"unknown": Agreed(1, 1)}), OPPORTUNITIES)
    assert "unknown" not in stored["fields"]


def test_a_side_that_is_not_read_is_presumed_to_hold_what_waits() -> None:
    base = base_of(present={"notes": Agreed("theirs", "ours")}, audit="line", sync=False)
    there, here = presume_referral(base), presume_record(base)
    assert there.values == {**VALUES, "notes": "theirs"}
    assert here.values == {**VALUES, "notes": "ours"}
    assert (there.stage, there.updated_at, there.document) == (ReferralStage.ACCEPTED, AGREED_AT, None)
    assert (here.stage, here.audit, here.name_in_crm, here.sync) == (CrmStage.ACTIVE, "line", "✔ Fabrikam", False)
    record = presumed_record(RecordKind.OPPORTUNITY, "1", base, OPPORTUNITIES)
    assert record.values["description"] == "ours"
    assert record.version == 'W/"1"'
    assert OPPORTUNITIES.field("help").crm not in record.values


DOCUMENT: dict[str, Any] = {
    "id": "7d23e5ca",
    "name": " ✔ Fabrikam",
    "eTag": '"5"',
    "status": "Closed",
    "substatus": "Lost",
    "statusReason": "Price",
    "updatedDateTime": "2026-03-01T09:00:00.1234567Z",
    "details": {"dealValue": 5, "closingDateTime": "2027-01-31T00:00:00Z"},
    "trackingInfo": {"microsoftMsxId": "7-ABC"},
}


def test_a_referral_is_seen_by_field_name() -> None:
    view = view_referral(parse_referral(DOCUMENT), OPPORTUNITIES)
    assert view.values["name"] == "Fabrikam"
    assert view.values["deal_value"] == Decimal(5)
    assert view.values["closing_date"] == date(2027, 1, 31)
    assert view.values["notes"] is None
    assert view.values["contacts"] == ()
    assert view.values["referral_link"] == LINK_TEMPLATE.format(id="7d23e5ca")
    assert view.values["microsoft_crm_id"] == "7-ABC"
    assert (view.stage, view.status_reason) == (ReferralStage.LOST, "Price")


def test_a_crm_without_columns_for_it_does_not_show_the_link() -> None:
    columns = OPPORTUNITIES.columns.model_copy(update={"referral_link": "", "microsoft_crm_id": ""})
    bare = OPPORTUNITIES.model_copy(update={"columns": columns})
    assert not {"referral_link", "microsoft_crm_id"} & set(view_referral(parse_referral(DOCUMENT), bare).values)
    assert {"referral_id", "referral_program"} <= set(view_referral(parse_referral(DOCUMENT), bare).values)


@pytest.mark.parametrize(
    ("path", "value", "label", "said"),
    [
        ("details", {"dealValue": "a lot"}, "Est. revenue", "in Partner Center is not a number"),
        ("details", {"currency": "Euro"}, "Currency", "'Euro'"),
        ("name", 5, "Topic", "is int, not text"),
        ("team", [1], "Owner", "list of objects"),
        ("inviteContext", {"assistanceRequestCode": "Lunch"}, "How can Microsoft help?", "'Lunch'"),
    ],
)
def test_a_value_of_partner_center_that_cannot_be_taken_is_refused_by_label(
    path: str, value: Any, label: str, said: str
) -> None:
    with pytest.raises(Rejected, match="in Partner Center") as refusal:
        view_referral(parse_referral({**DOCUMENT, path: value}), OPPORTUNITIES)
    assert refusal.value.field == label
    assert said in str(refusal.value)


def record(**values: Any) -> Record:
    return Record(RecordKind.OPPORTUNITY, "1", 'W/"2"', LATER, CrmStage.ACTIVE, values)


def test_a_record_is_seen_by_field_name_without_the_paths_it_lacks() -> None:
    columns = OPPORTUNITIES.columns
    view = view_record(
        record(name="✔ Deal", estimatedvalue=None, **{columns.sync: True, columns.audit: "a"}), OPPORTUNITIES
    )
    assert dict(view.values) == {"name": "Deal", "deal_value": None}
    assert (view.audit, view.name_in_crm, view.sync) == ("a", "✔ Deal", True)
    empty = view_record(record(), OPPORTUNITIES)
    assert (empty.values, empty.audit, empty.name_in_crm, empty.sync) == ({}, "", "", False)


def test_a_mapping_without_a_name_has_no_name_in_the_crm() -> None:
    nameless = OPPORTUNITIES.model_copy(update={"fields": OPPORTUNITIES.fields[1:]})
    assert view_record(record(name="Deal"), nameless).name_in_crm == ""


def test_a_value_of_the_crm_that_cannot_be_taken_is_refused_by_label_with_what_to_do() -> None:
    with pytest.raises(Rejected, match="Account country or region in the CRM is 'Narnia'") as refusal:
        view_record(record(**{"customerid_account.address1_country": "Narnia"}), OPPORTUNITIES)
    assert refusal.value.remedy == OPPORTUNITIES.field("customer_country").remedy
    with pytest.raises(Rejected) as refusal:
        view_record(record(**{OPPORTUNITIES.field("help").crm: "Lunch"}), OPPORTUNITIES)
    assert refusal.value.remedy == "Correct How can Microsoft help? in the CRM."


def settled(referral: Any, here: Any, base: Base, **written: Any) -> Base:
    change = written.pop("change", RecordChange())
    answers = {"referral_after": None, "record_after": None, **written}
    planned = plan_of(referral, here, base)
    return settle(planned, (referral, here), Versions('"9"', 'W/"9"'), OPPORTUNITIES, change=change, **answers)


def test_the_base_is_what_both_sides_answered() -> None:
    after = settled(
        referral_of(deal_value=Decimal("70000.004")),
        record_of(),
        base_of(),
        change=RecordChange({"estimatedvalue": Decimal(70000), OPPORTUNITIES.columns.audit: "line", "name": "✔ N"}),
        record_after=RecordAfter("W/10", LATER, {"estimatedvalue": Decimal("70000.0")}),
    )
    assert after.fields["deal_value"] == Agreed(Decimal("70000.004"), Decimal(70000))
    assert (after.etag, after.record_version, after.record_modified_at) == ('"9"', "W/10", LATER)
    assert (after.audit, after.name_in_crm) == ("line", "✔ N")


def test_the_base_takes_the_referral_that_partner_center_answered_with() -> None:
    answer = parse_referral({**DOCUMENT, "details": {"notes": "as they keep it"}})
    after = settled(referral_of(), record_of(notes="ours"), base_of(), referral_after=answer)
    assert after.fields["notes"] == Agreed("as they keep it", "ours")
    assert after.etag == '"5"'
    assert after.referral_updated_at == answer.updated_at


def test_a_write_whose_time_the_crm_does_not_tell_keeps_the_last_one() -> None:
    after = settled(referral_of(notes="n"), record_of(), base_of(), record_after=RecordAfter(None, None))
    assert after.record_modified_at == AGREED_AT
    assert after.record_version is None


def test_what_waits_is_remembered_beside_the_older_base() -> None:
    after = settled(referral_of(notes="theirs"), record_of(sync=False, deal_value=Decimal(7)), base_of())
    assert after.fields["deal_value"] == base_of().fields["deal_value"]
    assert after.present == {"deal_value": Agreed(Decimal(50000), Decimal(7))}


def test_a_base_stands_for_no_version_of_a_record_whose_move_waits() -> None:
    on_hold = base_of(referral=ReferralStage.RECEIVED, record=CrmStage.ON_HOLD)
    waiting = settled(referral_of(ReferralStage.RECEIVED), record_of(CrmStage.LOST, sync=False), on_hold)
    assert waiting.stages == on_hold.stages
    assert waiting.record_version is None
    moved = settled(
        referral_of(ReferralStage.ACCEPTED), record_of(CrmStage.ON_HOLD), on_hold,
        change=RecordChange({}, StageChange(CrmStage.ACTIVE)), record_after=RecordAfter("W/10", LATER),
    )  # fmt: skip
    assert moved.record_version == "W/10"


def full_record(**changes: Any) -> Record:
    values = {
        row.crm: row.convert.to_crm(VALUES[row.name]) for row in OPPORTUNITIES.fields if VALUES[row.name] is not None
    }
    values |= {path: None for path in OPPORTUNITIES.crm_paths if path not in values}
    return replace(record(**{**values, **changes}), stage=CrmStage.ACTIVE)


def test_two_that_were_made_of_each_other_agree_but_for_what_is_not_shown_yet() -> None:
    referral = parse_referral({**DOCUMENT, "status": "Active", "substatus": "Accepted"})
    base = agreed_as_they_are(referral, full_record(), OPPORTUNITIES, RULES)
    assert not {"referral_id", "referral_link"} & set(base.fields)
    assert base.fields["deal_value"] == Agreed(Decimal(5), Decimal(50000))
    assert (base.etag, base.record_version) == (None, None), "what is left out could not be presumed"
    columns = OPPORTUNITIES.columns
    shown = {columns.referral_id: referral.id, columns.referral_link: referral.link, columns.microsoft_crm_id: "7-ABC"}
    whole = agreed_as_they_are(referral, full_record(**shown), OPPORTUNITIES, RULES)
    assert whole.fields["referral_id"] == Agreed(referral.id, referral.id)
    assert (whole.etag, whole.record_version) == ('"5"', 'W/"2"')


def test_a_mapping_without_a_name_settles_too() -> None:
    nameless = OPPORTUNITIES.model_copy(update={"fields": OPPORTUNITIES.fields[1:]})
    planned = plan_of(mapping=nameless)
    after = settle(
        planned, (referral_of(), record_of()), Versions("1", "2"), nameless,
        referral_after=None, change=RecordChange(), record_after=None,
    )  # fmt: skip
    assert after.name_in_crm == "✔ Fabrikam"
