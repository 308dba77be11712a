from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from sandbox.certificates import Certificates, make_certificates
from sandbox.world import World
from tests.end_to_end.scene import NO_TIMERS, Scene

NO_BRAKE = {"BRAKE_PERCENT": "100"}
"""The tests of a module close more of its deals than a company does in an hour."""
CALLBACK_DELAY_S = 0.15
LONGEST_DELAY_APART_S = 0.8
SceneMaker = Callable[[Mapping[str, str]], Scene]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made once: a key takes longer than a simulator."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def make_scene(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[SceneMaker]:
    """Starts a world with the app and its webhook registered; stopped after the module."""
    with ExitStack() as running:

        def make(settings: Mapping[str, str]) -> Scene:
            folder = tmp_path_factory.mktemp("world")
            world = World(folder, settings={**NO_TIMERS, **NO_BRAKE, **settings}, certificates=certificates)
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
    """The module's one world, with the sandbox's own settings."""
    return make_scene({})


@pytest.fixture
def callbacks_apart(scene: Scene) -> Iterator[None]:
    """For acts that raise several events of one deal at once: they would find each other's lock."""
    options = scene.world.partner_center.deliveries.options
    options.delay_s, options.shuffle = LONGEST_DELAY_APART_S, True
    yield
    options.delay_s, options.shuffle = CALLBACK_DELAY_S, False
