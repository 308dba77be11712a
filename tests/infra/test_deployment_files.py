"""What stands around the template: parameters, azure.yaml, workflows; and each check can fail."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from tests.infra.agreement import ROOT, SETTINGS
from tests.infra.bicep.syntax import parse
from tests.infra.bicep.tree import Array, Text
from tests.infra.policies import of_type
from tests.infra.scan import complaints
from tests.infra.template_checks import INFRA, SOURCE, deployed

TEMPLATE = parse(SOURCE)
AZURE_YAML = (ROOT / "azure.yaml").read_text(encoding="utf-8")
WORKFLOWS = ROOT / ".github" / "workflows"
OF_AZD = {
    "environmentName": "AZURE_ENV_NAME",
    "location": "AZURE_LOCATION",
    "operatorPrincipalId": "AZURE_PRINCIPAL_ID",
    "operatorPrincipalType": "AZURE_PRINCIPAL_TYPE",
}
"""Variables that azd fills in itself."""
CHECKOUT_STEP = "uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1\n"


def variable_of(parameter: str) -> str:
    """Of the azd environment: an app setting's own name, others with COSELL_ before theirs."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", parameter).upper()
    return OF_AZD.get(parameter) or (name if name in SETTINGS else f"COSELL_{name}")


def test_every_parameter_is_a_variable_of_azd_and_has_its_default_in_the_template_alone() -> None:
    file = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))
    assert file["parameters"] == {name: {"value": f"${{{variable_of(name)}}}"} for name in TEMPLATE.parameters}


def test_the_least_to_give_is_little() -> None:
    needed = {name for name, parameter in TEMPLATE.parameters.items() if parameter.default is None}
    assert needed == {"environmentName", "crm", "partnerCenterTenantId", "partnerCenterClientId"}


def azure_yaml_mistakes(text: str) -> list[str]:
    schema = json.loads((ROOT / "tests/infra/schemas/azure.yaml.schema.json").read_text(encoding="utf-8"))
    content: dict[str, Any] = YAML(typ="safe").load(text)
    found = [error.message for error in jsonschema.Draft201909Validator(schema).iter_errors(content)]
    (app,) = of_type(deployed(), "Microsoft.Web/sites")
    service = content["services"].get(app.body["tags"]["azd-service-name"])
    if service is None:
        return [*found, "no service has the app's tag azd-service-name"]
    # Open in the schema: extensions of azd may bring hosts of their own.
    if (service["host"], service["language"]) != ("function", "python"):
        found.append("the service is not deployed as a function app in Python")
    if not (ROOT / service["project"] / "function_app.py").is_file():
        found.append("the service's folder holds no function app")
    infra = content["infra"]
    if not (ROOT / infra["path"] / f"{infra['module']}.bicep").is_file():
        found.append("there is no such template")
    return found


def test_azure_yaml_is_understood_by_azd() -> None:
    assert azure_yaml_mistakes(AZURE_YAML) == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("host: function", "host: functions", "not deployed as a function app"),
        ("  postprovision:", "  postprovisoin:", "postprovisoin"),
        ("language: python", "language: pyhton", "in Python"),
        ("  connector:", "  api:", "azd-service-name"),
        ("project: .", "project: shared", "holds no function app"),
        ("module: main", "module: network", "no such template"),
    ],
)
def test_a_mistake_in_azure_yaml_is_found(right: str, wrong: str, said: str) -> None:
    assert right in AZURE_YAML
    found = azure_yaml_mistakes(AZURE_YAML.replace(right, wrong))
    assert [one for one in found if said in one], found


TOOLS: Mapping[str, tuple[str, ...]] = {
    "check-jsonschema": ("--builtin-schema", "vendor.github-workflows"),
    "zizmor": ("--offline", "--no-progress", "--format", "plain"),
}


