"""The function app in Azure Functions Core Tools, ``func start``: Microsoft's own host instead of the local one.

https://learn.microsoft.com/azure/azure-functions/functions-core-tools-reference#func-start
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping

import requests

from sandbox.local_host.process import HostNotReady, HostProcess

HOST_SETTING = "SANDBOX_HOST"
CORE_TOOLS = "func"
"""Value of ``SANDBOX_HOST`` that makes a world run the app in Core Tools."""
_POLL_S = 0.5


class CoreToolsHost(HostProcess):
    """As :class:`HostProcess`. Core Tools asks for no function key, so ``key`` is of no consequence.

    ``host_id`` and ``message_hidden_s`` are Core Tools' own. The first start downloads the extension bundle.
    """

    def start(self, timeout_s: float = 180.0) -> CoreToolsHost:
        super().start(timeout_s)
        return self

    @property
    def log(self) -> str:
        """With functions named as the local host names them."""
        return super().log.replace("'Functions.", "'")

    def key(self, function: str) -> str:
        return f"no-key-of-{function}"

    def kill(self) -> None:
        """Ends the host, and the Python worker that it started."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
        super().kill()

    def stop(self, timeout_s: float = 40.0) -> int:
        if self._process is None:
            return 0
        self._signal(signal.SIGINT)
        try:
            return self._process.wait(timeout_s)
        finally:
            self.kill()

    def _launch(self) -> None:
        command = shutil.which(CORE_TOOLS)
        if command is None:
            raise HostNotReady("func is not installed: npm install --global azure-functions-core-tools@4")
        self._log = self._log_file.open("wb")
        # App settings in the environment win over the app's local.settings.json.
        self._process = subprocess.Popen(
            [command, "start", "--port", str(self._wanted_port)],
            cwd=self._app_dir,
            env={**os.environ, **self._settings},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.url = f"http://localhost:{self._wanted_port}"

    def _wait_until_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise HostNotReady(f"func ended: {self._end_of_log()}")
            if self._serves():
                return
            time.sleep(_POLL_S)
        raise HostNotReady(f"func did not serve within {timeout_s} s: {self._end_of_log()}")

    def _serves(self) -> bool:
        try:
            return requests.get(f"{self.url}/api/live", timeout=5).ok
        except requests.RequestException:
            return False

    def _signal(self, number: int) -> None:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def _end_of_log(self) -> str:
        return "\n".join(self.log.splitlines()[-20:]) or "(its log is empty)"


def host_of(environ: Mapping[str, str]) -> type[HostProcess]:
    """The host that a world runs the app in: the local one, unless ``SANDBOX_HOST`` says ``func``."""
    chosen = environ.get(HOST_SETTING, "")
    if chosen not in ("", CORE_TOOLS):
        raise ValueError(f"{HOST_SETTING} must be {CORE_TOOLS} or empty, not {chosen}")
    return CoreToolsHost if chosen else HostProcess
