"""The main job, played for everyone to see: referrals in, opportunities out, edits on both sides, deals won."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.comparison import Difference, compare, is_deal, table, title
from sandbox.crms import Opportunity
from sandbox.narrator import Narrator, TookTooLong
from sandbox.world import World

DOCUMENTS = Path(__file__).parent / "documents"
PARTNER_CENTER = "Partner Center"
Document = Mapping[str, Any]


def read_documents(paths: Iterable[Path]) -> list[Document]:
    """Referrals from JSON files, or folders of them; an answer to a list counts as all that it lists.

    Raises ``ValueError`` naming the file that is none.
    """
    found: list[Document] = []
    for path in paths:
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            try:
                document = json.loads(file.read_text(encoding="utf-8"))
                found += document.get("value", [document])
            except (OSError, ValueError, AttributeError) as problem:
                raise ValueError(f"{file} holds no referral: {problem}") from problem
    return found


class Demo:
    """Plays scene after scene on a running world; each returns when both sides show what it was about."""

    def __init__(self, world: World, narrator: Narrator) -> None:
        self._world = world
        self._tell = narrator
        self._people = world.partner_center.people
        self._crm = world.crm

    def play(self, documents: list[Document]) -> None:
        deals = self._referrals_arrive(documents)
        if len(deals) > 1:
            self._seller_declines(deals[-1])
        if deals:
            self._seller_accepts(deals[0])
            self._both_sides_edit(deals[0])
            self._deal_is_won(deals[0])
        self._seller_shares_an_opportunity()

    def _referrals_arrive(self, documents: list[Document]) -> list[str]:
        """The ids of those that became opportunities."""
        self._tell.heading(f"Microsoft sends {len(documents)} referrals")
        deals: list[str] = []
        leads: list[str] = []
        for document in documents:
            referral = self._people.add_referral(_as_new(document))
            details = referral.get("details") or {}
            value = details.get("dealValue")
            worth = f"{value:,} {details.get('currency', '')}" if value is not None else "no value yet"
            self._tell.say(PARTNER_CENTER, f"new referral: {title(referral)}, {worth}")
            (deals if is_deal(referral) else leads).append(referral["id"])
        for referral_id in deals:
            row = self._tell.wait_for("an opportunity for each referral", partial(self._row, referral_id))
            self._tell.say(self._crm.name, f"new opportunity, on hold: {row.shown_name}")
        for referral_id in leads:
            name = title(self._referral(referral_id))
            self._tell.say(self._crm.name, f"nothing for the lead {name}: SYNC_COSELL_OPPORTUNITIES_ONLY is yes")
        return deals

    def _seller_accepts(self, referral_id: str) -> None:
        row = self._row_of(referral_id)
        self._tell.heading("A seller takes a deal off hold, which accepts it")
        self._crm.take_off_hold(row.id)
        self._tell.say(self._crm.name, f"off hold: {row.shown_name}")
        self._tell.timed(PARTNER_CENTER, "Active/Accepted", lambda: self._stands(referral_id, "Accepted"))

    def _seller_declines(self, referral_id: str) -> None:
        row = self._row_of(referral_id)
        self._tell.heading("A seller closes a deal as lost while it is on hold, which declines it")
        self._crm.lose(row.id)
        self._tell.say(self._crm.name, f"lost: {row.shown_name}")
        self._tell.timed(PARTNER_CENTER, "Closed/Declined", lambda: self._stands(referral_id, "Declined"))

    def _both_sides_edit(self, referral_id: str) -> None:
        row = self._row_of(referral_id)
        self._tell.heading("Both sides edit the same deal at once")
        self._crm.change_value(row.id, 265000.5)
        self._tell.say(self._crm.name, f"the deal value is now 265,000.50: {row.shown_name}")
        self._people.edit_referral(referral_id, {"/details/closingDateTime": "2027-05-31T00:00:00Z"})
        self._tell.say(PARTNER_CENTER, "closing date is now 2027-05-31")

        def merged() -> bool:
            details, now = self._referral(referral_id)["details"], self._row_of(referral_id)
            return bool(details["dealValue"] == 265000.5 and now.closing_date == "2027-05-31")

        self._tell.timed("both", "hold both edits", merged)

    def _deal_is_won(self, referral_id: str) -> None:
        row = self._row_of(referral_id)
        self._tell.heading("The deal is won")
        self._crm.win(row.id)
        self._tell.say(self._crm.name, f"won: {row.shown_name}")
        self._tell.timed(PARTNER_CENTER, "Closed/Won", lambda: self._stands(referral_id, "Won"))

    def _seller_shares_an_opportunity(self) -> None:
        self._tell.heading("A seller shares an opportunity of his own and asks Microsoft for help")
        opportunity_id = self._crm.enter_opportunity()
        self._tell.say(
            self._crm.name, "Sync with Partner Center = Yes, help = Proof of concept or demo: Tailspin data platform"
        )
        referral = self._tell.timed(PARTNER_CENTER, "has the referral", lambda: self._shared_as(opportunity_id))
        engagement_id = referral["engagementId"]
        self._tell.timed(PARTNER_CENTER, "has Microsoft's side of it", lambda: self._microsofts_side(engagement_id))
        self._tell.timed(
            self._crm.name,
            "shows the referral's id, link and the check mark",
            lambda: self._opportunity(opportunity_id).shown_name.startswith("✔"),
        )
        self._people.microsoft_accepts(engagement_id, "7-3KDL2N4ABC")
        self._tell.say(PARTNER_CENTER, "a Microsoft seller accepts; Microsoft's CRM id is 7-3KDL2N4ABC")
        self._tell.timed(
            self._crm.name,
            "shows Microsoft's CRM id",
            lambda: self._opportunity(opportunity_id).microsoft_crm_id == "7-3KDL2N4ABC",
        )

    def both_sides(self) -> list[Difference]:
        """Every field of every deal on both sides, right now."""
        return compare(self._all_referrals(), self._crm.opportunities())

    def show_agreement(self) -> bool:
        """Waits for the last edits to arrive, then prints the table; whether every field of every deal agrees."""
        self._tell.heading("Both sides, field by field")

        def agreed() -> list[Difference] | None:
            now = self.both_sides()
            return now if now and all(one.agrees for one in now) else None

        try:
            found = self._tell.wait_for("both sides to agree", agreed, deadline_s=15)
        except TookTooLong:
            found = self.both_sides()
        self._tell.plain(table(found, self._crm.name))
        wrong = [one for one in found if not one.agrees]
        deals = len({one.deal for one in found})
        summary = f"{deals} deals, {len(found)} fields compared, {len(wrong)} differ"
        self._tell.plain()
        self._tell.say("wrong" if wrong else "ok", summary)
        return not wrong

    def _all_referrals(self) -> list[Document]:
        return list(self._world.partner_center.store.all())

    def _referral(self, referral_id: str) -> Document:
        return next(one for one in self._all_referrals() if one["id"] == referral_id)

    def _row(self, referral_id: str) -> Opportunity | None:
        return next((row for row in self._crm.opportunities() if row.referral_id == referral_id), None)

    def _row_of(self, referral_id: str) -> Opportunity:
        row = self._row(referral_id)
        if row is None:
            raise RuntimeError(f"the opportunity of referral {referral_id} is gone")
        return row

    def _opportunity(self, opportunity_id: str) -> Opportunity:
        return next(row for row in self._crm.opportunities() if row.id == opportunity_id)

    def _stands(self, referral_id: str, substatus: str) -> bool:
        return bool(self._referral(referral_id)["substatus"] == substatus)

    def _shared_as(self, opportunity_id: str) -> Document | None:
        ours = (one for one in self._all_referrals() if one["organizationId"] != "msft")
        return next((one for one in ours if one.get("externalReferenceId") == opportunity_id), None)

    def _microsofts_side(self, engagement_id: str) -> Document | None:
        theirs = (one for one in self._all_referrals() if one["organizationId"] == "msft")
        return next((one for one in theirs if one["engagementId"] == engagement_id), None)


def _as_new(document: Document) -> Document:
    """A referral as it arrives, whatever became of the documented one."""
    assigned = ("id", "engagementId", "eTag", "createdDateTime", "updatedDateTime", "externalReferenceId", "links")
    arriving = {name: value for name, value in document.items() if name not in assigned}
    return {**arriving, "status": "New", "substatus": "Received"}
