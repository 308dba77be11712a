"""CRM Microsoft Solutions to Partner Center: solution rows added, changed or removed under a synced opportunity."""

from __future__ import annotations

import azure.functions as func

from flows.start import schedule

blueprint = func.Blueprint()


@blueprint.function_name("microsoft_solutions_to_partner_center")
@blueprint.timer_trigger(arg_name="timer", schedule=schedule("SOLUTIONS_SCHEDULE", "0 */5 * * * *"), use_monitor=False)
def microsoft_solutions_to_partner_center(timer: func.TimerRequest) -> None:
    from shared.connector import connector
    from shared.sync.solutions import poll_solutions
    from shared.sync.ticks import tick

    app = connector()
    tick(
        app.desk,
        "microsoft_solutions_to_partner_center",
        "solutions",
        lambda: poll_solutions(app.watch, app.solution_rows, app.links),
    )
