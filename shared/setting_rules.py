"""Which settings must be set, given the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def missing_settings(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What one setting makes necessary of others, and why."""
    if given.keys().isdisjoint({"KEY_VAULT_URL", "PARTNER_CENTER_TOKEN_FILE"}):
        yield "KEY_VAULT_URL", "it is missing, and so is PARTNER_CENTER_TOKEN_FILE: one of them must be set"
        if "PARTNER_CENTER_REFRESH_TOKEN" not in given:
            yield "PARTNER_CENTER_REFRESH_TOKEN", "it is missing, and nothing else is set that may hold one"
    storage = {name.removeprefix("AzureWebJobsStorage__") for name in given if name.startswith("AzureWebJobsStorage")}
    if not storage & {"AzureWebJobsStorage", "accountName"} and not storage >= {"tableServiceUri", "queueServiceUri"}:
        by_identity = "AzureWebJobsStorage__accountName (or __tableServiceUri with __queueServiceUri)"
        yield "AzureWebJobsStorage", f"it is missing, and so is {by_identity}"
    if given.get("CRM") == "dynamics365":
        yield from _missing_for_dynamics365(given)
    if given.get("CRM") == "salesforce":
        yield from _missing_for_salesforce(given)


def _missing_for_dynamics365(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if "DYNAMICS365_URL" not in given:
        yield "DYNAMICS365_URL", "it is missing, and CRM is dynamics365"
    application = ("DYNAMICS365_TENANT_ID", "DYNAMICS365_CLIENT_ID", "DYNAMICS365_CLIENT_SECRET")
    if not given.keys().isdisjoint(application):
        for name in application:
            if name not in given:
                yield name, f"it is missing: set all of {', '.join(application)}, or none to use the managed identity"


def _missing_for_salesforce(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in ("SALESFORCE_LOGIN_URL", "SALESFORCE_CLIENT_ID"):
        if name not in given:
            yield name, "it is missing, and CRM is salesforce"
    if "SALESFORCE_PRIVATE_KEY" in given:
        if "SALESFORCE_USERNAME" not in given:
            yield "SALESFORCE_USERNAME", "it is missing, and SALESFORCE_PRIVATE_KEY is set"
    elif "SALESFORCE_CLIENT_SECRET" not in given:
        yield "SALESFORCE_PRIVATE_KEY", "it is missing, and so is SALESFORCE_CLIENT_SECRET: one of them must be set"
