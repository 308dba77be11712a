"""One world whose CRM tells how much of its limit is used; everything that a query looks for happens in it once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from sandbox.crms import SalesforceSide
from sandbox.partner_center import Event
from sandbox.world import World
from shared.state.connection import StorageConnection
from shared.state.envelope import Envelope
from shared.state.queues import CRM_LEAD_CHANGES, QueueSender
from tests.end_to_end.scene import NO_TIMERS, Scene
from tests.end_to_end.waiting import wait_for
from tests.telemetry.log import Line, read

SETTINGS = {
    **NO_TIMERS,
    "PARTNER_CENTER_DAILY_CALL_BUDGET": "5",
    # What nobody takes from its queue grows old there.
    "AzureWebJobs.crm_lead_to_partner_center.Disabled": "1",
}
OLD = timedelta(hours=2)


@dataclass(frozen=True)
class Day:
    """What happened, and what the app logged of it."""

    scene: Scene
    referral_id: str
    record_id: str
    unknown_id: str
    text: str
    lines: list[Line]

    def of(self, event: str, **fields: object) -> list[Line]:
        """The lines of an event with these fields, oldest first."""
        return [one for one in self.lines if one.event == event and fields.items() <= one.fields.items()]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """A day at an imaginary company: a deal synced both ways, a failure, a stranger, a backlog, and a lost sign-in."""
    with World(tmp_path_factory.mktemp("world"), crm="salesforce", settings=SETTINGS) as world:
        world.start_app()
        world.register_webhook()
        scene = Scene(world)
        scene.run_timer("auto_heal")
        referral_id = scene.incoming(status="Active", substatus="Accepted")
        scene.wait_quiet()
        record_id = str(scene.record_of(referral_id)["id"])
        scene.edit_crm(record_id, deal_value=4711)
        scene.run_timer("crm_to_partner_center")
        scene.wait_quiet()
        _strangers_webhook(world)
        unknown_id = _event_of_a_referral_that_is_not_there(scene)
        _use_up(world)
        scene.edit_referral(referral_id, details__notes="Second thought.")
        scene.wait_quiet()
        _leave_a_message_behind(world)
        scene.run_timer("auto_heal")
        _lose_the_sign_in(scene, record_id)
        yield Day(scene, referral_id, record_id, unknown_id, _log(world), read(_log(world)))
        scene.close()


def _log(world: World) -> str:
    assert world.host is not None
    return world.host.log


def _post(world: World, body: bytes, headers: dict[str, str]) -> int:
    assert world.host is not None
    url = f"{world.app_url}/api/partner-center"
    code = {"code": world.host.key("partner_center_to_crm")}
    return requests.post(url, params=code, data=body, headers=headers, timeout=30).status_code


def _body(referral_id: str) -> bytes:
    uri = f"https://api.partnercenter.microsoft.com/engagements/v1/referrals/{referral_id}"
    return Event("referral-updated", uri, "referral", "2026-11-21T03:00:00.0000000Z").body()


def _strangers_webhook(world: World) -> None:
    assert _post(world, _body(str(uuid.uuid4())), {}) == 401


def _event_of_a_referral_that_is_not_there(scene: Scene) -> str:
    """It fails for good and goes through the poison queue; its id."""
    unknown_id, world = str(uuid.uuid4()), scene.world
    certificate = f"{world.partner_center_url}/cert/pcnotifications-dispatch.microsoft.com.cer"
    body = _body(unknown_id)
    assert _post(world, body, dict(world.partner_center.signer.headers(body, certificate))) == 202
    scene.wait_quiet()
    return unknown_id


def _use_up(world: World) -> None:
    """Somebody else has made most of the calls that the org has for a day."""
    assert isinstance(world.crm, SalesforceSide)
    limit = world.crm.simulator.limit
    for _ in range(900):
        limit.count()
    limit.most = round(limit.used / 0.9)


def _leave_a_message_behind(world: World) -> None:
    sender = QueueSender(StorageConnection(world.settings()["AzureWebJobsStorage"]))
    sender.send(CRM_LEAD_CHANGES, Envelope("lead", "00Q000000000001AAA", datetime.now(UTC) - OLD, str(uuid.uuid4())))
    sender.close()


def _lose_the_sign_in(scene: Scene, record_id: str) -> None:
    """The refresh token is revoked, and the deal waits for a new one."""
    scene.world.entra.revoke_refresh_token()
    scene.world.entra.expire_all_tokens()
    scene.edit_crm(record_id, deal_value=1147)
    scene.run_timer("crm_to_partner_center")
    wait_for(lambda: "refresh_token_refused" in _log(scene.world), "the refused sign-in in the log")
    wait_for(lambda: [one for one in read(_log(scene.world)) if _waits(one, record_id)], "its deal waits")


def _waits(line: Line, record_id: str) -> bool:
    return line.fields.get("subject_id") == record_id and line.fields.get("outcome") == "retrying"


@pytest.fixture(scope="session")
def queries() -> dict[str, str]:
    """By name, every file of ``infra/queries``."""
    folder = Path(__file__).parents[2] / "infra" / "queries"
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.kql"))}
