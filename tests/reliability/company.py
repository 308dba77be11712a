"""A company at work for days: both sides in memory, the real sync and its real stores, on an injected clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.domain.link import Link
from shared.state.audit import AuditLine, AuditLog
from shared.state.brake import Brake
from shared.state.call_budget import CallBudget
from shared.state.cursors import CursorStore
from shared.state.envelope import Envelope
from shared.state.links import LinkStore
from shared.state.name_locks import NameLocks
from shared.state.queues import ALL_QUEUES, REFERRAL_EVENTS
from shared.state.runs import Run, RunHistory
from shared.state.solution_rows import SolutionRows
from shared.state.tables import Tables
from shared.sync.failures import find_link
from shared.sync.journal import Journal
from shared.sync.polls import Watch
from shared.sync.resubmit import resubmit
from shared.sync.sides import Sides
from shared.sync.work import Desk
from tests.property.world import World
from tests.reliability.injected_time import Clock, InjectedHost, Queues
from tests.reliability.memory_tables import MemoryTables
from tests.reliability.outages import Behind, Service, Storage, TokenEndpoint

ACCEPTED = {"status": "Active", "substatus": "Accepted"}
RETRY_FOR = timedelta(hours=72)
_REFERRALS = frozenset({"get", "patch", "create", "of_engagement", "created_for", "updated_since"})
_CRM = frozenset({"changes", "solution_changes", "get", "prepare", "create", "update", "opportunity_of", "qualify"})


class _TimedWorld(World):
    """Its people and services look at an injected clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        super().__init__()

    def _tick(self) -> datetime:
        return self._clock()


@dataclass(frozen=True)
class _App:
    desk: Desk
    sides: Sides
    watch: Watch
    solution_rows: SolutionRows


class Company:
    """People act on either side; ``host`` lets time pass. Whatever is away is so until the test takes it back.

    ``token`` gives the tokens for Partner Center, as a transport wants them.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        token: Callable[[bool], str] | None = None,
        tables: Tables | None = None,
        brake_percent: int = 100,
        poll_every: timedelta = timedelta(seconds=30),
    ) -> None:
        self.clock = clock or Clock()
        self.world = _TimedWorld(self.clock)
        self.token_endpoint = TokenEndpoint(self.clock)
        self.partner_center = Service("Partner Center", self.clock, token or self.token_endpoint)
        self.crm = Service("Memory CRM", self.clock)
        self.tables, self.queue_storage = Storage(), Storage()
        self.queues = Queues(self.clock)
        self.queues.on_use = self.queue_storage.require
        self._rows = tables or MemoryTables(self.tables.require)
        self.links = LinkStore(self._rows, clock=self.clock)
        self.audit, self.runs = AuditLog(self._rows), RunHistory(self._rows, clock=self.clock)
        self.app = self._wire(brake_percent)
        self.host = InjectedHost(self.app, self.queues, self.clock, poll_every=poll_every)

    def _wire(self, brake_percent: int) -> _App:
        links, rows, clock = self.links, self._rows, self.clock
        referrals: Any = Behind(self.world.partner_center, self.partner_center, _REFERRALS)
        crm: Any = Behind(self.world.crm, self.crm, _CRM)
        brake = Brake(rows, brake_percent, lambda: sum(1 for _ in links.all()), clock=clock)
        sides = replace(
            self.world.sides,
            referrals=referrals,
            crm=crm,
            links=links,
            brake=brake,
            locks=NameLocks(rows, clock=clock),
        )
        cursors = CursorStore(rows, clock=clock)
        numbers = iter(range(10_000_000))
        watch = Watch(referrals, crm, links, cursors, self.queues, clock, lambda: f"event-{next(numbers)}")

        def link_of(envelope: Envelope) -> Link | None:
            return find_link(sides, envelope.kind, envelope.id)

        budget = CallBudget(rows, {}, clock=clock)
        desk = Desk(self.queues, Journal(self.audit, self.runs), link_of, budget, clock, RETRY_FOR)
        return _App(desk, sides, watch, SolutionRows(rows))

    # Acts of people

    def incoming(self, **changes: Any) -> str:
        """A referral arrives, and its webhook with it; its id."""
        referral_id = self.world.incoming(**changes)
        self.event(referral_id)
        return referral_id

    def edit_referral(self, referral_id: str, **changes: Any) -> None:
        """``changes`` by path with ``__`` between the steps; the webhook tells of it."""
        assert self.world.partner_center.edit(
            referral_id, {path.replace("__", "."): value for path, value in changes.items()}
        )
        self.event(referral_id)

    def event(self, referral_id: str) -> None:
        """A webhook that was taken. While the queues are away it is not, and Partner Center gives up at last."""
        if not self.queue_storage.is_away:
            self.queues.send(REFERRAL_EVENTS, Envelope("referral", referral_id, self.clock(), f"webhook-{referral_id}"))

    def resubmit(self, **body: str) -> list[dict[str, str]]:
        return resubmit(self.app.watch, self.app.sides, self.runs, json.dumps(body).encode())

    # What there is to see

    def deals(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each of our referrals, with the id of the one record that names it."""
        column = self.world.record_mapping.columns.referral_id
        by_referral: dict[str, list[str]] = {}
        for record_id in self.world.crm.ids():
            by_referral.setdefault(str(self.world.crm.peek(record_id).values.get(column)), []).append(record_id)
        for referral_id in self.world.partner_center.ids():
            document = self.world.partner_center.peek(referral_id)
            if document["organizationId"] != "msft":
                (record_id,) = by_referral.pop(referral_id)
                yield document, record_id
        assert not by_referral.keys() - {"None"}, "a record names a referral that there is not"

    def assert_in_step(self) -> None:
        """Every referral has one record and every record its referral, and what people edit is the same on both."""
        deals = list(self.deals())
        assert len(deals) == len(self.world.crm.ids())
        for document, record_id in deals:
            details, record = document["details"], self.world.record
            assert document["externalReferenceId"] == record_id
            assert record(record_id, "notes") == details["notes"]
            value = record(record_id, "deal_value")
            assert value == (None if details["dealValue"] is None else Decimal(str(details["dealValue"])))

    def runs_of(self, subject_id: str) -> list[Run]:
        """Newest first."""
        return [run for run in self.runs.recent(1_000_000, 10) if run.subject_id == subject_id]

    def audit_of(self, subject_id: str, kind: str = "referral") -> list[AuditLine]:
        """The audit table's lines of the deal, newest first."""
        link = find_link(self.app.sides, kind, subject_id)
        return self.audit.of_link(link.id if link else f"{kind}-{subject_id}", 10_000)

    def lengths(self, queues: Any = ALL_QUEUES) -> dict[str, int]:
        """As the run history asks for them."""
        return {queue: len(self.queues.waiting(queue)) for queue in queues}
