"""``infra/main.bicep`` without Azure: language, types, policies, agreement with the code; and each check can fail."""

from __future__ import annotations

import json

import pytest

from shared.settings import load_settings
from shared.state.connection import storage_connection
from tests.infra.agreement import NOT_IN_AZURE, ROOT, SETTINGS, as_the_app_sees
from tests.infra.bicep.__main__ import ARM_FILE, differences, translation
from tests.infra.bicep.arm import translate
from tests.infra.bicep.syntax import BicepError, parse
from tests.infra.mistakes import MISTAKES
from tests.infra.policies import app_settings, of_type
from tests.infra.template_checks import INFRA, SALESFORCE, SOURCE, deployed, findings


def test_nothing_is_wrong_with_the_template() -> None:
    assert findings(SOURCE) == []


@pytest.mark.parametrize(("right", "wrong", "said"), MISTAKES)
def test_a_mistake_is_found(right: str, wrong: str, said: str) -> None:
    assert right in SOURCE
    found = findings(SOURCE.replace(right, wrong))
    assert [one for one in found if said in one], found


def test_the_committed_arm_template_is_what_the_bicep_file_says() -> None:
    assert ARM_FILE.read_text(encoding="utf-8") == translation(), "run python -m tests.infra.bicep --write"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("severity: 3", "severity: 4"),
        ("if (virtualNetwork) {", "if (!virtualNetwork) {"),
        ("dependsOn: [storageAccess]", "dependsOn: []"),
        ("param retryForHours string = ''", "param retryForHours string = '72'"),
        ("queries/poison.kql", "queries/failed_syncs.kql"),
        ("output KEY_VAULT_NAME string = vault.name", "output KEY_VAULT_NAME string = identity.name"),
    ],
)
def test_an_arm_template_of_another_bicep_file_is_noticed(right: str, wrong: str) -> None:
    committed = json.loads(ARM_FILE.read_text(encoding="utf-8"))
    assert right in SOURCE
    other = translate(parse(SOURCE.replace(right, wrong)), INFRA)
    assert list(differences(committed, other)) != []
    assert list(differences(committed, translate(parse(SOURCE), INFRA))) == []


@pytest.mark.parametrize(
    ("outside", "said"),
    [
        ("module m 'other.bicep' = { name: 'm' }", "outside the dialect"),
        ("resource r 'Microsoft.Web/sites@2024-11-01' existing = { name: 'r' }", "outside the dialect"),
        ("var v = '''one\ntwo'''", "multi-line strings"),
        ("var v = [for i in [1, 2]: i]", "outside the dialect"),
        ("var v = map([1], i => i)", "outside the dialect"),
        ("param p bool\nvar v = p ? 'a' : 'b'.c", "put parentheses"),
        ("func f() string => 'a'", "outside the dialect"),
        ("type t = string", "outside the dialect"),
        ("targetScope = 'subscription'", "resource group"),
        ("resource r 'Microsoft.Web/sites@2024-11-01' = { name: 'a/b' }", "a name with a slash"),
        ("resource r 'Microsoft.Web/sites/config@2024-11-01' = { name: 'web' }", "must say its parent"),
        ("resource r 'Microsoft.Web/sites@2024-11-01' = { name: 'a' }\nvar v = r.properties.x", "run time only"),
        (
            "resource r 'Microsoft.Web/sites@2024-11-01' = { name: 'a' }\noutput o object = r.list",
            "outside the dialect",
        ),
    ],
)
def test_what_is_outside_the_dialect_is_refused(outside: str, said: str) -> None:
    with pytest.raises(BicepError, match=said):
        translate(parse(outside), INFRA)


def test_white_space_quotes_and_braces_in_strings_survive() -> None:
    source = "param a string\nvar b = 'it\\'s {${a} ${a}} [\\n'\nvar c = '[x]'"
    variables = translate(parse(source), INFRA)["variables"]
    assert variables == {"b": "[format('it''s {{{0} {1}}} [\n', parameters('a'), parameters('a'))]", "c": "[[x]"}


def test_the_app_finds_its_storage_by_identity() -> None:
    settings = load_settings(as_the_app_sees(app_settings(deployed())))
    connection = storage_connection(settings)
    assert connection.connection_string is None
    assert connection.queue_url == "https://stcosell.queue.core.windows.net"
    assert connection.table_url == "https://stcosell.table.core.windows.net"
    assert connection.client_id == "44444444-4444-4444-4444-444444444444"
    assert settings.key_vault_url == "https://kv-cosell.vault.azure.net"
    assert settings.dry_run, "a first deployment writes nothing to either side"


@pytest.mark.parametrize(
    ("given", "secrets"),
    [
        ({}, set()),
        ({"dynamics365ClientId": "3", "dynamics365TenantId": "1"}, {"DYNAMICS365_CLIENT_SECRET"}),
        ({**SALESFORCE, "salesforceUsername": "cosell@contoso.example"}, {"SALESFORCE_PRIVATE_KEY"}),
        (SALESFORCE, {"SALESFORCE_CLIENT_SECRET"}),
    ],
)
def test_only_secrets_that_are_needed_are_looked_for_in_the_vault(given: dict[str, str], secrets: set[str]) -> None:
    settings = app_settings(deployed(**given))
    referring = {name for name, value in settings.items() if value.startswith("@Microsoft.KeyVault")}
    assert referring == secrets | {"PARTNER_CENTER_CLIENT_SECRET"}


def test_settings_of_ones_own_are_laid_over_those_of_the_template() -> None:
    settings = app_settings(deployed(otherSettings={"AzureWebJobs.auto_heal.Disabled": "true", "CRM": "salesforce"}))
    assert settings["AzureWebJobs.auto_heal.Disabled"] == "true"
    assert settings["CRM"] == "salesforce"
    assert settings["KEY_VAULT_URL"]


@pytest.mark.parametrize(("requests", "threads"), [(1, 16), (16, 16), (40, 40)])
def test_there_are_threads_for_all_that_an_instance_takes_at_once(requests: int, threads: int) -> None:
    queues = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensions"]["queues"]
    settings = app_settings(deployed(httpConcurrency=requests))
    assert int(settings["PYTHON_THREADPOOL_THREAD_COUNT"]) == threads
    assert threads >= max(requests, queues["batchSize"] + queues["newBatchThreshold"])


def test_every_setting_is_in_the_example_for_a_developers_machine() -> None:
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))["Values"]
    by_identity = {name for name in SETTINGS if name.startswith("AzureWebJobsStorage__")}
    assert SETTINGS - by_identity - {"PARTNER_CENTER_TRUSTED_ROOTS"} - example.keys() == set()
    assert example.keys() - SETTINGS == {"FUNCTIONS_WORKER_RUNTIME"}


def test_every_alert_has_a_query_and_the_settings_left_out_have_a_reason() -> None:
    alerts = {
        "failed_syncs",
        "poison",
        "backlog_age",
        "no_successful_sync",
        "webhook_signature_failures",
        "token_failing",
        "crm_limit_nearly_used",
    }
    rules = of_type(deployed(alertEmail="cosell@contoso.example"), "Microsoft.Insights/scheduledQueryRules")
    queries = [rule.properties["criteria"]["allOf"][0]["query"] for rule in rules]
    assert sorted(queries) == sorted((INFRA / "queries" / f"{name}.kql").read_text("utf-8") for name in alerts)
    assert all(NOT_IN_AZURE.values())
