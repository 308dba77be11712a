"""What a seller reads when an opportunity cannot be shared yet: all of it at once, by the names the CRM shows."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import Rejected
from shared.domain.record import CrmStage
from shared.sync.failures import tell_failure
from shared.sync.outcome import Result
from tests.property.world import World

STREET = "Account street 1: Enter the street on the customer's account."
VALUE = "Est. revenue: Enter the deal value; with revenue calculated by the system, add products with a price."
SOLUTIONS = "Microsoft Partner Center Solutions: Add at least one row under Microsoft Partner Center Solutions."
ATLANTIS = (
    "Account country or region in the CRM is 'Atlantis', which is no country's name or ISO 3166 code. "
    "Enter the country on the customer's account, best as its two-letter ISO code."
)


def told(world: World, record_id: str) -> list[str]:
    """The audit lines on the record, newest first and without their times, once the failure has been told."""
    with pytest.raises(Rejected) as refused:
        world.record_changed(record_id)
    tell_failure(world.sides, "opportunity", record_id, refused.value.code, str(refused.value), world.now)
    return [line.partition(" - ")[2] for line in world.audit(record_id)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"customer_country": "Atlantis"}, [ATLANTIS]),
        (
            {
                "customer_country": "Atlantis",
                "customer_address_line_1": None,
                "deal_value": None,
                "solutions": (),
            },
            [VALUE, STREET, ATLANTIS, SOLUTIONS],
        ),
    ],
    ids=["wrong", "wrong and missing"],
)
def test_what_is_missing_and_what_is_wrong_are_one_line_with_the_remedies(
    wrong: dict[str, Any], said: list[str]
) -> None:
    world = World()
    record_id = world.opportunity(**wrong)
    expected = f"The opportunity cannot be shared yet. {' '.join(said)} [incomplete]"
    assert told(world, record_id) == [f"CRM to Partner Center Referral sync failed: {expected}"]
    assert world.record(record_id, "name") == "❌ Northwind: data platform"
    assert world.partner_center.ids() == ()


@pytest.mark.parametrize("country", ["DE", "de", "DEU", "Germany", " germany ", "Federal Republic of Germany"])
def test_a_country_is_understood_by_its_code_or_english_name(country: str) -> None:
    world = World()
    assert world.record_changed(world.opportunity(customer_country=country)).result is Result.CREATED
    (referral_id,) = world.partner_center.ids()
    assert world.partner_center.peek(referral_id)["customerProfile"]["address"]["country"] == "DE"


def test_a_wrong_value_does_not_matter_on_a_record_that_is_not_to_be_shared() -> None:
    world = World()
    off = {world.record_mapping.columns.sync: False}
    record_id = world.opportunity(stage=CrmStage.ACTIVE, customer_country="Atlantis", **off)
    assert world.record_changed(record_id).result is Result.IGNORED


def test_a_dry_run_tells_what_would_keep_a_record_from_being_shared() -> None:
    world = World(dry_run=True)
    outcome = world.record_changed(world.opportunity(customer_country="Atlantis", solutions=()))
    assert outcome.result is Result.DRY_RUN
    assert outcome.message == (
        f"Dry run: would create no referral. The opportunity cannot be shared yet. {ATLANTIS} {SOLUTIONS}"
    )
    assert "would create a referral" in world.record_changed(world.opportunity()).message
    assert world.writes() == 0


def test_an_unknown_currency_is_named_with_those_that_the_crm_has() -> None:
    world = World()
    referral_id = world.incoming()
    world.partner_center.edit(referral_id, {"details.currency": "BRL"})
    with pytest.raises(Rejected) as refused:
        world.referral_changed(referral_id)
    assert refused.value.code == "unknown_currency"
    assert "BRL" in refused.value.message
    assert "EUR" in refused.value.message
    assert refused.value.remedy == "Add the currency BRL to the CRM, or correct it in Partner Center."
    assert world.crm.ids() == ()
