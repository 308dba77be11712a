"""A storm of callbacks: twice, late, in any order, a third of them never, and strangers' between them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sandbox.certificates import make_certificates
from sandbox.comparison import compare
from sandbox.partner_center import Event
from sandbox.partner_center.signing import Signer
from tests.end_to_end.scene import Scene
from tests.end_to_end.test_webhook import event, log_lines_of_webhooks, send, signed
from tests.end_to_end.waiting import wait_for

pytestmark = pytest.mark.crms("dynamics365", "salesforce")
DEALS, EDITS = 5, 12


@pytest.fixture
def storm(scene: Scene) -> Iterator[random.Random]:
    """Callbacks are unreliable until the test is over; the same way in every run."""
    dice = random.Random(7)
    deliveries = scene.world.partner_center.deliveries
    calm = replace(deliveries.options)
    deliveries.options = replace(calm, copies=2, delay_s=0.6, shuffle=True, drop=lambda _: dice.random() < 0.33)
    yield dice
    deliveries.options = calm


def differences(scene: Scene) -> list[str]:
    found = compare(scene.world.partner_center.store.all(), scene.world.crm.opportunities())
    return [f"{one.deal}: {one.field}: {one.partner_center!r} / {one.crm!r}" for one in found if not one.agrees]


def test_deals_converge_and_two_ticks_of_auto_heal_bring_what_never_came(scene: Scene, storm: random.Random) -> None:
    referral_ids = [
        scene.incoming(details__dealValue=1000 + number, status="Active", substatus="Accepted")
        for number in range(DEALS)
    ]
    old = [event(referral_id) for referral_id in referral_ids]
    for number in range(EDITS):
        scene.edit_referral(storm.choice(referral_ids), details__dealValue=2000 + number)
        # An event of hours ago, overtaken by newer ones: it says that something changed, and nothing of what.
        late = storm.choice(old)
        assert send(scene, late, signed(scene, late)) == 202
    scene.settle()
    dropped = [one for one in scene.world.partner_center.deliveries.log if one.dropped]
    assert dropped
    scene.world.partner_center.deliveries.options.drop = None
    for _ in range(2):
        scene.run_timer("auto_heal")
        scene.settle()
    assert differences(scene) == []
    assert all(len(scene.records_of(referral_id)) == 1 for referral_id in referral_ids)


def test_a_stranger_with_a_certificate_of_his_own_changes_nothing(
    scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Same organisation's name, same address: only the root differs, and the key."""
    referral_id, record_id = scene.accepted()
    stranger = Signer(make_certificates(tmp_path_factory.mktemp("stranger")))
    body = Event("referral-updated", f"https://x/{referral_id}", "referral", "2026-11-21T03:00:00Z").body()
    address = signed(scene, body)["X-MS-Certificate-Url"]
    before = scene.referral(referral_id), scene.record(record_id), len(scene.runs_of(referral_id))
    lines = len(log_lines_of_webhooks(scene))
    for _ in range(5):
        assert send(scene, body, stranger.headers(body, address)) == 401
    refused = wait_for(lambda: log_lines_of_webhooks(scene)[lines:][4:] and log_lines_of_webhooks(scene)[lines:], "log")
    assert len(refused) == 5
    assert scene.queue_lengths() == {}
    assert (scene.referral(referral_id), scene.record(record_id), len(scene.runs_of(referral_id))) == before
