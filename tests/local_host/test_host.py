from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from sandbox.local_host.process import CHECKOUT, HostNotReady, HostProcess
from tests.local_host.conftest import SAMPLE_APP, Queues, sample_settings, wait_for

IMPORTS = "import azure.functions as func\nfrom typing import Optional\napp = func.FunctionApp()\n"


def refused(app_dir: Path, settings: dict[str, str] | None = None) -> str:
    """The log of a host that must not start."""
    host = HostProcess(app_dir, settings or {})
    try:
        with pytest.raises(HostNotReady):
            host.start()
        return host.log
    finally:
        host.close()


def app_of(folder: Path, source: str) -> Path:
    (folder / "host.json").write_text('{"version": "2.0"}')
    (folder / "function_app.py").write_text(source)
    return folder


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ValueError('the setting CRM is missing')", r"ValueError: the setting CRM is missing \(.*line 1\)"),
        ("import contoso_is_not_installed", "No module named 'contoso_is_not_installed' .*line 1"),
        ("import sys\nsys.exit('settings refused')", "SystemExit: settings refused"),
        ("def broken(:\n", "SyntaxError"),
        ("app = 1", "Could not find top level function app"),
        (IMPORTS, "it defines no functions"),
        (
            IMPORTS + "@app.route('x')\ndef x(req: func.HttpRequest) -> Optional[str]: ...",
            "FunctionLoadError.*non-type return annotation",
        ),
        (
            IMPORTS + "@app.route('x')\ndef x(req: func.HttpRequest, more: int = 1) -> str: ...",
            "FunctionLoadError.*declared in Python but not in the function definition.*more",
        ),
        (
            IMPORTS + "@app.queue_trigger('m', '%NOT_SET%', 'AzureWebJobsStorage')\ndef x(m: func.QueueMessage): ...",
            "function x: .*the app setting NOT_SET, which is not set",
        ),
        (
            IMPORTS + "@app.queue_trigger('m', 'orders', 'AzureWebJobsStorage')\ndef x(m: func.QueueMessage): ...",
            "the setting AzureWebJobsStorage is missing",
        ),
        (
            IMPORTS + "@app.timer_trigger(arg_name='t', schedule='0 0 25 * * *')\ndef x(t: func.TimerRequest): ...",
            "function x: schedule '0 0 25",
        ),
        (
            IMPORTS + "@app.blob_trigger('b', 'deals/x', 'AzureWebJobsStorage')\ndef x(b: func.InputStream): ...",
            "function x: this host has no blobTrigger",
        ),
    ],
)
def test_an_app_that_does_not_load_ends_the_host(tmp_path: Path, source: str, reason: str) -> None:
    log = refused(app_of(tmp_path, source))
    last_line = log.strip().splitlines()[-1]
    assert last_line.startswith("the local host cannot start: ")
    assert re.search(reason, last_line)
    assert "Traceback" not in log


def test_the_exit_code_says_that_the_host_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox.local_host", "--app", str(tmp_path), "--port", "0"]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "no function_app.py" in ended.stderr


def test_a_port_that_is_taken_ends_the_host(host: HostProcess, storage: str, queues: Queues) -> None:
    port = int(host.url.rsplit(":", 1)[1])
    second = HostProcess(SAMPLE_APP, sample_settings(storage, queues.prefix), port=port)
    try:
        with pytest.raises(HostNotReady, match=f"port {port} cannot be opened"):
            second.start()
    finally:
        second.close()


def test_a_stop_lets_what_is_under_way_finish(
    storage: str, queues: Queues, storage_prefix: str, tmp_path: Path
) -> None:
    release_file = tmp_path / "release"
    settings = sample_settings(storage, storage_prefix, RELEASE_FILE=str(release_file))
    host = HostProcess(SAMPLE_APP, settings).start()
    try:
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(requests.get, f"{host.url}/api/slow", timeout=30)
            wait_for(lambda: "Executing 'slow'" in host.log, "the call is under way")
            exit_code = threads.submit(host.stop)
            wait_for(lambda: "stopping: waiting for what is under way" in host.log, "the host is stopping")
            assert not exit_code.done()
            release_file.touch()
            assert answer.result(30).text == "released"
            assert exit_code.result(30) == 0
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{host.url}/api/open", timeout=5)
    finally:
        host.close()


def test_a_function_that_does_not_return_holds_up_neither_its_caller_nor_a_stop(
    storage: str, storage_prefix: str, tmp_path: Path
) -> None:
    settings = sample_settings(
        storage,
        storage_prefix,
        RELEASE_FILE=str(tmp_path / "never"),
        AzureFunctionsJobHost__functionTimeout="00:00:01",
    )
    host = HostProcess(SAMPLE_APP, settings, drain_timeout_s=1)
    try:
        host.start()
        assert requests.get(f"{host.url}/api/slow", timeout=20).status_code == 500
        assert "did not return within functionTimeout (1.0 s)" in host.log
        assert host.stop(timeout_s=20) == 3
        assert "stopped with work still under way" in host.log
    finally:
        host.close()


def test_a_host_keeps_its_keys_and_starts_again(storage: str, storage_prefix: str, tmp_path: Path) -> None:
    keys_file, log_file = tmp_path / "keys.json", tmp_path / "host.log"
    host = HostProcess(SAMPLE_APP, sample_settings(storage, storage_prefix), keys_file=keys_file, log_file=log_file)
    try:
        key = host.start().key("greet")
        assert host.stop() == 0
        assert host.start().key("greet") == key
    finally:
        host.close()
    assert keys_file.stat().st_mode & 0o777 == 0o600
    assert key not in log_file.read_text()
    assert storage not in log_file.read_text()


def test_a_function_that_is_switched_off_is_not_served(storage: str, storage_prefix: str) -> None:
    settings = {**sample_settings(storage, storage_prefix), "AzureWebJobs.open_door.Disabled": "true"}
    with HostProcess(SAMPLE_APP, settings) as host:
        assert requests.get(f"{host.url}/api/open", timeout=30).status_code == 404
        assert requests.get(f"{host.url}/api/nothing", timeout=30).status_code == 500
