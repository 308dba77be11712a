"""Partner Center as one partner tenant sees it: both hosts in one application."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from sandbox.certificates import Certificates
from sandbox.control import Control
from sandbox.entra import TokenCheck
from sandbox.partner_center.control_routes import ControlRoutes
from sandbox.partner_center.delivery import DeliveryOptions, Dispatcher
from sandbox.partner_center.people import People
from sandbox.partner_center.referral_routes import ReferralApiOptions, ReferralRoutes
from sandbox.partner_center.registration import Webhooks
from sandbox.partner_center.rules import RuleOptions
from sandbox.partner_center.signing import Signer
from sandbox.partner_center.store import ReferralStore
from sandbox.partner_center.webhook_routes import WebhookApiOptions, WebhookRoutes

# The organisation of Microsoft's own sample documents, so that they are ours as they are.
ORGANIZATION_ID = "7d23e5ca-19dc-4eaa-aac8-5e6b559f0d1d"
ORGANIZATION_NAME = "Contoso Company"


class PartnerCenterSimulator:
    """One partner organisation, Microsoft's side of its deals, and its webhook registration.

    ``related_readable`` false answers 404 for Microsoft's referral by id; the list by engagement shows it either way.
    ``people`` are other people's hands, ``deliveries`` the callbacks, ``webhooks`` the registration and the address
    of the signing certificate, ``store`` the referrals themselves. All of it is safe to use while the server runs.
    """

    def __init__(
        self,
        tokens: TokenCheck,
        certificates: Certificates,
        *,
        organization_id: str = ORGANIZATION_ID,
        organization_name: str = ORGANIZATION_NAME,
        rules: RuleOptions | None = None,
        referral_api: ReferralApiOptions | None = None,
        webhook_api: WebhookApiOptions | None = None,
        delivery: DeliveryOptions | None = None,
        related_readable: bool = True,
        allow_http_callbacks: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.control = Control()
        self.store = ReferralStore(
            organization_id, organization_name, options=rules, related_readable=related_readable, now=now
        )
        self.people = People(self.store)
        signer = Signer(certificates)
        self.signer = signer
        self.deliveries = Dispatcher(signer, certificates.root_file, delivery or DeliveryOptions())
        self.webhooks = Webhooks(
            self.deliveries, allow_http_callbacks=allow_http_callbacks, partner_id=organization_id, now=now
        )
        self.store.listeners.append(self.webhooks.announce)
        self.referral_api = referral_api or ReferralApiOptions()
        self.webhook_api = webhook_api or WebhookApiOptions()
        self._tokens = tokens

    def wait_idle(self, timeout_s: float = 10.0) -> None:
        """Returns when no callback is under way; ``TimeoutError`` names those that still are."""
        self.deliveries.wait_idle(timeout_s)

    def build(self) -> web.Application:
        app = web.Application(middlewares=[self.control.middleware()])
        self.control.add_routes(app)
        ReferralRoutes(self.store, self._tokens, self.referral_api).add_to(app)
        WebhookRoutes(self.webhooks, self.signer, self._tokens, self.webhook_api).add_to(app)
        ControlRoutes(self.store, self.people, self.deliveries).add_to(app)
        app.cleanup_ctx.append(self.deliveries.running)
        return app