def workflow_mistakes(folder: Path, tool: str) -> str:
    """What the schema of GitHub, or zizmor, says of the workflows in this folder; nothing if all is well."""
    command = [str(Path(sys.executable).parent / tool), *TOOLS[tool], *map(str, sorted(folder.glob("*.yml")))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr if ended.returncode else ""


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_is_wrong_with_the_workflows(tool: str) -> None:
    assert workflow_mistakes(WORKFLOWS, tool) == ""


@pytest.mark.parametrize(
    ("tool", "file", "right", "wrong", "said"),
    [
        ("check-jsonschema", "test.yml", "runs-on: ubuntu-24.04", "run-on: ubuntu-24.04", "run-on"),
        ("zizmor", "test.yml", CHECKOUT_STEP, "uses: actions/checkout@v7\n", "unpinned-uses"),
        ("zizmor", "test.yml", "          persist-credentials: false\n", "          fetch-depth: 1\n", "artipacked"),
        ("zizmor", "test.yml", "permissions:\n  contents: read\n", "permissions: write-all\n", "excessive-permissions"),
        ("zizmor", "deploy-to.yml", '"$URL/api/live"', "${{ github.event.head_commit.message }}", "template-injection"),
    ],
)
def test_a_mistake_in_a_workflow_is_found(
    tmp_path: Path, tool: str, file: str, right: str, wrong: str, said: str
) -> None:
    text = (WORKFLOWS / file).read_text(encoding="utf-8")
    assert right in text
    (tmp_path / file).write_text(text.replace(right, wrong), encoding="utf-8")
    assert said in workflow_mistakes(tmp_path, tool)


def test_actions_of_one_name_are_of_one_version() -> None:
    texts = [file.read_text(encoding="utf-8") for file in sorted(WORKFLOWS.glob("*.yml"))]
    uses = {use for text in texts for use in re.findall(r"uses: ([\w/-]+)@([0-9a-f]{40}) # (v[\d.]+)", text)}
    assert len({name for name, _, _ in uses}) == len(uses) == 5


def test_the_python_versions_of_the_template_are_tested() -> None:
    allowed = TEMPLATE.parameters["pythonVersion"].decorators["allowed"]
    assert isinstance(allowed, Array)
    offered = {text.literal for text in allowed.items if isinstance(text, Text)}
    tested = set(re.findall(r'"(3\.\d+)"', (WORKFLOWS / "test.yml").read_text(encoding="utf-8")))
    assert offered == tested


FOUND_NOTHING: Mapping[str, Any] = {
    "results": {"passed_checks": [{"resource": "storage"}], "failed_checks": [], "parsing_errors": []},
    "summary": {"resource_count": 49},
}


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (FOUND_NOTHING, []),
        ({"passed": 0, "failed": 0, "resource_count": 0}, ["only 0 resources"]),
        ({**FOUND_NOTHING, "results": {"parsing_errors": ["main.bicep"]}}, ["could not be parsed", "only 49"]),
        (
            {
                **FOUND_NOTHING,
                "results": {
                    **FOUND_NOTHING["results"],
                    "failed_checks": [{"check_id": "CKV_1", "resource": "storage", "check_name": "TLS"}],
                },
            },
            ["CKV_1 storage: TLS"],
        ),
    ],
)
def test_a_scan_that_read_nothing_is_no_success(report: dict[str, Any], said: list[str]) -> None:
    found = list(complaints(report))
    assert len(found) == len(said)
    assert all(part in sentence for part, sentence in zip(said, found, strict=True))


def test_the_page_for_operators_names_what_they_meet() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    secrets = set(re.findall(r"secrets/([a-z0-9-]+)\)", SOURCE))
    needed = {name for name, parameter in TEMPLATE.parameters.items() if parameter.default is None}
    assert len(secrets) == 4
    assert {name for name in secrets | needed if f"`{name}`" not in page} == set()
    of_the_template = set(TEMPLATE.parameters) | SETTINGS | set(TEMPLATE.outputs)
    named = set(re.findall(r"`([a-z]+[A-Z]\w+|[A-Z]+(?:_[A-Z0-9]+)+)`", page))
    of_github = {"INFRA_PARAMETERS", "SANDBOX_HOST", "AZURE_WHAT_IF", "COSELL_ALERT_EMAIL"}
    of_github |= set(re.findall(r"vars\.(\w+)", (WORKFLOWS / "deploy-to.yml").read_text(encoding="utf-8")))
    assert named - of_the_template - of_github == set()
