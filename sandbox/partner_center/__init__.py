"""Partner Center for the sandbox: referrals, the webhook registration, and signed callbacks."""

from sandbox.partner_center.delivery import Delivery, DeliveryOptions, Event
from sandbox.partner_center.people import People
from sandbox.partner_center.referral_routes import ReferralApiOptions
from sandbox.partner_center.refusals import Refusal
from sandbox.partner_center.rules import RuleOptions
from sandbox.partner_center.simulator import ORGANIZATION_ID, ORGANIZATION_NAME, PartnerCenterSimulator
from sandbox.partner_center.webhook_routes import WebhookApiOptions

__all__ = [
    "ORGANIZATION_ID",
    "ORGANIZATION_NAME",
    "Delivery",
    "DeliveryOptions",
    "Event",
    "PartnerCenterSimulator",
    "People",
    "ReferralApiOptions",
    "Refusal",
    "RuleOptions",
    "WebhookApiOptions",
]
