"""The run history: a page for people, JSON for programs. Shows, and changes nothing."""

from __future__ import annotations

import json

import azure.functions as func

blueprint = func.Blueprint()


@blueprint.function_name("run_history")
@blueprint.route(route="run-history", methods=["GET"])
def run_history(req: func.HttpRequest) -> func.HttpResponse:
    """``?status=failed``, ``?days=7``, ``?limit=200``; ``?deal=<referral or record id>`` or ``?run=<run id>``.

    ``&format=json`` for programs.
    """
    from shared.connector import connector
    from shared.domain.errors import ConnectorError, NotFound, Rejected
    from shared.history.document import history_document
    from shared.history.page import HEADERS, history_page
    from shared.history.reading import read_history

    app = connector()
    try:
        history = read_history(app.runs, app.audit, app.links, app.sender, req.params, link_to=app.crm.link_to)
    except ConnectorError as error:
        status = 400 if isinstance(error, Rejected) else 404 if isinstance(error, NotFound) else 503
        return func.HttpResponse(f"{error}\n", status_code=status, mimetype="text/plain", headers=HEADERS)
    if req.params.get("format") == "json":
        answer, mimetype = json.dumps(history_document(history), indent=2), "application/json"
    else:
        answer, mimetype = history_page(history, app_address=app.settings.public_url), "text/html"
    return func.HttpResponse(answer, mimetype=mimetype, charset="utf-8", headers=HEADERS)
