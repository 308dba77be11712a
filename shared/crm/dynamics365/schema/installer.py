"""Looks at an environment, and makes what it lacks, one step at a time.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-web-api-metadata
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from shared.crm.dynamics365.schema import definitions
from shared.crm.dynamics365.schema.declared import DeclaredSchema
from shared.crm.dynamics365.schema.difference import REACTIVATE, Difference, Stage, Step, compare, kind_of
from shared.crm.dynamics365.schema.environment import Environment, Look
from shared.crm.dynamics365.web_api import SERVICE, WebApi
from shared.domain.crm_schema import SchemaDifference
from shared.domain.errors import ConfigurationError, ConnectorError, RetryLater
from shared.transport import Timeout

TIMEOUT = Timeout(connect_s=5.0, read_s=300.0)
"""Making a table or publishing takes minutes at times."""
LOCKED_CODE = "0x80071151"
"""CustomizationLockException: another customization of the environment is under way."""
TRIES = 8
"""In a row that bring nothing on, before the command gives up. Nothing is lost: it goes on when it is run again."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 60.0
_POLL_S = 5.0
_AGAIN = "Run the command again: it goes on where it stopped."
_ADMINISTRATOR = (
    "Run this as an administrator of the environment (System Administrator or System Customizer with the right to make "
    "roles): leave DYNAMICS365_CLIENT_ID and its like unset, and sign in with: az login"
)
_DUPLICATES = (
    "Several rows have the same referral identifier: leave it on one of them only, then run the command again, which "
    "has the index built anew."
)


class Dynamics365Schema:
    """The declared set-up of one environment.

    ``solution`` takes what is made; blank, the declared one. ``application_id`` is the client id behind the application
    user that gets the role. ``wait_s`` is how long to wait for the indexes of alternate keys, and for something made
    to become visible. ``pause`` waits, in seconds. ``unset`` is raised instead of asking the environment.
    """

    name = SERVICE

    def __init__(
        self,
        api: WebApi,
        base_url: str,
        declared: DeclaredSchema,
        *,
        solution: str = "",
        application_id: str = "",
        wait_s: float = 600.0,
        pause: Callable[[float], None] = time.sleep,
        unset: ConnectorError | None = None,
    ) -> None:
        self._api = api
        self._unset = unset
        self._base_url = base_url.rstrip("/")
        self._declared = declared
        self._solution = solution or declared.solution.unique_name
        self._application_id = application_id
        self._look = Look(declared, self._solution, application_id)
        self._wait_s = wait_s
        self._pause = pause

    def declared(self) -> tuple[str, ...]:
        return tuple(_lines(self._declared))

    def difference(self) -> SchemaDifference:
        with _as_administrator():
            return _told(self._compare())

    def install(self, progress: Callable[[str], None]) -> SchemaDifference:
        with _as_administrator():
            return self._install(progress)

    def _install(self, progress: Callable[[str], None]) -> SchemaDifference:
        first = self._compare()
        if first.conflicts:
            raise ConfigurationError(
                "Something is in the way, and nothing was written:\n"
                + "\n".join(f"- {text}" for text in first.conflicts),
                code="schema_conflict",
                remedy="Mend it, or name other columns in customize.toml and leave these out with --file.",
                service=SERVICE,
            )
        return _told(_Run(self._compare, self._send, progress, self._pause, self._wait_s).finish(first))

    def _compare(self, is_published: bool | None = None) -> Difference:
        found = self._environment()
        return compare(self._declared, found, self._solution, self._application_id, is_published=is_published)

    def _environment(self) -> Environment:
        if self._unset:
            raise self._unset
        found = self._look.parse(self._api.batch("schema.read", self._look.parts(), tolerate=(404,)))
        parts = self._look.detail_parts(found)
        return self._look.parse_details(found, self._api.batch("schema.read_role", parts)) if parts else found

    def _send(self, step: Step) -> None:
        headers = {"MSCRM.SolutionUniqueName": self._solution} if step.for_solution else {}
        operation = f"schema.{step.stage.name.lower()}"
        if not step.replaces:
            body = {name: self._absolute(value) if name == "@odata.id" else value for name, value in step.body.items()}
            self._api.send("POST", step.path, operation, json=body, headers=headers)
            return
        read = self._api.send("GET", step.path, f"{operation}.read", headers={"Consistency": "Strong"})
        headers = {"MSCRM.SolutionUniqueName": self._solution, "MSCRM.MergeLabels": "true"}
        body = definitions.tracked_body(read.json_object())
        self._api.send("PUT", step.path, operation, json=body, headers=headers)

    def _absolute(self, path: str) -> str:
        return f"{self._base_url}/api/data/v9.2/{path}"


