"""Certificates that Microsoft might sign webhooks with, and some that it would not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from aiohttp import web

from sandbox.certificates import Certificates, make_certificates
from sandbox.entra import EntraSimulator
from sandbox.partner_center import PartnerCenterSimulator
from sandbox.serving import Server
from shared.partner_center.answers import CORRELATION_HEADER, SERVICE, partner_center_error
from shared.transport import Timeout, Transport
from tests.partner_center.openssl import LEAF, Authority, Issued, access


@dataclass(frozen=True)
class Signers:
    """``leaf`` is what a good webhook is signed with; it chains to ``root`` by way of ``intermediate``."""

    authority: Authority
    root: Issued
    intermediate: Issued
    leaf: Issued

    @property
    def chain(self) -> bytes:
        return self.leaf.pem + self.intermediate.pem


@pytest.fixture(scope="session")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Signers:
    authority = Authority(tmp_path_factory.mktemp("signers"))
    root = authority.root("root")
    intermediate = authority.intermediate("intermediate", root)
    return Signers(authority, root, intermediate, authority.leaf("leaf", intermediate))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def trust_sandbox(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients trust the sandbox's servers as they do in the sandbox: by this variable."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.root_file))


@dataclass
class CertificateHost:
    """Serves ``files`` by path, and counts what it was asked for; ``statuses`` are given out first."""

    files: dict[str, bytes] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path == "/cert/trickle.cer":
            return await _trickle(request)
        if self.statuses:
            return web.Response(status=self.statuses.pop(0), headers={"Location": "/cert/leaf.pem"})
        if request.path not in self.files:
            return web.Response(status=404)
        return web.Response(body=self.files[request.path])

    def build(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        return app

    @property
    def name(self) -> str:
        return self.url.removeprefix("https://")


async def _trickle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)
    return response


@pytest.fixture
def certificate_host(certificates: Certificates, signers: Signers, trust_sandbox: None) -> Iterator[CertificateHost]:
    host = CertificateHost({"/cert/leaf.pem": signers.chain, "/cert/leaf.cer": signers.leaf.der})
    with Server(host.build, tls=certificates.server_context()) as server:
        host.url = server.url
        yield host


@dataclass(frozen=True)
class Served:
    """``leaf`` was issued by ``issuing``, that by ``middle``, that by the root; each says where its issuer is."""

    host: CertificateHost
    leaf: Issued
    issuing: Issued
    middle: Issued

    @property
    def listed(self) -> str:
        """The host as the setting would list it."""
        return self.host.url.removeprefix("http://")


@pytest.fixture(scope="session")
def plain_host() -> Iterator[CertificateHost]:
    """Over plain http, as issuers' certificates are served: who fetches one cannot check a certificate before."""
    host = CertificateHost()
    with Server(host.build) as server:
        host.url = server.url
        yield host


@pytest.fixture(scope="session")
def hierarchy(plain_host: CertificateHost, signers: Signers) -> Served:
    url, authority = plain_host.url, signers.authority
    middle = authority.intermediate("middle", signers.root, addresses=(f"{url}/aia/root.crt",))
    issuing = authority.intermediate("issuing", middle, addresses=(f"{url}/aia/middle.crt",))
    leaf = authority.leaf("served", issuing, extensions=LEAF + access(f"{url}/aia/issuing.crt"))
    return Served(plain_host, leaf, issuing, middle)


@pytest.fixture
def served(hierarchy: Served) -> Served:
    """All in place; each test may put something else there."""
    host = hierarchy.host
    host.files = {"/aia/issuing.crt": hierarchy.issuing.der, "/aia/middle.crt": hierarchy.middle.der}
    host.statuses, host.asked = [], []
    return hierarchy


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "tokens" / "refresh.json"


CLIENT_ID = "8d0c2f0e-6a52-4d61-9b56-0f4f1f0d7a21"
CLIENT_SECRET = "a-secret-of-contoso"


@pytest.fixture
def entra() -> EntraSimulator:
    return EntraSimulator({CLIENT_ID: CLIENT_SECRET})


@pytest.fixture
def entra_url(entra: EntraSimulator, certificates: Certificates, trust_sandbox: None) -> Iterator[str]:
    with Server(entra.build, tls=certificates.server_context()) as server:
        yield server.url


@pytest.fixture
def partner_center(entra: EntraSimulator, certificates: Certificates) -> PartnerCenterSimulator:
    return PartnerCenterSimulator(entra, certificates)


@pytest.fixture
def partner_center_url(
    partner_center: PartnerCenterSimulator, certificates: Certificates, trust_sandbox: None
) -> Iterator[str]:
    with Server(partner_center.build, tls=certificates.server_context()) as server:
        yield server.url


class OpenTransport(Protocol):
    def __call__(self, audience: str, *, timeout: Timeout = ...) -> Transport: ...


@pytest.fixture
def open_transport(entra: EntraSimulator) -> Iterator[OpenTransport]:
    """Makes transports whose tokens the simulator issues without a detour over HTTP; they are closed after the test."""
    with ExitStack() as opened:

        def make(audience: str, *, timeout: Timeout = Timeout()) -> Transport:  # noqa: B008 - frozen
            tokens = AudienceTokens(entra, audience)
            return opened.enter_context(
                Transport(
                    SERVICE,
                    tokens,
                    read_error=partner_center_error,
                    correlation_header=CORRELATION_HEADER,
                    timeout=timeout,
                )
            )

        yield make


class AudienceTokens:
    """Bearer tokens of a signed-in user for one audience; a forced one is new."""

    def __init__(self, entra: EntraSimulator, audience: str) -> None:
        self._entra = entra
        self._audience = audience
        self._token = ""

    def __call__(self, force: bool) -> str:
        if force or not self._token:
            self._token = self._entra.issue_token(self._audience, client_id=CLIENT_ID, user=True)
        return self._token
