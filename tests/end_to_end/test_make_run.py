"""What ``make run`` calls: plays the main job, compares, ends everything it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
DEADLINE_S = 90.0


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("crm", ["dynamics365", "salesforce"])
def test_once_agrees_on_every_field_and_exits_0(crm: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "--once", "--crm", crm],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 deals, 72 fields compared, 0 differ" in done.stdout
    assert "✗" not in done.stdout
    assert done.stderr == ""


def test_a_document_that_is_no_referral_is_named_and_nothing_starts(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("no JSON")
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "--once", "--documents", str(bad)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 2
    assert "bad.json holds no referral" in done.stderr


def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    log = tmp_path / "out.txt"
    with log.open("w") as out:
        demo = subprocess.Popen([sys.executable, "-m", "sandbox"], cwd=CHECKOUT, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + DEADLINE_S
        while "Running until Ctrl-C" not in log.read_text():
            assert demo.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        started = children_of(demo.pid)
        assert len(started) == 2  # storage and the app
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=DEADLINE_S) == 0
        assert not [pid for pid in started if is_alive(pid)]
    finally:
        demo.kill()
        demo.wait()
