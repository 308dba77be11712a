"""The result of a campaign: both sides compared, the ledger's verdicts, and the one table that tells of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from sandbox.campaign.audit import conflict_lines
from sandbox.campaign.doubles import count_doubles
from sandbox.campaign.faults import HOST_KILLED, Weather
from sandbox.campaign.fleet import Fleet
from sandbox.campaign.leaks import find_leaks, keys_in
from sandbox.campaign.people import Deal, People
from sandbox.campaign.plan import Field, Side
from sandbox.campaign.sellers import Seller
from sandbox.campaign.storage_look import StorageLook
from sandbox.campaign.verdict import Pair, Standing, Verdict, judge
from sandbox.world import World

CLOSED_UNSEEN = "closed before the other side ever had it"
MISSING = "missing on the other side"
HISTORY_TIMEOUT_S = 300.0


@dataclass
class Result:
    """What happened and how it ended; ``is_clean`` is what the exit code says."""

    edits: Counter[tuple[Side, Field]]
    refused: int
    faults: Counter[str]
    killed: int
    doubles: Mapping[str, int]
    verdicts: Sequence[Verdict]
    conflicts_told: int
    failed_runs: Sequence[Mapping[str, Any]]
    waiting: Mapping[str, int]
    calls: Mapping[str, int]
    forgeries: tuple[int, int]
    leaks: Sequence[str]
    settled_s: float
    deals: int
    ids: Mapping[int, str]
    standings: Counter[Standing] = field(init=False)

    def __post_init__(self) -> None:
        self.standings = Counter(verdict.standing for verdict in self.verdicts)

    @property
    def bad(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.is_bad]

    @property
    def is_clean(self) -> bool:
        doubled, waiting = sum(self.doubles.values()), sum(self.waiting.values())
        return not (self.bad or doubled or waiting or self.failed_runs or self.leaks or self.forgeries[1])


def judge_all(
    world: World,
    people: People,
    seller: Seller,
    weather: Weather,
    fleet: Fleet,
    look: StorageLook,
    settled_s: float,
) -> Result:
    """The result of a campaign that has settled; its hosts still run."""
    verdicts = [verdict for number in people.deals for verdict in _judge_deal(world, people, seller, number)]
    records = {record_id: seller.show(record_id) for record_id in seller.record_ids()}
    known = {deal.record_id for deal in people.deals.values()}
    verdicts += [
        Verdict(-1, "opportunity", Standing.UNEXPLAINED, f"{stranger} belongs to no deal")
        for stranger in records.keys() - known
    ]
    return Result(
        edits=people.edits,
        refused=people.refused,
        faults=weather.counted(),
        killed=fleet.killed,
        doubles=count_doubles(
            world.partner_center.store.all(),
            {record_id: shown.referral_id for record_id, shown in records.items()},
            seller.accounts(),
            seller.contacts(),
        ),
        verdicts=verdicts,
        conflicts_told=sum(len(conflict_lines(shown.audit)) for shown in records.values()),
        failed_runs=_failed_runs(world),
        waiting={name: length for name, length in look.lengths().items() if length},
        calls={
            "Partner Center": world.partner_center.control.count("/v1.0/"),
            world.crm.name: world.crm.control.count(),
        },
        forgeries=(weather.counted()["webhook: forged"], weather.taken_forgeries),
        leaks=find_leaks(fleet.logs, keys_in(world.folder / "keys.json")),
        settled_s=settled_s,
        deals=len(people.deals),
        ids={
            number: f"deal {number} (referral {deal.referral_id}, record {deal.record_id})"
            for number, deal in people.deals.items()
        },
    )


def _failed_runs(world: World) -> list[Mapping[str, Any]]:
    """From the app's own history, which takes its time after some ten thousand runs."""
    assert world.host is not None
    answer = requests.get(
        f"{world.app_url}/api/run-history",
        params={"format": "json", "status": "failed", "limit": "1000"},
        headers={"x-functions-key": world.host.key("run_history")},
        timeout=HISTORY_TIMEOUT_S,
    )
    answer.raise_for_status()
    return list(answer.json()["runs"])


def _judge_deal(world: World, people: People, seller: Seller, number: int) -> list[Verdict]:
    deal = people.meet(number)
    if deal.referral_id is None or deal.record_id is None:
        return [_alone(people, deal)]
    referral, record = people.referral(deal), people.shown(deal)
    if record.referral_id != deal.referral_id:
        text = f"the record names {record.referral_id}, the referral is {deal.referral_id}"
        return [Verdict(number, "the other side's id", Standing.UNEXPLAINED, text)]
    engagement = world.partner_center.store.of_engagement(str(referral["engagementId"]))
    pair = Pair(
        number=number,
        referral=referral,
        record=record,
        solutions=frozenset(seller.solutions(deal.record_id)),
        microsoft_crm_id=record.microsoft_crm_id,
        invitations=sum(1 for one in engagement if one["organizationId"] == "msft"),
    )
    return list(judge(pair, people.ledger, dict(seller.labels)))


def _alone(people: People, deal: Deal) -> Verdict:
    """A deal on one side only: one that ended before the other side could have it."""
    if deal.referral_id is not None:
        referral = people.referral(deal)
        ended = referral["status"] == "Closed" and referral["substatus"] != "Won"
    else:
        ended = people.shown(deal).stage in ("won", "lost")
    standing = Standing.CLOSED if ended else Standing.UNEXPLAINED
    return Verdict(deal.planned.number, "the deal itself", standing, CLOSED_UNSEEN if ended else MISSING)


def table(result: Result, crm: str) -> str:
    """One block of lines, each a name and what was counted."""
    rows: list[tuple[str, object]] = [("deals", result.deals), ("edits", result.edits.total())]
    for side in Side:
        kinds = sorted((kind.value, count) for (where, kind), count in result.edits.items() if where is side)
        name = crm if side is Side.CRM else side.value
        rows.append((f"  in {name}", ", ".join(f"{kind} {count}" for kind, count in kinds)))
    rows.append(("  refused by their side (no edits)", result.refused))
    rows.append(("faults", result.faults.total()))
    rows += [(f"  {kind}", count) for kind, count in sorted(result.faults.items()) if kind != HOST_KILLED]
    rows.append(("hosts killed", result.killed))
    rows += [(f"doubled: {what}", count) for what, count in result.doubles.items()]
    rows += [(f"fields: {standing}", result.standings[standing]) for standing in Standing]
    rows.append(("conflicts told in the audit", result.conflicts_told))
    rows.append(("failed runs (poison)", len(result.failed_runs)))
    rows.append(("messages left in queues", sum(result.waiting.values())))
    rows.append(("forged webhooks taken", f"{result.forgeries[1]} of {result.forgeries[0]}"))
    rows.append(("log lines with a secret or personal data", len(result.leaks)))
    edits = max(1, result.edits.total())
    rows += [(f"calls per edit: {name}", f"{count / edits:.1f}") for name, count in result.calls.items()]
    rows.append(("time to settle", f"{result.settled_s:.0f} s"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def complaints(result: Result, most: int = 40) -> list[str]:
    """What is not as it must be, one line each."""
    lines = [f"{result.ids.get(one.deal, '')}, {one.field}: {one.standing}. {one.text}" for one in result.bad]
    lines += [f"failed: {run['kind']} {run['subject_id']}: {run['message']}" for run in result.failed_runs]
    lines += [f"still waiting in {name}: {count}" for name, count in result.waiting.items()]
    lines += [f"leak: {where}" for where in result.leaks]
    return lines[:most]
