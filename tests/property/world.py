"""Both sides in memory with the real sync between them, and a clock that only moves when told."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared.domain.mapping import CrmMapping
from shared.domain.overlay import build_mapping
from shared.domain.plan import Rules
from shared.domain.record import CrmStage, RecordKind
from shared.domain.values import Person, Solution
from shared.sync.deals import bring_record, bring_referral
from shared.sync.outcome import Outcome
from shared.sync.sides import Sides
from tests.contract.memory_crm import MemoryCrm
from tests.property.memory_links import MemoryLinks, MemoryLocks
from tests.property.memory_partner_center import MemoryPartnerCenter

MAPPING_FILE = Path(__file__).parents[2] / "shared" / "mappings" / "dynamics365.toml"
NAME_LIMIT, NOTES_LIMIT = 60, 80


def load_mapping(overlay: Mapping[str, Any] | None = None) -> CrmMapping:
    return build_mapping(tomllib.loads(MAPPING_FILE.read_text(encoding="utf-8")), overlay)


class NoBrake:
    """Lets every deal pass; the brake itself has tests of its own."""

    def check(self, link_id: str) -> None:
        pass

    def release(self) -> None:
        pass


class World:
    """``person`` edits are followed by ``step``: the sync of one referral or record, as a trigger would start it."""

    def __init__(self, *, optimistic_lock: bool = True, overlay: Mapping[str, Any] | None = None, **settings: Any):
        self.now = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
        self.mapping = load_mapping(overlay)
        self.record_mapping = self.mapping.records[RecordKind.OPPORTUNITY]
        self.partner_center = MemoryPartnerCenter(self._tick)
        self.crm = MemoryCrm(
            self.mapping,
            max_lengths={
                "name": NAME_LIMIT,
                "description": NOTES_LIMIT,
                self.record_mapping.columns.audit: 2000,
            },
            optimistic_lock=optimistic_lock,
            clock=self._tick,
        )
        display_check_mark = settings.pop("display_check_mark", True)
        catalogues = {kind: self.crm.catalogue(kind) for kind in self.mapping.records}
        self.all_rules = {
            kind: Rules(display_check_mark, catalogue.limits, catalogue.currencies)
            for kind, catalogue in catalogues.items()
        }
        self.rules = self.all_rules[RecordKind.OPPORTUNITY]
        self.links = MemoryLinks()
        self.sides = Sides(
            self.partner_center,
            self.crm,
            self.links,
            self.mapping,
            self.all_rules.__getitem__,
            self._tick,
            settings.pop("brake", NoBrake()),
            MemoryLocks(),
            **settings,
        )

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def incoming(self, **changes: Any) -> str:
        """A referral from Microsoft; its id."""
        return self.partner_center.add(incoming_referral(**changes))

    def opportunity(self, *, stage: CrmStage = CrmStage.ACTIVE, **changes: Any) -> str:
        """An opportunity that a seller wants to share; its id. ``changes`` are by field name, or by CRM path."""
        values = opportunity_values(self.record_mapping.columns.sync)
        for name, value in changes.items():
            values[self.record_mapping.field(name).crm if self.record_mapping.has(name) else name] = value
        return self.crm.add(values, stage=stage)

    def referral_changed(self, referral_id: str) -> Outcome:
        return bring_referral(self.sides, referral_id)

    def record_changed(self, record_id: str) -> Outcome:
        return bring_record(self.sides, RecordKind.OPPORTUNITY, record_id)

    def settle(self) -> int:
        """Heals everything, both ways, until nothing is written any more; the number of rounds that took."""
        for rounds in range(1, 8):
            before = self.writes()
            for referral_id in self.partner_center.ids():
                self.referral_changed(referral_id)
            for record_id in self.crm.ids():
                self.record_changed(record_id)
            if self.writes() == before:
                return rounds
        raise AssertionError("the two sides never come to rest")

    def writes(self) -> int:
        theirs, ours = self.partner_center.calls, self.crm.calls
        return theirs["patch"] + theirs["create"] + ours["create"] + ours["update"]

    def record(self, record_id: str, name: str) -> Any:
        """A field of the record, by its name in the mapping."""
        return self.crm.peek(record_id).values.get(self.record_mapping.field(name).crm)

    def audit(self, record_id: str) -> list[str]:
        return str(self.crm.peek(record_id).values.get(self.record_mapping.columns.audit) or "").split("\n")


def incoming_referral(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Fabrikam: supply chain on Azure",
        "type": "Shared",
        "qualification": "SalesQualified",
        "status": "New",
        "substatus": "Received",
        "customerProfile": {
            "name": "Fabrikam Inc.",
            "address": {
                "addressLine1": "1 Harbour Street",
                "city": "Leeds",
                "state": "",
                "postalCode": "LS1 4AP",
                "country": "GB",
            },
            "team": [
                {
                    "firstName": "Mia",
                    "lastName": "Lund",
                    "phoneNumber": "+44 113 496 0000",
                    "email": "mia.lund@fabrikam.example",
                    "contactPreference": {"locale": "en-gb"},
                }
            ],
        },
        "consent": {"consentToContact": True, "consentToShareReferralWithMicrosoftSellers": True},
        "details": {
            "notes": "First call on Monday.",
            "dealValue": 50000,
            "currency": "EUR",
            "closingDateTime": "2027-01-31T00:00:00Z",
            "requirements": {"solutions": [{"id": "SOL-34104-EBB", "name": "Contoso Supply", "type": "Name"}]},
        },
        "team": [],
        "inviteContext": {"invitedBy": {"organizationId": "msft"}},
        **changes,
    }


def opportunity_values(sync: str) -> dict[str, Any]:
    return {
        sync: True,
        "name": "Northwind: data platform",
        "estimatedvalue": Decimal("120000.50"),
        "transactioncurrencyid": "USD",
        "estimatedclosedate": date(2027, 2, 15),
        "description": "They want to start small.",
        "customerid_account.name": "Northwind Traders",
        "customerid_account.address1_line1": "5 Main Street",
        "customerid_account.address1_city": "Seattle",
        "customerid_account.address1_postalcode": "98101",
        "customerid_account.address1_country": "United States",
        "@contacts": (Person("Ada", "Berg", "+1 206 555 0100", "ada.berg@northwind.example"),),
        "@team": (Person("Bo", "Roe", "+1 206 555 0111", "bo.roe@contoso.example"),),
        "@solutions": (Solution("SOL-34104-EBB", "Contoso Supply"),),
    }
