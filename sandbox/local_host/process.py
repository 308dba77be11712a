"""A local host in a process of its own, for tests and the demo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

CHECKOUT = Path(__file__).resolve().parents[2]


class HostNotReady(Exception):
    """The host ended, or did not serve in time; the text has the end of its log."""


class HostProcess:
    """One host that serves ``app_dir`` between ``start`` and ``stop`` or ``kill``; may be started again after either.

    ``settings`` are the app settings and win over the environment of this process; the app's own local.settings.json is
    not read. Without ``keys_file`` and ``log_file`` both are kept in a folder of the process and go with it.
    ``message_hidden_s`` is how soon a killed host's messages come back, as in Azure unless given.
    """

    def __init__(
        self,
        app_dir: Path,
        settings: Mapping[str, str],
        port: int = 0,
        keys_file: Path | None = None,
        log_file: Path | None = None,
        *,
        host_id: str = "",
        drain_timeout_s: float = 30.0,
        message_hidden_s: int | None = None,
    ):
        self._app_dir = app_dir
        self._settings = dict(settings)
        self._wanted_port = port
        self._host_id = host_id
        self._drain_timeout_s = drain_timeout_s
        self._message_hidden_s = message_hidden_s
        self._folder = tempfile.TemporaryDirectory(prefix="local-host-", ignore_cleanup_errors=True)
        self._keys_file = keys_file or Path(self._folder.name) / "keys.json"
        self._log_file = log_file or Path(self._folder.name) / "host.log"
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.function_names: list[str] = []

    def start(self, timeout_s: float = 60.0) -> HostProcess:
        """Returns when the host serves; HostNotReady, and no process left, if it does not within ``timeout_s``."""
        self._launch()
        try:
            self._wait_until_ready(timeout_s)
        except BaseException:
            self.kill()
            raise
        return self

    @property
    def process_id(self) -> int:
        if self._process is None:
            raise RuntimeError("the host is not running")
        return self._process.pid

    @property
    def log(self) -> str:
        """What the host and the app have printed and logged since the last start."""
        return self._log_file.read_text(encoding="utf-8", errors="replace") if self._log_file.exists() else ""

    def key(self, function: str) -> str:
        """The key of one function; ``master`` gives the master key."""
        keys = json.loads(self._keys_file.read_text(encoding="utf-8"))
        return str(keys["master"] if function == "master" else keys["functions"][function]["default"])

    def stop(self, timeout_s: float = 40.0) -> int:
        """Asks the host to finish what it is doing, and returns its exit code: 0 if it did, 3 if not.

        After ``timeout_s`` it is killed and TimeoutExpired raised.
        """
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(timeout_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends the host at once, as when a machine dies. Does nothing if it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def close(self) -> None:
        """``kill``, and removes the keys and the log unless the caller named files for them."""
        self.kill()
        self._folder.cleanup()

    def __enter__(self) -> HostProcess:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self.close()

    def _launch(self) -> None:
        settings_file = Path(self._folder.name) / "settings.json"
        settings_file.touch(mode=0o600)
        settings_file.write_text(json.dumps({"Values": self._settings}), encoding="utf-8")
        command = [sys.executable, "-m", "sandbox.local_host", "--app", str(self._app_dir.resolve())]
        command += ["--port", str(self._wanted_port), "--settings", str(settings_file)]
        command += ["--keys-file", str(self._keys_file.resolve()), "--host-id", self._host_id]
        command += ["--drain-timeout-s", str(self._drain_timeout_s)]
        if self._message_hidden_s is not None:
            command += ["--message-hidden-s", str(self._message_hidden_s)]
        environment = {name: value for name, value in os.environ.items() if name not in self._settings}
        self._log = self._log_file.open("wb")
        self._process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def _wait_until_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            has_ended = self._process is None or self._process.poll() is not None
            for line in self.log.splitlines():
                if line.startswith("ready http://"):
                    _, self.url, *self.function_names = line.split()
                    return
            if has_ended:
                raise HostNotReady(f"the local host ended: {_tail(self.log)}")
            time.sleep(0.02)
        raise HostNotReady(f"the local host did not serve within {timeout_s} s: {_tail(self.log)}")


def _tail(log: str) -> str:
    return "\n".join(log.splitlines()[-20:]) or "(its log is empty)"
