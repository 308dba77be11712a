"""What finally failed: audit line and cross mark on the record, a row in the run history. One function per queue."""

from __future__ import annotations

import azure.functions as func

from flows.start import CONNECTION, CRM_CHANGES, CRM_LEAD_CHANGES, REFERRAL_EVENTS, RELATED_REFERRAL_EVENTS

blueprint = func.Blueprint()


@blueprint.function_name("failed_syncs")
@blueprint.queue_trigger(arg_name="message", queue_name=f"{REFERRAL_EVENTS}-poison", connection=CONNECTION)
def failed_syncs(message: func.QueueMessage) -> None:
    _tell("failed_syncs", f"{REFERRAL_EVENTS}-poison", message)


@blueprint.function_name("failed_related_syncs")
@blueprint.queue_trigger(arg_name="message", queue_name=f"{RELATED_REFERRAL_EVENTS}-poison", connection=CONNECTION)
def failed_related_syncs(message: func.QueueMessage) -> None:
    _tell("failed_related_syncs", f"{RELATED_REFERRAL_EVENTS}-poison", message)


@blueprint.function_name("failed_crm_syncs")
@blueprint.queue_trigger(arg_name="message", queue_name=f"{CRM_CHANGES}-poison", connection=CONNECTION)
def failed_crm_syncs(message: func.QueueMessage) -> None:
    _tell("failed_crm_syncs", f"{CRM_CHANGES}-poison", message)


@blueprint.function_name("failed_lead_syncs")
@blueprint.queue_trigger(arg_name="message", queue_name=f"{CRM_LEAD_CHANGES}-poison", connection=CONNECTION)
def failed_lead_syncs(message: func.QueueMessage) -> None:
    _tell("failed_lead_syncs", f"{CRM_LEAD_CHANGES}-poison", message)


def _tell(function: str, queue: str, message: func.QueueMessage) -> None:
    from shared.connector import connector
    from shared.sync.failures import work_off_failure

    app = connector()
    work_off_failure(app.desk, app.sides, function, queue, message.get_body())
