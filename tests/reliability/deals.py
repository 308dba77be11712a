"""Deals as the scenarios of this folder make them: their ids, and what the app is told of them."""

from __future__ import annotations

from dataclasses import dataclass

from shared.state.queues import CRM_CHANGES, CRM_LEAD_CHANGES, REFERRAL_EVENTS, RELATED_REFERRAL_EVENTS
from tests.end_to_end.scene import Scene
from tests.reliability.crash_world import message
from tests.reliability.warm_worker import Message


@dataclass(frozen=True)
class Deal:
    """``key`` is a word that is in its names and in those of no other deal; ids are ``None`` until they are known."""

    key: str
    referral_id: str | None = None
    record_id: str | None = None
    lead_id: str | None = None

    @property
    def customer(self) -> str:
        return f"Tailspin {self.key}"

    def news_of_referral(self) -> Message:
        assert self.referral_id is not None
        return message(REFERRAL_EVENTS, "referral", self.referral_id)

    def news_of_record(self) -> Message:
        assert self.record_id is not None
        return message(CRM_CHANGES, "opportunity", self.record_id)

    def news_of_lead(self) -> Message:
        assert self.lead_id is not None
        return message(CRM_LEAD_CHANGES, "lead", self.lead_id)

    def webhooks(self, scene: Scene) -> list[Message]:
        """What Partner Center tells of every referral of this deal, our own writes included."""
        ours = [self.referral_id] if self.referral_id else []
        if self.record_id and not ours:
            ours = [one["id"] for one in scene.referrals_of(self.record_id)]
        engagements = {scene.referral(one)["engagementId"] for one in ours}
        theirs = [one["id"] for engagement in engagements for one in scene.microsofts(engagement)]
        return [
            *(message(REFERRAL_EVENTS, "referral", one) for one in ours),
            *(message(RELATED_REFERRAL_EVENTS, "referral", one) for one in theirs),
        ]
