"""Events of Microsoft's side: what they bring, what they cost, and what is done where it cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from shared.domain.errors import ConfigurationError, NotFound, RetryLater
from shared.state.queues import REFERRAL_EVENTS, RELATED_REFERRAL_EVENTS
from shared.sync.deals import why_not_taken_in
from shared.sync.outcome import Result
from shared.sync.polls import Watch, heal
from shared.sync.related import bring_related
from tests.property.world import World
from tests.unit.sync.test_solutions import Cursors, Sent

ACCEPTED = {"status": "Active", "substatus": "Accepted"}
EVE = {"firstName": "Eve", "lastName": "Stone", "email": "eve.stone@microsoft.example"}
TOLD = "Microsoft accepted; Microsoft's team: 1 person."


class Deal:
    """A deal that was shared with Microsoft from the CRM, all in step; the calls made so far are forgotten."""

    def __init__(self, overlay: Mapping[str, Any] | None = None) -> None:
        self.world = World(overlay=overlay)
        self.record_id = self.world.opportunity(help="Proof of concept or demo")
        self.world.record_changed(self.record_id)
        documents = [self.world.partner_center.peek(one) for one in self.world.partner_center.ids()]
        self.ours, self.theirs = (
            one["id"] for one in sorted(documents, key=lambda one: one["organizationId"] == "msft")
        )
        self.world.settle()
        self.world.partner_center.calls.clear()
        self.world.crm.calls.clear()

    def microsoft_accepts(self, crm_id: str | None = "7-3FGH2JKLMN") -> None:
        tracking = {"trackingInfo.microsoftMsxId": crm_id}
        self.world.partner_center.edit(self.theirs, {**ACCEPTED, "team": [EVE], **tracking})
        if crm_id:
            self.world.partner_center.edit(self.ours, tracking)

    def bring(self) -> Any:
        return bring_related(self.world.sides, self.theirs)

    def audit(self) -> list[str]:
        return [line[19:] for line in self.world.audit(self.record_id)]

    @property
    def crm_id(self) -> Any:
        column = self.world.record_mapping.columns.microsoft_crm_id
        return self.world.crm.peek(self.record_id).values[column]

    def forget_microsofts_id(self) -> None:
        """As with deals of Microsoft's own connector, or where Partner Center did not answer with the id."""
        (link_id, link), *_ = self.world.links.links.items()
        self.world.links.links[link_id] = replace(link, microsoft_referral_id="msft")


def test_the_echo_of_our_own_invitation_is_one_call_and_no_write() -> None:
    deal = Deal()
    assert deal.bring().result is Result.UNCHANGED
    assert deal.world.partner_center.calls == Counter(list=1)
    assert deal.world.crm.calls == Counter()


def test_an_acceptance_is_told_once_for_two_calls_and_one_write() -> None:
    deal = Deal()
    deal.microsoft_accepts()
    outcome = deal.bring()
    assert outcome.result is Result.SYNCED
    assert deal.crm_id == "7-3FGH2JKLMN"
    assert TOLD in deal.audit()
    assert "Eve" not in str(deal.audit())
    assert "Eve" not in outcome.message
    assert deal.world.partner_center.calls == Counter(list=1, get=1)
    assert deal.world.crm.calls == Counter(update=1)
    before = deal.audit()
    assert deal.bring().result is Result.UNCHANGED
    deal.world.settle()
    assert deal.audit() == before


def test_an_answer_that_changes_nothing_on_our_side_is_told_too() -> None:
    deal = Deal()
    deal.microsoft_accepts(None)
    assert deal.bring().message == TOLD
    assert deal.audit()[0] == TOLD
    deal.world.partner_center.edit(deal.theirs, {"team": [EVE, {"email": "sam.hill@microsoft.example"}]})
    assert deal.bring().message == "Microsoft accepted; Microsoft's team: 2 people."


def test_the_answer_stays_told_when_our_own_side_changes_afterwards() -> None:
    deal = Deal()
    deal.microsoft_accepts()
    deal.bring()
    deal.world.partner_center.edit(deal.ours, {"details.notes": "Newer"})
    deal.world.referral_changed(deal.ours)
    deal.world.crm.edit(deal.record_id, {"estimatedvalue": None})
    deal.world.record_changed(deal.record_id)
    assert deal.bring().result is Result.UNCHANGED
    assert deal.audit().count(TOLD) == 1


def test_a_deal_whose_link_does_not_know_microsofts_referral_learns_it() -> None:
    deal = Deal()
    deal.forget_microsofts_id()
    deal.microsoft_accepts()
    deal.bring()
    assert TOLD in deal.audit()
    assert deal.world.partner_center.calls == Counter(get=2, list=1)
    link = deal.world.links.find_by_referral(deal.theirs)
    assert link is not None
    assert link.referral_id == deal.ours


