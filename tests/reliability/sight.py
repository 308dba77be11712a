"""What is to be seen of deals on both sides and in the connector's books, at one moment."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sandbox.comparison import compare
from shared.domain.link import Link
from shared.domain.record import RecordKind
from tests.reliability.crash_world import CrashWorld
from tests.reliability.deals import Deal

Row = Mapping[str, Any]
TABLES: Mapping[str, Mapping[str, str]] = {
    "dynamics365": {
        "account": "accountid",
        "lead": "leadid",
        "opportunity": "opportunityid",
        "contact": "contactid",
        "msft_microsoftpartnercentersolution": "msft_microsoftpartnercentersolutionid",
    },
    "salesforce": {
        "Account": "Id",
        "Lead": "Id",
        "Opportunity": "Id",
        "Contact": "Id",
        "OpportunityContactRole": "Id",
        "Microsoft_Solutions__c": "Id",
    },
}
"""The tables in which a deal has rows, each after those it refers to, with the column of its ids."""
# Whatever may differ between two deals to which the same happened: how often a row was written, what was told of it,
# ids, names that are numbers, and times.
_VOLATILE = frozenset(
    {"eTag", "etag", "@odata.etag", "versionnumber", "record_version", "audit"}
    | {"msft_microsoftpartnercenterreferralsyncaudit", "Audit__c"}
)
_DIFFERS = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|\b[0a][0-9A-Za-z]{14}[A-Z0-5]{3}\b"
    r"|\bMS-\d{4}\b"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d[0-9:.]*(?:Z|[+-]\d\d:?\d\d)?"
)


class Sight:
    """Both sides as they were when this was made; links as they are when asked for."""

    def __init__(self, world: CrashWorld) -> None:
        self._given_up = dict(world.given_up)
        self._links = world.scene.links
        self._ids = TABLES[world.world.crm.setting]
        self._lead_id = "leadid" if "lead" in self._ids else "Id"
        self.referrals: list[dict[str, Any]] = world.world.partner_center.store.all()
        self.leads = [{**row, "id": row[self._lead_id]} for row in world.scene.seller.leads()]
        self.records = world.scene.seller.records()
        self.opportunities = world.world.crm.opportunities()
        self.rows = {table: world.rows(table) for table in self._ids}

    def found(self, deal: Deal) -> Deal:
        """With the ids of both sides. Fails unless there is exactly one of each."""
        if deal.referral_id is None:
            ours = [one["id"] for one in self.referrals if one["externalReferenceId"] == deal.record_id]
            assert len(ours) == 1, f"{len(ours)} referrals of one opportunity"
            return replace(deal, referral_id=ours[0])
        records = [row["id"] for row in self.records if row["referral_id"] == deal.referral_id]
        assert len(records) == 1, f"{len(records)} opportunities of one referral"
        assert deal.record_id in (None, records[0]), "the referral has gone to another opportunity"
        return replace(deal, record_id=records[0])

    def with_lead(self, deal: Deal) -> Deal:
        """With the id of the lead. Fails unless there is exactly one."""
        leads = [row["id"] for row in self.leads if row["referral_id"] == deal.referral_id]
        assert len(leads) == 1, f"{len(leads)} leads of one referral"
        return replace(deal, lead_id=leads[0])

    def referral(self, deal: Deal) -> dict[str, Any]:
        return next(one for one in self.referrals if one["id"] == deal.referral_id)

    def link(self, deal: Deal) -> Link:
        """The one link, found by either side."""
        assert deal.referral_id is not None
        assert deal.record_id is not None
        link = self._links.find_by_referral(deal.referral_id)
        assert link is not None, "there is no link"
        by_record = self._links.find_by_record(RecordKind.OPPORTUNITY, deal.record_id)
        assert link == by_record, "the opportunity has another link than the referral, or none"
        return link

    def picture(self, deal: Deal) -> dict[str, Any]:
        """Everything there is of a whole deal, without what differs between two that met the same fate.

        Fails unless both sides agree field by field, the link says so, and the opportunity tells of a success.
        """
        deal = self.found(deal)
        given_up = [self._given_up[one] for one in (deal.referral_id, deal.record_id) if one in self._given_up]
        assert not given_up, f"given up: {given_up}"
        self._assert_sides_agree(deal)
        link = self.link(deal)
        assert (link.referral_id, link.record_id) == (deal.referral_id, deal.record_id)
        assert (link.intent, link.failure, link.status_reason) == (None, None, "")
        self._assert_success_is_told(deal)
        referral = self.referral(deal)
        engagement = [one for one in self.referrals if one["engagementId"] == referral["engagementId"]]
        shown = {
            "referral": referral,
            "microsoft": [one for one in engagement if one["organizationId"] == "msft"],
            "link": {"status": link.status, "kind": link.kind, "base": link.base},
            "knows Microsoft": link.microsoft_referral_id is not None,
            "crm": self.in_crm(deal),
        }
        text = json.dumps(_lasting(shown), default=str).replace(deal.key, "*")
        told: dict[str, Any] = json.loads(_DIFFERS.sub("*", text))
        return told

    def in_crm(self, deal: Deal) -> dict[str, list[Row]]:
        """The opportunity's row, and every row of every table that is of its customer or under it."""
        ids = {deal.record_id, deal.lead_id} - {None}
        found: dict[str, list[Row]] = {}
        for table, id_column in self._ids.items():
            texts = [({value for value in row.values() if isinstance(value, str)}, row) for row in self.rows[table]]
            found[table] = [row for values, row in texts if deal.customer in values or ids & values]
            ids |= {row[id_column] for row in found[table]}
        return found

    def _assert_sides_agree(self, deal: Deal) -> None:
        rows = [row for row in self.opportunities if row.id == deal.record_id]
        # What began as a lead still says so in Partner Center; a deal is compared.
        referral = {**self.referral(deal), "type": "Shared"}
        differ = [one for one in compare([referral], rows) if not one.agrees]
        assert not differ, "; ".join(
            f"{one.field}: {one.partner_center!r} in Partner Center, {one.crm!r} in the CRM" for one in differ
        )

    def _assert_success_is_told(self, deal: Deal) -> None:
        row = next(row for row in self.records if row["id"] == deal.record_id)
        lines = [line.partition(" - ")[2] for line in (row["audit"] or "").splitlines()]
        assert lines, "the opportunity's audit field is empty"
        assert "sync success" in lines[0], lines[0]
        assert not [line for line in lines if "fail" in line or "both sides" in line], lines


def _lasting(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _lasting(one) for name, one in value.items() if name not in _VOLATILE}
    if isinstance(value, list):
        return sorted((_lasting(one) for one in value), key=str)
    return value
