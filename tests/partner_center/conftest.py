"""Certificates that Microsoft might sign webhooks with, and some that it would not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from sandbox.certificates import Certificates, make_certificates
from sandbox.serving import Server
from tests.partner_center.openssl import Authority, Issued


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


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "tokens" / "refresh.json"
