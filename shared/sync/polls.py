"""Finds what changed without being told: in the CRM since the cursor, in Partner Center since the last look.

Finding only: what is found is queued, and the queue does the work. A cursor moves once everything before it is queued.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.crm.port import Change, CrmPort
from shared.domain.errors import ConnectorError, Rejected
from shared.domain.link import Link, LinkStatus
from shared.domain.record import RecordKind
from shared.domain.referral import Referral, parse_referral
from shared.state.clock import Clock
from shared.state.envelope import Envelope
from shared.state.queues import CRM_CHANGES, CRM_LEAD_CHANGES, REFERRAL_EVENTS, RELATED_REFERRAL_EVENTS
from shared.sync.queued_before import Cursors, QueuedBefore
from shared.sync.related import is_known, knows_less
from shared.sync.sides import ReferralsPort
from shared.sync.work import Sender

_log = logging.getLogger(__name__)

REFERRAL = "referral"
OVERLAP = timedelta(minutes=10)
"""How far auto-heal looks back behind its cursor: clocks differ, and lists lag."""
FIRST_LOOK = timedelta(hours=24)
"""How far auto-heal looks back the very first time; what is older is a matter for the backfill."""


class Links(Protocol):
    def find_by_referral(self, referral_id: str) -> Link | None: ...
    def find_by_record(self, kind: RecordKind, record_id: str) -> Link | None: ...
    def all(self, status: LinkStatus | None = None) -> Iterator[Link]: ...


@dataclass(frozen=True)
class Watch:
    """What the polls need. ``new_correlation_id`` gives each find its own, by which it can be followed."""

    referrals: ReferralsPort
    crm: CrmPort
    links: Links
    cursors: Cursors
    sender: Sender
    clock: Clock
    new_correlation_id: Callable[[], str]

    def queue(self, queue: str, kind: str, subject_id: str) -> None:
        self.sender.send(queue, Envelope(kind, subject_id, self.clock(), self.new_correlation_id()))


def queue_of(kind: str) -> str:
    """The queue of a kind of subject: a referral, or a kind of CRM record."""
    return {REFERRAL: REFERRAL_EVENTS, RecordKind.LEAD: CRM_LEAD_CHANGES}.get(kind, CRM_CHANGES)


def poll_crm(watch: Watch, kind: RecordKind) -> int:
    """Every record that changed since the cursor, and is the connector's business, is queued; how many those were.

    Raises ``Rejected`` with code ``brake`` when a full read returns nothing although links exist: an emptied table or
    a lost permission looks like that, and no one wants it taken for the truth.
    """
    name = f"crm-{kind.value}"
    queued, seen = 0, 0
    for page in watch.crm.changes(kind, watch.cursors.get(name)):
        seen += len(page.changes)
        for change in page.changes:
            if is_news(change, watch.links.find_by_record(kind, change.id)):
                watch.queue(queue_of(kind), kind.value, change.id)
                queued += 1
        if page.cursor is not None:
            if page.full and seen == 0:
                _brake(watch, kind)
            watch.cursors.set(name, page.cursor)
    return queued


def is_news(change: Change, link: Link | None) -> bool:
    """Whether the sync must look at the record: not for its own writes, nor for records that are not shared."""
    if link is None:
        return change.syncs and not change.deleted
    if change.deleted or change.version is None:
        return True
    known = [link.failure.record_version] if link.failure else []
    if link.base:
        known.append(link.base.get("record_version"))
    return change.version not in known


def heal(watch: Watch, why_not_taken_in: Callable[[Referral], str]) -> int:
    """Every referral that changed without our noticing, and every link left half done, is queued; how many.

    A referral without a record is only missed where nothing speaks against taking it in. What an earlier look queued
    waits in its queue however long a service is away, and is not queued at every look.
    """
    name = "partner-center"
    cursor = watch.cursors.get(name)
    now = watch.clock()
    since = datetime.fromisoformat(cursor) - OVERLAP if cursor else now - FIRST_LOOK
    newest, queued = since + OVERLAP if cursor else since, 0
    before = QueuedBefore(watch.cursors, now)
    for page in watch.referrals.updated_since(since):
        for document in page:
            updated_at, queue, state = _look(watch, document, why_not_taken_in)
            newest = max(newest, updated_at or newest)
            if queue is not None and not before.has(str(document["id"]), state):
                watch.queue(queue, REFERRAL, str(document["id"]))
                queued += 1
    for link in watch.links.all(LinkStatus.PENDING):
        if link.failure is None and before.is_due(link):
            _queue_half_done(watch, link)
            queued += 1
    before.save()
    watch.cursors.set(name, newest.isoformat())
    return queued


def _look(
    watch: Watch, document: Mapping[str, Any], why_not_taken_in: Callable[[Referral], str]
) -> tuple[datetime | None, str | None, str]:
    """When the referral changed, the queue it belongs to if the sync has missed that, and how the deal stands.

    Microsoft's side of a deal is looked at where Partner Center lists it; where it does not, our own side is that
    changes with Microsoft's acceptance.
    """
    try:
        referral = parse_referral(document)
    except ConnectorError as error:
        _log.warning("Partner Center lists a referral that cannot be read: %s", error)
        return None, REFERRAL_EVENTS if document.get("id") else None, str(document.get("eTag"))
    link = watch.links.find_by_referral(referral.id)
    state = f"{referral.etag} {link.status.value if link else ''}"
    if referral.is_microsofts:
        is_missed = link is None or knows_less(link, referral)
        return referral.updated_at, RELATED_REFERRAL_EVENTS if is_missed else None, state
    is_missed = not is_known(link, referral) and not (link is None and why_not_taken_in(referral))
    return referral.updated_at, REFERRAL_EVENTS if is_missed else None, state


def _queue_half_done(watch: Watch, link: Link) -> None:
    if link.record_id is not None:
        watch.queue(queue_of(link.kind), link.kind.value, link.record_id)
    elif link.referral_id is not None:
        watch.queue(REFERRAL_EVENTS, REFERRAL, link.referral_id)


def _brake(watch: Watch, kind: RecordKind) -> None:
    linked = next((link for link in watch.links.all() if link.kind is kind and link.record_id), None)
    if linked is not None:
        raise Rejected(
            f"{watch.crm.name} returned no {kind.value} at all, yet {linked.id} and perhaps others are linked",
            code="brake",
            remedy="Check the application user's read permission on the table. Nothing was changed.",
        )
