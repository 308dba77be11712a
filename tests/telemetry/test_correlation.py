"""One event, one id, with a CRM whose writes go through batches: from the webhook to both sides and into the books."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.control import Fault
from sandbox.world import World
from tests.end_to_end.scene import NO_TIMERS, Scene
from tests.telemetry.log import Line, read


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with World(tmp_path_factory.mktemp("world"), settings=NO_TIMERS) as world:
        world.start_app()
        world.register_webhook()
        made = Scene(world)
        yield made
        made.close()


def lines(scene: Scene, event: str, **fields: object) -> list[Line]:
    assert scene.world.host is not None
    return [one for one in read(scene.world.host.log) if one.event == event and fields.items() <= one.fields.items()]


def methods_called(scene: Scene, correlation_id: str) -> tuple[set[str], set[str]]:
    """With this correlation id: of Partner Center, and of the CRM."""
    sides = (scene.world.partner_center.control, scene.seller.control)
    first, second = ({call.method for call in side.calls if call.correlation_id == correlation_id} for side in sides)
    return first, second


def test_from_a_webhook_to_the_crm_and_back(scene: Scene) -> None:
    referral_id = scene.incoming(status="Active", substatus="Accepted")
    scene.wait_quiet()
    (created,) = lines(scene, "sync", code="created")
    correlation_id = created.fields["correlation_id"]
    assert len(lines(scene, "webhook", correlation_id=correlation_id, subject_id=referral_id)) == 1
    assert methods_called(scene, correlation_id) == ({"GET", "PATCH"}, {"POST"})
    assert correlation_id in {line.correlation_id for line in scene.audit_rows(referral_id)}
    assert [run.function for run in scene.runs_of(referral_id) if run.correlation_id == correlation_id] == [
        "partner_center_to_crm_helper"
    ]


def test_from_a_look_at_the_crm_to_partner_center(scene: Scene) -> None:
    referral_id = scene.incoming(status="Active", substatus="Accepted")
    scene.wait_quiet()
    record_id = str(scene.record_of(referral_id)["id"])
    scene.edit_crm(record_id, deal_value=4711)
    scene.run_timer("crm_to_partner_center")
    scene.wait_quiet()
    (synced,) = lines(scene, "sync", subject_id=record_id, code="synced")
    assert synced.fields["direction"] == "to_partner_center"
    sent, written = methods_called(scene, synced.fields["correlation_id"])
    assert sent == {"PATCH"}
    assert "GET" in written
    looks = {one.fields["correlation_id"] for one in lines(scene, "poll")}
    assert synced.fields["correlation_id"] not in looks, "each deal has an id of its own, whatever look found it"


def test_a_retry_keeps_the_id_of_its_event(scene: Scene) -> None:
    scene.world.partner_center.control.order(Fault("/referrals/", "GET", 503, {"Retry-After": "0"}))
    referral_id = scene.incoming(status="Active", substatus="Accepted")
    scene.wait_quiet()
    tries = [one.fields for one in lines(scene, "sync", subject_id=referral_id)]
    first, second = tries[0], next(one for one in tries if one["attempt"] == 2)
    assert (first["outcome"], first["code"], second["outcome"]) == ("retrying", "unavailable", "succeeded")
    assert first["correlation_id"] == second["correlation_id"]
    assert second["age_s"] > first["age_s"]
    assert lines(scene, "call", correlation_id=first["correlation_id"], status=503)
