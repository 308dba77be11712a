"""Both sides of every deal, field by field, as the two vendors show them. Knows nothing of the connector."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pycountry

from sandbox.crms import Opportunity

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """One field of one deal on both sides, as shown."""

    deal: str
    field: str
    partner_center: str
    crm: str

    @property
    def agrees(self) -> bool:
        return self.partner_center == self.crm


def compare(referrals: Sequence[Document], opportunities: Sequence[Opportunity]) -> list[Difference]:
    """Every field of every deal that should be on both sides, in the order in which the deals came.

    A deal that is on one side only is a difference too. Leads, and deals that closed unseen, are not compared.
    """
    by_referral = {row.referral_id: row for row in opportunities}
    found: list[Difference] = []
    for referral in referrals:
        if is_deal(referral):
            row = by_referral.pop(referral["id"], None)
            found += _pair(referral, row) if row else [_alone(title(referral), "is there", "missing")]
    for row in by_referral.values():
        if row.syncs:
            found.append(_alone(row.name, "missing", "is there"))
    return found


def is_deal(referral: Document) -> bool:
    """Whether the CRM should have an opportunity for it."""
    invited_by = (referral.get("inviteContext") or {}).get("invitedBy") or {}
    lead = referral.get("type") != "Shared" and (
        referral.get("qualification") in ("Direct", "MarketingQualified") or invited_by.get("organizationId") == "msft"
    )
    return referral.get("organizationId") != "msft" and not lead


def title(referral: Document) -> str:
    """What to call a deal: its name, or its customer's, and the beginning of its id, as names repeat."""
    name = referral.get("name") or referral["customerProfile"]["name"]
    return f"{name} ({referral['id'][:8]})"


def _alone(deal: str, partner_center: str, crm: str) -> Difference:
    return Difference(deal, "the deal itself", partner_center, crm)


def _pair(referral: Document, row: Opportunity) -> list[Difference]:
    details, customer = referral.get("details") or {}, referral["customerProfile"]
    consent = referral.get("consent") or {}
    solutions = (one["id"] for one in (details.get("requirements") or {}).get("solutions") or [])
    shown: list[tuple[str, Any, Any]] = [
        ("name", referral.get("name"), row.name if referral.get("name") else None),
        ("deal value", _amount(details.get("dealValue"), row.decimals), _amount(row.deal_value, row.decimals)),
        ("currency", details.get("currency"), row.currency),
        ("closing date", str(details.get("closingDateTime") or "")[:10], row.closing_date),
        ("notes", _lines(details.get("notes")), _lines(row.notes)),
        ("visible to sellers", bool(consent.get("consentToShareReferralWithMicrosoftSellers")), row.is_visible),
        ("stage", f"{referral['status']}/{referral['substatus']}", _stage(referral, row)),
        ("customer", customer["name"], row.customer),
        ("country", customer["address"]["country"], _country(row.country)),
        ("solutions", ", ".join(sorted(solutions)), ", ".join(row.solutions)),
        ("CRM id", referral.get("externalReferenceId"), row.id),
        ("Microsoft's CRM id", (referral.get("trackingInfo") or {}).get("microsoftMsxId"), row.microsoft_crm_id),
    ]
    return [Difference(title(referral), name, _text(there), _text(here)) for name, there, here in shown]


_STAGES = {"Received": "on hold", "Pending": "on hold", "Accepted": "active", "Won": "won"}


def _stage(referral: Document, row: Opportunity) -> str:
    """The referral's own stage where the opportunity's says the same, else the opportunity's."""
    expected = _STAGES.get(referral["substatus"], "lost")
    return f"{referral['status']}/{referral['substatus']}" if row.stage == expected else row.stage


def _country(text: str | None) -> str:
    """The two-letter code of whatever the account's free-text field says."""
    return str(pycountry.countries.lookup(text).alpha_2) if text else ""


def _amount(value: Any, decimals: int) -> str:
    return "" if value is None else f"{Decimal(str(value)):,.{decimals}f}"


def _lines(text: Any) -> str:
    return str(text or "").replace("\r\n", "\n").strip()


def _text(value: Any) -> str:
    return {None: "", True: "yes", False: "no"}.get(value, value) if not isinstance(value, str) else value


def table(differences: Sequence[Difference], crm: str, width: int = 110) -> str:
    """One block per deal; each field with both values and whether they agree."""
    lines: list[str] = []
    column = max(20, (width - 27) // 2)
    for deal in dict.fromkeys(one.deal for one in differences):
        of_deal = [one for one in differences if one.deal == deal]
        lines += ["", deal, f"  {_fit('', 20)} {_fit('Partner Center', column)} {_fit(crm, column)}"]
        for one in of_deal:
            mark = "=" if one.agrees else "✗"
            there, here = (_fit(text.replace("\n", " ⏎ "), column) for text in (one.partner_center, one.crm))
            lines.append(f"{mark} {_fit(one.field, 20)} {there} {here}")
    return "\n".join(lines)


def _fit(text: str, columns: int) -> str:
    """``text`` in exactly that many columns of a terminal, where East Asian characters take two."""
    if _cells(text) > columns:
        while _cells(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - _cells(text))


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
