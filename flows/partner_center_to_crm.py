"""Partner Center to CRM: takes Microsoft's webhook. Verify, queue, answer; nothing slow."""

from __future__ import annotations

import logging

import azure.functions as func

from flows.start import CONNECTION, REFERRAL_EVENTS, RELATED_REFERRAL_EVENTS

blueprint = func.Blueprint()
_log = logging.getLogger(__name__)

ROUTE = "partner-center"


@blueprint.function_name("partner_center_to_crm")
@blueprint.route(route=ROUTE, methods=["POST"])
@blueprint.queue_output(arg_name="referral_events", queue_name=REFERRAL_EVENTS, connection=CONNECTION)
@blueprint.queue_output(arg_name="related_events", queue_name=RELATED_REFERRAL_EVENTS, connection=CONNECTION)
def partner_center_to_crm(
    req: func.HttpRequest, referral_events: func.Out[bytes], related_events: func.Out[bytes]
) -> func.HttpResponse:
    """2xx only once the host has the event for the queue; one log line whatever happens."""
    from shared.connector import connector
    from shared.correlation import new_correlation_id
    from shared.partner_center.inbox import receive
    from shared.state.clock import utc_now
    from shared.state.envelope import Envelope
    from shared.telemetry import Event, tell

    correlation_id = new_correlation_id()
    receipt = receive(req.headers, req.get_body(), connector().verifier.verify)
    if receipt.event is not None:
        envelope = Envelope("referral", receipt.event.referral_id, utc_now(), correlation_id)
        (related_events if receipt.event.related else referral_events).set(envelope.dump())
    tell(
        _log,
        logging.INFO if receipt.status < 400 else logging.WARNING,
        Event.WEBHOOK,
        receipt.text,
        outcome=receipt.verdict.value,
        code=receipt.code,
        status=receipt.status,
        subject_id=receipt.event.referral_id if receipt.event else "",
    )
    return func.HttpResponse(receipt.text, status_code=receipt.status, mimetype="text/plain")
