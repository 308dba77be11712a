"""Tells people of what finally failed, where they look: on the CRM record, and in the run history."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.call_count import counting_calls
from shared.correlation import correlation_id
from shared.domain.audit import TO_CRM, TO_PARTNER_CENTER, failure, report_values
from shared.domain.base import RecordView
from shared.domain.errors import ConnectorError, NotFound, Rejected, RetryLater, VersionConflict
from shared.domain.link import Failure, Link, LinkStatus, link_id_for_record
from shared.domain.mapping import RecordMapping
from shared.domain.record import Record, RecordChange, RecordKind
from shared.domain.referral import parse_referral
from shared.domain.retry import wait_s
from shared.state.envelope import Reason, parse
from shared.sync.journal import Work, tell_dropped
from shared.sync.outcome import Outcome, Result
from shared.sync.polls import REFERRAL
from shared.sync.sides import Sides
from shared.sync.work import Desk

_NEVER_FINISHED = Reason("worker_lost", "The work was begun many times and never finished. Resubmit it.")
"""Of a message that the host gave up: it leaves none."""


def find_link(sides: Sides, kind: str, subject_id: str) -> Link | None:
    """The link that a message of this kind is about, if there is one yet."""
    if kind == REFERRAL:
        return sides.links.find_by_referral(subject_id)
    return sides.links.find_by_record(RecordKind(kind), subject_id)


def tell_failure(sides: Sides, kind: str, subject_id: str, code: str, reason: str, queued_at: datetime) -> Outcome:
    """The record carries an audit line and the cross mark, and the link knows that it failed and why.

    ``queued_at`` is when the work that failed was queued. A side that changed after that may be mended already, so
    its version is not noted as told of, and the next poll or auto-heal looks at it again.

    Told once: a later failure with the same words writes nothing. A referral that has no record yet is only told of
    in the run history.
    """
    link = find_link(sides, kind, subject_id)
    if link is None and kind == REFERRAL:
        return Outcome(Result.IGNORED, f"Waits for a person, and has no record in the CRM yet: {reason}")
    if link is None:
        record_kind = RecordKind(kind)
        link = Link(link_id_for_record(record_kind, subject_id), record_kind, record_id=subject_id)
    line = failure(TO_CRM if kind == REFERRAL else TO_PARTNER_CENTER, reason)
    with sides.links.lock(link.id, new=link) as locked:
        version = _tell_on_record(sides, locked.link, line, queued_at)
        told = Failure(code, etag=_etag(sides, locked.link, kind, queued_at), record_version=version)
        locked.save(replace(locked.link, status=LinkStatus.FAILED, status_reason=reason, failure=told), release=True)
        return Outcome(Result.WAITING, f"Waits for a person: {reason}", locked.link)


def _tell_on_record(sides: Sides, link: Link, line: str, queued_at: datetime) -> str | None:
    """The version of the record that carries the news.

    ``None`` where there is no record to tell on, and for one that somebody changed since ``queued_at``.
    """
    if link.record_id is None or sides.dry_run:
        return None
    mapping = sides.mapping(link.kind)
    for _ in range(3):
        try:
            record = sides.crm.get(link.kind, link.record_id)
        except NotFound:
            return None
        view = _bare_view(record, mapping)
        values = report_values(view, mapping, sides.rules(link.kind), [line], sides.clock(), failed=True)
        try:
            version = sides.crm.update(record, RecordChange(values)).version if values else record.version
            return version if record.modified_at <= queued_at else None
        except VersionConflict:
            continue
    return None


def _bare_view(record: Record, mapping: RecordMapping) -> RecordView:
    """Only what telling needs: the values themselves may be what failed."""
    columns = mapping.columns
    name = record.values.get(mapping.field("name").crm) if mapping.has("name") else None
    return RecordView(
        values={},
        stage=record.stage,
        modified_at=record.modified_at,
        audit=str(record.values.get(columns.audit) or ""),
        name_in_crm=str(name or ""),
        sync=True,
    )


def _etag(sides: Sides, link: Link, kind: str, queued_at: datetime) -> str | None:
    """The version of the referral that failed, so that auto-heal does not find it again and again.

    ``None`` for one that changed since ``queued_at``: that change may be the cure.
    """
    if kind != REFERRAL or link.referral_id is None:
        return _of(link.base, "etag")
    try:
        document = sides.referrals.get(link.referral_id)
    except ConnectorError:
        return None
    try:
        changed_since = parse_referral(document).updated_at > queued_at
    except Rejected:  # its shape is what failed
        changed_since = False
    return None if changed_since else document.get("eTag")


def _of(base: Mapping[str, Any] | None, name: str) -> str | None:
    return None if base is None else base.get(name)


def work_off_failure(desk: Desk, sides: Sides, function: str, queue: str, body: bytes) -> None:
    """A message of a poison queue is told of, or comes again until it is; text that is no message is only logged."""
    try:
        envelope = parse(body)
    except Rejected as error:
        tell_dropped(function, queue, error, reason=error.code)
        return
    reason = envelope.reason or _NEVER_FINISHED
    envelope = replace(envelope, reason=reason)
    began_s, started = time.perf_counter(), desk.clock()
    token = correlation_id.set(envelope.correlation_id)
    try:
        with counting_calls() as calls:
            try:
                outcome: Outcome | ConnectorError = tell_failure(
                    sides, envelope.kind, envelope.id, reason.code, reason.message, envelope.first_seen
                )
            except RetryLater as error:
                delay_s = wait_s(envelope.attempt, error, random.random())  # noqa: S311
                desk.sender.send(queue, envelope.next_attempt(), delay_s=delay_s)
                outcome = error
            except ConnectorError as error:
                outcome = error  # the record refuses even the news; the run history has it
        duration_ms = round((time.perf_counter() - began_s) * 1000)
        link = outcome.link if isinstance(outcome, Outcome) else None
        desk.budget.add(calls.by_service())
        desk.journal.write(Work(function, envelope, started, duration_ms, calls), outcome, link)
    finally:
        correlation_id.reset(token)
