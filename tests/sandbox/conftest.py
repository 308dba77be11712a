"""The outside world of the Entra and Partner Center tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.certificates import Certificates, make_certificates
from sandbox.entra import EntraSimulator
from sandbox.partner_center import DeliveryOptions, PartnerCenterSimulator
from sandbox.serving import Server
from tests.sandbox.caller import CLIENT_ID, CLIENT_SECRET, PartnerCenterCaller
from tests.sandbox.receiver import Receiver


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def root_file(certificates: Certificates) -> Path:
    return certificates.root_file


@pytest.fixture
def entra() -> EntraSimulator:
    return EntraSimulator({CLIENT_ID: CLIENT_SECRET})


@pytest.fixture
def entra_url(entra: EntraSimulator, certificates: Certificates) -> Iterator[str]:
    with Server(entra.build, tls=certificates.server_context()) as server:
        yield server.url


@pytest.fixture
def partner_center(entra: EntraSimulator, certificates: Certificates) -> Iterator[PartnerCenterCaller]:
    simulator = PartnerCenterSimulator(
        entra,
        certificates,
        allow_http_callbacks=True,
        delivery=DeliveryOptions(first_retry_s=0.01, retry_growth=1.2),
    )
    with Server(simulator.build, tls=certificates.server_context()) as server:
        yield PartnerCenterCaller(simulator, entra, server.url, certificates.root_file)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with Server(receiver.build) as server:
        receiver.url = f"{server.url}/api/events?code=a-function-key"
        yield receiver
