"""What the deployed app is set up with: the host's log settings, the workbook, and the operator's page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.telemetry import Event

CHECKOUT = Path(__file__).parents[2]
PLACEHOLDER = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def host() -> dict[str, Any]:
    return dict(json.loads((CHECKOUT / "host.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def workbook() -> dict[str, Any]:
    return dict(json.loads((CHECKOUT / "infra" / "workbook.json").read_text(encoding="utf-8")))


def test_the_host_speaks_opentelemetry(host: Mapping[str, Any]) -> None:
    assert host["telemetryMode"] == "OpenTelemetry"


def test_without_it_sampling_would_drop_no_outcome(host: Mapping[str, Any]) -> None:
    """Outcomes are traces; the alerts count them."""
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert {"Trace", "Exception", "Request"} <= set(sampling["excludedTypes"].split(";"))


def test_the_apps_own_lines_pass_the_hosts_levels(host: Mapping[str, Any]) -> None:
    """A worker's lines have the category ``Function.<name>.User``."""
    assert host["logging"]["logLevel"]["Function"] == "Information"
    assert host["logging"]["logLevel"]["default"] == "Warning"


def test_the_workbook_shows_every_query_as_it_is_in_its_file(
    workbook: Mapping[str, Any], queries: Mapping[str, str]
) -> None:
    shown = {item["name"]: item["content"]["query"] for item in workbook["items"] if item["type"] == 3}
    assert shown == {name: text.rstrip("\n").replace(PLACEHOLDER, "{Deal}") for name, text in queries.items()}


def test_the_workbooks_queries_follow_its_parameters(workbook: Mapping[str, Any]) -> None:
    (parameters,) = (item["content"]["parameters"] for item in workbook["items"] if item["type"] == 9)
    assert [parameter["name"] for parameter in parameters] == ["TimeRange", "Deal"]
    items = [item["content"] for item in workbook["items"] if item["type"] == 3]
    assert {item["timeContextFromParameter"] for item in items} == {"TimeRange"}


def test_the_operators_page_teaches_every_query_and_every_event(queries: Mapping[str, str]) -> None:
    page = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [name for name in queries if f"`{name}.kql`" not in page] == []
    assert [event.value for event in Event if f"| `{event.value}` |" not in page] == []
