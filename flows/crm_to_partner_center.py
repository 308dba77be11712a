"""CRM to Partner Center: queues what changed in the CRM since the last look."""

from __future__ import annotations

from functools import partial

import azure.functions as func

from flows.start import schedule

blueprint = func.Blueprint()


@blueprint.function_name("crm_to_partner_center")
@blueprint.timer_trigger(arg_name="timer", schedule=schedule("CRM_POLL_SCHEDULE", "*/30 * * * * *"), use_monitor=False)
def crm_to_partner_center(timer: func.TimerRequest) -> None:
    from shared.connector import connector
    from shared.sync.polls import poll_crm
    from shared.sync.ticks import tick

    app = connector()
    for kind in app.record_kinds:
        tick(app.desk, "crm_to_partner_center", kind.value, partial(poll_crm, app.watch, kind))
