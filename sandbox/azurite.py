"""Azurite, Microsoft's storage emulator: blobs, queues and tables on loopback."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

ENTRY = Path(__file__).parent / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
SERVICES = ("blob", "queue", "table")
# Public: https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class AzuriteNotReady(Exception):
    """Azurite is not installed, or did not start; the text says what to do or what it printed."""


class Azurite:
    """One emulator between ``start`` and ``stop``: in memory, or with ``folder`` on disk and kept.

    ``ports`` are those of blob, queue and table; 0 takes a free one, and ``ports`` is right once started.
    """

    def __init__(self, folder: Path | None = None, ports: tuple[int, int, int] = (0, 0, 0)):
        self._folder = folder
        self._wanted_ports = ports
        self.ports = ports
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    @property
    def connection_string(self) -> str:
        endpoints = "".join(
            f"{service.capitalize()}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};"
            for service, port in zip(SERVICES, self.ports, strict=True)
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};{endpoints}"

    @property
    def process_id(self) -> int:
        if self._process is None:
            raise RuntimeError("Azurite is not running")
        return self._process.pid

    def start(self, timeout_s: float = 60.0) -> Azurite:
        """Returns when all three services accept connections; AzuriteNotReady, and nothing left, if they do not."""
        command = self._command()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives until stop
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT
        )
        try:
            self._wait_until_ready(time.monotonic() + timeout_s)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends the process; what was in memory is gone. Does nothing if it is not running."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:  # it waits for open connections
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._output is not None:
            self._output.close()
            self._output = None

    def __enter__(self) -> Azurite:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        node = shutil.which("node")
        if node is None:
            raise AzuriteNotReady("Node.js is not installed: Azurite needs version 20 or newer")
        if not ENTRY.exists():
            raise AzuriteNotReady("Azurite is not installed in sandbox/node_modules: run make setup")
        # node with the script itself, not the launcher in .bin: so the process id is the server's own.
        # --skipApiVersionCheck: the Python SDKs speak a newer API version than Azurite knows.
        command = [node, str(ENTRY), "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        for service, port in zip(SERVICES, self._wanted_ports, strict=True):
            command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
        if self._folder is None:
            return [*command, "--inMemoryPersistence"]
        self._folder.mkdir(parents=True, exist_ok=True)
        return [*command, "--location", str(self._folder)]

    def _wait_until_ready(self, deadline: float) -> None:
        """Azurite says on which ports it listens: free ports chosen by itself cannot be taken by another meanwhile."""
        assert self._process is not None
        while True:
            printed = self._printed()
            has_ended = self._process.poll() is not None
            found = {
                service.lower(): int(port)
                for service, port in re.findall(
                    r"Azurite (\w+) service is successfully listening at \S+:(\d+)", printed
                )
            }
            if found.keys() == set(SERVICES):
                self.ports = (found["blob"], found["queue"], found["table"])
                if all(_accepts_connections(port) for port in self.ports):
                    return
            if has_ended or time.monotonic() > deadline:
                what = "ended" if has_ended else "did not start in time"
                raise AzuriteNotReady(f"Azurite {what}: {printed.strip() or '(it printed nothing)'}")
            time.sleep(0.05)

    def _printed(self) -> str:
        assert self._output is not None
        # The process writes at the same position of the same open file: read without moving it.
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")


def _accepts_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
