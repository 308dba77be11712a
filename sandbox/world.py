"""The whole outside world with the app in the middle: simulators, storage, and the function app in the local host."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from sandbox.azurite import Azurite
from sandbox.certificates import Certificates, make_certificates
from sandbox.core_tools import host_of
from sandbox.crms import DATAVERSE_CLIENT, SECRET, DataverseSide, crm_side
from sandbox.dataverse import DataverseSimulator
from sandbox.entra import EntraSimulator
from sandbox.local_host.process import CHECKOUT, HostProcess
from sandbox.partner_center import DeliveryOptions, PartnerCenterSimulator
from sandbox.serving import Server

PARTNER_CENTER_CLIENT = "5b0c6a5e-30c0-4c55-8f3d-6f6b9a0d3c11"
CALL_TIMEOUT_S = 30.0


class World:
    """Everything on loopback between ``start`` and ``stop``; ``folder`` keeps certificates, keys, token and logs.

    ``settings`` are app settings laid over the sandbox's own. ``port`` is the app's; 0 takes a free one. ``storage``
    is the connection string of a running Azurite; without one the world runs its own, in memory.
    """

    def __init__(
        self,
        folder: Path,
        *,
        crm: str = "dynamics365",
        settings: Mapping[str, str] | None = None,
        port: int = 0,
        storage: str | None = None,
        certificates: Certificates | None = None,
        host_id: str = "",
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificates = certificates or make_certificates(folder / "certificates")
        self.entra = EntraSimulator({PARTNER_CENTER_CLIENT: SECRET, DATAVERSE_CLIENT: SECRET})
        self.partner_center = PartnerCenterSimulator(
            self.entra,
            self.certificates,
            allow_http_callbacks=True,
            delivery=DeliveryOptions(first_retry_s=0.5, retry_growth=1.5),
        )
        self.crm = crm_side((settings or {}).get("CRM", crm), self.entra)
        self._extra = dict(settings or {})
        self._port = port
        self._storage = storage
        self._host_id = host_id
        self._running = ExitStack()
        self.entra_url = self.partner_center_url = self.crm_url = ""
        self._crm_settings: dict[str, str] = {}
        self.host: HostProcess | None = None

    @property
    def dataverse(self) -> DataverseSimulator:
        """The simulator of Dynamics 365, in a world that has that CRM."""
        if not isinstance(self.crm, DataverseSide):
            raise RuntimeError(f"this world's CRM is {self.crm.name}")
        return self.crm.simulator

    @property
    def dataverse_url(self) -> str:
        return self.crm_url

    @property
    def port(self) -> int:
        """The app's; known once the world has started."""
        return self._port

    def expire_tokens(self) -> None:
        """Every access token given out so far is refused from now on, by all services."""
        self.entra.expire_all_tokens()
        self.crm.expire_tokens()

    @property
    def app_url(self) -> str:
        return f"http://localhost:{self._port}"

    def start(self) -> World:
        """The simulators and storage; the app is started by :meth:`start_app`."""
        try:
            self._start_simulators()
        except BaseException:
            self._running.close()
            raise
        return self

    def _start_simulators(self) -> None:
        tls = self.certificates.server_context()
        self.entra_url = self._running.enter_context(Server(self.entra.build, tls=tls)).url
        self.partner_center_url = self._running.enter_context(Server(self.partner_center.build, tls=tls)).url
        self.crm_url = self._running.enter_context(self.crm.server(tls)).url
        self._crm_settings = self.crm.settle_in(self.crm_url, self.entra)
        if self._storage is None:
            self._storage = self._running.enter_context(Azurite()).connection_string
        self._port = self._port or _free_port()

    def start_app(self) -> HostProcess:
        """The function app, in a process of its own, serving and polling; in Core Tools if ``SANDBOX_HOST`` is func."""
        host = host_of(os.environ)(
            CHECKOUT,
            self.settings(),
            self._port,
            keys_file=self.folder / "keys.json",
            log_file=self.folder / "app.log",
            host_id=self._host_id,
        )
        self._running.enter_context(host)
        self.host = host
        return host

    def settings(self) -> dict[str, str]:
        """The app settings for this world."""
        host = self.partner_center_url.removeprefix("https://")
        return {
            "AzureWebJobsStorage": self._storage or "",
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "REQUESTS_CA_BUNDLE": str(self.certificates.root_file),
            "CRM": self.crm.setting,
            "CRM_POLL_SCHEDULE": "*/2 * * * * *",
            "SOLUTIONS_SCHEDULE": "*/5 * * * * *",
            "AUTO_HEAL_SCHEDULE": "*/30 * * * * *",
            "AZURE_AUTHORITY_HOST": self.entra_url,
            "PUBLIC_URL": self.app_url,
            "PARTNER_CENTER_TENANT_ID": self.entra.tenant_id,
            "PARTNER_CENTER_CLIENT_ID": PARTNER_CENTER_CLIENT,
            "PARTNER_CENTER_CLIENT_SECRET": SECRET,
            "PARTNER_CENTER_REFRESH_TOKEN": self.entra.add_refresh_token(PARTNER_CENTER_CLIENT),
            "PARTNER_CENTER_TOKEN_FILE": str(self.folder / "partner-center-token"),
            "PARTNER_CENTER_REFERRALS_URL": f"{self.partner_center_url}/v1.0/engagements",
            "PARTNER_CENTER_WEBHOOKS_URL": f"{self.partner_center_url}/webhooks/v1",
            "PARTNER_CENTER_CERTIFICATE_HOSTS": host,
            "PARTNER_CENTER_TRUSTED_ROOTS": str(self.certificates.signing_root_file),
            **self._crm_settings,
            "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.200",
            **self._extra,
        }

    def call(self, method: str, function: str, path: str, body: Any = None, **query: str) -> requests.Response:
        """One of the app's own HTTP functions, with its key."""
        if self.host is None:
            raise RuntimeError("the app is not running")
        return requests.request(
            method,
            f"{self.app_url}/api/{path}",
            json=body,
            params=query,
            headers={"x-functions-key": self.host.key(function)},
            timeout=CALL_TIMEOUT_S,
        )

    def register_webhook(self) -> dict[str, Any]:
        """Through the app's own function, as an operator does; its answer."""
        if self.host is None:
            raise RuntimeError("the app is not running")
        answer = self.call(
            "POST",
            "webhook_registration",
            "webhook-registration",
            {"key": self.host.key("partner_center_to_crm"), "overwrite": True},
        )
        answer.raise_for_status()
        registered: dict[str, Any] = answer.json()
        return registered

    def run_now(self, function: str) -> None:
        """Runs a timer function at once, as the portal's *Test/Run* does."""
        if self.host is None:
            raise RuntimeError("the app is not running")
        requests.post(
            f"{self.app_url}/admin/functions/{function}",
            json={},
            headers={"x-functions-key": self.host.key("master")},
            timeout=CALL_TIMEOUT_S,
        ).raise_for_status()

    def stop(self) -> None:
        self._running.close()
        self.host = None

    def __enter__(self) -> World:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_port() -> int:
    """Free just now: the app must know its own address before it starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
