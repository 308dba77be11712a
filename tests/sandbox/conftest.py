"""The outside world of the Entra and Partner Center tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.certificates import Certificates, make_certificates
from sandbox.entra import EntraSimulator
from sandbox.serving import Server

CLIENT_ID = "5b0c6a5e-30c0-4c55-8f3d-6f6b9a0d3c11"
CLIENT_SECRET = "a-secret-of-the-sandbox"


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
