"""Other people's hands: Microsoft's sellers, the partner's own users in the portal, and the service's clock."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping
from typing import Any

from sandbox.partner_center.patch import PORTAL_PATHS
from sandbox.partner_center.refusals import Refusal, invalid
from sandbox.partner_center.store import MICROSOFT, Document, ReferralStore


class People:
    """What happens to referrals without the API. Every act returns the referral as it is then.

    The id says whose side is meant: with the id of Microsoft's referral it is a Microsoft seller who acts.
    What the service would refuse raises :class:`Refusal`.
    """

    def __init__(self, store: ReferralStore) -> None:
        self._store = store

    def add_referral(self, document: Mapping[str, Any]) -> Document:
        """A referral as it arrives: New/Received from Microsoft unless the document says otherwise.

        Takes a whole referral, a body as for POST, or a Microsoft sample; ids and times are assigned where absent,
        and the referral is the partner's own unless its ``organizationId`` is ``msft``.
        """
        arriving = copy.deepcopy(dict(document))
        arriving.setdefault("status", "New")
        arriving.setdefault("substatus", "Received" if arriving["status"] == "New" else "Accepted")
        arriving.setdefault("direction", "Incoming")
        arriving.setdefault(
            "inviteContext", {"invitedBy": {"organizationId": MICROSOFT, "organizationName": "Microsoft"}}
        )
        return self._store.insert(arriving, microsoft=arriving.get("organizationId") == MICROSOFT)

    def add_referrals(self, document: Mapping[str, Any]) -> list[Document]:
        """The same for a list answer (``value``) or for one referral."""
        return [self.add_referral(referral) for referral in document.get("value", [document])]

    def edit_referral(self, referral_id: str, changes: Mapping[str, Any]) -> Document:
        """Sets fields by path, as ``{"/name": "Renamed", "/details/dealValue": 7}``, all or none.

        The paths are those of the API and what only the portal offers: ``/name`` and ``/favorite``.
        """
        operations = [{"op": "replace", "path": path, "value": value} for path, value in changes.items()]
        return self._store.patch(referral_id, operations, paths=PORTAL_PATHS, anyone=True)

    def accept(self, referral_id: str) -> Document:
        return self.edit_referral(referral_id, {"/status": "Active", "/substatus": "Accepted"})

    def decline(self, referral_id: str, reason: str = "Customer timeline too short") -> Document:
        return self._close(referral_id, "Declined", reason)

    def close(self, referral_id: str, substatus: str = "Won", reason: str | None = None) -> Document:
        """Won, Lost or Error."""
        return self._close(referral_id, substatus, reason)

    def expire(self, referral_id: str) -> Document:
        """Nobody answered in fourteen days: Closed/Expired, from New only."""
        with self._store.lock:
            if self._store.of_anyone(referral_id)["status"] != "New":
                raise invalid("Only a new referral expires.", "/status")
            operations = [
                {"op": "replace", "path": "/status", "value": "Closed"},
                {"op": "replace", "path": "/substatus", "value": "Expired"},
            ]
            return self._store.patch(referral_id, operations, anyone=True, by_service=True)

    def microsoft_accepts(self, engagement_id: str, msx_id: str | None = None) -> Document:
        """A Microsoft seller accepts the invitation: Microsoft's side is Active/Accepted, and both sides carry the
        id of the opportunity in Microsoft's own CRM. Returns Microsoft's side.
        """
        with self._store.lock:
            theirs = self._store.side(engagement_id, microsoft=True)
            if theirs is None:
                raise Refusal(404, "itemNotFound", f"Microsoft has no referral in engagement {engagement_id}.")
            tracking = {"microsoftMsxId": msx_id or f"7-{secrets.token_hex(5).upper()}"}
            changes = {"/status": "Active", "/substatus": "Accepted", "/trackingInfo": tracking}
            operations = [{"op": "replace", "path": path, "value": value} for path, value in changes.items()]
            paths = PORTAL_PATHS | {"/trackingInfo"}
            accepted = self._store.patch(theirs["id"], operations, paths=paths, anyone=True)
            ours = self._store.side(engagement_id, microsoft=False)
            if ours is not None:
                self._store.replace({**ours, "trackingInfo": tracking})
            return accepted

    def _close(self, referral_id: str, substatus: str, reason: str | None) -> Document:
        changes = {"/status": "Closed", "/substatus": substatus, **({"/statusReason": reason} if reason else {})}
        return self.edit_referral(referral_id, changes)
