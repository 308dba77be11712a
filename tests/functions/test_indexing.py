"""The real function app, as Microsoft's own worker library loads it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.functions.loading import CHECKOUT, index_app

HTTP = ("httpTrigger", "function")
TRIGGERS = {
    "webhook_registration": (*HTTP, {"GET", "POST"}, "webhook-registration"),
    "partner_center_to_crm": (*HTTP, {"POST"}, "partner-center"),
    "partner_center_to_crm_helper": ("queueTrigger", "referral-events"),
    "microsoft_referral_updates_to_crm": ("queueTrigger", "related-referral-events"),
    "crm_to_partner_center": ("timerTrigger", "*/30 * * * * *"),
    "crm_opportunity_to_partner_center": ("queueTrigger", "crm-changes"),
    "crm_lead_to_partner_center": ("queueTrigger", "crm-lead-changes"),
    "microsoft_solutions_to_partner_center": ("timerTrigger", "0 */5 * * * *"),
    "auto_heal": ("timerTrigger", "0 */5 * * * *"),
    "failed_syncs": ("queueTrigger", "referral-events-poison"),
    "failed_related_syncs": ("queueTrigger", "related-referral-events-poison"),
    "failed_crm_syncs": ("queueTrigger", "crm-changes-poison"),
    "failed_lead_syncs": ("queueTrigger", "crm-lead-changes-poison"),
    "run_history": (*HTTP, {"GET"}, "run-history"),
    "resubmit": (*HTTP, {"POST"}, "resubmit"),
    "health": (*HTTP, {"GET"}, "health"),
    "live": ("httpTrigger", "anonymous", {"GET"}, "live"),
}
"""By its name in the design; ``failed_syncs`` has one per queue, ``health`` a little one that needs no key."""

TIMER = "def auto_heal(timer: func.TimerRequest) -> None:"
REFUSED = {
    "an output of a built-in generic": ("partner_center_to_crm", "func.Out[bytes]", "func.Out[list[str]]", "Out"),
    "a return type that is not a class": ("health", "-> func.HttpResponse", "-> typing.Optional[str]", "return"),
    "a parameter that is no binding": ("auto_heal", TIMER, TIMER.replace(")", ", now: str = '')"), "now"),
    "a binding of another type": ("auto_heal", TIMER, TIMER.replace("TimerRequest", "HttpRequest"), "timer"),
    "two functions of one name": ("auto_heal", 'function_name("auto_heal")', 'function_name("health")', "health"),
}
"""The flow, what is replaced in it and by what, and what the refusal names."""


@pytest.fixture(scope="module")
def functions() -> dict[str, Any]:
    return index_app()


def trigger_of(bindings: list[dict[str, Any]]) -> tuple[Any, ...]:
    (trigger,) = [binding for binding in bindings if binding["type"].endswith("Trigger")]
    match trigger["type"]:
        case "httpTrigger":
            return trigger["type"], trigger["authLevel"].lower(), set(trigger["methods"]), trigger["route"]
        case "queueTrigger":
            assert trigger["connection"] == "AzureWebJobsStorage"
            return trigger["type"], trigger["queueName"]
        case other:
            return other, trigger["schedule"]


def copy_app(folder: Path) -> Path:
    """A copy of the app whose flows may be changed; the folder of the flows."""
    shutil.copy(CHECKOUT / "function_app.py", folder)
    return shutil.copytree(CHECKOUT / "flows", folder / "flows", ignore=shutil.ignore_patterns("__pycache__"))


def test_every_function_is_indexed_with_its_trigger(functions: dict[str, Any]) -> None:
    assert "refused" not in functions, functions
    assert {name: trigger_of(bindings) for name, bindings in functions.items()} == {
        name: trigger for name, trigger in TRIGGERS.items() if name in functions
    }


def test_every_flow_is_registered(functions: dict[str, Any]) -> None:
    modules = {file.stem for file in (CHECKOUT / "flows").glob("*.py")} - {"__init__", "start"}
    assert modules <= functions.keys()
    assert functions.keys() - modules == {"failed_related_syncs", "failed_crm_syncs", "failed_lead_syncs", "live"}


def test_the_webhook_queues_bytes_to_both_queues(functions: dict[str, Any]) -> None:
    outputs = {
        binding["queueName"]: binding["connection"]
        for binding in functions["partner_center_to_crm"]
        if binding["type"] == "queue" and binding["direction"].lower() == "out"
    }
    assert outputs == dict.fromkeys(("referral-events", "related-referral-events"), "AzureWebJobsStorage")


def test_schedules_are_those_of_the_settings() -> None:
    functions = index_app(
        CRM_POLL_SCHEDULE="*/7 * * * * *", SOLUTIONS_SCHEDULE="0 */9 * * * *", AUTO_HEAL_SCHEDULE="0 0 * * * *"
    )
    assert trigger_of(functions["crm_to_partner_center"])[1] == "*/7 * * * * *"
    assert trigger_of(functions["microsoft_solutions_to_partner_center"])[1] == "0 */9 * * * *"
    assert trigger_of(functions["auto_heal"])[1] == "0 0 * * * *"


@pytest.mark.parametrize("case", REFUSED)
def test_an_annotation_that_the_worker_refuses_is_found_here(tmp_path: Path, case: str) -> None:
    """One such line unloads the whole app in Azure."""
    flow, line, instead, named = REFUSED[case]
    file = copy_app(tmp_path) / f"{flow}.py"
    source = file.read_text(encoding="utf-8")
    assert line in source
    file.write_text(f"{source.replace(line, instead)}\nimport typing\n", encoding="utf-8")
    answer = index_app(tmp_path)
    assert named in answer.get("refused", ""), answer


def test_a_copy_that_is_not_changed_is_not_refused(tmp_path: Path) -> None:
    copy_app(tmp_path)
    assert "refused" not in index_app(tmp_path)
