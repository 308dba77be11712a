"""``backfill``: everything that exists is brought into step, through the app's own queues."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from cosell.asking import add_asking, agreed, must_be_answerable
from cosell.progress import Progress
from cosell.spending import spending
from shared.connector import Connector, build_connector
from shared.domain.errors import RetryLater
from shared.settings import load_settings
from shared.state.backfills import BackfillStore
from shared.state.connection import storage_connection
from shared.state.tables import Tables
from shared.sync.adopt import EVER
from shared.sync.backfill import Found, find_in_crm, find_in_partner_center, queue_all
from shared.sync.deals import why_not_taken_in
from shared.sync.link_index import LinkIndex

MOST_AHEAD = 200
"""Deals in a queue at a time: a webhook that comes meanwhile waits behind so many, and no more."""
LOOK_EVERY_S = 2.0
STALLED_AFTER_S = 300.0
_DESCRIPTION = """
Reads all records of the CRM and all referrals, and puts every deal that is not in step into the app's queues, where the
running app works it off as if it had changed just now: what is missing on one side is created, what differs is settled.
Opportunities are shared only where Sync with Partner Center is Yes. The queue is filled as fast as the app empties it,
and not beyond the day's call budgets. Stopped half-way, the same command goes on where it stopped.
"""


class Queues(Protocol):
    def lengths(self, queues: Sequence[str]) -> dict[str, int]: ...


class Budget(Protocol):
    def tight(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Room:
    """Waits until a queue is short enough for more. Raises ``RetryLater`` when it is better to go on another time."""

    queues: Queues
    budget: Budget
    most_ahead: int = MOST_AHEAD
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, queue: str) -> None:
        if tight := self.budget.tight():
            raise RetryLater(
                f"Today's call budget of {', '.join(tight)} is nearly spent; the backfill stopped",
                code="call_budget",
                remedy="Run the same command tomorrow (days are UTC): it goes on where it stopped.",
            )
        shortest, since_s = self._length(queue), self.clock()
        while (length := self._length(queue)) >= self.most_ahead:
            if length < shortest:
                shortest, since_s = length, self.clock()
            elif self.clock() - since_s > STALLED_AFTER_S:
                raise RetryLater(
                    f"The queue {queue} has held {length:,} messages for {STALLED_AFTER_S / 60:.0f} minutes",
                    code="queue_stalled",
                    remedy="Check that the app is running, then run the same command: it goes on where it stopped.",
                )
            self.sleep(LOOK_EVERY_S)

    def _length(self, queue: str) -> int:
        return self.queues.lengths([queue])[queue]


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    backfill = commands.add_parser(
        "backfill",
        parents=[common],
        help="bring every deal into step that existed before the app, or was left out",
        description=_DESCRIPTION,
    )
    backfill.add_argument("--from-crm", action="store_true", help="only what the CRM has")
    backfill.add_argument("--from-partner-center", action="store_true", help="only what Partner Center has")
    backfill.add_argument(
        "--since",
        type=_day,
        default=EVER,
        metavar="DATE",
        help="only referrals that changed since then, as 2026-03-01; the CRM is always read whole",
    )
    backfill.add_argument("--restart", action="store_true", help="forget how far an earlier backfill came")
    add_asking(backfill, "count what would be queued, and queue nothing")
    backfill.set_defaults(run=run)


def _day(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("it must be a date like 2026-03-01") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    must_be_answerable(options)
    settings = load_settings(environ)
    connector = build_connector(settings)
    store = BackfillStore(Tables(storage_connection(settings)))
    with spending(connector.budget):
        found = _find(options, connector)
    before = {one.source: 0 if options.restart else sum(map(len, store.queued(one.source))) for one in found}
    if not options.json:
        print(_found_text(found, before))
    if options.dry_run:
        return _answer(options, found, 0, "A dry run: nothing was queued.")
    if not any(one.subjects for one in found):
        return _answer(options, found, 0, "Everything is in step already.")
    if settings.dry_run and not options.json:
        print("DRY_RUN is yes: the app will only say what it would do.")
    if not agreed(options, "Queue them? The app creates and changes records and referrals as it works them off."):
        _answer(options, found, 0, "Nothing was queued.")
        return 1
    if options.restart:
        for one in found:
            store.forget(one.source)
    queued = queue_all(connector.watch, found, store, Room(connector.sender, connector.budget), Progress())
    where = f"{settings.public_url.rstrip('/')}/api/run-history" if settings.public_url else "/api/run-history"
    return _answer(options, found, queued, f"{queued:,} deals queued. Follow them in the run history: {where}")


def _find(options: argparse.Namespace, connector: Connector) -> list[Found]:
    is_both = options.from_crm == options.from_partner_center
    progress, links, found = Progress(), LinkIndex(connector.links.all()), []
    if is_both or options.from_crm:
        found += [find_in_crm(connector.watch, kind, links, progress) for kind in connector.record_kinds]
    if is_both or options.from_partner_center:
        why = partial(why_not_taken_in, connector.sides)
        found.append(find_in_partner_center(connector.watch, options.since, links, why, progress))
    return found


def _found_text(found: Sequence[Found], before: Mapping[str, int]) -> str:
    lines = []
    for one in found:
        counts = f"{one.seen:,} read, {one.in_step:,} in step, {one.passed_over:,} not to be synced"
        lines.append(f"{one.source}: {counts}, {len(one.subjects):,} to be queued")
        if before[one.source]:
            lines.append(f"  An earlier backfill stopped half-way: the {before[one.source]:,} it queued are left out.")
    return "\n".join(lines)


def _answer(options: argparse.Namespace, found: Sequence[Found], queued: int, text: str) -> int:
    if not options.json:
        print(text)
        return 0
    sources: list[dict[str, Any]] = [
        {
            "source": one.source,
            "read": one.seen,
            "in_step": one.in_step,
            "not_to_be_synced": one.passed_over,
            "to_be_queued": len(one.subjects),
        }
        for one in found
    ]
    print(json.dumps({"sources": sources, "queued": queued}, indent=2))
    return 0
