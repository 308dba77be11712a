"""Queues every deal there is that is not in step, on either side: what is older than the connector, or was left out.

A deal that is in step is passed over, and one that is queued twice makes an empty plan, so all of it may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from shared.domain.errors import ConnectorError
from shared.domain.record import RecordKind
from shared.domain.referral import Referral, parse_referral
from shared.state.queues import REFERRAL_EVENTS, RELATED_REFERRAL_EVENTS
from shared.sync.link_index import LinkIndex
from shared.sync.polls import REFERRAL, Watch, is_news, queue_of
from shared.sync.related import is_known, knows_less

PORTION = 50
"""Deals that are queued between two looks at the queue and the day's call budget."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """One deal to look at: the queue message says no more than this."""

    queue: str
    kind: str
    id: str


@dataclass
class Found:
    """One side, read whole. ``in_step`` needs no look; ``passed_over`` is not the connector's business."""

    source: str
    subjects: list[Subject] = field(default_factory=list)
    in_step: int = 0
    passed_over: int = 0

    @property
    def seen(self) -> int:
        return len(self.subjects) + self.in_step + self.passed_over


class QueuedBefore(Protocol):
    """Remembers what an unfinished backfill has queued, in numbered portions."""

    def queued(self, source: str) -> list[tuple[str, ...]]: ...
    def add(self, source: str, number: int, ids: Sequence[str]) -> None: ...
    def forget(self, source: str) -> None: ...


def find_in_crm(watch: Watch, kind: RecordKind, links: LinkIndex, progress: Progress) -> Found:
    """Every record of ``kind`` that is switched to sync, or linked, and not known to be in step."""
    found = Found(f"crm-{kind.value}")
    for page in watch.crm.changes(kind, None):
        for change in page.changes:
            link = links.of_record(kind, change.id)
            if is_news(change, link):
                found.subjects.append(Subject(queue_of(kind), kind.value, change.id))
            elif link is None:
                found.passed_over += 1
            else:
                found.in_step += 1
        progress(f"{found.seen:,} records of {watch.crm.name} read")
    return found


def find_in_partner_center(
    watch: Watch, since: datetime, links: LinkIndex, why_not_taken_in: Callable[[Referral], str], progress: Progress
) -> Found:
    """Every referral that changed at or after ``since`` and is not known to be in step."""
    found = Found("partner-center")
    for documents in watch.referrals.updated_since(since):
        for document in documents:
            _look(found, document, links, why_not_taken_in)
        progress(f"{found.seen:,} referrals read")
    return found


def queue_all(
    watch: Watch, found: Iterable[Found], before: QueuedBefore, wait_for_room: Callable[[str], None], progress: Progress
) -> int:
    """Everything found is in the queue, but for what this backfill has queued before; how many deals that were.

    ``wait_for_room`` is asked before each portion, with its queue, and raises to stop: what was queued by then is
    remembered, and the next call goes on after it.
    """
    found = list(found)
    queued = 0
    for one in found:
        portions = before.queued(one.source)
        done = {subject_id for ids in portions for subject_id in ids}
        left = [subject for subject in one.subjects if subject.id not in done]
        for number, start in enumerate(range(0, len(left), PORTION), start=len(portions)):
            portion = left[start : start + PORTION]
            wait_for_room(portion[0].queue)
            for subject in portion:
                watch.queue(subject.queue, subject.kind, subject.id)
            before.add(one.source, number, [subject.id for subject in portion])
            queued += len(portion)
            progress(f"{start + len(portion):,} of {len(left):,} queued from {one.source}")
    for one in found:
        before.forget(one.source)
    return queued


def _look(
    found: Found, document: dict[str, Any], links: LinkIndex, why_not_taken_in: Callable[[Referral], str]
) -> None:
    """As auto-heal looks at a referral; one that cannot be read is queued, so that its failure is told."""
    try:
        referral = parse_referral(document)
    except ConnectorError:
        if document.get("id"):
            found.subjects.append(Subject(REFERRAL_EVENTS, REFERRAL, str(document["id"])))
        return
    link = links.of_referral(referral.id)
    if referral.is_microsofts:
        is_missed, queue = link is None or knows_less(link, referral), RELATED_REFERRAL_EVENTS
    elif link is None and why_not_taken_in(referral):
        found.passed_over += 1
        return
    else:
        is_missed, queue = not is_known(link, referral), REFERRAL_EVENTS
    if is_missed:
        found.subjects.append(Subject(queue, REFERRAL, referral.id))
    else:
        found.in_step += 1
