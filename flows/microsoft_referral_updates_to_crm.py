"""Microsoft Co-sell Referral Updates to CRM: Microsoft's side of an engagement changed."""

from __future__ import annotations

import azure.functions as func

from flows.start import CONNECTION, RELATED_REFERRAL_EVENTS

blueprint = func.Blueprint()


@blueprint.function_name("microsoft_referral_updates_to_crm")
@blueprint.queue_trigger(arg_name="message", queue_name=RELATED_REFERRAL_EVENTS, connection=CONNECTION)
def microsoft_referral_updates_to_crm(message: func.QueueMessage) -> None:
    from shared.connector import connector
    from shared.sync.related import bring_related
    from shared.sync.work import work_off

    app = connector()
    work_off(
        app.desk,
        "microsoft_referral_updates_to_crm",
        RELATED_REFERRAL_EVENTS,
        message.get_body(),
        lambda envelope: bring_related(app.sides, envelope.id),
        message.dequeue_count or 1,
    )
