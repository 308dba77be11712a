"""A small function app of an invented company: one function for each thing the local host has to do."""

import json
import os
import time
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route(route="greetings/{company:alpha}", methods=["GET", "POST"])
def greet(req: func.HttpRequest) -> func.HttpResponse:
    """Answers with what the worker was given."""
    seen = {
        "method": req.method,
        "company": req.route_params["company"],
        "params": dict(req.params),
        "header": req.headers.get("x-deal"),
        "body": req.get_body().hex(),
    }
    headers = {"x-answered-by": "greet", "set-cookie": "visited=yes"}
    return func.HttpResponse(json.dumps(seen), status_code=203, mimetype="application/json", headers=headers)


@app.route(route="open", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def open_door(req: func.HttpRequest) -> str:
    return "come in, Contoso"


@app.route(route="locked", methods=["GET"], auth_level=func.AuthLevel.ADMIN)
def locked(req: func.HttpRequest) -> str:
    return "the master key it is"


@app.route(route="nothing", auth_level=func.AuthLevel.ANONYMOUS)
def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return None  # type: ignore[return-value]  # the mistake that the host answers with 500


@app.route(route="leave", auth_level=func.AuthLevel.ANONYMOUS)
async def leave(req: func.HttpRequest) -> str:
    raise SystemExit(7)


@app.route(route="slow", auth_level=func.AuthLevel.ANONYMOUS)
def slow(req: func.HttpRequest) -> str:
    """Returns when the file named in the settings exists."""
    deadline = time.monotonic() + 30
    while not Path(os.environ["RELEASE_FILE"]).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return "released"


@app.route(route="orders", methods=["POST"])
@app.queue_output(arg_name="order", queue_name="%PREFIX%-orders", connection="AzureWebJobsStorage")
def take_order(req: func.HttpRequest, order: func.Out[bytes]) -> func.HttpResponse:
    order.set(req.get_body())
    return func.HttpResponse(status_code=202)


@app.route(route="notes", methods=["POST"])
@app.queue_output(arg_name="note", queue_name="%PREFIX%-notes", connection="AzureWebJobsStorage")
def take_note(req: func.HttpRequest, note: func.Out[str]) -> func.HttpResponse:
    note.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)


@app.queue_trigger(arg_name="order", queue_name="%PREFIX%-orders", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="carried", queue_name="%PREFIX%-carried", connection="AzureWebJobsStorage")
def carry(order: func.QueueMessage, carried: func.Out[bytes]) -> None:
    carried.set(order.get_body())


@app.queue_trigger(arg_name="order", queue_name="%PREFIX%-failing", connection="AzureWebJobsStorage")
def fail(order: func.QueueMessage) -> None:
    print(f"attempt {order.dequeue_count} at {time.time()}", flush=True)
    raise ValueError("Fabrikam does not want this")


@app.queue_trigger(arg_name="order", queue_name="%PREFIX%-stalling", connection="AzureWebJobsStorage")
def stall(order: func.QueueMessage) -> None:
    """Says that it has the message, and keeps it until the process ends."""
    Path(os.environ["STALL_FILE"]).touch()
    time.sleep(60)


@app.timer_trigger(arg_name="timer", schedule="%TICK_SCHEDULE%")
@app.queue_output(arg_name="ticked", queue_name="%PREFIX%-ticks", connection="AzureWebJobsStorage")
def tick(timer: func.TimerRequest, ticked: func.Out[bytes]) -> None:
    fired = {"process": os.getpid(), "at": time.time(), "past_due": timer.past_due, "status": timer.schedule_status}  # type: ignore[attr-defined]
    ticked.set(json.dumps(fired).encode())