@pytest.mark.parametrize(
    "error", [NotFound("no"), ConfigurationError("no", code="forbidden")], ids=["not-found", "forbidden"]
)
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_where_microsofts_side_cannot_be_read_our_own_is_brought(error: Any, known: bool) -> None:
    deal = Deal()
    if not known:
        deal.forget_microsofts_id()
    deal.microsoft_accepts()
    hide(deal, error)
    assert deal.bring().result is Result.SYNCED
    assert deal.crm_id == "7-3FGH2JKLMN"
    assert deal.bring().result in (Result.UNCHANGED, Result.IGNORED)


def hide(deal: Deal, error: Any) -> None:
    """Neither the list of the engagement nor a read by id shows Microsoft's side any more."""
    partner_center = deal.world.partner_center
    get, of_engagement = partner_center.get, partner_center.of_engagement

    def hidden(referral_id: str) -> dict[str, Any]:
        if referral_id == deal.theirs:
            raise error
        return get(referral_id)

    partner_center.get = hidden  # type: ignore[method-assign]
    partner_center.of_engagement = lambda engagement_id: [  # type: ignore[method-assign]
        one for one in of_engagement(engagement_id) if one["id"] != deal.theirs
    ]


def test_nothing_found_is_said_and_is_no_failure() -> None:
    deal = Deal()
    deal.forget_microsofts_id()
    deal.microsoft_accepts(None)
    hide(deal, NotFound("no"))
    outcome = deal.bring()
    assert outcome.result is Result.IGNORED
    assert "none of our own referrals shows a change" in outcome.message


@pytest.mark.parametrize("error", [RetryLater("away"), ConfigurationError("no consent", code="sign_in")])
def test_an_error_that_says_nothing_of_the_referral_is_not_taken_for_one_that_does(error: Any) -> None:
    deal = Deal()
    deal.forget_microsofts_id()
    deal.world.partner_center.fail_next(error)
    with pytest.raises(type(error)):
        deal.bring()


def test_a_deal_that_is_new_to_the_crm_is_told_of_microsofts_side_at_once() -> None:
    world = World()
    ours = world.incoming(**ACCEPTED, engagementId="e-1")
    theirs = world.incoming(**ACCEPTED, engagementId="e-1", organizationId="msft", team=[EVE])
    assert bring_related(world.sides, theirs).result is Result.CREATED
    (record_id,) = world.crm.ids()
    assert [line[19:] for line in world.audit(record_id)] == [TOLD, "Partner Center Referral to CRM sync success."]
    assert bring_related(world.sides, theirs).result is Result.UNCHANGED
    assert bring_related(world.sides, ours).result is Result.UNCHANGED


def test_columns_of_the_partners_own_are_filled() -> None:
    columns = {"microsoft_status": "new_status", "microsoft_team": "new_team"}
    deal = Deal({"records": {"opportunity": {"columns": columns}}})
    deal.microsoft_accepts()
    deal.bring()
    values = deal.world.crm.peek(deal.record_id).values
    assert (values["new_status"], values["new_team"]) == ("Accepted", "Eve Stone")
    deal.world.partner_center.edit(deal.ours, {"details.notes": "Newer"})
    deal.world.referral_changed(deal.ours)
    deal.world.partner_center.edit(deal.theirs, {"status": "Closed", "substatus": "Lost", "team": []})
    deal.bring()
    values = deal.world.crm.peek(deal.record_id).values
    assert (values["new_status"], values["new_team"]) == ("Lost", None)
    assert not any("changed on both sides" in line for line in deal.audit())


def heal_deal(deal: Deal) -> list[tuple[str, str]]:
    sent = Sent()
    world = deal.world
    links: Any = world.links
    links.all = lambda status=None: iter(())
    cursors: dict[str, str] = {}
    watch = Watch(world.partner_center, world.crm, links, Cursors(cursors), sent, lambda: world.now, lambda: "c")
    heal(watch, partial(why_not_taken_in, world.sides))
    return [(queue, envelope.id) for queue, envelope in sent.envelopes]


def test_auto_heal_sees_a_change_of_microsofts_side_alone_where_it_is_listed() -> None:
    deal = Deal()
    assert heal_deal(deal) == []
    deal.microsoft_accepts(None)
    assert heal_deal(deal) == [(RELATED_REFERRAL_EVENTS, deal.theirs)]
    deal.bring()
    assert heal_deal(deal) == []


def test_auto_heal_sees_our_own_side_change_where_microsofts_is_not_listed() -> None:
    deal = Deal()
    updated_since = deal.world.partner_center.updated_since
    deal.world.partner_center.updated_since = lambda since: iter(  # type: ignore[method-assign]
        [[one for one in page if one["organizationId"] != "msft"] for page in updated_since(since)]
    )
    deal.microsoft_accepts()
    assert heal_deal(deal) == [(REFERRAL_EVENTS, deal.ours)]
    deal.world.referral_changed(deal.ours)
    assert deal.crm_id == "7-3FGH2JKLMN"
    assert heal_deal(deal) == []
