"""Partner Center Webhook Registration: shows it, registers this app, sends and follows a test event."""

from __future__ import annotations

import json

import azure.functions as func

blueprint = func.Blueprint()


@blueprint.function_name("webhook_registration")
@blueprint.route(route="webhook-registration", methods=["GET", "POST"])
def webhook_registration(req: func.HttpRequest) -> func.HttpResponse:
    """GET shows, and with ``?test=<correlation id>`` what became of a test event.

    POST takes ``{"key", "events"?, "overwrite"?, "keep_others"?, "test"?}`` and answers what is now; ``{"test": true}``
    alone tests what is registered. Both may take some seconds: the test event is followed.
    """
    from shared.connector import connector
    from shared.domain.errors import ConnectorError
    from shared.following import Patience
    from shared.refusals import refusal_of
    from shared.registering import register_or_test, show, show_test

    app = connector()
    status, headers = 200, {}
    try:
        if req.method == "POST":
            answer = register_or_test(app.registration, app.settings.public_url, req.get_body(), Patience())
        elif correlation_id := req.params.get("test"):
            answer = show_test(app.registration, correlation_id)
        else:
            answer = show(app.registration, app.settings.public_url)
    except ConnectorError as error:
        refusal = refusal_of(error)
        status, answer, headers = refusal.status, dict(refusal.body), dict(refusal.headers)
    return func.HttpResponse(
        json.dumps(answer, indent=2), status_code=status, mimetype="application/json", headers=headers
    )
