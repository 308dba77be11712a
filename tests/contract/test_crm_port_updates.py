"""What every CRM adapter must do when records are changed, won, lost and reopened."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from shared.domain.errors import NotFound, Rejected, RetryLater, VersionConflict
from shared.domain.mapping import RecordMapping
from shared.domain.record import CrmStage, Record, RecordChange, RecordKind, StageChange
from shared.domain.values import Person, Solution
from tests.contract.deals import ANN, BACKUP, BEN, REFERRAL_ID, VAULT, deal, paths
from tests.contract.rigs import NAME_LENGTH, OTHER_USER, USER, Rig

OPPORTUNITY = RecordKind.OPPORTUNITY
AWKWARD = [
    'O\'Brien "&" <script>alert(1)</script>',
    "Zürich – 東京 – 🏳️‍🌈",
    "a/b\\c?d=e&f#g%20h+i;j,k(l)",
    "--batch_1\r\nContent-Type: application/http",
    "line one\nline two\n\tindented",
    "null",
    "$1",
    "x@odata.bind",
    "ends with a quote'",
]


def create(rig: Rig, stage: CrmStage = CrmStage.ACTIVE, **values: Any) -> Record:
    new = deal(rig.mapping, stage=StageChange(stage), **values)
    return rig.crm.create(new, rig.crm.prepare(new), None)


def fields(rig: Rig) -> RecordMapping:
    return rig.mapping.records[OPPORTUNITY]


def change(rig: Rig, stage: StageChange | None = None, **values: Any) -> RecordChange:
    return RecordChange(paths(rig.mapping, values), stage)


def value(rig: Rig, record: Record, name: str) -> Any:
    return record.values[fields(rig).field(name).crm]


def test_an_update_is_read_back_with_its_version(rig: Rig) -> None:
    record = create(rig)
    before = rig.calls()
    new: dict[str, Any] = {
        "name": "Fabrikam: 300 seats",
        "deal_value": Decimal("30000.25"),
        "closing_date": date(2027, 6, 30),
    }
    written = rig.crm.update(record, change(rig, **new))
    assert rig.calls() - before == 1
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert {path: read.values[path] for path in paths(rig.mapping, new)} == paths(rig.mapping, new)
    assert (written.id, written.version, written.modified_at) == (read.id, read.version, read.modified_at)
    assert written.values == {path: read.values[path] for path in paths(rig.mapping, new)}
    assert written.version != record.version


def test_an_update_leaves_other_fields_alone(rig: Rig) -> None:
    record = create(rig)
    rig.crm.update(record, change(rig, name="renamed"))
    read = rig.crm.get(OPPORTUNITY, record.id)
    name = fields(rig).field("name").crm
    assert {**read.values, name: None} == {**record.values, name: None}
    assert (read.stage, read.stage_reason) == (record.stage, record.stage_reason)


def test_an_update_of_an_old_version_changes_nothing(rig: Rig) -> None:
    record = create(rig)
    rig.rename(record.id, "A seller was here")
    with pytest.raises(VersionConflict):
        rig.crm.update(record, change(rig, name="too late", stage=StageChange(CrmStage.WON)))
    with pytest.raises(VersionConflict):
        rig.crm.update(record, RecordChange(stage=StageChange(CrmStage.LOST)))
    with pytest.raises(VersionConflict):
        rig.crm.update(record, change(rig, solutions=()))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert (value(rig, read, "name"), read.stage) == ("A seller was here", CrmStage.ACTIVE)
    assert value(rig, read, "solutions") == (BACKUP,)


def test_without_a_version_an_update_is_not_conditional(rig: Rig) -> None:
    record = create(rig)
    rig.rename(record.id, "A seller was here")
    blind = Record(OPPORTUNITY, record.id, None, record.modified_at, record.stage, record.values)
    rig.crm.update(blind, change(rig, notes="blind"))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert (value(rig, read, "name"), value(rig, read, "notes")) == ("A seller was here", "blind")


def test_an_update_whose_answer_was_lost_has_happened(rig: Rig) -> None:
    record = create(rig)
    rig.cut_next()
    with pytest.raises(RetryLater):
        rig.crm.update(record, change(rig, notes="written"))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert value(rig, read, "notes") == "written"
    with pytest.raises(VersionConflict):
        rig.crm.update(record, change(rig, notes="twice"))


@pytest.mark.parametrize("versioned", [True, False])
def test_an_update_of_a_record_that_is_gone_makes_no_new_one(rig: Rig, versioned: bool) -> None:
    record = create(rig)
    rig.delete(record.id)
    gone = record if versioned else Record(OPPORTUNITY, record.id, None, record.modified_at, record.stage, {})
    for what in (change(rig, name="back"), change(rig, name="back", stage=StageChange(CrmStage.WON))):
        with pytest.raises((NotFound, VersionConflict)):
            rig.crm.update(gone, what)
    with pytest.raises(NotFound):
        rig.crm.get(OPPORTUNITY, record.id)


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_comes_back_as_it_went(rig: Rig, text: str) -> None:
    record = create(rig, name=text, notes=text)
    assert (value(rig, record, "name"), value(rig, record, "notes")) == (text, text)
    rig.crm.update(record, change(rig, notes=text * 2))
    assert value(rig, rig.crm.get(OPPORTUNITY, record.id), "notes") == text * 2


@pytest.mark.parametrize("letter", ["x", "é", "🎈"])
def test_text_may_be_as_long_as_the_catalogue_says(rig: Rig, letter: str) -> None:
    path = fields(rig).field("name").crm
    limit = rig.crm.catalogue().limits[path].max_length
    assert limit == NAME_LENGTH
    longest = letter * (limit // (len(letter.encode("utf-16-le")) // 2))
    record = create(rig)
    rig.crm.update(record, change(rig, name=longest))
    assert rig.crm.get(OPPORTUNITY, record.id).values[path] == longest


def test_longer_text_is_rejected_and_the_field_named(rig: Rig) -> None:
    record = create(rig)
    with pytest.raises(Rejected) as refused:
        rig.crm.update(record, change(rig, name="x" * (NAME_LENGTH + 1), notes="not written either"))
    assert refused.value.field == fields(rig).field("name").crm
    assert rig.crm.get(OPPORTUNITY, record.id) == record


@pytest.mark.parametrize("blank", [None, ""])
@pytest.mark.parametrize("name", ["notes", "help"])
def test_blank_is_none_however_it_is_written(rig: Rig, name: str, blank: str | None) -> None:
    record = create(rig)
    rig.crm.update(record, RecordChange(paths(rig.mapping, {name: blank})))
    assert value(rig, rig.crm.get(OPPORTUNITY, record.id), name) is None


@pytest.mark.parametrize("name", ["deal_value", "closing_date"])
def test_amounts_and_dates_can_be_blank_and_zero_is_not_blank(rig: Rig, name: str) -> None:
    record = create(rig, deal_value=Decimal(0))
    assert value(rig, record, "deal_value") == Decimal(0)
    assert value(rig, record, "deal_value") is not None
    rig.crm.update(record, RecordChange(paths(rig.mapping, {name: None})))
    assert value(rig, rig.crm.get(OPPORTUNITY, record.id), name) is None


@pytest.mark.parametrize("amount", ["0.01", "999999999.99", "123456789012.34", "-5"])
def test_amounts_are_exact(rig: Rig, amount: str) -> None:
    record = create(rig)
    rig.crm.update(record, change(rig, deal_value=Decimal(amount)))
    assert value(rig, rig.crm.get(OPPORTUNITY, record.id), "deal_value") == Decimal(amount)


def test_an_update_answers_with_the_amount_as_the_crm_rounded_it(rig: Rig) -> None:
    record = create(rig)
    written = rig.crm.update(record, change(rig, deal_value=Decimal("10.4"), currency="JPY"))
    expected = paths(rig.mapping, {"deal_value": Decimal(10), "currency": "JPY"})
    assert written.values == expected


def test_flags_and_choices(rig: Rig) -> None:
    record = create(rig, visibility=False, help=None)
    assert value(rig, record, "visibility") is False
    rig.crm.update(record, change(rig, visibility=True, help="General or other"))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert (value(rig, read, "visibility"), value(rig, read, "help")) == (True, "General or other")
    with pytest.raises(Rejected) as refused:
        rig.crm.update(read, change(rig, help="A helping hand"))
    assert refused.value.field == fields(rig).field("help").crm


@pytest.mark.parametrize(("start", "end"), list(product(CrmStage, CrmStage)))
def test_every_move_from_stage_to_stage(rig: Rig, start: CrmStage, end: CrmStage) -> None:
    record = create(rig, start)
    written = rig.crm.update(record, change(rig, notes="moved", stage=StageChange(end, "Agreed with Microsoft")))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert (read.stage, read.stage_reason) == (end, rig.mapping.stages[end.value])
    assert value(rig, read, "notes") == "moved"
    assert written.version in (None, read.version)


@pytest.mark.parametrize(("start", "end"), list(product(CrmStage, CrmStage)))
def test_a_move_alone_needs_no_values(rig: Rig, start: CrmStage, end: CrmStage) -> None:
    record = create(rig, start)
    rig.crm.update(record, RecordChange(stage=StageChange(end)))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert (read.stage, dict(read.values)) == (end, dict(record.values))


@pytest.mark.parametrize(
    "reason", ["Declined in Partner Center", "Expired in Partner Center", "Error in Partner Center"]
)
def test_a_deal_that_nobody_lost_gets_a_reason_of_its_own(rig: Rig, reason: str) -> None:
    record = create(rig)
    rig.crm.update(record, RecordChange(stage=StageChange(CrmStage.LOST, reason)))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert (read.stage, read.stage_reason) == (CrmStage.LOST, rig.mapping.stages["declined"])


@pytest.mark.parametrize("stage", [CrmStage.WON, CrmStage.LOST])
def test_the_audit_of_a_closed_record_can_be_written(rig: Rig, stage: CrmStage) -> None:
    record = create(rig, stage)
    audit = fields(rig).columns.audit
    rig.crm.update(record, RecordChange({audit: "2026-11-21 12:00 - closed"}))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert (read.values[audit], read.stage) == ("2026-11-21 12:00 - closed", stage)


def test_solutions_are_added_changed_and_removed(rig: Rig) -> None:
    third = Solution("SOL-3", "Contoso Mail", None, Decimal("0.00"))
    record = create(rig, solutions=(BACKUP, VAULT))
    name = "Contoso Vault Plus" if rig.renames_solutions else VAULT.name
    changed = Solution(VAULT.id, name, 7, Decimal("12.35"))
    written = rig.crm.update(record, change(rig, solutions=(changed, third), notes="with solutions"))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert set(value(rig, read, "solutions")) == {changed, third}
    assert value(rig, read, "notes") == "with solutions"
    assert written.version == read.version
    rig.crm.update(read, change(rig, solutions=()))
    assert value(rig, rig.crm.get(OPPORTUNITY, record.id), "solutions") == ()


def test_the_contact_can_be_another_person_or_nobody(rig: Rig) -> None:
    record = create(rig, contacts=(ANN,))
    for contacts in ((BEN,), (), (ANN,), (Person("Anna", "Beck-Cole", "+49 30 1", ANN.email),)):
        read = rig.crm.get(OPPORTUNITY, record.id)
        rig.crm.update(read, change(rig, contacts=contacts))
        assert value(rig, rig.crm.get(OPPORTUNITY, record.id), "contacts") == contacts


def test_the_owner_can_be_another_user_and_strangers_change_nothing(rig: Rig) -> None:
    record = create(rig, team=(USER,))
    rig.crm.update(record, change(rig, team=(OTHER_USER,)))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert value(rig, read, "team") == (OTHER_USER,)
    rig.crm.update(read, change(rig, team=(BEN,)))
    assert value(rig, rig.crm.get(OPPORTUNITY, record.id), "team") == (OTHER_USER,)


def test_the_customer_of_a_record_can_be_corrected(rig: Rig) -> None:
    record = create(rig)
    rig.crm.update(record, change(rig, customer_city="Potsdam", notes="moved"))
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert (value(rig, read, "customer_city"), value(rig, read, "notes")) == ("Potsdam", "moved")


def test_the_referral_can_be_named_later(rig: Rig) -> None:
    record = create(rig)
    column = fields(rig).columns.referral_id
    other = "5d0e7a6c-1111-4222-8333-444455556666"
    rig.crm.update(record, RecordChange({column: other}))
    assert rig.crm.prepare(deal(rig.mapping, REFERRAL_ID)).existing is None
    found = rig.crm.prepare(deal(rig.mapping, other)).existing
    assert found is not None
    assert found.id == record.id
