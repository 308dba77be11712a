"""CRM Leads to Partner Center: brings one lead's status to its referral, or its opportunity once it has become one."""

from __future__ import annotations

import azure.functions as func

from flows.start import CONNECTION, CRM_LEAD_CHANGES

blueprint = func.Blueprint()


@blueprint.function_name("crm_lead_to_partner_center")
@blueprint.queue_trigger(arg_name="message", queue_name=CRM_LEAD_CHANGES, connection=CONNECTION)
def crm_lead_to_partner_center(message: func.QueueMessage) -> None:
    from shared.connector import connector
    from shared.domain.record import RecordKind
    from shared.sync.deals import bring_record
    from shared.sync.work import work_off

    app = connector()
    work_off(
        app.desk,
        "crm_lead_to_partner_center",
        CRM_LEAD_CHANGES,
        message.get_body(),
        lambda envelope: bring_record(app.sides, RecordKind(envelope.kind), envelope.id),
        message.dequeue_count or 1,
    )
