"""What is imported before the first event is paid by every cold start."""

from __future__ import annotations

import subprocess
import sys

from tests.functions.loading import CHECKOUT, run_python

HEAVY = (
    "azure.core",
    "azure.data.tables",
    "azure.identity",
    "azure.keyvault",
    "azure.storage.queue",
    "cryptography",
    "msal",
    "pycountry",
    "pydantic",
    "pydantic_settings",
    "requests",
    "shared",
    "urllib3",
)
LOADED = "import json, sys; import {module}; print(json.dumps(sorted(sys.modules)))"


def test_the_app_imports_nothing_heavy_until_it_is_used() -> None:
    loaded = set(run_python(LOADED.format(module="function_app")))
    assert "flows.partner_center_to_crm" in loaded
    assert sorted(loaded & set(HEAVY)) == []


def test_the_app_adds_little_beside_itself_to_what_azure_functions_imports() -> None:
    loaded = set(run_python(LOADED.format(module="function_app")))
    ground = set(run_python(LOADED.format(module="azure.functions")))
    own = {name for name in loaded - ground if name.partition(".")[0] in ("flows", "function_app")}
    assert len(loaded - ground - own) <= 5, sorted(loaded - ground - own)


def test_the_benchmark_of_the_import_prints_the_ratio() -> None:
    done = subprocess.run(
        [sys.executable, "bench/import_time.py", "--rounds", "1"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "times" in done.stdout.splitlines()[-1]
