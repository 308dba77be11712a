"""What can be said without asking anybody: settings, field mapping, dry run. Told even when nothing else can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.errors import ConnectorError
from shared.domain.finding import Condition, Finding
from shared.domain.mapping import CrmMapping
from shared.health.probing import failure
from shared.health.report import VERSION
from shared.mapping_files import load_mapping
from shared.setting_types import APP_FOLDER
from shared.settings import Settings, load_settings

SETTINGS = "Settings"
MAPPING = "Field mapping"
MAPPING_CODE = "mapping"
"""Of every error about the mapping file or ``customize.toml``."""
DRY_RUN = "Dry run"
VERSION_NAME = "Version"
_NAMES_FOR_MAPPING = (
    "DEAL_VALUE_FIELD",
    "DEAL_VALUE_CURRENCY_FIELD",
    "CUSTOMER_ACCOUNT_COUNTRY_CODE_FIELD",
    "ACTIVE_STAGE_NAME",
    "ON_HOLD_STAGE_NAME",
)


def read_settings(environ: Mapping[str, str]) -> tuple[Settings | None, Finding]:
    """The settings, or everything that is wrong with them."""
    try:
        settings = load_settings(environ)
    except ConnectorError as error:
        return None, failure(SETTINGS, error)
    return settings, Finding(SETTINGS, Condition.OK, "All that are needed are set, and none is malformed.")


def read_mapping(environ: Mapping[str, str]) -> tuple[CrmMapping | None, Finding]:
    """The field mapping, or everything that is wrong with it, whatever the other settings are."""
    if not environ.get("CRM", "").strip():
        return None, Finding(MAPPING, Condition.UNKNOWN, "Not looked at, because CRM is not set.")
    try:
        mapping = load_mapping(mapping_settings(environ))
    except ConnectorError as error:
        return None, failure(MAPPING, error)
    fields = ", ".join(f"{len(record.all_fields)} fields of {kind}" for kind, record in mapping.records.items())
    return mapping, Finding(MAPPING, Condition.OK, f"{fields[:1].upper()}{fields[1:]}, read from {mapping.source}.")


def mapping_settings(environ: Mapping[str, str]) -> Settings:
    """Only what the field mapping depends on, so that it can be read where other settings are missing or wrong."""
    given = {name: environ[name].strip() for name in _NAMES_FOR_MAPPING if environ.get(name, "").strip()}
    file = environ.get("CUSTOMIZE_FILE", "").strip()
    values: dict[str, Any] = {
        "CRM": environ.get("CRM", "").strip(),
        "CUSTOMIZE_FILE": APP_FOLDER / (file or "customize.toml"),
        **given,
    }
    return Settings.model_construct(**values)


def dry_run_finding(is_dry: bool) -> Finding:
    if is_dry:
        what = "On: everything is planned and audited, and nothing is written to either side."
        return Finding(DRY_RUN, Condition.WARNING, what, "Set DRY_RUN to no when you go live.")
    return Finding(DRY_RUN, Condition.OK, "Off: both sides are written to.")


def version_finding() -> Finding:
    return Finding(VERSION_NAME, Condition.OK, f"Co-sell connector {VERSION}.")
