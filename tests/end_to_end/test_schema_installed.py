"""From an environment without any of the connector's columns to synced deals, with the role that the command makes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cosell.command_line import main
from sandbox.certificates import Certificates
from sandbox.world import World
from tests.end_to_end.conftest import CALLBACK_DELAY_S, NO_BRAKE
from tests.end_to_end.scene import NO_TIMERS, Scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Scene]:
    """The app is started once the command has installed the schema, and may do no more than its role allows."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("world")
        world = World(folder, settings={**NO_TIMERS, **NO_BRAKE}, certificates=certificates)
        world.dataverse.uninstall("msft_")
        with world:
            patch.setenv("REQUESTS_CA_BUNDLE", world.settings()["REQUESTS_CA_BUNDLE"])
            assert main(["schema", "apply", "--yes", "--wait", "30"], dict(world.settings())) == 0
            world.dataverse.enforce_privileges()
            world.partner_center.deliveries.options.delay_s = CALLBACK_DELAY_S
            world.start_app()
            world.register_webhook()
            scene = Scene(world)
            yield scene
            scene.close()


def test_what_was_installed_is_all_that_a_sound_installation_has(scene: Scene) -> None:
    checks = {check["name"]: check for check in scene.world.call("GET", "health", "health").json()["checks"]}
    of_the_crm = {name: check["state"] for name, check in checks.items() if name.startswith("Dynamics 365")}
    assert len(of_the_crm) == 7
    assert set(of_the_crm.values()) == {"ok"}


def test_a_referral_comes_in_is_accepted_edited_and_won(scene: Scene) -> None:
    referral_id, record_id = scene.taken_in()
    assert scene.record(record_id)["referral_id"] == referral_id
    scene.edit_crm(record_id, stage="active")
    scene.settle()
    assert scene.stage_of(referral_id) == "Active/Accepted"
    scene.edit_referral(referral_id, details__dealValue=777)
    scene.settle()
    assert scene.record(record_id)["deal_value"] == 777
    scene.seller.win(record_id)
    scene.settle()
    assert scene.stage_of(referral_id) == "Closed/Won"


def test_an_opportunity_is_shared(scene: Scene) -> None:
    record_id = scene.opportunity()
    scene.settle()
    assert scene.referral_of(record_id)["details"]["dealValue"] == 120000
    assert scene.record(record_id)["referral_id"] == scene.referral_of(record_id)["id"]
