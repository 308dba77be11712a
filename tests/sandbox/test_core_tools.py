"""The app in Core Tools. Core Tools cannot be had from a package registry: a stand-in of a few lines is driven here."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from sandbox.core_tools import CoreToolsHost, host_of
from sandbox.local_host.process import HostNotReady, HostProcess
from sandbox.world import _free_port
from tests.end_to_end.waiting import wait_for

STAND_IN = """#!{python}
import http.server, os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # func does so too, also where a shell had it ignored
assert sys.argv[1:3] == ["start", "--port"], sys.argv
if os.environ["CRM"] == "unknown":
    sys.exit("CRM is wrong")
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/live" else 404)
        self.end_headers()
        print("Executed 'Functions.live' (Succeeded, Id=1)", flush=True)
subprocess.Popen([sys.executable, "-c", {worker!r}])
while not os.path.exists("worker.port"):
    time.sleep(0.01)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[3])), Answers).serve_forever()
"""
WORKER = """
import os, pathlib, socket
listening = socket.create_server(("127.0.0.1", 0))
pathlib.Path("port").write_text(str(listening.getsockname()[1]))
os.rename("port", "worker.port")
listening.settimeout(60)
while True:
    listening.accept()[0].close()
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an app, and func on the path."""
    func = tmp_path / "bin" / "func"
    func.parent.mkdir()
    func.write_text(STAND_IN.format(python=sys.executable, worker=WORKER), encoding="utf-8")
    func.chmod(0o755)
    monkeypatch.setenv("PATH", f"{func.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def is_running(port: int) -> bool:
    """Whether the worker still listens: a process id may be kept, or be somebody else's by now."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_it_serves_with_the_settings_and_leaves_no_process_behind(app: Path) -> None:
    with CoreToolsHost(app, {"CRM": "salesforce"}, _free_port()) as host:
        worker = int((app / "worker.port").read_text(encoding="utf-8"))
        assert "Executed 'live' (" in host.log
        assert is_running(worker)
    wait_for(lambda: not is_running(worker), "the worker ends")


def test_why_it_did_not_start_is_told(app: Path) -> None:
    host = CoreToolsHost(app, {"CRM": "unknown"}, _free_port())
    with pytest.raises(HostNotReady, match="CRM is wrong"):
        host.start()
    host.close()


def test_without_core_tools_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    host = CoreToolsHost(tmp_path, {}, _free_port())
    with pytest.raises(HostNotReady, match="npm install --global azure-functions-core-tools@4"):
        host.start()
    host.close()


def test_a_world_chooses_by_one_setting() -> None:
    assert host_of({}) is HostProcess
    assert host_of({"SANDBOX_HOST": "func"}) is CoreToolsHost
    with pytest.raises(ValueError, match="must be func or empty"):
        host_of({"SANDBOX_HOST": "docker"})
