"""The adapters by the name that the setting ``CRM`` gives them; a third CRM is one more entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.crm.port import CrmPort
from shared.domain.crm_schema import CrmSchema, SchemaOptions
from shared.domain.errors import ConfigurationError
from shared.domain.mapping import CrmMapping
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.crm.salesforce.auth import SalesforceSession


def build_crm(settings: Settings, mapping: CrmMapping) -> CrmPort:
    """The adapter that the settings choose. Nothing is called yet."""
    build = _ADAPTERS.get(settings.crm)
    if build is None:
        raise ConfigurationError(f"There is no adapter for CRM={settings.crm}", code="crm", remedy=f"Use {_KNOWN}.")
    return build(settings, mapping)


def build_schema(settings: Settings, mapping: CrmMapping, options: SchemaOptions) -> CrmSchema:
    """What the connector needs of the CRM that the settings choose, to compare and install. Nothing is called yet."""
    build = _SCHEMAS.get(settings.crm)
    if build is None:
        raise ConfigurationError(f"There is no schema for CRM={settings.crm}", code="crm", remedy=f"Use {_KNOWN}.")
    return build(settings, mapping, options)


def _dynamics365(settings: Settings, mapping: CrmMapping) -> CrmPort:
    from shared.crm.dynamics365.adapter import Dynamics365
    from shared.crm.dynamics365.web_api import build_transport

    transport = build_transport(_dynamics365_sign_in(settings))
    return Dynamics365(transport, settings.dynamics365_url or "", mapping, mapping.stages, kinds=settings.record_kinds)


def _dynamics365_sign_in(settings: Settings) -> Callable[[bool], str]:
    from shared.crm.dynamics365.auth import authorizer, build_credential, scope_of

    secret = settings.dynamics365_client_secret
    credential = build_credential(
        settings.dynamics365_tenant_id or "",
        settings.dynamics365_client_id or "",
        secret.get_secret_value() if secret else "",
        authority_host=settings.azure_authority_host,
    )
    return authorizer(credential, scope_of(settings.dynamics365_url or ""))


def _dynamics365_schema(settings: Settings, mapping: CrmMapping, options: SchemaOptions) -> CrmSchema:
    from shared.crm.dynamics365.schema.declared import read_declared
    from shared.crm.dynamics365.schema.installer import TIMEOUT, Dynamics365Schema
    from shared.crm.dynamics365.web_api import WebApi, build_transport

    url = settings.dynamics365_url or ""
    declared = read_declared(options.declaration, options.source)
    transport = build_transport(_dynamics365_sign_in(settings), timeout=TIMEOUT)
    return Dynamics365Schema(
        WebApi(transport, url),
        url,
        declared,
        solution=options.solution,
        application_id=options.application_id or settings.dynamics365_client_id or "",
        wait_s=options.wait_s,
        unset=options.unset,
    )


def _salesforce(settings: Settings, mapping: CrmMapping) -> CrmPort:
    from shared.crm.salesforce.adapter import Salesforce
    from shared.crm.salesforce.api_usage import UsageMeter
    from shared.crm.salesforce.rest_api import build_transport

    session, meter = _salesforce_session(settings), UsageMeter()
    transport = build_transport(session, meter)
    return Salesforce(transport, session, mapping, mapping.stages, meter=meter, kinds=settings.record_kinds)


def _salesforce_session(settings: Settings) -> SalesforceSession:
    from shared.crm.salesforce.auth import SalesforceSession, audience_of, client_credentials, jwt_bearer

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
    return SalesforceSession(url, grant)


def _salesforce_schema(settings: Settings, mapping: CrmMapping, options: SchemaOptions) -> CrmSchema:
    from shared.crm.salesforce.api_usage import UsageMeter
    from shared.crm.salesforce.rest_api import RestApi, build_transport
    from shared.crm.salesforce.schema import SalesforceSchema

    api = None
    if options.unset is None:
        session, meter = _salesforce_session(settings), UsageMeter()
        api = RestApi(build_transport(session, meter), lambda: session.signed_in().instance_url, meter)
    unseen = options.unset.message if options.unset else ""
    return SalesforceSchema(
        api, mapping, options.folder, target=options.target, unseen=unseen, kinds=settings.record_kinds
    )


_ADAPTERS: dict[str, Callable[[Settings, CrmMapping], CrmPort]] = {
    "dynamics365": _dynamics365,
    "salesforce": _salesforce,
}
_SCHEMAS: dict[str, Callable[[Settings, CrmMapping, SchemaOptions], CrmSchema]] = {
    "dynamics365": _dynamics365_schema,
    "salesforce": _salesforce_schema,
}
_KNOWN = " or ".join(sorted(_ADAPTERS))
