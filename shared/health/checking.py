"""Checks an installation: what can be said from the settings alone, and, where they are right, what the probes find."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from shared.call_count import CallCount
from shared.connector import Connector, connector
from shared.domain.errors import ConnectorError
from shared.domain.finding import Condition, Finding
from shared.health.probes import PROBES
from shared.health.probing import DEADLINE_S, failure, run_probes
from shared.health.report import Check, Report
from shared.health.set_up import (
    MAPPING,
    MAPPING_CODE,
    SETTINGS,
    dry_run_finding,
    read_mapping,
    read_settings,
    version_finding,
)
from shared.settings import Settings
from shared.state.clock import utc_now

KEPT_S = 30.0
"""For so long a worker gives the same report again, so that a probe from outside cannot use up anybody's quota."""


def check_installation(
    environ: Mapping[str, str], connect: Callable[[Settings], Connector], deadline_s: float = DEADLINE_S
) -> Report:
    """Every check, whatever is wrong; takes little longer than ``deadline_s`` at most. Writes nothing but the count of
    its own calls."""
    settings, settings_finding = read_settings(environ)
    mapping, mapping_finding = read_mapping(environ)
    app: Connector | None = None
    if settings is not None and mapping is not None:
        try:
            app = connect(settings)
        except ConnectorError as error:
            if error.code == MAPPING_CODE:
                mapping_finding = failure(MAPPING, error)
            else:
                settings_finding = failure(SETTINGS, error)
    findings = [version_finding(), settings_finding, mapping_finding]
    if settings is not None:
        findings.append(dry_run_finding(settings.dry_run))
    checks = [Check.of(finding) for finding in findings]
    return Report((*checks, *_probed(app, deadline_s)), utc_now())


def _probed(app: Connector | None, deadline_s: float) -> list[Check]:
    if app is None:
        what = "Not looked at: settings and field mapping must be right first."
        return [Check.of(Finding(name, Condition.UNKNOWN, what)) for name in PROBES]

    def count(calls: CallCount) -> None:
        app.budget.add(calls.by_service())

    return run_probes({name: partial(probe, app) for name, probe in PROBES.items()}, deadline_s, count)


class KeptReport:
    """A report that is made again once it is ``kept_s`` old; who comes while one is being made waits for that."""

    def __init__(
        self, check: Callable[[], Report], kept_s: float = KEPT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._check = check
        self._kept_s = kept_s
        self._clock = clock
        self._lock = threading.Lock()
        self._report: Report | None = None
        self._made_at = 0.0

    def get(self) -> Report:
        with self._lock:
            if self._report is None or self._clock() - self._made_at >= self._kept_s:
                self._report = self._check()
                self._made_at = self._clock()
            return self._report


@functools.cache
def worker_report() -> KeptReport:
    """The worker's own report, on its one connector."""
    return KeptReport(lambda: check_installation(os.environ, lambda _: connector()))
