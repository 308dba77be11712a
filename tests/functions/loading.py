"""Runs a few lines in a fresh process at the top of the app, and hands back what they print as JSON.

The worker library and the imports of the app leave their traces in the whole process: nothing of it in the tests' own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
INDEX = """
import asyncio, json, sys
from pathlib import Path
from sandbox.local_host.configuration import StartRefused
from sandbox.local_host.engine import WorkerEngine

async def index():
    engine = WorkerEngine(Path.cwd())
    try:
        functions = await engine.load()
        return {function.name: list(function.bindings) for function in functions}
    except StartRefused as refusal:
        return {"refused": str(refusal)}
    finally:
        await engine.stop()

print(json.dumps(asyncio.run(index())))
"""


def run_python(source: str, folder: Path = CHECKOUT, **environment: str) -> Any:
    """What ``source`` printed last, read as JSON; the modules of ``folder`` come before those of the checkout."""
    paths = os.pathsep.join(map(str, dict.fromkeys((folder, CHECKOUT))))
    # Not a developer's machine: the settings are not looked at while the app is loaded.
    settings = {"AZURE_FUNCTIONS_ENVIRONMENT": "Production", "PYTHONPATH": paths, **environment}
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def index_app(folder: Path = CHECKOUT, **environment: str) -> dict[str, Any]:
    """The bindings by function as Microsoft's worker describes them to the host, or why it refuses the app."""
    return dict(run_python(INDEX, folder, **environment))
