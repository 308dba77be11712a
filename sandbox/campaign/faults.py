"""Everything that can fail, as orders to the simulators, the webhooks' sender, storage, and the hosts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import requests

from sandbox.campaign.fleet import Fleet
from sandbox.control import Control, Fault
from sandbox.dataverse import faults as dataverse
from sandbox.salesforce import faults as salesforce
from sandbox.storage_proxy import StorageProxy
from sandbox.world import World

SOON = {"Retry-After": "1"}
REFERRALS = "/referrals"
TOKENS = "/token$"
TIMEOUT_S = 31.0
"""Longer than the app waits for an answer."""
LATE_S = 1.5

# Kind and how often; those of hosts and time-outs are counted apart, as they cost more.
_WEIGHTS = {
    "Partner Center: 429": 8,
    "Partner Center: 500 or 503": 6,
    "Partner Center: cut before the work": 5,
    "Partner Center: cut after the work": 8,
    "Partner Center: 401": 3,
    "Partner Center: 412": 3,
    "CRM: refused, too busy": 8,
    "CRM: 503": 5,
    "CRM: cut before the work": 5,
    "CRM: cut after the work": 8,
    "CRM: 401": 3,
    "CRM: 412 or row locked": 3,
    "tokens: all expired": 2,
    "tokens: endpoint throttled": 2,
    "webhook: dropped": 8,
    "webhooks: sent twice": 3,
    "webhooks: in disorder": 3,
    "webhooks: late": 2,
    "webhooks: as they should be": 4,
    "webhook: forged": 4,
    "storage: 500 or 503": 6,
    "storage: cut before the work": 4,
    "storage: cut after the work": 4,
}
HOST_KILLED = "host killed"
TIMED_OUT = "no answer in time"
_FAULTS_PER_KILL = 20
_FAULTS_PER_KILL_IN_REAL_TIME = 100
"""Each kill leaves messages hidden for ten minutes there: with many of them nothing else would be waited for."""
_FAULTS_PER_TIMEOUT = 60


def plan_faults(seed: int, count: int, *, real_waits: bool) -> list[str]:
    """``count`` kinds in their order, the same for the same arguments. Time-outs take longer than a short campaign."""
    chance = random.Random(f"{seed}/faults")
    kills = max(1, count // (_FAULTS_PER_KILL_IN_REAL_TIME if real_waits else _FAULTS_PER_KILL)) if count else 0
    rare = [HOST_KILLED] * kills + [TIMED_OUT] * (count // _FAULTS_PER_TIMEOUT if real_waits else 0)
    kinds = rare + chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=max(0, count - len(rare)))
    chance.shuffle(kinds)
    return kinds[:count]


@dataclass
class Weather:
    """Lets faults of a kind happen, and counts those that did; an order nobody has come across yet has not."""

    world: World
    fleet: Fleet
    storage: StorageProxy
    chance: random.Random
    happened: Counter[str] = field(default_factory=Counter)
    refused_forgeries: int = 0
    taken_forgeries: int = 0
    _orders: list[tuple[str, Fault]] = field(default_factory=list)

    def strike(self, kind: str) -> None:
        service, _, what = kind.partition(": ")
        acts: dict[str, Callable[[str], None]] = {
            "Partner Center": self._at_partner_center,
            "CRM": self._at_the_crm,
            "tokens": self._at_the_token_endpoint,
            "webhook": self._at_one_webhook,
            "webhooks": self._at_all_webhooks,
            "storage": self._at_storage,
            HOST_KILLED: self._at_a_host,
            TIMED_OUT: self._in_time,
        }
        acts[service](what)

    def clear(self) -> None:
        """Nothing fails any more; what was ordered and never happened is taken back."""
        for control in (
            self.world.partner_center.control,
            self.world.crm.control,
            self.world.entra.control,
            self.storage.control,
        ):
            control.forget_faults()
        self._fine_weather()
        self.world.partner_center.deliveries.options.drop_next = 0

    def counted(self) -> Counter[str]:
        """By kind, what has happened so far."""
        return self.happened + Counter(kind for kind, order in self._orders if order.times <= 0)

    def _order(self, kind: str, control: Control, fault: Fault) -> None:
        self._orders.append((kind, fault))
        control.order(fault)

    def _at_partner_center(self, what: str) -> None:
        kind, control = f"Partner Center: {what}", self.world.partner_center.control
        busy = Fault(REFERRALS, status=self.chance.choice((500, 503)), headers=self.chance.choice((SOON, {})))
        fault = {
            "429": Fault(REFERRALS, status=429, headers=SOON),
            "500 or 503": busy,
            "cut before the work": Fault(REFERRALS, status=0),
            "cut after the work": Fault(REFERRALS, "POST|PATCH", status=0, after_commit=True),
            "401": Fault(REFERRALS, status=401),
            "412": Fault(REFERRALS, "PATCH", status=412, body={"error": {"code": "etagMismatch", "message": "Old."}}),
        }[what]
        self._order(kind, control, fault)

    def _at_the_crm(self, what: str) -> None:
        is_salesforce = self.world.crm.setting == "salesforce"
        path = salesforce.DATA_PATH if is_salesforce else dataverse.DATA_PATH
        stale = {"error": {"code": "0x80060882", "message": "The version of the existing record doesn't match."}}
        chosen = self.chance.choice(
            (dataverse.too_many_requests, dataverse.too_much_execution_time, dataverse.too_many_concurrent)
        )
        fault = {
            "refused, too busy": salesforce.too_many_concurrent() if is_salesforce else chosen(retry_after_s=1),
            "503": salesforce.unavailable() if is_salesforce else Fault(path, status=503, headers=SOON),
            "cut before the work": Fault(path, status=0),
            "cut after the work": Fault(path, "POST|PATCH", status=0, after_commit=True),
            "401": salesforce.session_expired() if is_salesforce else Fault(path, status=401),
            "412 or row locked": salesforce.row_locked(method="POST|PATCH")
            if is_salesforce
            else Fault("opportunities\\(", "PATCH", status=412, body=stale),
        }[what]
        self._order(f"CRM: {what}", self.world.crm.control, fault)

    def _at_the_token_endpoint(self, what: str) -> None:
        if what == "endpoint throttled":
            fault = Fault(TOKENS, "POST", status=self.chance.choice((429, 503)), headers=SOON)
            is_salesforce = self.world.crm.setting == "salesforce" and self.chance.random() < 0.5
            control = self.world.crm.control if is_salesforce else self.world.entra.control
            self._order("tokens: endpoint throttled", control, fault)
        else:
            self.happened["tokens: all expired"] += 1
        # Nobody asks for tokens while they are good.
        self.world.expire_tokens()

    def _at_one_webhook(self, what: str) -> None:
        if what == "dropped":
            self.world.partner_center.deliveries.options.drop_next += 1
            self.happened["webhook: dropped"] += 1
        else:
            self._forge()

    def _forge(self) -> None:
        """An event of somebody who does not have Microsoft's key; no host may take it."""
        registration = self.world.partner_center.webhooks.registration
        if registration is None:
            return
        body = b'{"EventName":"referral-updated","ResourceUri":"https://forged.example/referrals/0","ResourceName":"x"}'
        signed = self.world.partner_center.signer.headers(
            b"another body", f"{self.world.partner_center_url}/cert/x.cer"
        )
        headers = self.chance.choice(({}, {"Authorization": "Signature Zm9yZ2Vk"}, signed))
        try:
            answer = requests.post(registration.callback_url, data=body, headers=headers, timeout=10)
        except requests.RequestException:  # its host was killed just now
            return
        if answer.status_code < 500:
            self.happened["webhook: forged"] += 1
        if 200 <= answer.status_code < 300:
            self.taken_forgeries += 1

    def _at_all_webhooks(self, what: str) -> None:
        self._fine_weather()
        options = self.world.partner_center.deliveries.options
        match what:
            case "sent twice":
                options.copies = 2
            case "in disorder":
                options.delay_s, options.shuffle = LATE_S, True
            case "late":
                options.delay_s = LATE_S
            case _:
                return
        self.happened[f"webhooks: {what}"] += 1

    def _fine_weather(self) -> None:
        options = self.world.partner_center.deliveries.options
        options.copies, options.delay_s, options.shuffle = 1, 0.0, False

    def _at_storage(self, what: str) -> None:
        path = self.chance.choice(("^/table/", "^/table/", "^/queue/", "^/blob/"))
        fault = {
            "500 or 503": Fault(path, status=self.chance.choice((500, 503))),
            "cut before the work": Fault(path, status=0),
            "cut after the work": Fault(path, "POST|PUT|PATCH|MERGE|DELETE", status=0, after_commit=True),
        }[what]
        self._order(f"storage: {what}", self.storage.control, fault)

    def _at_a_host(self, _: str) -> None:
        if self.fleet.kill_one(self.chance):
            self.happened[HOST_KILLED] += 1

    def _in_time(self, _: str) -> None:
        after = self.chance.random() < 0.5
        path, control = REFERRALS, self.world.partner_center.control
        if self.chance.random() < 0.5:
            is_salesforce = self.world.crm.setting == "salesforce"
            path, control = salesforce.DATA_PATH if is_salesforce else dataverse.DATA_PATH, self.world.crm.control
        late = Fault(path, "POST|PATCH", status=0, delay_s=TIMEOUT_S, after_commit=after)
        self._order(TIMED_OUT, control, late)
