"""What must hold of everything that the template deploys, and what the types of Azure do not demand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.infra.bicep.evaluate import Deployed

ROLES: Mapping[str, str] = {
    guid: name
    for name, guid in json.loads(
        (Path(__file__).parent / "schemas" / "azure-builtin-roles.json").read_text(encoding="utf-8")
    )["roles"].items()
}
IDENTITY = "<identity.properties.principalId>"
ROLES_OF_THE_APP = {
    ("Microsoft.Storage", "Storage Blob Data Owner"),
    ("Microsoft.Storage", "Storage Queue Data Contributor"),
    ("Microsoft.Storage", "Storage Table Data Contributor"),
    ("Microsoft.KeyVault", "Key Vault Secrets Officer"),
    ("Microsoft.Insights", "Monitoring Metrics Publisher"),
}
HOST_STORAGE = {
    "AzureWebJobsStorage__credential": "managedidentity",
    "AzureWebJobsStorage__clientId": "<identity.properties.clientId>",
    "AzureWebJobsStorage__blobServiceUri": "<storage.properties.primaryEndpoints.blob>",
    "AzureWebJobsStorage__queueServiceUri": "<storage.properties.primaryEndpoints.queue>",
    "AzureWebJobsStorage__tableServiceUri": "<storage.properties.primaryEndpoints.table>",
}
NEVER_ON_FLEX = {
    "AzureWebJobsStorage",
    "AzureWebJobsStorage__accountName",
    "ENABLE_ORYX_BUILD",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_WORKER_RUNTIME",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_VNET_ROUTE_ALL",
}
"""https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations"""

_STORAGE = {
    "allowBlobPublicAccess": False,
    "allowSharedKeyAccess": False,
    "defaultToOAuthAuthentication": True,
    "supportsHttpsTrafficOnly": True,
    "minimumTlsVersion": "TLS1_2",
}
_VAULT = {"enableRbacAuthorization": True, "enableSoftDelete": True}
_WINDOWS_MIN = {
    **{f"PT{minutes}M": minutes for minutes in (5, 10, 15, 30, 45)},
    **{f"PT{hours}H": hours * 60 for hours in range(1, 7)},
    "P1D": 1440,
    "P2D": 2880,
}
"""What a log alert may look at, and how often: https://github.com/Azure/azure-rest-api-specs/issues/21258"""


