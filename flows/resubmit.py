"""Re-submit a failed run; also: sync this referral, or this opportunity, now."""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func

blueprint = func.Blueprint()


@blueprint.function_name("resubmit")
@blueprint.route(route="resubmit", methods=["POST"])
def resubmit(req: func.HttpRequest) -> func.HttpResponse:
    """Body: one of ``run``, ``referral``, ``opportunity`` or ``failed_since``; answers what was queued."""
    from shared.connector import connector
    from shared.domain.errors import ConnectorError
    from shared.refusals import refusal_of
    from shared.sync.resubmit import resubmit as queue_again

    app = connector()
    try:
        answer: dict[str, Any] = {"queued": queue_again(app.watch, app.sides, app.runs, req.get_body())}
        status, headers = 202, {}
    except ConnectorError as error:
        refusal = refusal_of(error)
        status, answer, headers = refusal.status, dict(refusal.body), dict(refusal.headers)
    return func.HttpResponse(
        json.dumps(answer, indent=2), status_code=status, mimetype="application/json", headers=headers
    )
