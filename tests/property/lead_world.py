"""A world in which leads come in."""

from __future__ import annotations

from typing import Any

from shared.domain.record import RecordKind
from shared.sync.deals import bring_record
from shared.sync.outcome import Outcome
from tests.property.world import World

LEAD = {
    "name": "Adventure Works: free trial",
    "type": "Independent",
    "qualification": "Direct",
    "consent": {"consentToContact": True},
}
ACCEPTED = {"status": "Active", "substatus": "Accepted"}
WON = {"status": "Closed", "substatus": "Won"}


class LeadWorld(World):
    def __init__(self, **settings: Any) -> None:
        super().__init__(cosell_only=False, **settings)
        self.lead_mapping = self.mapping.records[RecordKind.LEAD]

    def incoming_lead(self, **changes: Any) -> str:
        return self.incoming(**{**LEAD, **changes})

    def taken_in(self, **changes: Any) -> tuple[str, str]:
        """A lead that came in, and its record; both ids."""
        referral_id = self.incoming_lead(**changes)
        self.referral_changed(referral_id)
        return referral_id, self.crm.ids(RecordKind.LEAD)[-1]

    def lead_changed(self, lead_id: str) -> Outcome:
        return bring_record(self.sides, RecordKind.LEAD, lead_id)

    def lead_value(self, lead_id: str, name: str) -> Any:
        return self.crm.peek(lead_id).values.get(self.lead_mapping.field(name).crm)

    def lead_audit(self, lead_id: str) -> list[str]:
        """Newest first, without their times."""
        audit = str(self.crm.peek(lead_id).values.get(self.lead_mapping.columns.audit) or "")
        return [line.partition(" - ")[2] for line in audit.split("\n")]

    def opportunities(self) -> tuple[str, ...]:
        return self.crm.ids(RecordKind.OPPORTUNITY)

    def settle(self) -> int:
        """As in every world, and leads too."""
        for rounds in range(1, 8):
            before = self.writes()
            for referral_id in self.partner_center.ids():
                self.referral_changed(referral_id)
            for lead_id in self.crm.ids(RecordKind.LEAD):
                self.lead_changed(lead_id)
            for record_id in self.opportunities():
                self.record_changed(record_id)
            if self.writes() == before:
                return rounds
        raise AssertionError("the two sides never come to rest")

    def writes(self) -> int:
        return super().writes() + self.crm.calls["qualify"]
