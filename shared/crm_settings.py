"""The settings that reach the CRM, whatever the others are: its schema is installed before anything else is set up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, create_model

from shared.domain.errors import ConfigurationError
from shared.setting_rules import missing_settings
from shared.setting_types import APP_FOLDER
from shared.settings import Settings

_BEGINNINGS = ("CRM", "DYNAMICS365_", "SALESFORCE_")
_OTHERS = frozenset(
    {
        "AZURE_AUTHORITY_HOST",
        "SYNC_COSELL_OPPORTUNITIES_ONLY",
        "DEAL_VALUE_FIELD",
        "DEAL_VALUE_CURRENCY_FIELD",
        "CUSTOMER_ACCOUNT_COUNTRY_CODE_FIELD",
        "ACTIVE_STAGE_NAME",
        "ON_HOLD_STAGE_NAME",
        "CUSTOMIZE_FILE",
        "DRY_RUN",
    }
)


def crm_settings(environ: Mapping[str, str]) -> Settings:
    """Settings of the CRM and of its field mapping, those of everything else at their defaults or absent.

    Raises one ``ConfigurationError`` that lists what is wrong or missing.
    """
    fields: dict[str, Any] = {
        name: (field.rebuild_annotation(), field)
        for name, field in Settings.model_fields.items()
        if _is_of_crm(str(field.validation_alias))
    }
    given = {name: environ[name].strip() for name in environ if _is_of_crm(name) and environ[name].strip()}
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {}
    try:
        values = dict(create_model("CrmSettings", **fields).model_validate(given))
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            reason = "it is missing" if detail["type"] == "missing" else detail["msg"].removeprefix("Value error, ")
            wrong[str(detail["loc"][0])] = reason
    for name, reason in missing_settings(given):
        if _is_of_crm(name):
            wrong.setdefault(name, reason)
    if wrong:
        raise ConfigurationError(
            "These settings are wrong or missing:\n" + "\n".join(f"- {name}: {why}" for name, why in wrong.items()),
            code="settings",
            remedy="Set them in the environment, or name a local.settings.json with --settings.",
        )
    names = {name: str(field.validation_alias) for name, field in Settings.model_fields.items()}
    by_alias = {names[name]: value for name, value in values.items()}
    return Settings.model_construct(**{"CUSTOMIZE_FILE": APP_FOLDER / "customize.toml", **by_alias})


def _is_of_crm(name: str) -> bool:
    return name in _OTHERS or name.startswith(_BEGINNINGS)
