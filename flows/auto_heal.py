"""Auto-heal of Microsoft Partner Center synchronization details: what no event told of, what was left half done."""

from __future__ import annotations

from functools import partial

import azure.functions as func

from flows.start import schedule

blueprint = func.Blueprint()


@blueprint.function_name("auto_heal")
@blueprint.timer_trigger(arg_name="timer", schedule=schedule("AUTO_HEAL_SCHEDULE", "0 */5 * * * *"))
def auto_heal(timer: func.TimerRequest) -> None:
    from shared.connector import connector
    from shared.sync.backlog import tell_backlog
    from shared.sync.deals import why_not_taken_in
    from shared.sync.polls import heal
    from shared.sync.ticks import tick

    app = connector()
    tick(
        app.desk, "auto_heal", "referral", lambda: heal(app.watch, partial(why_not_taken_in, app.sides)), can_wait=True
    )
    tell_backlog(app.sender, app.desk.clock)
