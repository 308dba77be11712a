"""All that can be said of ``infra/main.bicep`` without Azure, for several sets of parameters at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.infra.agreement import disagreements
from tests.infra.bicep.arm import translate
from tests.infra.bicep.evaluate import Deployed, deploy
from tests.infra.bicep.rules import objections, too_long
from tests.infra.bicep.schemas import type_mistakes
from tests.infra.bicep.syntax import BicepError, parse
from tests.infra.policies import of_type, violations

INFRA = Path(__file__).parents[2] / "infra"
SOURCE = (INFRA / "main.bicep").read_text(encoding="utf-8")
ANYBODY: Mapping[str, Any] = {
    "environmentName": "test",
    "crm": "dynamics365",
    "partnerCenterTenantId": "11111111-1111-1111-1111-111111111111",
    "partnerCenterClientId": "22222222-2222-2222-2222-222222222222",
    "dynamics365Url": "https://contoso.crm.dynamics.com",
}
SALESFORCE: Mapping[str, Any] = {
    **ANYBODY,
    "crm": "salesforce",
    "dynamics365Url": "",
    "salesforceLoginUrl": "https://contoso.my.salesforce.com",
    "salesforceClientId": "3MVG9contoso",
}
INSTALLATIONS: Mapping[str, Mapping[str, Any]] = {
    "Dynamics 365 by managed identity": ANYBODY,
    "Dynamics 365 by app registration, with alerts": {
        **ANYBODY,
        "dynamics365TenantId": "11111111-1111-1111-1111-111111111111",
        "dynamics365ClientId": "33333333-3333-3333-3333-333333333333",
        "alertEmail": "cosell@contoso.example",
        "operatorPrincipalId": "55555555-5555-5555-5555-555555555555",
        "alwaysReadyInstances": 1,
    },
    "Salesforce by key, in a network": {
        **SALESFORCE,
        "salesforceUsername": "cosell@contoso.example",
        "virtualNetwork": True,
    },
    "Salesforce by secret, in a network that the operator reaches": {
        **SALESFORCE,
        "virtualNetwork": True,
        "operatorIpAddress": "203.0.113.7",
        "purgeProtection": False,
        "silenceAlertAfter": "P2D",
        "tags": {"costCenter": "42"},
    },
}


def findings(source: str, folder: Path = INFRA) -> list[str]:
    """Everything that is wrong with the template, each once."""
    try:
        template = parse(source)
        found = list(objections(template))
        if found:
            return found
        found = list(too_long(translate(template, folder)))
        for given in INSTALLATIONS.values():
            resources, outputs = deploy(template, folder, given)
            for resource in resources:
                found += type_mistakes(resource)
            found += violations(resources, outputs)
            found += disagreements(resources)
            found += _about_the_default(resources) if given is ANYBODY else []
    except (BicepError, KeyError, ValueError) as error:
        return [f"{type(error).__name__}: {error}"]
    return list(dict.fromkeys(found))


def _about_the_default(resources: list[Deployed]) -> list[str]:
    (vault,) = of_type(resources, "Microsoft.KeyVault/vaults")
    return [] if vault.properties.get("enablePurgeProtection") else ["vault: purge protection is off by default"]


def deployed(**given: Any) -> list[Deployed]:
    """What ``main.bicep`` deploys with these parameters over the least that anybody must give."""
    return deploy(parse(SOURCE), INFRA, {**ANYBODY, **given})[0]