class _Run:
    """One installation. No step is repeated blindly: after any failure the environment is looked at again."""

    def __init__(
        self,
        look: Callable[[bool | None], Difference],
        send: Callable[[Step], None],
        progress: Callable[[str], None],
        pause: Callable[[float], None],
        wait_s: float,
    ) -> None:
        self._look = look
        self._send = send
        self._progress = progress
        self._pause = pause
        self._left_s = wait_s
        self._is_published: bool | None = None
        # What was answered with success, and how often the environment has been looked at since.
        self._looks_since: dict[str, int] = {}
        self._failures, self._fewest_steps = 0, sys.maxsize

    def finish(self, difference: Difference) -> Difference:
        """Nothing is missing any more; indexes of keys may still be in the building when the time is over."""
        while True:
            if due := difference.due(self._looks_since):
                self._take_in_order(due)
            elif not (difference.steps or difference.building):
                return difference
            elif self._left_s <= 0 or self._has_failed_again(difference):
                return self._over(difference)
            else:
                self._left_s -= _POLL_S
                self._pause(_POLL_S)
            difference = self._looked()

    def _looked(self) -> Difference:
        while True:
            try:
                difference = self._look(self._is_published)
            except RetryLater as error:
                self._wait_after(error)
                continue
            self._looks_since = {what: looks + 1 for what, looks in self._looks_since.items()}
            if len(difference.steps) < self._fewest_steps:
                self._fewest_steps, self._failures = len(difference.steps), 0
            return difference

    def _take_in_order(self, steps: Iterable[Step]) -> None:
        """Until one of them fails: only another look can tell what became of it."""
        for step in steps:
            if not self._take(step):
                return

    def _take(self, step: Step) -> bool:
        """Whether it was answered with success. A refusal counts only if the environment still lacks it afterwards:
        what was there already, or was made by a request whose answer was lost, is refused the second time."""
        self._progress(step.what)
        try:
            self._send(step)
        except RetryLater as error:
            self._wait_after(error)
            return False
        except ConnectorError as error:
            if error.code.lower() == LOCKED_CODE:
                self._wait_after(error)
            elif step.what in {one.what for one in self._looked().steps}:
                raise
            return False
        self._failures = 0
        if step.stage is Stage.PUBLISHING:
            self._is_published = True
            return True
        if step.stage < Stage.PUBLISHING:
            self._is_published = False
        self._looks_since[step.what] = 0
        return True

    def _wait_after(self, error: ConnectorError) -> None:
        self._failures += 1
        if self._failures >= TRIES:
            raise error
        asked_s = error.after_s if isinstance(error, RetryLater) else None
        self._pause(min(asked_s or _FIRST_PAUSE_S * 2 ** (self._failures - 1), _LONGEST_PAUSE_S))

    def _has_failed_again(self, difference: Difference) -> bool:
        """An index that was ordered anew, and has had the time to fail once more."""
        return any(step.path == REACTIVATE and self._looks_since.get(step.what, 0) > 1 for step in difference.steps)

    def _over(self, difference: Difference) -> Difference:
        if not difference.steps:
            return difference
        failed = any(step.path == REACTIVATE for step in difference.steps)
        what = "; ".join(step.what for step in difference.steps)
        raise ConfigurationError(
            f"Dynamics 365 was asked for it and still does not have: {what}",
            code="index_failed" if failed else "not_visible",
            remedy=_DUPLICATES if failed else _AGAIN,
            service=SERVICE,
        )


@contextmanager
def _as_administrator() -> Iterator[None]:
    """What is refused here is refused to who runs the command, and not to the connector."""
    try:
        yield
    except ConnectorError as error:
        if error.status == 403:
            error.remedy = _ADMINISTRATOR
        raise


def _told(difference: Difference) -> SchemaDifference:
    return SchemaDifference(
        missing=tuple(step.what for step in difference.steps),
        conflicts=difference.conflicts,
        reused=difference.reused,
        building=difference.building,
        by_hand=difference.by_hand,
    )


def _lines(declared: DeclaredSchema) -> Iterator[str]:
    for name, table in declared.tables.items():
        yield f"table {name}{' (made where it is missing)' if table.made_as else ''}"
        yield from (f"  column {column.logical_name}: {kind_of(column)}, {column.label}" for column in table.columns)
        yield from (f"  lookup {lookup.logical_name} to {lookup.to}" for lookup in table.lookups)
        yield from (f"  alternate key {key.logical_name} over {', '.join(key.columns)}" for key in table.keys)
        if table.track_changes:
            yield "  change tracking"
    yield f"security role {declared.role.name}, privileges of the depth {declared.role.depth}:"
    yield from (f"  {table}: {', '.join(verbs)}" for table, verbs in declared.role.tables.items())
    yield f"  {', '.join(declared.role.metadata.privileges)}"
