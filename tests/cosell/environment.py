"""An environment without the connector's columns, and what installs them, without a sign-in and without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.dataverse import DataverseSimulator
from sandbox.serving import Server
from shared.crm.dynamics365.errors import classifier
from shared.crm.dynamics365.schema.declared import DeclaredSchema, read_declared
from shared.crm.dynamics365.schema.installer import Dynamics365Schema
from shared.crm.dynamics365.web_api import WebApi
from shared.transport import Timeout, Transport

FILE = Path(__file__).parents[2] / "infra" / "dynamics365" / "schema.toml"
APPLICATION = "8a4f0c0b-6f0c-4b52-9d2c-1d3c0a3f7e55"
PREFIX = "msft_"
WRITES = r"/v9\.2/(?!\$batch)"
"""In the path of a fault order: everything but looks at the environment."""


def declared_schema() -> DeclaredSchema:
    return read_declared(FILE.read_text(encoding="utf-8"), FILE.name)


class EmptyEnvironment:
    """``pauses`` are the seconds that the installer wanted to wait, none of which was waited."""

    def __init__(self, simulator: DataverseSimulator, url: str) -> None:
        self.simulator = simulator
        self.control = simulator.control
        self.url = url
        self.pauses: list[float] = []
        self.steps: list[str] = []
        self.transport = Transport(
            "Dynamics 365",
            lambda fresh: "token",
            classify=classifier(),
            timeout=Timeout(2, 10),
            allow_loopback_http=True,
        )

    def installer(self, *, pause: Callable[[float], None] | None = None, **options: Any) -> Dynamics365Schema:
        options = {"application_id": APPLICATION, "wait_s": 60.0, **options}
        api = WebApi(self.transport, self.url)
        declared = options.pop("declared", None) or declared_schema()
        return Dynamics365Schema(api, self.url, declared, pause=pause or self.pauses.append, **options)

    def install(self, **options: Any) -> None:
        """To its end; the steps that were taken are in ``steps``."""
        self.steps = []
        assert self.installer(**options).install(self.steps.append).is_installed

    def state(self) -> dict[str, Any]:
        """Everything that an installation makes, so that two of them can be compared."""
        simulator = self.simulator
        names = {row["privilegeid"]: row["name"] for row in simulator.rows("privilege")}
        held = simulator.security.granted.values()
        return {
            "tables": simulator.schema.tables,
            "solution": {name: sorted(parts) for name, parts in simulator.metadata.components.items()},
            "unpublished": dict(simulator.metadata.unpublished),
            "rows": [len(simulator.rows(table)) for table in ("publisher", "solution", "role")],
            "privileges": [sorted((names[id_], depth) for id_, depth in role.items()) for role in held],
            "assigned": [len(roles) for roles in simulator.security.roles_of.values()],
        }


@contextmanager
def empty_environment(**options: Any) -> Iterator[EmptyEnvironment]:
    """``options`` are the simulator's."""
    simulator = DataverseSimulator(lambda authorization, audience: None, application_id=APPLICATION, **options)
    simulator.uninstall(PREFIX)
    with Server(simulator.build) as server:
        environment = EmptyEnvironment(simulator, server.url)
        with environment.transport:
            yield environment
