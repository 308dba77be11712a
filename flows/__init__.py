"""One module per Power Automate flow: triggers and bindings only. What they do is in ``shared``.

Heavy imports happen inside the functions: everything imported here is paid by every cold start.
"""

from flows import (
    auto_heal,
    crm_lead_to_partner_center,
    crm_opportunity_to_partner_center,
    crm_to_partner_center,
    failed_syncs,
    health,
    microsoft_referral_updates_to_crm,
    microsoft_solutions_to_partner_center,
    partner_center_to_crm,
    partner_center_to_crm_helper,
    resubmit,
    run_history,
    webhook_registration,
)

BLUEPRINTS = (
    webhook_registration.blueprint,
    partner_center_to_crm.blueprint,
    partner_center_to_crm_helper.blueprint,
    microsoft_referral_updates_to_crm.blueprint,
    crm_to_partner_center.blueprint,
    crm_opportunity_to_partner_center.blueprint,
    crm_lead_to_partner_center.blueprint,
    microsoft_solutions_to_partner_center.blueprint,
    auto_heal.blueprint,
    failed_syncs.blueprint,
    run_history.blueprint,
    resubmit.blueprint,
    health.blueprint,
)
