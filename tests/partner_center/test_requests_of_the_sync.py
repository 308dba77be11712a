"""Every request that the sync makes of Partner Center, held to Microsoft's own description of the API."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import requests

from sandbox.entra import EntraSimulator
from sandbox.partner_center import PartnerCenterSimulator
from shared.domain.record import CrmStage, RecordKind, StageChange
from shared.domain.values import Person
from shared.partner_center.answers import CORRELATION_HEADER, SERVICE, partner_center_error
from shared.partner_center.client import Referrals
from shared.sync.deals import bring_record, bring_referral
from shared.transport import Transport
from tests.partner_center.conftest import AudienceTokens
from tests.property.world import World, incoming_referral
from tests.swagger import ReferralSwagger


@dataclass
class Recorder(requests.Session):
    """Sends as it is told, and keeps what was sent."""

    sent: list[requests.PreparedRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        self.sent.append(request)
        return super().send(request, **options)


def test_what_the_sync_sends_is_what_microsoft_describes(
    entra: EntraSimulator, partner_center: PartnerCenterSimulator, partner_center_url: str
) -> None:
    swagger, recorder, world = ReferralSwagger.load(), Recorder(), World()
    transport = Transport(
        SERVICE,
        AudienceTokens(entra, "https://api.partner.microsoft.com"),
        read_error=partner_center_error,
        correlation_header=CORRELATION_HEADER,
        session=recorder,
    )
    referrals = Referrals(transport, f"{partner_center_url}/v1.0/engagements")
    sides = replace(world.sides, referrals=referrals)

    def record_changed(record_id: str) -> None:
        bring_record(sides, RecordKind.OPPORTUNITY, record_id)

    # A referral comes in, is accepted, edited in every field that travels, and won.
    referral_id = partner_center.people.add_referral(incoming_referral())["id"]
    bring_referral(sides, referral_id)
    taken_in = world.crm.ids()[0]
    world.crm.edit(taken_in, {}, StageChange(CrmStage.ACTIVE))
    record_changed(taken_in)
    world.crm.edit(
        taken_in,
        {
            "estimatedvalue": world.record(taken_in, "deal_value") + 1,
            "estimatedclosedate": world.record(taken_in, "closing_date") + timedelta(days=1),
            "transactioncurrencyid": "USD",
            "description": "Other notes,\nin two lines",
            "@contacts": (Person("Noa", "Roth", "+44 113 496 0001", "noa.roth@fabrikam.example"),),
            "@team": (Person("Bo", "Roe", "+1 206 555 0111", "bo.roe@contoso.example"),),
            "@solutions": world.record(taken_in, "solutions") * 1,
        },
    )
    record_changed(taken_in)
    world.crm.edit(taken_in, {}, StageChange(CrmStage.WON))
    record_changed(taken_in)
    # Opportunities are shared: without help, then with; one is declined.
    shared = world.opportunity()
    record_changed(shared)
    world.crm.edit(shared, {"msft_microsoftpartnercenterhelp": "General or other"})
    record_changed(shared)
    declined = partner_center.people.add_referral(incoming_referral())["id"]
    bring_referral(sides, declined)
    world.crm.edit(world.links.find_by_referral(declined).record_id, {}, StageChange(CrmStage.LOST, "No budget"))  # type: ignore[union-attr]
    bring_record(sides, RecordKind.OPPORTUNITY, str(world.links.find_by_referral(declined).record_id))  # type: ignore[union-attr]
    # What auto-heal and a repeat after an unknown outcome look for.
    list(referrals.updated_since(world.now - timedelta(days=1)))
    referrals.created_for(shared, world.now - timedelta(days=1))
    transport.close()
    recorder.close()

    for request in recorder.sent:
        body = json.loads(request.body) if request.body else None
        swagger.check_request(str(request.method), str(request.url), request.headers, body)
    methods = Counter(request.method for request in recorder.sent)
    assert methods["POST"] == 2
    assert methods["PATCH"] >= 5
    assert methods["GET"] >= 5
