"""Every setting of the connector: typed, checked once, all that is wrong said at once.

``python -m shared.settings`` prints what there is to set, and what of it is set.
Names are those of the app settings; each field's description is what the error text and the printed table say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from shared.domain.errors import ConfigurationError
from shared.domain.record import RecordKind
from shared.setting_rules import missing_settings
from shared.setting_types import (
    APP_FOLDER,
    AppPath,
    Hosts,
    HttpsUrl,
    PresentFile,
    PrivateKey,
    PublicUrl,
    Schedule,
    YesNo,
    public_address_of,
)

# What a Key Vault reference leaves behind when Azure could not resolve it.
# https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
_REFERENCE = "@Microsoft.KeyVault("
_UNRESOLVED = (
    "it is a Key Vault reference that Azure could not resolve: check that the secret is there "
    "and that the app's identity may read it"
)


def _setting(default: Any, what_for: str, example: str, name: str | None = None) -> Any:
    return Field(default, description=what_for, examples=[example], validation_alias=name)


class Settings(BaseSettings):
    """Valid as a whole; made by :func:`load_settings`. An empty setting counts as not set."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        case_sensitive=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        validate_default=False,
        alias_generator=str.upper,
    )

    crm: Literal["dynamics365", "salesforce"] = _setting(..., "Which CRM holds the opportunities", "dynamics365")
    display_check_mark: YesNo = _setting(True, "Show the check or cross mark in the opportunity's name", "yes")
    sync_cosell_opportunities_only: YesNo = _setting(True, "Leave leads out on the way to the CRM", "yes")
    deal_value_field: str | None = _setting(
        None, "CRM field of the deal value, where not that of the mapping file", "estimatedvalue"
    )
    deal_value_currency_field: str | None = _setting(
        None, "CRM field of the deal's currency, where not that of the mapping file", "transactioncurrencyid"
    )
    customer_account_country_code_field: str | None = _setting(
        None, "Account field of the two-letter country code, where not that of the mapping file", "address1_country"
    )
    active_stage_name: str | None = _setting(
        None, "Stage of an accepted deal, where not that of the mapping file", "In Progress"
    )
    on_hold_stage_name: str | None = _setting(
        None, "Stage of a deal that waits for acceptance, where not that of the mapping file", "On Hold"
    )
    customize_file: PresentFile = _setting(
        APP_FOLDER / "customize.toml",
        "The partner's own changes to the field mapping, laid over the mapping file",
        "my.toml",
    )
    dry_run: YesNo = _setting(False, "Plan and audit, but write nothing to either side", "no")

    crm_poll_schedule: Schedule = _setting(
        "*/30 * * * * *", "When to look for changes in the CRM (six fields, UTC)", "*/30 * * * * *"
    )
    solutions_schedule: Schedule = _setting(
        "0 */5 * * * *", "When to look for changed solutions in the CRM (six fields, UTC)", "0 */5 * * * *"
    )
    auto_heal_schedule: Schedule = _setting(
        "0 */5 * * * *", "When to look for what events did not tell of (six fields, UTC)", "0 */5 * * * *"
    )
    retry_for_hours: PositiveInt = _setting(72, "How long to go on trying while a service is away", "72")
    brake_percent: Annotated[int, Field(ge=1, le=100)] = _setting(
        20, "Share of the links that one run may close or clear before it stops for a person", "20"
    )
    crm_daily_call_budget: PositiveInt | None = _setting(None, "Calls to the CRM in a day, at most", "40000")
    partner_center_daily_call_budget: PositiveInt | None = _setting(
        None, "Calls to Partner Center in a day, at most", "10000"
    )
    public_url: PublicUrl | None = _setting(
        None,
        "This app's own address, for the webhook; Azure gives it as WEBSITE_HOSTNAME",
        "https://contoso-cosell.azurewebsites.net",
    )

    partner_center_tenant_id: str = _setting(
        ..., "Entra tenant of the partner account", "11111111-1111-1111-1111-111111111111"
    )
    partner_center_client_id: str = _setting(
        ..., "App registration that calls Partner Center", "22222222-2222-2222-2222-222222222222"
    )
    partner_center_client_secret: SecretStr = _setting(
        ..., "Secret of that app registration", "@Microsoft.KeyVault(SecretUri=...)"
    )
    partner_center_refresh_token: SecretStr | None = _setting(
        None, "First refresh token of the user who consented, until Key Vault or the token file holds one", "0.AXoA..."
    )
    partner_center_token_file: AppPath | None = _setting(
        None, "Where the rotated refresh token is kept when there is no Key Vault", "/var/lib/cosell/token"
    )
    partner_center_referrals_url: HttpsUrl = _setting(
        "https://api.partner.microsoft.com/v1.0/engagements",
        "Base address of the referrals API",
        "https://api.partner.microsoft.com/v1.0/engagements",
    )
    partner_center_webhooks_url: HttpsUrl = _setting(
        "https://api.partnercenter.microsoft.com/webhooks/v1",
        "Base address of the webhook registration API",
        "https://api.partnercenter.microsoft.com/webhooks/v1",
    )
    partner_center_certificate_hosts: Hosts = _setting(
        ("3psostorageacct.blob.core.windows.net",),
        "Hosts from which a webhook's signing certificate may come",
        "3psostorageacct.blob.core.windows.net",
    )
    partner_center_issuer_hosts: Hosts = _setting(
        ("www.microsoft.com", "cacerts.digicert.com", "caissuers.microsoft.com"),
        "Hosts from which issuers of that certificate may come",
        "www.microsoft.com,cacerts.digicert.com,caissuers.microsoft.com",
    )
    partner_center_trusted_roots: PresentFile | None = _setting(
        None, "PEM file of roots that the signing certificate may chain to, instead of the system's", "roots.pem"
    )

    dynamics365_url: HttpsUrl | None = _setting(
        None, "Address of the Dynamics 365 environment", "https://contoso.crm.dynamics.com"
    )
    dynamics365_tenant_id: str | None = _setting(
        None, "Entra tenant of Dynamics 365, where not by managed identity", "11111111-1111-1111-1111-111111111111"
    )
    dynamics365_client_id: str | None = _setting(
        None, "App registration that calls Dynamics 365", "33333333-3333-3333-3333-333333333333"
    )
    dynamics365_client_secret: SecretStr | None = _setting(
        None, "Secret of that app registration", "@Microsoft.KeyVault(SecretUri=...)"
    )

    salesforce_login_url: HttpsUrl | None = _setting(
        None, "The org's My Domain address", "https://contoso.my.salesforce.com"
    )
    salesforce_client_id: str | None = _setting(None, "Consumer key of the connected app", "3MVG9...")
    salesforce_username: str | None = _setting(
        None, "User to act as, with SALESFORCE_PRIVATE_KEY", "cosell@contoso.example"
    )
    salesforce_private_key: PrivateKey | None = _setting(
        None, "Key of the connected app's certificate, PEM", "-----BEGIN PRIVATE KEY-----..."
    )
    salesforce_client_secret: SecretStr | None = _setting(
        None, "Consumer secret, where not by SALESFORCE_PRIVATE_KEY", "@Microsoft.KeyVault(SecretUri=...)"
    )

    key_vault_url: HttpsUrl | None = _setting(
        None, "Key Vault that keeps the refresh token", "https://contoso-cosell.vault.azure.net"
    )
    azure_authority_host: HttpsUrl = _setting(
        "https://login.microsoftonline.com", "Where Entra tokens come from", "https://login.microsoftonline.com"
    )
    storage_connection_string: SecretStr | None = _setting(
        None, "Storage account of state and queues", "UseDevelopmentStorage=true", "AzureWebJobsStorage"
    )
    storage_account_name: str | None = _setting(
        None,
        "Storage account, by identity instead of by connection string",
        "contosocosell",
        "AzureWebJobsStorage__accountName",
    )
    storage_table_url: PublicUrl | None = _setting(
        None,
        "Table address of the storage account, by identity",
        "https://contosocosell.table.core.windows.net",
        "AzureWebJobsStorage__tableServiceUri",
    )
    storage_queue_url: PublicUrl | None = _setting(
        None,
        "Queue address of the storage account, by identity",
        "https://contosocosell.queue.core.windows.net",
        "AzureWebJobsStorage__queueServiceUri",
    )
    storage_client_id: str | None = _setting(
        None,
        "User-assigned identity that may use the storage account",
        "44444444-4444-4444-4444-444444444444",
        "AzureWebJobsStorage__clientId",
    )

    @property
    def record_kinds(self) -> tuple[RecordKind, ...]:
        """The kinds of CRM records that are looked after: leads only where they are let in."""
        return (RecordKind.OPPORTUNITY,) if self.sync_cosell_opportunities_only else tuple(RecordKind)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: :func:`load_settings` alone reads the environment."""
        return (init_settings,)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from ``environ``, or the process's own environment.

    Raises one ``ConfigurationError`` that lists everything wrong or missing, with what each is for and an example.
    """
    given = {name: value.strip() for name, value in (os.environ if environ is None else environ).items()}
    given = {name: value for name, value in given.items() if value}
    if "PUBLIC_URL" not in given and "WEBSITE_HOSTNAME" in given:
        given["PUBLIC_URL"] = public_address_of(given["WEBSITE_HOSTNAME"])
    source = EnvSettingsSource(Settings)
    source.env_vars = given
    values = source()
    wrong = {name: _UNRESOLVED for name, value in values.items() if value.startswith(_REFERENCE)}
    try:
        settings = Settings(**{name: value for name, value in values.items() if name not in wrong})
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            reason = "it is missing" if detail["type"] == "missing" else detail["msg"].removeprefix("Value error, ")
            wrong.setdefault(str(detail["loc"][0]), reason)
    for name, reason in missing_settings(values):
        wrong.setdefault(name, reason)
    if wrong:
        raise ConfigurationError(
            "These settings are wrong or missing:\n" + "\n".join(_problem(*item) for item in wrong.items()),
            code="settings",
            remedy="Correct the app settings (on a developer's machine: local.settings.json) and restart the app.",
        )
    return settings


def _fields() -> dict[str, FieldInfo]:
    """Every field by the name of its app setting."""
    return {str(field.validation_alias): field for field in Settings.model_fields.values()}


def _problem(name: str, reason: str) -> str:
    field = _fields()[name]
    return f"- {name}: {reason[0].lower()}{reason[1:]}. {field.description} (for example {(field.examples or [''])[0]})"


def settings_table(environ: Mapping[str, str]) -> str:
    """What there is to set, one line each: name, default, whether it is set, what for. No value that is set."""
    rows = [("Setting", "Default", "Set", "What for")]
    for name, field in _fields().items():
        rows.append(
            (name, _shown_default(field), "yes" if environ.get(name, "").strip() else "no", str(field.description))
        )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[3]]) for row in rows)


def _shown_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.default:
        case None:
            return "none"
        case bool() as is_on:
            return "yes" if is_on else "no"
        case tuple() as several:
            return ",".join(several)
        case Path() as file:
            return file.name
        case default:
            return str(default)


if __name__ == "__main__":
    print(settings_table(os.environ))
