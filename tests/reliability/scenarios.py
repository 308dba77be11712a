"""What can happen to a deal, each as one message to the app: how the deal begins, what people do, who is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.end_to_end.scene import Scene
from tests.end_to_end.seller import PROOF_OF_CONCEPT
from tests.reliability.crash_world import CrashWorld
from tests.reliability.deals import Deal
from tests.reliability.sight import Sight
from tests.reliability.warm_worker import Message

ACCEPTED = {"status": "Active", "substatus": "Accepted"}
Begin = Callable[[CrashWorld, Deal], Deal]
Act = Callable[[CrashWorld, Deal], None]


@dataclass(frozen=True)
class Scenario:
    """``act`` happens to a deal that is in step; without one the deal's beginning is itself what happens.

    ``news`` is the message that the app gets of it. ``calls`` are regular expressions of writes that its work cannot do
    without. At the end ``stage`` is the referral's, and ``microsofts`` how many referrals of Microsoft's there are.
    ``only`` is the CRM that knows such a thing.
    """

    name: str
    begin: Begin
    news: Callable[[Deal], Message]
    act: Act | None = None
    calls: tuple[str, ...] = ()
    stage: str = "Active/Accepted"
    microsofts: int = 0
    only: str = ""


CRMS = ("dynamics365", "salesforce")


def in_each_crm(scenarios: Iterable[Scenario]) -> list[Any]:
    """Test parameters: the CRM, and a scenario that it knows; all of one CRM together."""
    known = [(crm, scenario) for crm in CRMS for scenario in scenarios if scenario.only in ("", crm)]
    return [pytest.param(crm, scenario, id=f"{crm}-{scenario.name.replace(' ', '-')}") for crm, scenario in known]


def ready(world: CrashWorld, scenario: Scenario, count: int) -> list[Deal]:
    """So many new deals to which it has happened, and of which the app has not been told yet."""
    deals = [scenario.begin(world, Deal(world.new_key())) for _ in range(count)]
    if scenario.act is None:
        return deals
    world.deliver(*(deal.news_of_referral() if deal.referral_id else deal.news_of_record() for deal in deals))
    sight = Sight(world)
    deals = [sight.with_lead(deal) if scenario.begin is lead else sight.found(deal) for deal in deals]
    for deal in deals:
        scenario.act(world, deal)
    return deals


def incoming(**changes: Any) -> Begin:
    def begin(world: CrashWorld, deal: Deal) -> Deal:
        values = {"name": f"Plants {deal.key}", "customerProfile__name": deal.customer, **changes}
        return replace(deal, referral_id=world.scene.incoming(**values))

    return begin


def incoming_of_known_customer(world: CrashWorld, deal: Deal) -> Deal:
    world.scene.account(customer_name=deal.customer, customer_postal_code="14202")
    return incoming(**ACCEPTED)(world, deal)


def opportunity(**values: Any) -> Begin:
    def begin(world: CrashWorld, deal: Deal) -> Deal:
        record_id = world.scene.opportunity(
            {"name": f"Toys {deal.key}", **values}, account={"customer_name": deal.customer}
        )
        return replace(deal, record_id=record_id)

    return begin


def lead(world: CrashWorld, deal: Deal) -> Deal:
    values = {"name": f"Shops {deal.key}", "customerProfile__name": deal.customer}
    details = {"details__currency": "USD", "details__dealValue": 9000}
    return replace(deal, referral_id=world.scene.incoming("adventure-works-lead", **values, **details))


def in_referral(**changes: Any) -> Act:
    def act(world: CrashWorld, deal: Deal) -> None:
        world.scene.edit_referral(str(deal.referral_id), **changes)

    return act


def in_crm(**values: Any) -> Act:
    def act(world: CrashWorld, deal: Deal) -> None:
        world.scene.edit_crm(str(deal.record_id), **values)

    return act


def on_both_sides(world: CrashWorld, deal: Deal) -> None:
    in_referral(details__dealValue=310000)(world, deal)
    in_crm(notes="Said in the CRM.")(world, deal)


def of_people(act: Callable[[Scene, Deal], object]) -> Act:
    def acted(world: CrashWorld, deal: Deal) -> None:
        act(world.scene, deal)

    return acted


def qualify(world: CrashWorld, deal: Deal) -> None:
    """A seller qualifies the lead, in Dynamics 365."""
    record_id = world.world.dataverse.qualify(str(deal.lead_id))
    assert record_id is not None
    in_crm(sync=True)(world, replace(deal, record_id=record_id))


FROM_REFERRAL, FROM_RECORD, FROM_LEAD = Deal.news_of_referral, Deal.news_of_record, Deal.news_of_lead
WRITE_CRM = r"POST .*(\$batch|composite)|PATCH /(api/data|services/data)/"
CREATE_REFERRAL, PATCH_REFERRAL = r"POST /v1.0/engagements/referrals$", r"PATCH /v1.0/engagements/referrals/\*"
SAVE_LINK = r"PUT /[^/]+/links\("

CREATES = (
    Scenario(
        "a new referral of a new customer",
        incoming(),
        FROM_REFERRAL,
        calls=(WRITE_CRM, PATCH_REFERRAL, SAVE_LINK),
        stage="New/Received",
    ),
    Scenario(
        "a new referral of a known customer",
        incoming_of_known_customer,
        FROM_REFERRAL,
        calls=(WRITE_CRM, PATCH_REFERRAL, SAVE_LINK),
    ),
    Scenario("an opportunity is shared", opportunity(), FROM_RECORD, calls=(CREATE_REFERRAL, WRITE_CRM, SAVE_LINK)),
    Scenario(
        "an opportunity is shared with help",
        opportunity(help=PROOF_OF_CONCEPT),
        FROM_RECORD,
        calls=(CREATE_REFERRAL, WRITE_CRM, SAVE_LINK),
        microsofts=1,
    ),
    Scenario(
        "help is asked for later",
        opportunity(),
        FROM_RECORD,
        in_crm(help=PROOF_OF_CONCEPT),
        calls=(CREATE_REFERRAL, WRITE_CRM, SAVE_LINK),
        microsofts=1,
    ),
    Scenario(
        "a lead is accepted in Partner Center",
        lead,
        FROM_REFERRAL,
        of_people(lambda scene, deal: scene.people.accept(str(deal.referral_id))),
        calls=(WRITE_CRM, PATCH_REFERRAL, SAVE_LINK),
        only="dynamics365",
    ),
    Scenario(
        "a lead is qualified by a seller",
        lead,
        FROM_LEAD,
        qualify,
        calls=(PATCH_REFERRAL, SAVE_LINK),
        only="dynamics365",
    ),
)

UPDATES = (
    Scenario(
        "an update in Partner Center",
        incoming(**ACCEPTED),
        FROM_REFERRAL,
        in_referral(details__dealValue=310000, details__notes="Said in Partner Center."),
        calls=(WRITE_CRM, SAVE_LINK),
    ),
    Scenario(
        "an update in the CRM",
        incoming(**ACCEPTED),
        FROM_RECORD,
        in_crm(deal_value=310000, notes="Said in the CRM."),
        calls=(PATCH_REFERRAL, WRITE_CRM, SAVE_LINK),
    ),
    Scenario(
        "an update on both sides, the CRM's news first",
        incoming(**ACCEPTED),
        FROM_RECORD,
        on_both_sides,
        calls=(PATCH_REFERRAL, WRITE_CRM, SAVE_LINK),
    ),
    Scenario(
        "an update on both sides, Partner Center's news first",
        incoming(**ACCEPTED),
        FROM_REFERRAL,
        on_both_sides,
        calls=(WRITE_CRM, SAVE_LINK),
    ),
    Scenario(
        "accepted in the CRM",
        incoming(),
        FROM_RECORD,
        in_crm(stage="active"),
        calls=(PATCH_REFERRAL, WRITE_CRM, SAVE_LINK),
    ),
    Scenario(
        "accepted in Partner Center",
        incoming(),
        FROM_REFERRAL,
        of_people(lambda scene, deal: scene.people.accept(str(deal.referral_id))),
        calls=(WRITE_CRM, SAVE_LINK),
    ),
    Scenario(
        "won in the CRM",
        incoming(**ACCEPTED),
        FROM_RECORD,
        of_people(lambda scene, deal: scene.seller.win(str(deal.record_id))),
        calls=(PATCH_REFERRAL, WRITE_CRM, SAVE_LINK),
        stage="Closed/Won",
    ),
    Scenario(
        "lost in Partner Center",
        incoming(**ACCEPTED),
        FROM_REFERRAL,
        of_people(lambda scene, deal: scene.people.close(str(deal.referral_id), "Lost")),
        calls=(WRITE_CRM, SAVE_LINK),
        stage="Closed/Lost",
    ),
)
