"""The composition root: wires settings to clients, the CRM's adapter and the stores. Built once per worker."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.correlation import new_correlation_id
from shared.crm.port import CrmPort
from shared.crm.registry import build_crm
from shared.crm.registry import build_schema as build_crm_schema
from shared.domain.crm_schema import CrmSchema, SchemaOptions
from shared.domain.link import Link
from shared.domain.mapping import CrmMapping
from shared.domain.plan import Rules
from shared.domain.record import RecordKind
from shared.mapping_files import load_mapping
from shared.partner_center.answers import CORRELATION_HEADER, SERVICE, partner_center_error
from shared.partner_center.auth import REFERRALS_SCOPE, WEBHOOKS_SCOPE, PartnerCenterTokens
from shared.partner_center.client import Referrals
from shared.partner_center.registration import WebhookRegistration
from shared.partner_center.tokens import FileTokenStore, KeyVaultTokenStore, RefreshTokenStore
from shared.settings import Settings, load_settings
from shared.state.audit import AuditLog
from shared.state.brake import Brake
from shared.state.call_budget import CallBudget
from shared.state.clock import utc_now
from shared.state.connection import storage_connection
from shared.state.cursors import CursorStore
from shared.state.envelope import Envelope
from shared.state.links import LinkStore
from shared.state.name_locks import NameLocks
from shared.state.queues import QueueSender
from shared.state.runs import RunHistory
from shared.state.solution_rows import SolutionRows
from shared.state.tables import Tables
from shared.sync.failures import find_link
from shared.sync.journal import Journal
from shared.sync.polls import Watch
from shared.sync.sides import Sides
from shared.sync.work import Desk
from shared.transport import Transport

if TYPE_CHECKING:
    from shared.partner_center.certificates import WebhookVerifier


@dataclass(frozen=True)
class Connector:
    """Everything a trigger may need, made from the settings; nothing is called while it is built."""

    settings: Settings
    mapping: CrmMapping
    crm: CrmPort
    referrals: Referrals
    registration: WebhookRegistration
    sides: Sides
    watch: Watch
    desk: Desk
    links: LinkStore
    solution_rows: SolutionRows
    audit: AuditLog
    runs: RunHistory
    sender: QueueSender
    budget: CallBudget
    cursors: CursorStore
    token_store: RefreshTokenStore

    @property
    def record_kinds(self) -> tuple[RecordKind, ...]:
        """The kinds of records whose changes are looked for, one call each: leads only where settings let them in.

        A lead that was taken in before they were switched off is still kept in step whenever its referral changes.
        """
        return tuple(kind for kind in self.mapping.records if kind in self.settings.record_kinds)

    @functools.cached_property
    def verifier(self) -> WebhookVerifier:
        """What proves webhooks; the libraries behind it are loaded with the first one."""
        from shared.partner_center.certificates import CertificateSource, WebhookVerifier, trusted_roots
        from shared.partner_center.issuers import IssuerSource

        roots = trusted_roots(self.settings.partner_center_trusted_roots)
        issuers = IssuerSource(roots, self.settings.partner_center_issuer_hosts)
        source = CertificateSource(self.settings.partner_center_certificate_hosts, issuers=issuers)
        return WebhookVerifier(source, roots)


_building = threading.Lock()


def connector() -> Connector:
    """The worker's one connector. Raises ``ConfigurationError`` that lists every wrong setting at once."""
    with _building:
        return _connector()


@functools.cache
def _connector() -> Connector:
    return build_connector(load_settings())


def build_connector(settings: Settings) -> Connector:
    """A connector for these settings; tests and commands make their own."""
    mapping = load_mapping(settings)
    crm = build_crm(settings, mapping)
    tables = Tables(storage_connection(settings))
    links, sender = LinkStore(tables), QueueSender(storage_connection(settings))
    cursors, token_store = CursorStore(tables), token_store_of(settings)
    referrals, registration = partner_center_clients(settings, partner_center_tokens(settings, token_store))
    audit, runs = AuditLog(tables), RunHistory(tables)
    budget = CallBudget(tables, _daily_limits(settings, crm))
    sides = Sides(
        referrals=referrals,
        crm=crm,
        links=links,
        crm_mapping=mapping,
        rules=functools.cache(lambda kind: _rules(settings, crm, kind)),
        clock=utc_now,
        locks=NameLocks(tables),
        brake=Brake(tables, settings.brake_percent, lambda: sum(1 for _ in links.all())),
        dry_run=settings.dry_run,
        cosell_only=settings.sync_cosell_opportunities_only,
    )

    def link_of(envelope: Envelope) -> Link | None:
        return find_link(sides, envelope.kind, envelope.id)

    return Connector(
        settings=settings,
        mapping=mapping,
        crm=crm,
        referrals=referrals,
        registration=registration,
        sides=sides,
        watch=Watch(referrals, crm, links, cursors, sender, utc_now, new_correlation_id),
        desk=Desk(
            sender, Journal(audit, runs, crm), link_of, budget, utc_now, timedelta(hours=settings.retry_for_hours)
        ),
        budget=budget,
        cursors=cursors,
        token_store=token_store,
        links=links,
        solution_rows=SolutionRows(tables),
        audit=audit,
        runs=runs,
        sender=sender,
    )


def build_schema(settings: Settings, options: SchemaOptions) -> CrmSchema:
    """What the connector needs of the CRM, for commands that show and install it. Nothing is called yet."""
    return build_crm_schema(settings, load_mapping(settings), options)


def _daily_limits(settings: Settings, crm: CrmPort) -> dict[str, int]:
    limits = {SERVICE: settings.partner_center_daily_call_budget, crm.name: settings.crm_daily_call_budget}
    return {service: limit for service, limit in limits.items() if limit}


def _rules(settings: Settings, crm: CrmPort, kind: RecordKind) -> Rules:
    catalogue = crm.catalogue(kind)
    return Rules(settings.display_check_mark, catalogue.limits, catalogue.currencies)


def partner_center_clients(settings: Settings, tokens: PartnerCenterTokens) -> tuple[Referrals, WebhookRegistration]:
    registration = WebhookRegistration(
        _transport(tokens, WEBHOOKS_SCOPE),
        settings.partner_center_webhooks_url,
        allow_loopback_http=(settings.public_url or "").startswith("http://"),
    )
    # Of the webhook's API only the test events are counted, two a minute: that says nothing of its other calls.
    referrals = _transport(tokens, REFERRALS_SCOPE, rests=True)
    return Referrals(referrals, settings.partner_center_referrals_url), registration


def partner_center_tokens(settings: Settings, store: RefreshTokenStore) -> PartnerCenterTokens:
    first = settings.partner_center_refresh_token
    return PartnerCenterTokens(
        settings.partner_center_tenant_id,
        settings.partner_center_client_id,
        settings.partner_center_client_secret.get_secret_value(),
        store,
        authority_host=settings.azure_authority_host,
        initial_refresh_token=first.get_secret_value() if first else None,
    )


def token_store_of(settings: Settings) -> RefreshTokenStore:
    if settings.key_vault_url:
        return KeyVaultTokenStore(settings.key_vault_url)
    assert settings.partner_center_token_file is not None  # noqa: S101 - settings require one of the two
    return FileTokenStore(settings.partner_center_token_file)


def _transport(tokens: PartnerCenterTokens, scope: str, *, rests: bool = False) -> Transport:
    return Transport(
        SERVICE,
        tokens.authorizer(scope),
        read_error=partner_center_error,
        correlation_header=CORRELATION_HEADER,
        rests=rests,
    )
