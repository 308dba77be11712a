"""What the CRM cannot hold is neither lost elsewhere nor written again and again."""

from __future__ import annotations

from decimal import Decimal

from tests.property.world import NOTES_LIMIT, World

LONG = "A paragraph about the warehouse. " * 10


def accepted(**details: object) -> tuple[World, str, str]:
    world = World()
    referral_id = world.incoming(status="Active", substatus="Accepted")
    world.partner_center.edit(referral_id, {f"details.{name}": value for name, value in details.items()})
    world.referral_changed(referral_id)
    return world, referral_id, world.crm.ids()[0]


def test_a_currency_with_fewer_decimals_does_not_cost_the_cents() -> None:
    world, referral_id, record_id = accepted(dealValue=0.01)
    world.crm.edit(record_id, {"transactioncurrencyid": "JPY"})
    world.settle()
    assert world.record(record_id, "deal_value") == 0
    world.partner_center.edit(referral_id, {"details.currency": "EUR"})
    world.settle()
    assert world.record(record_id, "deal_value") == Decimal("0.01")
    assert world.partner_center.peek(referral_id)["details"]["dealValue"] == 0.01


def test_an_edit_in_the_crm_keeps_the_text_beyond_its_limit() -> None:
    world, referral_id, record_id = accepted(notes=LONG)
    held = world.record(record_id, "notes")
    assert len(held) <= NOTES_LIMIT
    world.crm.edit(record_id, {"description": "Changed. " + held[:40]})
    world.settle()
    notes = world.partner_center.peek(referral_id)["details"]["notes"]
    assert notes.startswith("Changed. A paragraph")
    assert notes.endswith(LONG.strip()[len(held) :])
    assert notes.startswith(world.record(record_id, "notes"))
