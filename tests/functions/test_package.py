"""What is published to Azure: everything the app needs, and nothing else."""

from __future__ import annotations

import fnmatch
import json
import subprocess
import tomllib
from pathlib import PurePosixPath

import pytest
from packaging.requirements import Requirement

from tests.functions.loading import CHECKOUT

NEEDED = (
    "function_app.py",
    "host.json",
    "requirements.txt",
    "flows/partner_center_to_crm.py",
    "shared/settings.py",
    "shared/mappings/dynamics365.toml",
)
NOT_PUBLISHED = (
    ".git/config",
    ".venv/bin/python",
    "bench/import_time.py",
    "local.settings.json",
    "local.settings.example.json",
    "requirements-dev.txt",
    "sandbox/world.py",
    "tests/conftest.py",
)


def is_ignored(path: str) -> bool:
    """By .funcignore, as far as it is used here: names and folders at any depth."""
    lines = (CHECKOUT / ".funcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    assert not [pattern for pattern in patterns if pattern.startswith("!")], "not understood here"
    steps = PurePosixPath(path).parts
    for pattern in patterns:
        candidates = steps[:-1] if pattern.endswith("/") else steps
        if any(fnmatch.fnmatch(step, pattern.rstrip("/")) for step in candidates):
            return True
    return False


def tracked_files() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("path", NEEDED)
def test_what_azure_needs_is_published(path: str) -> None:
    assert (CHECKOUT / path).is_file()
    assert not is_ignored(path)


@pytest.mark.parametrize("path", NOT_PUBLISHED)
def test_what_azure_does_not_need_stays_here(path: str) -> None:
    assert is_ignored(path)


def test_every_file_of_the_app_is_published_and_little_else() -> None:
    published = [path for path in tracked_files() if not is_ignored(path)]
    own = [path for path in tracked_files() if path.startswith(("flows/", "shared/"))]
    assert set(own) <= set(published)
    beside = {PurePosixPath(path).parts[0] for path in set(published) - set(own)}
    assert {"function_app.py", "host.json", "requirements.txt"} <= beside
    assert not beside & {"tests", "sandbox", "bench", "infra", "docs"}


def test_host_json_lets_no_dequeue_count_decide_and_reads_base64() -> None:
    host = json.loads((CHECKOUT / "host.json").read_text(encoding="utf-8"))
    assert host["version"] == "2.0"
    assert host["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    queues = host["extensions"]["queues"]
    assert queues["messageEncoding"] == "base64"
    assert queues["maxDequeueCount"] >= 10_000
    assert host["extensions"]["http"]["routePrefix"] == "api"


def test_the_example_of_local_settings_has_no_secret_and_only_settings_that_exist() -> None:
    example = json.loads((CHECKOUT / "local.settings.example.json").read_text(encoding="utf-8"))["Values"]
    known = _setting_names() | {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}
    unknown = {name for name in example if name.partition("__")[0] not in known} - {"AZURE_FUNCTIONS_ENVIRONMENT"}
    assert unknown == set()
    assert {"CRM", "PARTNER_CENTER_TENANT_ID", "AzureWebJobsStorage"} <= example.keys()


def _setting_names() -> set[str]:
    from shared.settings import Settings

    return {str(field.validation_alias) for field in Settings.model_fields.values()}


def test_requirements_name_what_the_app_imports_and_pin_the_worker() -> None:
    lines = (CHECKOUT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line.partition("#")[0].strip()) for line in lines if line.partition("#")[0].strip()]
    names = {requirement.name for requirement in requirements}
    assert {"azure-functions", "azure-identity", "azure-data-tables", "azure-storage-queue", "requests"} <= names
    assert {"azure-keyvault-secrets", "cryptography", "msal", "pydantic", "pydantic-settings"} <= names
    assert "azure-functions-worker" not in names, "the platform brings it, and refuses ours"
    (worker,) = [one for one in requirements if one.name == "azure-functions-runtime"]
    assert str(worker.specifier) == "==1.3.0"
    for python, version in (("3.11", "1.26.0"), ("3.12", "1.26.0"), ("3.13", "2.3.0")):
        (library,) = [
            one
            for one in requirements
            if one.name == "azure-functions" and one.marker and one.marker.evaluate({"python_version": python})
        ]
        assert library.specifier.contains(version), python


def test_the_python_versions_are_those_of_the_project() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
