"""The adapters by the name that the setting ``CRM`` gives them; a third CRM is one more entry."""

from __future__ import annotations

from collections.abc import Callable

from shared.crm.port import CrmPort
from shared.domain.errors import ConfigurationError
from shared.domain.mapping import CrmMapping
from shared.settings import Settings


def build_crm(settings: Settings, mapping: CrmMapping) -> CrmPort:
    """The adapter that the settings choose. Nothing is called yet."""
    build = _ADAPTERS.get(settings.crm)
    if build is None:
        raise ConfigurationError(f"There is no adapter for CRM={settings.crm}", code="crm", remedy=f"Use {_KNOWN}.")
    return build(settings, mapping)


def _dynamics365(settings: Settings, mapping: CrmMapping) -> CrmPort:
    from shared.crm.dynamics365.adapter import Dynamics365
    from shared.crm.dynamics365.auth import authorizer, build_credential, scope_of
    from shared.crm.dynamics365.web_api import build_transport

    url = settings.dynamics365_url or ""
    secret = settings.dynamics365_client_secret
    credential = build_credential(
        settings.dynamics365_tenant_id or "",
        settings.dynamics365_client_id or "",
        secret.get_secret_value() if secret else "",
        authority_host=settings.azure_authority_host,
    )
    transport = build_transport(authorizer(credential, scope_of(url)))
    return Dynamics365(transport, url, mapping, mapping.stages, kinds=settings.record_kinds)


def _salesforce(settings: Settings, mapping: CrmMapping) -> CrmPort:
    from shared.crm.salesforce.adapter import Salesforce
    from shared.crm.salesforce.api_usage import UsageMeter
    from shared.crm.salesforce.auth import SalesforceSession, audience_of, client_credentials, jwt_bearer
    from shared.crm.salesforce.rest_api import build_transport

    url = settings.salesforce_login_url or ""
    client_id, key, secret = (
        settings.salesforce_client_id or "",
        settings.salesforce_private_key,
        settings.salesforce_client_secret,
    )
    grant = (
        jwt_bearer(client_id, settings.salesforce_username or "", key.get_secret_value(), audience_of(url))
        if key
        else client_credentials(client_id, secret.get_secret_value() if secret else "")
    )
    session, meter = SalesforceSession(url, grant), UsageMeter()
    transport = build_transport(session, meter)
    return Salesforce(transport, session, mapping, mapping.stages, meter=meter, kinds=settings.record_kinds)


_ADAPTERS: dict[str, Callable[[Settings, CrmMapping], CrmPort]] = {
    "dynamics365": _dynamics365,
    "salesforce": _salesforce,
}
_KNOWN = " or ".join(sorted(_ADAPTERS))