def violations(resources: Sequence[Deployed], outputs: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each; ``resources`` are those of one deployment."""
    yield from _about_storage(resources)
    yield from _about_the_vault(resources)
    yield from _about_roles(resources)
    yield from _about_the_app(resources)
    yield from _about_settings(app_settings(resources))
    yield from _about_alerts(resources)
    for name, value in outputs.items():
        if "ConnectionString" in str(value) or "@Microsoft.KeyVault" in str(value):
            yield f"output {name} shows a secret"
    for resource in resources:
        if "location" in resource.body and "azd-env-name" not in resource.body.get("tags", {}):
            yield f"{resource.symbol} does not have the tags"


def of_type(resources: Sequence[Deployed], kind: str) -> list[Deployed]:
    return [one for one in resources if one.type == kind]


def app_settings(resources: Sequence[Deployed]) -> dict[str, str]:
    (settings,) = of_type(resources, "Microsoft.Web/sites/config")
    return dict(settings.properties)


def _differs(resource: Deployed, wanted: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        if resource.properties.get(name) != value:
            yield f"{resource.symbol}: {name} is {resource.properties.get(name)!r}, not {value!r}"


def _about_storage(resources: Sequence[Deployed]) -> Iterator[str]:
    (storage,) = of_type(resources, "Microsoft.Storage/storageAccounts")
    yield from _differs(storage, _STORAGE)
    for container in of_type(resources, "Microsoft.Storage/storageAccounts/blobServices/containers"):
        yield from _differs(container, {"publicAccess": "None"})
    yield from _about_exposure(storage, resources)


def _about_the_vault(resources: Sequence[Deployed]) -> Iterator[str]:
    (vault,) = of_type(resources, "Microsoft.KeyVault/vaults")
    yield from _differs(vault, _VAULT)
    if vault.properties.get("enablePurgeProtection") is False:
        yield "vault: purge protection cannot be set to false, only left out"
    audits = of_type(resources, "Microsoft.Insights/diagnosticSettings")
    if not any(one.scope == vault.id and one.properties["logs"][0]["categoryGroup"] == "audit" for one in audits):
        yield "vault: nobody can tell who read a secret"
    yield from _about_exposure(vault, resources)


def _about_exposure(resource: Deployed, resources: Sequence[Deployed]) -> Iterator[str]:
    """With a virtual network it is reached through that, or from the operator's own address."""
    if not of_type(resources, "Microsoft.Network/virtualNetworks"):
        return
    acls = resource.properties["networkAcls"]
    if acls["defaultAction"] != "Deny":
        yield f"{resource.symbol}: open to everybody in spite of the virtual network"
    if resource.properties["publicNetworkAccess"] != "Disabled" and not acls.get("ipRules"):
        yield f"{resource.symbol}: has a public address that nobody needs"


def _about_roles(resources: Sequence[Deployed]) -> Iterator[str]:
    given = Counter[tuple[str, str]]()
    for assignment in of_type(resources, "Microsoft.Authorization/roleAssignments"):
        guid = str(assignment.properties.get("roleDefinitionId", "")).rpartition("/")[2]
        role = ROLES.get(guid)
        if role is None:
            yield f"{assignment.symbol}: {guid} is no built-in role"
        elif assignment.properties.get("principalId") == IDENTITY:
            given[assignment.scope.rpartition("/providers/")[2].partition("/")[0], role] += 1
            yield from _differs(assignment, {"principalType": "ServicePrincipal"})
        elif role != "Key Vault Secrets Officer":
            yield f"{assignment.symbol}: people get {role}"
        if not assignment.scope:
            yield f"{assignment.symbol}: holds for the whole resource group"
        if "principalType" not in assignment.properties:
            yield f"{assignment.symbol}: has no principalType: a new identity is not found then"
    for scope, role in ROLES_OF_THE_APP - given.keys():
        yield f"the app lacks {role} on {scope}"
    for (scope, role), times in given.items():
        if (scope, role) not in ROLES_OF_THE_APP or times > 1:
            yield f"the app has {role} on {scope} {times} times, and does not need it"


def _about_the_app(resources: Sequence[Deployed]) -> Iterator[str]:
    (app,) = of_type(resources, "Microsoft.Web/sites")
    (identity,) = of_type(resources, "Microsoft.ManagedIdentity/userAssignedIdentities")
    yield from _differs(app, {"httpsOnly": True, "keyVaultReferenceIdentity": identity.id})
    if float(app.properties.get("siteConfig", {}).get("minTlsVersion", 0)) < 1.2:
        yield "app: takes TLS below 1.2"
    if app.body.get("identity") != {"type": "UserAssigned", "userAssignedIdentities": {identity.id: {}}}:
        yield "app: does not run as the identity that has the roles"
    package = app.properties["functionAppConfig"]["deployment"]["storage"]
    container = of_type(resources, "Microsoft.Storage/storageAccounts/blobServices/containers")[0].name
    if not package["value"].endswith(container.rpartition("/")[2]):
        yield "app: its package is in no container of the template"
    if package["authentication"] != {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": identity.id,
    }:
        yield "app: does not fetch its package as the identity"
    passwords = of_type(resources, "Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    if {one.name.rpartition("/")[2] for one in passwords if one.properties["allow"] is False} != {"ftp", "scm"}:
        yield "app: takes passwords for publishing"
    (component,) = of_type(resources, "Microsoft.Insights/components")
    yield from _differs(component, {"DisableLocalAuth": True})
    if "WorkspaceResourceId" not in component.properties:
        yield "insights: has no workspace"


def _about_settings(settings: Mapping[str, str]) -> Iterator[str]:
    for name, value in HOST_STORAGE.items():
        if settings.get(name) != value:
            yield f"setting {name} is {settings.get(name)!r}, not {value!r}"
    for name in NEVER_ON_FLEX & settings.keys():
        yield f"setting {name} is refused or harmful on Flex Consumption"
    if settings.get("APPLICATIONINSIGHTS_AUTHENTICATION_STRING") != (
        "ClientId=<identity.properties.clientId>;Authorization=AAD"
    ):
        yield "setting APPLICATIONINSIGHTS_AUTHENTICATION_STRING does not name the identity: logs are refused"
    if settings.get("AZURE_CLIENT_ID") != "<identity.properties.clientId>":
        yield "setting AZURE_CLIENT_ID does not name the identity: there is no token for vault and CRM"
    for name, value in settings.items():
        if not isinstance(value, str):
            yield f"setting {name} is not a text"
        elif (
            name.endswith(("_SECRET", "_KEY"))
            and value
            and not value.startswith("@Microsoft.KeyVault(SecretUri=<vault.")
        ):
            yield f"setting {name} is not a reference to the vault"


def _about_alerts(resources: Sequence[Deployed]) -> Iterator[str]:
    groups = [one.id for one in of_type(resources, "Microsoft.Insights/actionGroups")]
    (component,) = of_type(resources, "Microsoft.Insights/components")
    for rule in of_type(resources, "Microsoft.Insights/scheduledQueryRules"):
        if rule.properties["actions"] != {"actionGroups": groups}:
            yield f"{rule.name}: tells nobody, or somebody who is not there"
        if rule.properties["scopes"] != [component.id]:
            yield f"{rule.name}: does not look at the app's logs"
        every, window = rule.properties["evaluationFrequency"], rule.properties["windowSize"]
        if not {every, window} <= _WINDOWS_MIN.keys() or _WINDOWS_MIN[every] > _WINDOWS_MIN[window]:
            yield f"{rule.name}: looks every {every} at {window}"
