"""Microsoft's side of a deal: what of it sellers hear, and when that is news.

The connector never writes to it. Microsoft's CRM identifier is on the partner's own referral too, and travels from
there like any field; Microsoft's answer and its people are only here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.referral import Referral, ReferralStage, read_path
from shared.domain.sets import People, by_key
from shared.domain.values import Person

_PEOPLE = People()
_ANSWERS: Mapping[ReferralStage, str] = {
    ReferralStage.RECEIVED: "Microsoft has not answered yet",
    ReferralStage.ACCEPTED: "Microsoft accepted",
    ReferralStage.WON: "Microsoft closed its side as won",
    ReferralStage.LOST: "Microsoft closed its side as lost",
    ReferralStage.DECLINED: "Microsoft declined",
    ReferralStage.EXPIRED: "Microsoft did not answer in time",
    ReferralStage.ERROR: "Microsoft closed its side as an error",
}
REASON_LIMIT_CHARS = 80


@dataclass(frozen=True)
class MicrosoftsSide:
    """``team`` is everyone on Microsoft's referral; an invitation carries the partner's own people there."""

    stage: ReferralStage
    reason: str | None = None
    crm_id: str | None = None
    team: tuple[Person, ...] = ()

    @property
    def status(self) -> str:
        """Microsoft's answer in one word, ``Accepted``."""
        return self.stage.substatus

    def people(self, partners_team: Iterable[Person]) -> tuple[Person, ...]:
        """Those of the team who are Microsoft's."""
        partners = by_key(partners_team)
        return tuple(person for person in self.team if person.key not in partners)

    def dump(self) -> dict[str, Any]:
        """A JSON document; it holds names."""
        return {
            "stage": self.stage.value,
            "reason": self.reason,
            "crm_id": self.crm_id,
            "team": _PEOPLE.dump(self.team),
        }


def load_microsofts(stored: Mapping[str, Any] | None) -> MicrosoftsSide | None:
    """What :meth:`MicrosoftsSide.dump` wrote."""
    if stored is None:
        return None
    team = _PEOPLE.load(stored["team"])
    return MicrosoftsSide(ReferralStage(stored["stage"]), stored["reason"], stored["crm_id"], team)


def view_microsofts(referral: Referral) -> MicrosoftsSide:
    """Microsoft's referral, as far as it is told of."""
    try:
        team = _PEOPLE.from_partner_center(referral.document.get("team"))
    except ValueError:
        team = ()  # Microsoft's answer is worth telling, whatever its list of people looks like
    crm_id = read_path(referral.document, "trackingInfo.microsoftMsxId")
    return MicrosoftsSide(referral.stage, referral.status_reason, str(crm_id) if crm_id else None, team)


def is_news(side: MicrosoftsSide, known: MicrosoftsSide | None) -> bool:
    """Whether a deal that last knew ``known`` must be looked at. A fresh invitation, not answered yet, is no news."""
    return side.stage is not ReferralStage.RECEIVED if known is None else side != known


def news_line(side: MicrosoftsSide, known: MicrosoftsSide | None, partners_team: Iterable[Person]) -> str:
    """What changed for sellers, in words that name nobody; empty where nothing did."""
    if not is_news(side, known):
        return ""
    partners = tuple(partners_team)
    people = side.people(partners)
    before = () if known is None else known.people(partners)
    has_same_answer = known is not None and (side.stage, side.reason) == (known.stage, known.reason)
    if has_same_answer and by_key(people) == by_key(before):
        return ""
    answer = _ANSWERS[side.stage]
    if side.stage.is_closed and side.reason:
        answer += f" ({side.reason[:REASON_LIMIT_CHARS]})"
    if people or before:
        answer += f"; Microsoft's team: {len(people)} {'person' if len(people) == 1 else 'people'}"
    return f"{answer}."
