"""What of the set-up works and what does not, in words; and whether the app is there at all."""

from __future__ import annotations

import azure.functions as func

blueprint = func.Blueprint()


@blueprint.function_name("health")
@blueprint.route(route="health", methods=["GET"])
def health(req: func.HttpRequest) -> func.HttpResponse:
    """200, or 503 where something has failed; ``?format=html`` for people. Answers whatever is wrong with the app."""
    from shared.health.answer import answer_with
    from shared.health.checking import worker_report

    answer = answer_with(worker_report().get(), req.params, req.headers)
    return func.HttpResponse(
        answer.body, status_code=answer.status, mimetype=answer.mimetype, charset="utf-8", headers=dict(answer.headers)
    )


@blueprint.function_name("live")
@blueprint.route(route="live", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def live(req: func.HttpRequest) -> func.HttpResponse:
    """For Azure's own health check: 200 without details, at no cost."""
    return func.HttpResponse("alive\n", mimetype="text/plain")
