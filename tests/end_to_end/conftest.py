from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Protocol

import pytest

from sandbox.certificates import Certificates, make_certificates
from sandbox.world import World
from tests.end_to_end.scene import NO_TIMERS, Scene
from tests.end_to_end.seller_in_salesforce import SETTLED_AT_ONCE

NO_BRAKE = {"BRAKE_PERCENT": "100"}
"""The tests of a module close more of its deals than a company does in an hour."""
CALLBACK_DELAY_S = 0.15
LONGEST_DELAY_APART_S = 0.8
CUSTOMIZE = {"salesforce": SETTLED_AT_ONCE}


class SceneMaker(Protocol):
    def __call__(self, settings: Mapping[str, str], *, customize: str = "") -> Scene:
        """``customize`` is the text of the partner's own customize.toml."""
        ...


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "crms(*settings): which CRMs the tests run with; Dynamics 365 without it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Once for each CRM of the nearest ``crms`` marker: a test's own goes before its module's."""
    marker = metafunc.definition.get_closest_marker("crms")
    if marker is not None and "crm" in metafunc.fixturenames:
        metafunc.parametrize("crm", marker.args, indirect=True, scope="module")


@pytest.fixture(scope="module")
def crm(request: pytest.FixtureRequest) -> str:
    """What the app setting ``CRM`` says."""
    return str(getattr(request, "param", "dynamics365"))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made once: a key takes longer than a simulator."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def make_scene(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, crm: str) -> Iterator[SceneMaker]:
    """Starts a world with the app and its webhook registered; stopped after the module's tests with this CRM."""
    with ExitStack() as running:

        def make(settings: Mapping[str, str], *, customize: str = "") -> Scene:
            folder = tmp_path_factory.mktemp("world")
            file = folder / "customize.toml"
            file.write_text(CUSTOMIZE.get(crm, "") + customize, encoding="utf-8")
            app_settings = {**NO_TIMERS, **NO_BRAKE, "CUSTOMIZE_FILE": str(file), **settings}
            world = World(folder, crm=crm, settings=app_settings, certificates=certificates)
            running.enter_context(world)
            # Callbacks come when the write that caused them is over: one that finds its deal locked waits for seconds.
            world.partner_center.deliveries.options.delay_s = CALLBACK_DELAY_S
            world.start_app()
            world.register_webhook()
            scene = Scene(world)
            running.callback(scene.close)
            return scene

        yield make


@pytest.fixture(scope="module")
def scene(make_scene: SceneMaker) -> Scene:
    """The module's one world for each CRM, with the sandbox's own settings."""
    return make_scene({})


@pytest.fixture
def callbacks_apart(scene: Scene) -> Iterator[None]:
    """For acts that raise several events of one deal at once: they would find each other's lock."""
    options = scene.world.partner_center.deliveries.options
    options.delay_s, options.shuffle = LONGEST_DELAY_APART_S, True
    yield
    options.delay_s, options.shuffle = CALLBACK_DELAY_S, False
