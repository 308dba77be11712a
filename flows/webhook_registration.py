"""Partner Center Webhook Registration: shows it, registers this app, sends and follows a test event."""

from __future__ import annotations

import json

import azure.functions as func

blueprint = func.Blueprint()


@blueprint.function_name("webhook_registration")
@blueprint.route(route="webhook-registration", methods=["GET", "POST"])
def webhook_registration(req: func.HttpRequest) -> func.HttpResponse:
    """GET shows; POST takes ``{"key", "events"?, "overwrite"?, "keep_others"?, "test"?}`` and answers what is now."""
    from shared.connector import connector
    from shared.domain.errors import ConnectorError
    from shared.registering import register, show

    app = connector()
    try:
        if req.method == "GET":
            answer = show(app.registration, app.settings.public_url)
        else:
            answer = register(app.registration, app.settings.public_url, req.get_body())
    except ConnectorError as error:
        answer = {"error": error.code, "message": error.message, "remedy": error.remedy}
    return func.HttpResponse(
        json.dumps(answer, indent=2), status_code=400 if "error" in answer else 200, mimetype="application/json"
    )
