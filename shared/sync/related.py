"""Another organisation's side of one of our deals changed: brings what sellers want to know of it into the CRM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.domain.errors import ConfigurationError, ConnectorError, NotFound
from shared.domain.link import Link
from shared.domain.microsofts_side import is_news, load_microsofts, view_microsofts
from shared.domain.referral import Referral, parse_referral
from shared.sync.deals import bring_referral
from shared.sync.outcome import Outcome, Result
from shared.sync.sides import Sides

LATELY = timedelta(minutes=10)
"""How far back our own referrals may have changed to be what an event of an unknown side was about."""


def bring_related(sides: Sides, referral_id: str) -> Outcome:
    """Microsoft's CRM identifier, answer and people of the deal are in the CRM after this, as far as we may see them.

    Of a deal whose link knows Microsoft's referral, one list of the engagement shows both sides: one call where
    nothing is new, and with news one read of our own referral and one write to the CRM more. It is one call more where
    that list does not show Microsoft's side, and two the first time, when only the event names it. Whether our token
    may read Microsoft's referral by its id is not documented: where it may not, our own referral is brought up to date,
    which carries Microsoft's CRM identifier. Raises ``ConnectorError`` as :func:`bring_referral` does.
    """
    link = sides.links.find_by_referral(referral_id)
    if link is not None and link.referral_id is not None:
        if link.referral_id.lower() == referral_id.lower():
            return bring_referral(sides, referral_id)
        if link.engagement_id:
            return _bring_engagement(sides, link.engagement_id, referral_id, None)
    related = _read(sides, referral_id)
    if related is None:
        return bring_referral(sides, link.referral_id) if link and link.referral_id else _bring_lately(sides)
    if not related.is_microsofts:
        return bring_referral(sides, referral_id)
    return _bring_engagement(sides, related.engagement_id or "", referral_id, related)


def _bring_engagement(sides: Sides, engagement_id: str, referral_id: str, theirs: Referral | None) -> Outcome:
    """``theirs`` is Microsoft's side ``referral_id``, if it was read already."""
    listed = list(_readable(sides.referrals.of_engagement(engagement_id)))
    own = next((one for one in listed if not one.is_microsofts), None)
    if own is None:
        return Outcome(Result.IGNORED, "Microsoft's side of a deal in which this partner has no referral.")
    theirs = theirs or next((one for one in listed if one.id.lower() == referral_id.lower()), None)
    theirs = theirs or _read(sides, referral_id)
    link = sides.links.find_by_referral(own.id)
    if link is not None and not _has_news(link, own, theirs):
        return Outcome(Result.UNCHANGED, "Nothing that is told of changed on Microsoft's side.", link)
    outcome = bring_referral(sides, own.id, theirs)
    if outcome.result is not Result.CREATED or theirs is None:
        return outcome
    # The record is made of our own side; now that it is there, it can be told of Microsoft's.
    return replace(bring_referral(sides, own.id, theirs), result=Result.CREATED)


def _has_news(link: Link, own: Referral, theirs: Referral | None) -> bool:
    if not is_known(link, own):
        return True
    return theirs is not None and knows_less(link, theirs)


def is_known(link: Link | None, own: Referral) -> bool:
    """Whether our own referral is as the base has it, or as it was when its failure was told."""
    if link is None:
        return False
    known = [link.failure.etag] if link.failure else []
    return own.etag in [*known, *([link.base.get("etag")] if link.base else [])]


def knows_less(link: Link, microsofts: Referral) -> bool:
    """Whether Microsoft's side shows something that the link's base does not have."""
    return is_news(view_microsofts(microsofts), load_microsofts((link.base or {}).get("microsofts")))


def _bring_lately(sides: Sides) -> Outcome:
    """A side that we may not see, of a deal whose link does not know it: our own referral has changed with it.

    Nothing found means that the event was early, or our own referral's event was quicker. Auto-heal sees the change.
    """
    outcomes = [bring_referral(sides, own.id) for own in _changed_lately(sides)]
    if not outcomes:
        return Outcome(
            Result.IGNORED,
            "Another organisation's side of a deal, which Partner Center does not show us; none of our own referrals "
            "shows a change that is not in the CRM yet.",
        )
    return outcomes[-1]


def _changed_lately(sides: Sides) -> list[Referral]:
    """Our own referrals with a change that no base has, and that has not failed already."""
    listed = [one for page in sides.referrals.updated_since(sides.clock() - LATELY) for one in _readable(page)]
    links = {own.id: sides.links.find_by_referral(own.id) for own in listed if not own.is_microsofts}
    return [own for own in listed if own.id in links and not is_known(links[own.id], own)]


def _readable(documents: Iterable[Mapping[str, Any]]) -> Iterator[Referral]:
    """What is no referral in a list is passed over: it has events of its own, which tell what is wrong with it."""
    for document in documents:
        try:
            yield parse_referral(document)
        except ConnectorError:
            continue


def _read(sides: Sides, referral_id: str) -> Referral | None:
    """``None`` where Partner Center does not show us this side."""
    try:
        return sides.referral(referral_id)
    except NotFound:
        return None
    except ConfigurationError as error:
        if error.code != "forbidden":
            raise
        return None
