"""What the CRM in memory has for tests, beyond the exam that it passes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.domain.errors import RetryLater, VersionConflict
from shared.domain.record import CrmStage, RecordChange, RecordKind, StageChange
from tests.contract.deals import paths, read_mapping
from tests.contract.memory_crm import MemoryCrm

OPPORTUNITY = RecordKind.OPPORTUNITY
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def crm() -> MemoryCrm:
    return MemoryCrm(read_mapping("dynamics365.toml"), clock=lambda: NOON)


def test_sellers_add_edit_and_delete_without_a_call(crm: MemoryCrm) -> None:
    record_id = crm.add({"name": "Contoso"}, account_id=crm.add_account(name="Contoso Ltd"))
    crm.edit(record_id, {"description": "x", "customerid_account.name": "Contoso"}, StageChange(CrmStage.WON))
    record = crm.peek(record_id)
    assert (record.stage, record.modified_at) == (CrmStage.WON, NOON)
    assert [record.values[path] for path in ("name", "description", "customerid_account.name")] == [
        "Contoso",
        "x",
        "Contoso",
    ]
    assert crm.ids() == (record_id,)
    crm.delete(record_id)
    assert (crm.ids(), crm.calls.total()) == ((), 0)


@pytest.mark.parametrize("optimistic_lock", [True, False])
def test_the_optimistic_lock_can_be_missing(optimistic_lock: bool) -> None:
    mapping = read_mapping("dynamics365.toml")
    crm = MemoryCrm(mapping, optimistic_lock=optimistic_lock)
    record = crm.peek(crm.add({"name": "Contoso"}))
    crm.edit(record.id, {"description": "a seller was here"})
    assert crm.capabilities.optimistic_lock is optimistic_lock
    change = RecordChange(paths(mapping, {"name": "Contoso: 20 seats"}))
    if optimistic_lock:
        with pytest.raises(VersionConflict):
            crm.update(record, change)
    else:
        crm.update(record, change)
    assert crm.peek(record.id).values["description"] == "a seller was here"
    assert crm.peek(record.id).values["name"] == ("Contoso" if optimistic_lock else "Contoso: 20 seats")


def test_a_fault_hits_the_operation_it_was_ordered_for_once(crm: MemoryCrm) -> None:
    record_id = crm.add({"name": "Contoso"})
    crm.fail_next(RetryLater("down"), operation="update")
    record = crm.get(OPPORTUNITY, record_id)
    change = RecordChange({"name": "Contoso: 20 seats"})
    with pytest.raises(RetryLater):
        crm.update(record, change)
    assert crm.peek(record_id) == record
    crm.update(record, change)
    assert crm.calls == {"get": 1, "update": 2}


def test_what_a_caller_must_never_give_is_a_mistake_of_the_test(crm: MemoryCrm) -> None:
    with pytest.raises(TypeError, match="estimatedvalue"):
        crm.add({"estimatedvalue": 1.5})
