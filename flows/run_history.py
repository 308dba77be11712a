"""The run history: a page for people, JSON for programs. Shows, and changes nothing."""

from __future__ import annotations

import json

import azure.functions as func

blueprint = func.Blueprint()


@blueprint.function_name("run_history")
@blueprint.route(route="run-history", methods=["GET"])
def run_history(req: func.HttpRequest) -> func.HttpResponse:
    """``?format=json``, ``?status=failed``, ``?days=7``, ``?limit=200``, ``?deal=<referral or record id>``."""
    from shared.history import history_document, read_history
    from shared.history_page import history_page

    from shared.connector import connector
    from shared.domain.errors import ConnectorError

    app = connector()
    try:
        history = read_history(app.runs, app.audit, app.links, app.sender, req.params)
    except ConnectorError as error:
        return func.HttpResponse(str(error), status_code=503, mimetype="text/plain")
    if req.params.get("format") == "json":
        return func.HttpResponse(json.dumps(history_document(history), indent=2), mimetype="application/json")
    return func.HttpResponse(
        history_page(history),
        mimetype="text/html",
        headers={
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "Cache-Control": "no-store",
        },
    )
