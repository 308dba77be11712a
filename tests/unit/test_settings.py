import json
import subprocess
import sys
from pathlib import Path

import pytest

from shared.domain.errors import ConfigurationError
from shared.setting_types import APP_FOLDER
from shared.settings import Settings, load_settings, settings_table

DYNAMICS = {
    "CRM": "dynamics365",
    "PARTNER_CENTER_TENANT_ID": "11111111-1111-1111-1111-111111111111",
    "PARTNER_CENTER_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
    "PARTNER_CENTER_CLIENT_SECRET": "partner-center-secret",
    "KEY_VAULT_URL": "https://contoso-cosell.vault.azure.net/",
    "DYNAMICS365_URL": "https://contoso.crm.dynamics.com",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\\nMIIC\\n-----END PRIVATE KEY-----"
SALESFORCE = {
    **{name: value for name, value in DYNAMICS.items() if name != "DYNAMICS365_URL"},
    "CRM": "salesforce",
    "SALESFORCE_LOGIN_URL": "https://fabrikam.my.salesforce.com",
    "SALESFORCE_CLIENT_ID": "3MVG9fabrikam",
    "SALESFORCE_CLIENT_SECRET": "salesforce-secret",
}


def without(environ: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in names}


def problems(environ: dict[str, str]) -> dict[str, str]:
    """What the error says, by setting."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ)
    lines = [line for line in caught.value.message.splitlines() if line.startswith("- ")]
    return {line[2:].split(":")[0]: line for line in lines}


def test_the_least_that_must_be_set_is_enough() -> None:
    settings = load_settings(DYNAMICS)
    assert settings.crm == "dynamics365"
    assert settings.display_check_mark is True
    assert settings.sync_cosell_opportunities_only is True
    assert settings.dry_run is False
    assert settings.retry_for_hours == 72
    assert settings.brake_percent == 20
    assert settings.crm_poll_schedule == "*/30 * * * * *"
    assert settings.auto_heal_schedule == "0 */5 * * * *"
    assert settings.crm_daily_call_budget is None
    assert settings.deal_value_field is None
    assert settings.partner_center_referrals_url == "https://api.partner.microsoft.com/v1.0/engagements"
    assert settings.partner_center_webhooks_url == "https://api.partnercenter.microsoft.com/webhooks/v1"
    assert settings.partner_center_certificate_hosts == ("3psostorageacct.blob.core.windows.net",)
    assert settings.key_vault_url == "https://contoso-cosell.vault.azure.net"
    assert settings.customize_file == APP_FOLDER / "customize.toml"
    assert settings.public_url is None
    assert load_settings(SALESFORCE).crm == "salesforce"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings(DYNAMICS).dry_run = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"), [("yes", True), ("Yes", True), ("TRUE", True), ("1", True), ("No", False), ("0", False)]
)
def test_yes_and_no_in_any_case(text: str, expected: bool) -> None:
    assert load_settings({**DYNAMICS, "DRY_RUN": text}).dry_run is expected


def test_empty_means_not_set_and_blanks_around_a_value_do_not_count() -> None:
    settings = load_settings({**DYNAMICS, "RETRY_FOR_HOURS": "", "DEAL_VALUE_FIELD": "  ", "BRAKE_PERCENT": " 30\n"})
    assert settings.retry_for_hours == 72
    assert settings.deal_value_field is None
    assert settings.brake_percent == 30


def test_everything_wrong_is_said_at_once_with_what_it_is_for_and_an_example() -> None:
    told = problems(
        {
            "CRM": "dynamics365",
            "DRY_RUN": "maybe",
            "RETRY_FOR_HOURS": "0",
            "BRAKE_PERCENT": "200",
            "CRM_POLL_SCHEDULE": "*/5 * * * *",
            "PUBLIC_URL": "http://cosell.contoso.example",
            "PARTNER_CENTER_CERTIFICATE_HOSTS": "https://storage.example/",
            "PARTNER_CENTER_TRUSTED_ROOTS": "no-such-roots.pem",
        }
    )
    assert set(told) == {
        "DRY_RUN",
        "RETRY_FOR_HOURS",
        "BRAKE_PERCENT",
        "CRM_POLL_SCHEDULE",
        "PUBLIC_URL",
        "PARTNER_CENTER_CERTIFICATE_HOSTS",
        "PARTNER_CENTER_TRUSTED_ROOTS",
        "PARTNER_CENTER_TENANT_ID",
        "PARTNER_CENTER_CLIENT_ID",
        "PARTNER_CENTER_CLIENT_SECRET",
        "KEY_VAULT_URL",
        "PARTNER_CENTER_REFRESH_TOKEN",
        "DYNAMICS365_URL",
        "AzureWebJobsStorage",
    }
    assert told["DRY_RUN"] == (
        "- DRY_RUN: it must be yes or no. Plan and audit, but write nothing to either side (for example no)"
    )
    assert "it is missing, and CRM is dynamics365. Address of the Dynamics 365 environment" in told["DYNAMICS365_URL"]


def test_an_unknown_crm_is_told_which_there_are() -> None:
    told = problems({**DYNAMICS, "CRM": "hubspot"})
    assert "'dynamics365' or 'salesforce'" in told["CRM"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"SALESFORCE_PRIVATE_KEY": "hunter2-key", "SALESFORCE_USERNAME": "cosell@fabrikam.example"},
        {"KEY_VAULT_URL": "https://user:hunter2@vault.example"},
        {"DYNAMICS365_URL": "https://[hunter2"},
        {"BRAKE_PERCENT": "hunter2"},
        {"CRM": "hunter2"},
    ],
)
def test_no_value_is_repeated(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({**SALESFORCE, **wrong})
    assert "hunter2" not in str(caught.value)
    assert next(iter(wrong)) in str(caught.value)


def test_secrets_do_not_show_in_the_settings_themselves() -> None:
    settings = load_settings({**SALESFORCE, "PARTNER_CENTER_REFRESH_TOKEN": "the-token"})
    shown = f"{settings!r} {settings}"
    for secret in ("partner-center-secret", "salesforce-secret", "the-token", "UseDevelopmentStorage"):
        assert secret not in shown
    assert settings.partner_center_client_secret.get_secret_value() == "partner-center-secret"


def test_a_key_vault_reference_that_azure_did_not_resolve_is_said_so() -> None:
    reference = "@Microsoft.KeyVault(SecretUri=https://contoso-cosell.vault.azure.net/secrets/partner-center)"
    told = problems({**DYNAMICS, "PARTNER_CENTER_CLIENT_SECRET": reference, "DYNAMICS365_URL": reference})
    assert set(told) == {"PARTNER_CENTER_CLIENT_SECRET", "DYNAMICS365_URL"}
    assert "Key Vault reference that Azure could not resolve" in told["PARTNER_CENTER_CLIENT_SECRET"]


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        (
            {**DYNAMICS, "DYNAMICS365_CLIENT_ID": "33333333"},
            {"DYNAMICS365_TENANT_ID", "DYNAMICS365_CLIENT_SECRET"},
        ),
        (without(DYNAMICS, "KEY_VAULT_URL"), {"KEY_VAULT_URL", "PARTNER_CENTER_REFRESH_TOKEN"}),
        ({**without(DYNAMICS, "KEY_VAULT_URL"), "PARTNER_CENTER_REFRESH_TOKEN": "token"}, {"KEY_VAULT_URL"}),
        (without(SALESFORCE, "SALESFORCE_CLIENT_SECRET"), {"SALESFORCE_PRIVATE_KEY"}),
        (
            {**without(SALESFORCE, "SALESFORCE_CLIENT_SECRET"), "SALESFORCE_PRIVATE_KEY": PRIVATE_KEY},
            {"SALESFORCE_USERNAME"},
        ),
        (
            without(SALESFORCE, "SALESFORCE_LOGIN_URL", "SALESFORCE_CLIENT_ID"),
            {"SALESFORCE_LOGIN_URL", "SALESFORCE_CLIENT_ID"},
        ),
        (
            {
                **without(DYNAMICS, "AzureWebJobsStorage"),
                "AzureWebJobsStorage__tableServiceUri": "https://contoso.table.core.windows.net",
            },
            {"AzureWebJobsStorage"},
        ),
    ],
)
def test_settings_that_need_others(environ: dict[str, str], missing: set[str]) -> None:
    assert set(problems(environ)) == missing


def test_ways_to_sign_in_that_are_complete() -> None:
    application = dict.fromkeys(("DYNAMICS365_TENANT_ID", "DYNAMICS365_CLIENT_ID", "DYNAMICS365_CLIENT_SECRET"), "x")
    load_settings({**DYNAMICS, **application})
    by_key = load_settings(
        {
            **without(SALESFORCE, "SALESFORCE_CLIENT_SECRET"),
            "SALESFORCE_USERNAME": "cosell@fabrikam.example",
            "SALESFORCE_PRIVATE_KEY": PRIVATE_KEY,
        }
    )
    assert by_key.salesforce_private_key is not None
    assert by_key.salesforce_private_key.get_secret_value().count("\n") == 2
    by_file = load_settings({**without(DYNAMICS, "KEY_VAULT_URL"), "PARTNER_CENTER_TOKEN_FILE": "token"})
    assert by_file.partner_center_token_file == APP_FOLDER / "token"


def test_storage_by_identity() -> None:
    environ = without(DYNAMICS, "AzureWebJobsStorage")
    assert load_settings({**environ, "AzureWebJobsStorage__accountName": "contosocosell"}).storage_account_name
    load_settings(
        {
            **environ,
            "AzureWebJobsStorage__tableServiceUri": "https://contosocosell.table.core.windows.net/",
            "AzureWebJobsStorage__queueServiceUri": "https://contosocosell.queue.core.windows.net/",
        }
    )


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WEBSITE_HOSTNAME": "contoso-cosell.azurewebsites.net"}, "https://contoso-cosell.azurewebsites.net"),
        ({"WEBSITE_HOSTNAME": "localhost:7071"}, "http://localhost:7071"),
        (
            {"WEBSITE_HOSTNAME": "a.example", "PUBLIC_URL": "https://gateway.example/cosell/"},
            "https://gateway.example/cosell",
        ),
        ({"PUBLIC_URL": "http://127.0.0.1:7071"}, "http://127.0.0.1:7071"),
    ],
)
def test_the_public_address(environ: dict[str, str], expected: str) -> None:
    assert load_settings({**DYNAMICS, **environ}).public_url == expected


def test_plain_http_to_a_service_is_refused_even_on_this_machine() -> None:
    assert set(problems({**DYNAMICS, "PARTNER_CENTER_REFERRALS_URL": "http://localhost:8443"})) == {
        "PARTNER_CENTER_REFERRALS_URL"
    }


def test_certificate_hosts_are_a_list() -> None:
    settings = load_settings({**DYNAMICS, "PARTNER_CENTER_CERTIFICATE_HOSTS": "A.example, localhost:8443,"})
    assert settings.partner_center_certificate_hosts == ("a.example", "localhost:8443")


def test_a_customize_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "customize.toml"
    assert set(problems({**DYNAMICS, "CUSTOMIZE_FILE": str(file)})) == {"CUSTOMIZE_FILE"}
    file.touch()
    assert load_settings({**DYNAMICS, "CUSTOMIZE_FILE": str(file)}).customize_file == file


def test_other_variables_of_the_environment_are_left_alone() -> None:
    assert load_settings({**DYNAMICS, "PATH": "/bin", "crm": "salesforce"}).crm == "dynamics365"


def test_the_example_file_names_every_setting_and_can_be_used_as_it_is() -> None:
    values = json.loads((APP_FOLDER / "local.settings.example.json").read_text())["Values"]
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}
    by_identity = {name for name in names if name.startswith("AzureWebJobsStorage__")}
    assert set(values) == (names - by_identity) | {"FUNCTIONS_WORKER_RUNTIME"}
    load_settings(values)


def test_the_defaults_in_the_example_file_are_the_defaults() -> None:
    values = json.loads((APP_FOLDER / "local.settings.example.json").read_text())["Values"]
    shown = load_settings(values)
    for name, field in Settings.model_fields.items():
        is_default_shown = not field.is_required() and field.default is not None and values[str(field.validation_alias)]
        if is_default_shown and name != "dry_run":  # who tries it out should not write yet
            assert getattr(shown, name) == field.default, name


def test_the_table_names_all_and_shows_no_value() -> None:
    table = settings_table({**DYNAMICS, "PARTNER_CENTER_REFRESH_TOKEN": "the-token"})
    lines = {line.split()[0]: line for line in table.splitlines()}
    assert {str(field.validation_alias) for field in Settings.model_fields.values()} < set(lines)
    assert "the-token" not in table
    assert "partner-center-secret" not in table
    assert " yes " in lines["PARTNER_CENTER_REFRESH_TOKEN"]
    assert " no " in lines["SALESFORCE_CLIENT_SECRET"]


def test_the_table_is_printed_on_request() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "shared.settings"],
        cwd=APP_FOLDER,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "PARTNER_CENTER_TENANT_ID" in printed.stdout
    assert printed.stderr == ""
