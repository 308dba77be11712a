"""What the template and the code must say alike: settings, queues, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from shared.domain.errors import ConfigurationError
from shared.settings import Settings, load_settings
from shared.state.queues import ALL_QUEUES
from tests.infra.bicep.evaluate import Deployed
from tests.infra.policies import app_settings, of_type

ROOT = Path(__file__).parents[2]
SETTINGS = {str(field.validation_alias) for field in Settings.model_fields.values()}
NOT_IN_AZURE = {
    "AzureWebJobsStorage": "holds a key, and the storage account takes none",
    "AzureWebJobsStorage__accountName": "the three addresses are set; Python's queue bindings mix the two up",
    "PARTNER_CENTER_REFRESH_TOKEN": "is in the vault, put there by python -m cosell consent",
    "PARTNER_CENTER_TOKEN_FILE": "is for one machine; instances come and go",
}
OF_THE_HOST = {
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__blobServiceUri",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "PYTHON_THREADPOOL_THREAD_COUNT",
    "AZURE_CLIENT_ID",
}
KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----"


def disagreements(resources: Sequence[Deployed]) -> Iterator[str]:
    """One sentence for each thing that one side has and the other does not; ``resources`` are of one deployment."""
    settings = app_settings(resources)
    for name in (SETTINGS - NOT_IN_AZURE.keys() | OF_THE_HOST) - settings.keys():
        yield f"the template does not set {name}"
    for name in settings.keys() - SETTINGS - OF_THE_HOST:
        yield f"nobody reads the setting {name}"
    for name in settings.keys() & NOT_IN_AZURE.keys():
        yield f"the setting {name} {NOT_IN_AZURE[name]}"
    queues = _names(resources, "Microsoft.Storage/storageAccounts/queueServices/queues")
    for name in queues ^ set(ALL_QUEUES):
        yield f"queue {name} is in {'the template' if name in queues else 'the code'} only"
    tables, of_the_code = _names(resources, "Microsoft.Storage/storageAccounts/tableServices/tables"), table_names()
    for name in tables ^ of_the_code:
        yield f"table {name} is in {'the template' if name in tables else 'the code'} only"
    try:
        load_settings(as_the_app_sees(settings))
    except ConfigurationError as error:
        yield f"the app does not take these settings: {error}"


@cache
def table_names() -> frozenset[str]:
    """The tables that the code opens."""
    sources = (file.read_text(encoding="utf-8") for file in sorted((ROOT / "shared").rglob("*.py")))
    return frozenset(name for source in sources for name in re.findall(r'\.table\("([a-z]+)"\)', source))


def as_the_app_sees(settings: Mapping[str, str]) -> dict[str, str]:
    """App settings once Azure has put in what is known at run time, and what the vault holds."""
    seen = {}
    for name, value in settings.items():
        if re.fullmatch(r"@Microsoft\.KeyVault\(SecretUri=<vault\.properties\.vaultUri>secrets/[a-z0-9-]+\)", value):
            value = KEY if name == "SALESFORCE_PRIVATE_KEY" else "resolved"
        value = re.sub(
            r"<storage\.properties\.primaryEndpoints\.(\w+)>", r"https://stcosell.\1.core.windows.net/", value
        )
        value = value.replace("<vault.properties.vaultUri>", "https://kv-cosell.vault.azure.net/")
        seen[name] = re.sub(r"<[\w.]+>", "44444444-4444-4444-4444-444444444444", value)
    return seen


def _names(resources: Sequence[Deployed], kind: str) -> set[str]:
    return {one.name.rpartition("/")[2] for one in of_type(resources, kind)}
