"""The thin edge: asks storage, Partner Center and the CRM, one to three calls each, and hands on what they said."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from shared.connector import Connector
from shared.domain.errors import ConnectorError
from shared.domain.finding import Condition, Finding
from shared.domain.link import LinkStatus
from shared.health import partner_center, state
from shared.history.reading import FROM_CRM, FROM_PARTNER_CENTER
from shared.partner_center.registration import Registration
from shared.registering import PATH
from shared.state.clock import utc_now
from shared.sync.solutions import CURSOR as SOLUTIONS_CURSOR

Probe = Callable[[Connector], Sequence[Finding]]

HISTORY_DAYS = 7
HISTORY_RUNS = 500
COUNTING_S = 5.0
"""How long the links are counted at most: there may be a hundred thousand."""


def storage_tables(app: Connector) -> Sequence[Finding]:
    """One read for each timer's cursor."""
    names = {f"crm-{kind.value}": f"Last look at the CRM ({kind.value})" for kind in app.record_kinds}
    if any("@solutions" in record.crm_paths for record in app.mapping.records.values()):
        names[SOLUTIONS_CURSOR] = "Last look at the CRM (solutions)"
    names["partner-center"] = "Last look at Partner Center"
    stored = {cursor: app.cursors.read(cursor) for cursor in names}
    now = utc_now()
    ages = [
        state.cursor_finding(name, None if (read := stored[cursor]) is None else read.stored_at, now)
        for cursor, name in names.items()
    ]
    return (Finding(state.TABLES, Condition.OK, "They can be read."), *ages)


def storage_queues(app: Connector) -> Sequence[Finding]:
    lengths = app.sender.lengths()
    return (Finding(state.QUEUES, Condition.OK, "They can be read."), *state.queue_findings(lengths))


def run_history(app: Connector) -> Sequence[Finding]:
    runs, now = app.runs.recent(HISTORY_RUNS, HISTORY_DAYS), utc_now()
    return (
        state.direction_finding("Partner Center to CRM", runs, FROM_PARTNER_CENTER, HISTORY_DAYS, now),
        state.direction_finding("CRM to Partner Center", runs, FROM_CRM, HISTORY_DAYS, now),
    )


def links(app: Connector) -> Sequence[Finding]:
    """A scan of the table, given up after ``COUNTING_S``."""
    counts = dict.fromkeys(LinkStatus, 0)
    ends_at = time.monotonic() + COUNTING_S
    is_whole = True
    for link in app.links.all():
        counts[link.status] += 1
        if time.monotonic() > ends_at:
            is_whole = False
            break
    return (state.links_finding(counts, is_whole),)


def calls(app: Connector) -> Sequence[Finding]:
    settings = app.settings
    budgets = {
        "Partner Center": settings.partner_center_daily_call_budget,
        app.crm.name: settings.crm_daily_call_budget,
    }
    limits = {name: limit for name, limit in budgets.items() if limit}
    return (state.calls_finding(app.budget.spent(), limits),)


def referrals(app: Connector) -> Sequence[Finding]:
    """Asks for what changed from now on: whether we may read is answered, and no deal is."""
    try:
        next(app.referrals.updated_since(utc_now()), None)
    except ConnectorError as error:
        return partner_center.referrals_findings(error)
    return partner_center.referrals_findings(None)


def webhook(app: Connector) -> Sequence[Finding]:
    registration: Registration | ConnectorError | None
    try:
        registration = app.registration.get()
    except ConnectorError as error:
        registration = error
    public_url = app.settings.public_url
    return partner_center.webhook_findings(registration, f"{public_url.rstrip('/')}{PATH}" if public_url else None)


def refresh_token(app: Connector) -> Sequence[Finding]:
    has_first = app.settings.partner_center_refresh_token is not None
    return (partner_center.refresh_token_finding(app.token_store.age_s(), has_first),)


def crm(app: Connector) -> Sequence[Finding]:
    return app.crm.diagnose()


PROBES: Mapping[str, Probe] = {
    state.TABLES: storage_tables,
    state.QUEUES: storage_queues,
    partner_center.REFERRALS_SIGN_IN: referrals,
    partner_center.REFRESH_TOKEN: refresh_token,
    partner_center.WEBHOOK: webhook,
    "CRM": crm,
    state.RUNS: run_history,
    state.LINKS: links,
    state.CALLS: calls,
}
"""By the name that stands for all findings of a probe where it cannot be run, or does not come back."""
