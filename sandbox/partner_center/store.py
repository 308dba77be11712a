"""The referrals of one partner organisation and of Microsoft's side of the same engagements, in memory."""

from __future__ import annotations

import copy
import itertools
import threading
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sandbox.partner_center import odata, patch, rules
from sandbox.partner_center.refusals import Refusal, invalid, not_found, precondition_failed
from sandbox.partner_center.rules import RuleOptions
from sandbox.partner_center.shape import REFERRAL, check_shape
from sandbox.partner_center.times import TICKS_PER_SECOND, TickClock, text_of

Document = dict[str, Any]
MICROSOFT = "msft"
# Who is invited has two weeks to answer.
ANSWER_TIME_S = 14 * 24 * 3600


@dataclass(frozen=True)
class Change:
    """A referral was created or updated; ``related`` when it is another organisation's side of our deal."""

    referral_id: str
    action: Literal["created", "updated"]
    related: bool
    at: str

    @property
    def event_name(self) -> str:
        return f"{'related-' if self.related else ''}referral-{self.action}"


class ReferralStore:
    """Every write gets a new eTag and a later ``updatedDateTime`` and is told to ``listeners``, in order.

    Documents that come out are copies. Safe to use from any thread.
    """

    def __init__(
        self,
        organization_id: str,
        organization_name: str,
        *,
        options: RuleOptions | None = None,
        related_readable: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.organization_id = organization_id
        self.organization_name = organization_name
        self.options = options or RuleOptions()
        self.related_readable = related_readable
        self.listeners: list[Callable[[Change], None]] = []
        self.lock = threading.RLock()
        self._clock = TickClock(now)
        self._versions = itertools.count(0x6D10)
        self._referrals: dict[str, Document] = {}

    def all(self) -> list[Document]:
        """Every referral of either side, oldest first."""
        with self.lock:
            return [copy.deepcopy(referral) for referral in self._referrals.values()]

    def get(self, referral_id: str) -> Document:
        """The referral, as our own token may read it; :class:`Refusal` 404 for all others."""
        referral = self.of_anyone(referral_id)
        if not self._is_ours(referral) and not self.related_readable:
            raise not_found(referral_id)
        return referral

    def of_anyone(self, referral_id: str) -> Document:
        with self.lock:
            referral = self._referrals.get(referral_id.lower())
            if referral is None:
                raise not_found(referral_id)
            return copy.deepcopy(referral)

    def find(self, clauses: Iterable[odata.Clause]) -> list[Document]:
        """What the list shows: our own referrals, and every side of an engagement that is asked for by its id."""
        clauses = list(clauses)
        whole_engagement = any(clause.field == "engagementId" for clause in clauses)
        with self.lock:
            return [
                copy.deepcopy(referral)
                for referral in self._referrals.values()
                if (whole_engagement or self._is_ours(referral)) and all(clause.holds(referral) for clause in clauses)
            ]

    def of_engagement(self, engagement_id: str) -> list[Document]:
        """Every side of an engagement, oldest first."""
        return self.find([odata.Clause("engagementId", "eq", engagement_id)])

    def side(self, engagement_id: str, *, microsoft: bool) -> Document | None:
        """Our side, or Microsoft's, of an engagement."""
        sides = self.of_engagement(engagement_id)
        return next((found for found in sides if self._is_ours(found) != microsoft), None)

    def create(self, body: Any) -> Document:
        """What POST does: our own referral, or with an ``engagementId`` Microsoft's side of it."""
        if not isinstance(body, dict):
            raise invalid("The body must be a referral.")
        sent = {name: value for name, value in body.items() if name not in rules.READ_ONLY}
        if sent.get("engagementId"):
            return self._invite_microsoft(sent)
        rules.check_new(sent, self.options)
        # A partner's own deal needs nobody's acceptance: New/Pending comes back Active/Accepted.
        sent.update(status="Active", substatus="Accepted", direction="Outgoing")
        return self.insert(sent)

    def _invite_microsoft(self, sent: Document) -> Document:
        check_shape(sent, REFERRAL)
        if not any(target.get("id") == MICROSOFT for target in sent.get("target") or []):
            raise invalid("Only Microsoft (target msft) can be invited to an engagement.", "/target")
        with self.lock:
            ours = self.side(sent["engagementId"], microsoft=False)
            if ours is None:
                raise invalid("Your organisation has no referral in this engagement.", "/engagementId")
            if ours["status"] == "Closed":
                raise invalid("The engagement is closed.", "/engagementId")
            if self.side(ours["engagementId"], microsoft=True) and not self.options.allow_second_invitation:
                raise Refusal(409, "invalidRequest", "Microsoft is part of this engagement already.", "/engagementId")
            theirs = self._invitation(ours, sent)
            lacks_contact = not (theirs["customerProfile"].get("team") or [])
            if self.options.deal_minimum and rules.asks_for_help(theirs) and lacks_contact:
                raise invalid("Asking for help needs a customer contact.", "/customerProfile/team")
            self._share(ours)
            return self.insert(theirs, microsoft=True)

    def _invitation(self, ours: Document, sent: Document) -> Document:
        """Microsoft's referral: our deal, with what was sent over it, still to be accepted."""
        private = rules.READ_ONLY | {"externalReferenceId", "team", "campaignId", "inviteContext"}
        shared = {name: value for name, value in ours.items() if name not in private}
        inviter = {"organizationId": self.organization_id, "organizationName": self.organization_name}
        context = {**(ours.get("inviteContext") or {}), **(sent.get("inviteContext") or {}), "invitedBy": inviter}
        state = {"type": "Shared", "status": "New", "substatus": "Received", "direction": "Incoming"}
        return {**shared, **sent, "engagementId": ours["engagementId"], "inviteContext": context, **state}

    def _share(self, ours: Document) -> None:
        consent = {**(ours.get("consent") or {}), "consentToShareReferralWithMicrosoftSellers": True}
        if ours["type"] != "Shared" or ours.get("consent") != consent:
            self.replace({**ours, "type": "Shared", "consent": consent})

    def patch(
        self,
        referral_id: str,
        operations: Any,
        *,
        if_match: str | None = None,
        paths: Collection[str] = patch.API_PATHS,
        anyone: bool = False,
        by_service: bool = False,
    ) -> Document:
        """The referral with all operations applied, or :class:`Refusal` and nothing changed.

        ``anyone`` lets Microsoft's side be changed too, as its own people do; our token may not.
        """
        with self.lock:
            before = self.of_anyone(referral_id)
            if not anyone and not self._is_ours(before):
                raise not_found(referral_id)
            if if_match not in (None, "*", before["eTag"]):
                raise precondition_failed()
            if before["status"] == "Closed":
                raise invalid("The referral is closed and cannot be changed any more.", _first_path(operations))
            after = patch.apply_patch(before, operations, paths)
            rules.check_change(before, after, self.options, by_service=by_service)
            return self.replace(after)

    def insert(self, document: Document, *, microsoft: bool = False) -> Document:
        """Stores a document as it is, but for what the service itself assigns."""
        with self.lock:
            ticks = self._clock.read()
            stored = {name: value for name, value in copy.deepcopy(document).items() if name not in {"links", "eTag"}}
            stored["id"] = (stored.get("id") or str(uuid.uuid4())).lower()
            if stored["id"] in self._referrals:
                raise Refusal(409, "invalidRequest", f"There is a referral {stored['id']} already.", "/id")
            stored.setdefault("engagementId", str(uuid.uuid4()))
            stored["organizationId"] = MICROSOFT if microsoft else self.organization_id
            stored["organizationName"] = "Microsoft" if microsoft else self.organization_name
            stored.setdefault("externalReferenceId", None)
            stored.setdefault("createdDateTime", text_of(ticks))
            is_new = stored.get("status") == "New"
            stored.setdefault(
                "expirationDateTime", text_of(ticks + ANSWER_TIME_S * TICKS_PER_SECOND) if is_new else None
            )
            return self._write(stored, ticks, "created")

    def replace(self, document: Document) -> Document:
        """Stores ``document`` in the place of the referral with its id; checks nothing."""
        with self.lock:
            return self._write(copy.deepcopy(document), self._clock.read(), "updated")

    def _write(self, stored: Document, ticks: int, action: Literal["created", "updated"]) -> Document:
        moment = text_of(ticks)
        stored["updatedDateTime"] = moment
        stored["eTag"] = f'"{next(self._versions):08x}-0000-0000-0000-{ticks & 0xFFFFFFFFFFFF:012x}"'
        if stored["status"] == "Active":
            stored["expirationDateTime"] = None
            accepted = stored["createdDateTime"] if action == "created" else moment
            stored["acceptedDateTime"] = stored.get("acceptedDateTime") or accepted
        if stored["status"] == "Closed":
            stored["closedDateTime"] = stored.get("closedDateTime") or moment
        self._referrals[stored["id"]] = stored
        change = Change(stored["id"], action, related=not self._is_ours(stored), at=moment)
        for listener in self.listeners:
            listener(change)
        return copy.deepcopy(stored)

    def _is_ours(self, referral: Document) -> bool:
        return bool(referral["organizationId"] == self.organization_id)


def _first_path(operations: Any) -> str | None:
    if isinstance(operations, list) and operations and isinstance(operations[0], dict):
        path = operations[0].get("path")
        return path if isinstance(path, str) else None
    return None
