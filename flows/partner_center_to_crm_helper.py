"""Partner Center to CRM - Helper: brings one referral to the CRM."""

from __future__ import annotations

import azure.functions as func

from flows.start import CONNECTION, REFERRAL_EVENTS

blueprint = func.Blueprint()


@blueprint.function_name("partner_center_to_crm_helper")
@blueprint.queue_trigger(arg_name="message", queue_name=REFERRAL_EVENTS, connection=CONNECTION)
def partner_center_to_crm_helper(message: func.QueueMessage) -> None:
    from shared.connector import connector
    from shared.sync.deals import bring_referral
    from shared.sync.work import work_off

    app = connector()
    work_off(
        app.desk,
        "partner_center_to_crm_helper",
        REFERRAL_EVENTS,
        message.get_body(),
        lambda envelope: bring_referral(app.sides, envelope.id),
        message.dequeue_count or 1,
    )
