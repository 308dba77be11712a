"""The people of a campaign: they send referrals, enter opportunities and edit both sides, and the ledger notes it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.campaign.cast import customer, person
from sandbox.campaign.ledger import SHOWN, Document, Ledger, comparable, referral_values
from sandbox.campaign.plan import Field, PlannedDeal, PlannedEdit, Side, Stage
from sandbox.campaign.sellers import Refused, Seller, Shown
from sandbox.partner_center import Refusal
from sandbox.world import World

TEMPLATE = Path(__file__).parents[1] / "documents" / "contoso-supply-chain.json"
PATHS = {
    Field.DEAL_VALUE: "/details/dealValue",
    Field.CURRENCY: "/details/currency",
    Field.CLOSING_DATE: "/details/closingDateTime",
    Field.NOTES: "/details/notes",
    Field.NAME: "/name",
    Field.VISIBILITY: "/consent/consentToShareReferralWithMicrosoftSellers",
}


@dataclass
class Deal:
    """``referral_id`` and ``record_id`` are known once both sides have the deal and name each other."""

    planned: PlannedDeal
    referral_id: str | None = None
    record_id: str | None = None


def _other(side: Side) -> Side:
    return Side.CRM if side is Side.PARTNER_CENTER else Side.PARTNER_CENTER


class NotYet(Exception):
    """The deal is not on the side that is to be edited; it may be there a little later."""


class People:
    """Everybody who does something that the connector did not tell them to.

    ``edits`` counts what was taken, by side and field; ``refused`` what a side did not take, which is no edit.
    """

    def __init__(self, world: World, seller: Seller) -> None:
        self.ledger = Ledger()
        self.deals: dict[int, Deal] = {}
        self.edits: Counter[tuple[Side, Field]] = Counter()
        self.refused = 0
        self._store = world.partner_center.store
        self._hands = world.partner_center.people
        self._seller = seller
        self._template = json.loads(TEMPLATE.read_text(encoding="utf-8"))

    def begin(self, planned: PlannedDeal) -> None:
        """A referral arrives, or a seller enters an opportunity and shares it."""
        deal = self.deals[planned.number] = Deal(planned)
        company = customer(planned.customer)
        if planned.origin is Side.PARTNER_CENTER:
            document = self._document(planned)
            deal.referral_id = str(self._hands.add_referral(document)["id"])
            first = referral_values(document)
        else:
            deal.record_id = self._seller.enter(planned, company)
            first = dict(self._seller.show(deal.record_id).values)
        for field in SHOWN:
            self.ledger.add(planned.number, planned.origin, field, first[field])

    def _document(self, planned: PlannedDeal) -> Document:
        company = customer(planned.customer)
        contact = {
            "firstName": company.contact.first_name,
            "lastName": company.contact.last_name,
            "phoneNumber": company.contact.phone,
            "email": company.contact.email,
        }
        address = {"addressLine1": company.street, "city": company.city, "postalCode": company.postal_code}
        template = self._template
        solution = {**template["details"]["requirements"]["solutions"][0], "id": f"SOL-START-{planned.number:05}"}
        return {
            **template,
            "name": planned.name,
            "status": "Active" if planned.accepted else "New",
            "substatus": "Accepted" if planned.accepted else "Received",
            "customerProfile": {
                "name": company.name,
                "address": {**address, "country": company.country},
                "team": [contact],
            },
            "consent": {**template["consent"], "consentToShareReferralWithMicrosoftSellers": planned.with_help},
            "details": {
                **template["details"],
                "notes": f"First note of {planned.number}.",
                "dealValue": planned.value,
                "currency": planned.currency,
                "closingDateTime": f"{planned.closing_date}T00:00:00Z",
                "requirements": {"solutions": [solution]},
            },
        }

    def make(self, edit: PlannedEdit) -> bool:
        """Whether the side took the edit. Raises :class:`NotYet` where it has no such deal so far."""
        deal = self.meet(edit.deal)
        if (deal.record_id if edit.side is Side.CRM else deal.referral_id) is None:
            raise NotYet
        # Nobody writes to either side between the look at both and the edit.
        with self._store.lock, self._seller.alone():
            before, across = self._held(deal, edit.side, edit.field), self._held(deal, _other(edit.side), edit.field)
            amount = self._held(deal, Side.CRM, Field.DEAL_VALUE)
            try:
                if before is not None and comparable(edit.field, before) == comparable(edit.field, edit.value):
                    raise Refused("it is so already")
                value = self._in_crm(deal, edit) if edit.side is Side.CRM else self._in_partner_center(deal, edit)
            except (Refused, Refusal):
                self.refused += 1
                return False
            self.ledger.add(edit.deal, edit.side, edit.field, value, before=before, across=across)
            if edit.side is Side.CRM and edit.field is Field.CURRENCY:
                self._note_conversion(deal, amount)
        self.edits[edit.side, edit.field] += 1
        return True

    def _note_conversion(self, deal: Deal, before: Any) -> None:
        """Salesforce converts the amount when a seller changes the currency alone: that is an edit of his, too."""
        amount, across = (self._held(deal, side, Field.DEAL_VALUE) for side in (Side.CRM, Side.PARTNER_CENTER))
        if amount != before:
            number = deal.planned.number
            self.ledger.add(number, Side.CRM, Field.DEAL_VALUE, amount, before=before, across=across)

    def meet(self, number: int) -> Deal:
        """The deal, with the id that the connector gave it on the other side, if it has one by now.

        A referral that was closed before it had a record is never told of one.
        """
        deal = self.deals[number]
        if deal.record_id is None and deal.referral_id is not None:
            referral = self.referral(deal)
            deal.record_id = referral.get("externalReferenceId") or None
            if deal.record_id is None and referral["status"] == "Closed":
                deal.record_id = self._seller.record_of(deal.referral_id)
        elif deal.referral_id is None and deal.record_id is not None:
            deal.referral_id = self.shown(deal).referral_id or None
        return deal

    def referral(self, deal: Deal) -> Document:
        assert deal.referral_id is not None
        return self._store.of_anyone(deal.referral_id)

    def shown(self, deal: Deal) -> Shown:
        assert deal.record_id is not None
        return self._seller.show(deal.record_id)

    def _held(self, deal: Deal, side: Side, field: Field) -> Any:
        """What the side holds now; ``None`` where it does not have the deal yet, or such a field is not merged."""
        if field not in SHOWN:
            return None
        if side is Side.CRM:
            return None if deal.record_id is None else self.shown(deal).values[field]
        return None if deal.referral_id is None else referral_values(self.referral(deal))[field]

    def _in_partner_center(self, deal: Deal, edit: PlannedEdit) -> Any:
        assert deal.referral_id is not None
        match edit.field:
            case Field.STAGE:
                return self._move_in_partner_center(deal.referral_id, edit.value)
            case Field.MICROSOFT:
                self._hands.microsoft_accepts(str(self.referral(deal)["engagementId"]), edit.value)
            case Field.CLOSING_DATE:
                self._hands.edit_referral(deal.referral_id, {PATHS[edit.field]: f"{edit.value}T00:00:00Z"})
            case _:
                self._hands.edit_referral(deal.referral_id, {PATHS[edit.field]: edit.value})
        return edit.value

    def _move_in_partner_center(self, referral_id: str, stage: Stage) -> Stage:
        match stage:
            case Stage.ACCEPTED if self._store.of_anyone(referral_id)["status"] != "New":
                raise Refused("accepted already")
            case Stage.ACCEPTED:
                self._hands.accept(referral_id)
            case Stage.DECLINED:
                self._hands.decline(referral_id)
            case _:
                self._hands.close(referral_id, stage.value.title())
        return stage

    def _in_crm(self, deal: Deal, edit: PlannedEdit) -> Any:
        """The value as the ledger is to have it."""
        assert deal.record_id is not None
        record_id = deal.record_id
        match edit.field:
            case Field.STAGE:
                return self._move_in_crm(record_id, edit.value)
            case Field.SOLUTION:
                return self._change_solutions(record_id, edit.value)
            case Field.CONTACT:
                chosen = person(edit.value)
                self._seller.choose_contact(record_id, chosen)
                return chosen.email
            case Field.OWNER:
                self._seller.edit(record_id, Field.OWNER, edit.value)
                return self._seller.show(record_id).owner
            case Field.HELP if deal.planned.origin is Side.PARTNER_CENTER:
                raise Refused("Microsoft is in the deal already")
            case _:
                self._seller.edit(record_id, edit.field, edit.value)
                return edit.value

    def _move_in_crm(self, record_id: str, stage: Stage) -> Stage:
        match stage:
            case Stage.ACCEPTED:
                self._seller.accept(record_id)
            case Stage.WON:
                self._seller.win(record_id)
            case _:
                self._seller.lose(record_id)
        return stage

    def _change_solutions(self, record_id: str, identifier: str | None) -> tuple[str, ...]:
        if identifier is None:
            if self._seller.remove_solution(record_id) is None:
                raise Refused("a deal keeps its last solution")
        else:
            self._seller.add_solution(record_id, identifier)
        return tuple(sorted(self._seller.solutions(record_id)))
