"""The solutions of a deal: which edits travel, what a referral cannot be without, and what no one can read."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.base import Agreed, view_record
from shared.domain.errors import Rejected
from shared.domain.record import CrmStage, Record, RecordKind
from shared.domain.values import Solution
from tests.unit.domain.deals import (
    AGREED_AT,
    LATER,
    OPPORTUNITIES,
    SUPPLY,
    base_of,
    patched,
    plan_of,
    record_of,
    referral_of,
)

PATH = "/details/requirements/solutions"
VAULT = Solution("SOL-55102-QRS", "Contoso Vault", 1, None)
BIG_DATA = Solution("BigData", "Big data", None, None)


def document(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"details": {"requirements": {"solutions": list(rows)}}}


def supply_row(**changes: Any) -> dict[str, Any]:
    row = {"id": "SOL-34104-EBB", "name": "Contoso Supply", "type": "Name", "quantity": 1, "price": 99.5}
    return {**row, "publisherName": "Contoso", **changes}


def sent(planned: Any) -> list[dict[str, Any]]:
    ((operations),) = patched(planned)
    rows: list[dict[str, Any]] = operations[PATH]
    return rows


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        (replace(SUPPLY, price=Decimal("120.5")), {"price": 120.5}),
        (replace(SUPPLY, quantity=7), {"quantity": 7}),
        (replace(SUPPLY, name="Contoso Supply 2"), {"name": "Contoso Supply 2"}),
    ],
    ids=["price", "quantity", "name"],
)
def test_an_edited_row_travels_and_keeps_what_only_partner_center_knows_of_it(
    edited: Solution, changes: dict[str, Any]
) -> None:
    planned = plan_of(referral_of(document=document(supply_row())), record_of(at=LATER, solutions=(edited,)))
    assert sent(planned) == [supply_row(**changes)]


def test_added_and_removed_rows_travel_as_one_set() -> None:
    base = base_of(fields={"solutions": Agreed((SUPPLY, VAULT), (SUPPLY, VAULT))})
    referral = referral_of(document=document(supply_row(), {"id": VAULT.id}), solutions=(SUPPLY, VAULT))
    planned = plan_of(referral, record_of(solutions=(BIG_DATA, SUPPLY)), base)
    assert sent(planned) == [supply_row(), {"id": "BigData", "name": "Big data", "type": "Category"}]


def test_what_was_added_in_partner_center_stays_there_whatever_is_edited_in_the_crm() -> None:
    """To the CRM solutions travel at creation only."""
    base = base_of(fields={"solutions": Agreed((SUPPLY, VAULT), (SUPPLY,))})
    read = document(supply_row(), {"id": VAULT.id, "name": VAULT.name, "quantity": 1})
    unrelated = plan_of(referral_of(document=read, solutions=(SUPPLY, VAULT)), record_of(notes="Ours", at=LATER), base)
    assert patched(unrelated) == [{"/details/notes": "Ours"}]
    assert not unrelated.to_crm
    added = plan_of(
        referral_of(document=read, solutions=(SUPPLY, VAULT)), record_of(solutions=(SUPPLY, BIG_DATA)), base
    )
    assert [row["id"] for row in sent(added)] == [SUPPLY.id, VAULT.id, BIG_DATA.id]


def test_what_was_removed_in_partner_center_is_not_brought_back_by_another_row() -> None:
    base = base_of(fields={"solutions": Agreed((VAULT,), (SUPPLY, VAULT))})
    referral = referral_of(document=document({"id": VAULT.id}), solutions=(VAULT,))
    planned = plan_of(referral, record_of(solutions=(SUPPLY, VAULT, BIG_DATA)), base)
    assert [row["id"] for row in sent(planned)] == [VAULT.id, BIG_DATA.id]


def test_rows_in_another_order_and_rows_twice_are_the_same_set() -> None:
    base = base_of(fields={"solutions": Agreed((SUPPLY, VAULT), (SUPPLY, VAULT))})
    record = record_of(solutions=OPPORTUNITIES.field("solutions").convert.from_crm((VAULT, SUPPLY, VAULT)))
    assert plan_of(referral_of(solutions=(SUPPLY, VAULT)), record, base).is_empty


def test_the_last_row_is_not_taken_away_and_that_is_told_once() -> None:
    record = record_of(at=LATER, solutions=(), notes="Ours")
    planned = plan_of(record=record)
    assert patched(planned) == [{"/details/notes": "Ours"}]
    (note,) = planned.notes
    assert note == (
        "Microsoft Partner Center Solutions: the last one was removed in the CRM, but a referral needs at least one; "
        "Partner Center keeps what it has. Add at least one row under Microsoft Partner Center Solutions."
    )
    assert planned.emptied == ("Microsoft Partner Center Solutions",)
    assert planned.fields["solutions"] == Agreed((SUPPLY,), (SUPPLY,)), "still to travel"
    told = base_of(held=planned.held, fields={"notes": Agreed("Ours", "Ours")})
    again = plan_of(referral_of(notes="Ours"), record, told)
    assert again.is_empty
    assert again.held == planned.held


def test_an_emptied_set_heals_when_a_row_is_added_and_is_told_of_when_it_is_emptied_again() -> None:
    told = base_of(held=plan_of(record=record_of(solutions=())).held)
    healed = plan_of(referral_of(document=document(supply_row())), record_of(solutions=(VAULT,)), told)
    assert [row["id"] for row in sent(healed)] == [VAULT.id]
    assert (healed.held, healed.emptied, healed.notes) == ({}, (), ())
    since = base_of(fields=healed.fields, held=healed.held)
    assert plan_of(referral_of(solutions=(VAULT,)), record_of(solutions=()), since).notes != ()


def test_a_last_row_removed_while_partner_center_added_one_is_removed() -> None:
    referral = referral_of(document=document(supply_row(), {"id": VAULT.id}), solutions=(SUPPLY, VAULT))
    planned = plan_of(referral, record_of(solutions=()))
    assert [row["id"] for row in sent(planned)] == [VAULT.id]
    assert planned.emptied == ()


@pytest.mark.parametrize(
    "record", [record_of(CrmStage.ON_HOLD, solutions=()), record_of(sync=False, solutions=())], ids=["hold", "off"]
)
def test_nothing_is_said_of_an_emptied_set_while_nothing_may_travel(record: Any) -> None:
    planned = plan_of(record=record, base=base_of(record=record.stage))
    assert (planned.emptied, planned.notes) == ((), ())


def test_a_set_that_no_referral_needs_can_be_emptied() -> None:
    planned = plan_of(referral_of(document={"team": [{"email": "bo.roe@contoso.example"}]}), record_of(team=()))
    assert patched(planned) == [{"/team": []}]


@pytest.mark.parametrize(
    ("row", "named"),
    [(Solution("", "Contoso Backup"), "the row 'Contoso Backup'"), (Solution(" ", ""), "a row without a name")],
)
def test_a_row_without_an_identifier_is_refused_by_its_name(row: Solution, named: str) -> None:
    record = Record(RecordKind.OPPORTUNITY, "1", None, AGREED_AT, CrmStage.ACTIVE, {"@solutions": (SUPPLY, row)})
    with pytest.raises(Rejected, match="without a solution identifier") as refused:
        view_record(record, OPPORTUNITIES)
    assert (
        refused.value.message
        == f"Microsoft Partner Center Solutions in the CRM has {named} without a solution identifier"
    )
    assert refused.value.remedy


def test_of_two_rows_of_one_identifier_the_last_counts() -> None:
    convert = OPPORTUNITIES.field("solutions").convert
    assert convert.from_crm((SUPPLY, VAULT, replace(SUPPLY, id="sol-34104-ebb", quantity=9))) == (
        replace(SUPPLY, id="sol-34104-ebb", quantity=9),
        VAULT,
    )
