"""What every CRM adapter must do when records are looked up, created and read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import NotFound, Rejected, RetryLater, VersionConflict
from shared.domain.record import CrmStage, RecordKind, StageChange
from shared.domain.values import Person
from tests.contract.deals import ANN, BACKUP, BEN, DEAL, REFERRAL_ID, VAULT, deal, paths
from tests.contract.rigs import NAME_LENGTH, USER, Rig

OPPORTUNITY = RecordKind.OPPORTUNITY


def created(rig: Rig, *, account_id: str | None = None, **values: Any) -> Any:
    new = deal(rig.mapping, **values)
    return rig.crm.create(new, rig.crm.prepare(new), account_id)


def cost(rig: Rig, work: Callable[[], object]) -> int:
    before = rig.calls()
    work()
    return rig.calls() - before


def test_a_record_is_read_as_it_was_created(rig: Rig) -> None:
    new = deal(rig.mapping, team=(USER,), solutions=(BACKUP, VAULT))
    record = rig.crm.create(new, rig.crm.prepare(new), None)
    read = rig.crm.get(OPPORTUNITY, record.id)
    assert read == record
    expected = {**DEAL, "team": (USER,), "solutions": (BACKUP, VAULT)}
    assert {path: read.values[path] for path in paths(rig.mapping, expected)} == paths(rig.mapping, expected)
    columns = rig.mapping.records[OPPORTUNITY].columns
    assert read.values[columns.sync] is True
    assert read.values[columns.referral_id] == REFERRAL_ID
    assert (read.stage, read.stage_reason) == (CrmStage.ON_HOLD, rig.mapping.stages["on_hold"])
    assert read.modified_at.tzinfo is not None
    assert read.version


def test_many_records_are_read_at_once_as_each_is_by_itself(rig: Rig) -> None:
    several = [
        created(rig, name=f"Fabrikam {number}", referral_id=f"{REFERRAL_ID[:-1]}{number}") for number in range(3)
    ]
    ids = [record.id for record in several]
    known = [record.id for record in several[:2]]
    rig.delete(ids[2])
    asked = [*ids, "nonsense"]
    found: dict[str, Any] = {}
    assert cost(rig, lambda: found.update(rig.crm.get_many(OPPORTUNITY, asked))) == 1
    assert found == {record_id: rig.crm.get(OPPORTUNITY, record_id) for record_id in known}
    assert rig.crm.get_many(OPPORTUNITY, []) == {}


def test_every_path_of_the_mapping_is_read_and_blank_ones_are_none(rig: Rig) -> None:
    blank: dict[str, Any] = {
        "notes": None,
        "help": None,
        "closing_date": None,
        "contacts": (),
        "solutions": (),
        "customer_city": "",
    }
    record = created(rig, **blank)
    assert set(record.values) == set(rig.mapping.records[OPPORTUNITY].crm_paths)
    assert {name: record.values[path] for name, path in _paths_of(rig, blank).items()} == {
        **blank,
        "customer_city": None,
    }


def _paths_of(rig: Rig, values: dict[str, Any]) -> dict[str, str]:
    record = rig.mapping.records[OPPORTUNITY]
    return {name: record.field(name).crm for name in values}


@pytest.mark.parametrize("stage", list(CrmStage))
def test_a_record_can_be_created_in_any_stage(rig: Rig, stage: CrmStage) -> None:
    record = created(rig, stage=StageChange(stage, "Won in Partner Center"))
    assert (record.stage, record.stage_reason) == (stage, rig.mapping.stages[stage.value])
    assert rig.crm.get(OPPORTUNITY, record.id) == record


def test_a_second_create_for_the_same_referral_writes_nothing(rig: Rig) -> None:
    new = deal(rig.mapping)
    prepared = rig.crm.prepare(new)
    record = rig.crm.create(new, prepared, None)
    with pytest.raises(VersionConflict):
        rig.crm.create(new, prepared, None)
    found = rig.crm.prepare(new)
    assert found.existing == record
    assert len(found.accounts) == 1


def test_of_creates_at_the_same_time_one_wins(rig: Rig) -> None:
    new = deal(rig.mapping)
    prepared = rig.crm.prepare(new)
    together = threading.Barrier(4)

    def attempt(_: int) -> str:
        together.wait(10)
        try:
            return rig.crm.create(new, prepared, None).id
        except VersionConflict:
            return ""

    with ThreadPoolExecutor(4) as pool:
        ids = [record_id for record_id in pool.map(attempt, range(4)) if record_id]
    found = rig.crm.prepare(new)
    assert found.existing is not None
    assert ids == [found.existing.id]
    assert len(found.accounts) == 1


def test_a_create_whose_answer_was_lost_is_found_by_the_next_look_up(rig: Rig) -> None:
    new = deal(rig.mapping)
    prepared = rig.crm.prepare(new)
    rig.cut_next()
    with pytest.raises(RetryLater):
        rig.crm.create(new, prepared, None)
    found = rig.crm.prepare(new)
    assert found.existing is not None
    assert found.existing.values[rig.mapping.records[OPPORTUNITY].field("name").crm] == DEAL["name"]
    assert len(found.accounts) == 1


def test_a_create_that_is_refused_leaves_nothing_behind(rig: Rig) -> None:
    new = deal(rig.mapping, name="x" * (NAME_LENGTH + 1))
    with pytest.raises(Rejected) as refused:
        rig.crm.create(new, rig.crm.prepare(new), None)
    assert refused.value.field == rig.mapping.records[OPPORTUNITY].field("name").crm
    found = rig.crm.prepare(new)
    assert (found.existing, found.accounts, found.contacts) == (None, (), ())


@pytest.mark.parametrize("prefix", ["Contact's", "Ὀδυσσεύς ✔", "100% of A&B/C? <b>+#", "Fabrikam\tGmbH"])
def test_accounts_are_found_by_name_and_postal_code_without_case(rig: Rig, prefix: str) -> None:
    wanted = rig.add_account(prefix + " fabrikam", "10115")
    rig.add_account(prefix + " fabrikam", "10117")
    rig.add_account("Contoso", "10115")
    found = rig.crm.prepare(deal(rig.mapping, customer_name=prefix + " Fabrikam")).accounts
    assert [account.id for account in found] == [wanted]
    assert found[0].name == prefix + " fabrikam"


@pytest.mark.parametrize("blank", [None, ""])
def test_a_blank_postal_code_matches_a_blank_one_only(rig: Rig, blank: str | None) -> None:
    rig.add_account("Fabrikam", "10115")
    wanted = [rig.add_account("Fabrikam", None), rig.add_account("Fabrikam", "")]
    found = rig.crm.prepare(deal(rig.mapping, customer_postal_code=blank)).accounts
    assert sorted(account.id for account in found) == sorted(wanted)
    assert all(account.created_at.tzinfo for account in found)


def test_an_account_that_is_given_is_used_as_it_is(rig: Rig) -> None:
    account_id = rig.add_account("FABRIKAM", "10115")
    record = created(rig, account_id=account_id)
    read = record.values
    by_name = _paths_of(rig, {"customer_name": "", "customer_postal_code": "", "customer_city": ""})
    assert [read[path] for path in by_name.values()] == ["FABRIKAM", "10115", None]
    assert [account.id for account in rig.crm.prepare(deal(rig.mapping)).accounts] == [account_id]


def test_a_contact_of_the_same_account_is_used_again(rig: Rig) -> None:
    account_id = rig.add_account("Fabrikam", "10115")
    created(rig, account_id=account_id)
    other = "9c0b5b7e-6a54-4f0e-8b9a-0a4a9d8f2c02"
    prepared = rig.crm.prepare(deal(rig.mapping, other))
    assert [(one.email, one.account_id) for one in prepared.contacts] == [(ANN.email, account_id)]
    record = rig.crm.create(deal(rig.mapping, other), prepared, account_id)
    assert record.values["@contacts"] == (ANN,)


def test_only_users_of_the_crm_are_the_team(rig: Rig) -> None:
    stranger = Person("Kim", "Lee", "", "kim.lee@fabrikam.example")
    assert created(rig, team=(stranger,)).values["@team"] == ()
    other = deal(rig.mapping, "9c0b5b7e-6a54-4f0e-8b9a-0a4a9d8f2c02", team=(stranger, USER))
    prepared = rig.crm.prepare(other)
    assert set(prepared.owners) == {USER.email}
    assert rig.crm.create(other, prepared, None).values["@team"] == (USER,)


def test_of_several_contacts_the_first_is_kept(rig: Rig) -> None:
    assert created(rig, contacts=(BEN, ANN)).values["@contacts"] == (BEN,)


@pytest.mark.parametrize("record_id", ["0a5f3b1e-0000-4000-8000-00000000dead", "no id at all", "'; drop"])
def test_an_id_that_the_crm_does_not_have_is_not_found(rig: Rig, record_id: str) -> None:
    with pytest.raises(NotFound):
        rig.crm.get(OPPORTUNITY, record_id)


def test_the_catalogue_tells_limits_and_currencies(rig: Rig) -> None:
    catalogue = rig.crm.catalogue()
    record = rig.mapping.records[OPPORTUNITY]
    assert catalogue.limits[record.field("name").crm].max_length == NAME_LENGTH
    assert set(record.field("help").choices.values()) <= set(catalogue.limits[record.field("help").crm].options or ())
    assert catalogue.limits["@contacts"].capacity == 1
    assert {"EUR": 2, "USD": 2, "JPY": 0}.items() <= catalogue.currencies.items()


def test_the_link_leads_to_the_record(rig: Rig) -> None:
    record_id = "0a5f3b1e-0000-4000-8000-000000000001"
    assert rig.crm.link_to(OPPORTUNITY, record_id).startswith("https://")
    assert record_id in rig.crm.link_to(OPPORTUNITY, record_id)


@pytest.mark.parametrize(("currency", "stored"), [("EUR", "1234.57"), ("USD", "1234.57"), ("JPY", "1235")])
def test_money_is_rounded_to_its_currency(rig: Rig, currency: str, stored: str) -> None:
    record = created(rig, deal_value=Decimal("1234.565"), currency=currency)
    mapped = rig.mapping.records[OPPORTUNITY]
    assert record.values[mapped.field("deal_value").crm] == Decimal(stored)
    assert record.values[mapped.field("currency").crm] == currency


def test_a_currency_that_the_crm_does_not_have_is_rejected(rig: Rig) -> None:
    new = deal(rig.mapping, currency="XTS")
    with pytest.raises(Rejected) as refused:
        rig.crm.create(new, rig.crm.prepare(new), None)
    assert "XTS" in refused.value.message


def test_calls_are_few(rig: Rig) -> None:
    new = deal(rig.mapping, team=(USER,), solutions=(BACKUP, VAULT))
    prepared = rig.crm.prepare(new)
    assert cost(rig, lambda: rig.crm.prepare(new)) == 1
    assert cost(rig, lambda: rig.crm.create(new, prepared, None)) == 1
    record = rig.crm.prepare(new).existing
    assert record is not None
    assert cost(rig, lambda: rig.crm.get(OPPORTUNITY, record.id)) == 1
    assert cost(rig, rig.crm.catalogue) == 0


def test_throttling_says_how_long_to_wait(rig: Rig) -> None:
    rig.throttle_next(17)
    with pytest.raises(RetryLater) as busy:
        rig.crm.prepare(deal(rig.mapping))
    assert (busy.value.code, busy.value.after_s) == ("throttled", 17)
    assert rig.crm.prepare(deal(rig.mapping)).existing is None


def test_a_crm_that_is_down_is_tried_later(rig: Rig) -> None:
    record = rig.crm.create(deal(rig.mapping), rig.crm.prepare(deal(rig.mapping)), None)
    rig.refuse_next()
    with pytest.raises(RetryLater) as down:
        rig.crm.get(OPPORTUNITY, record.id)
    assert down.value.status == 503
