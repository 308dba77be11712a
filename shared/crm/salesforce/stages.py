"""Stages of opportunities and statuses of leads, as stages of a deal and back.

Which there are is each org's own; which of them the connector sets is the mapping's.
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunitystage.htm
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shared.crm.salesforce.describe import Stage
from shared.domain.errors import ConfigurationError
from shared.domain.record import CrmStage, StageChange

_NOT_DECIDED_HERE = ("Declined", "Expired", "Error")


class Stages(Protocol):
    """``field`` holds the stage; ``columns`` are those that :meth:`stage_of` needs."""

    @property
    def field(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    def stage_of(self, row: Mapping[str, Any]) -> tuple[CrmStage, str | None]:
        """The stage of a row, and the name that the org has for it."""
        ...

    def value_for(self, change: StageChange) -> str:
        """The value to set; one that the org does not have is a ``ConfigurationError``."""
        ...

    def missing(self) -> Iterable[str]:
        """What the mapping names and the org does not have."""
        ...


@dataclass(frozen=True)
class OpportunityStages:
    """``IsWon`` and ``IsClosed`` follow from the stage, so that won and lost are known whatever they are called."""

    names: Mapping[str, str]
    known: tuple[Stage, ...]

    field = "StageName"
    columns = ("StageName", "IsClosed", "IsWon")

    def stage_of(self, row: Mapping[str, Any]) -> tuple[CrmStage, str | None]:
        name = row.get("StageName")
        if row.get("IsWon"):
            return CrmStage.WON, name
        if row.get("IsClosed"):
            return CrmStage.LOST, name
        is_on_hold = str(name or "").casefold() == self.names.get("on_hold", "").casefold()
        return (CrmStage.ON_HOLD if is_on_hold else CrmStage.ACTIVE), name

    def value_for(self, change: StageChange) -> str:
        name = change.stage.value
        if change.stage is CrmStage.LOST and _is_not_decided_here(change):
            name = "declined"
        return _found(self.names, name, self._fitting(name), "stage", "an opportunity")

    def missing(self) -> Iterable[str]:
        return (
            line
            for name in ("on_hold", "active", "won", "lost", "declined")
            for line in _missing(self.names, name, self._fitting(name), "stage")
        )

    def _fitting(self, name: str) -> tuple[Stage, ...]:
        closed, won = name in ("won", "lost", "declined"), name == "won"
        return tuple(one for one in self.known if (one.is_closed, one.is_won) == (closed, won))


@dataclass(frozen=True)
class LeadStatuses:
    """A converted lead became an opportunity; one in ``lost`` or ``declined`` is over; every other is open."""

    names: Mapping[str, str]
    known: tuple[Stage, ...]

    field = "Status"
    columns = ("Status", "IsConverted")

    def stage_of(self, row: Mapping[str, Any]) -> tuple[CrmStage, str | None]:
        name = row.get("Status")
        if row.get("IsConverted"):
            return CrmStage.ACTIVE, name
        over = {self.names.get(one, "").casefold() for one in ("lost", "declined")}
        return (CrmStage.LOST if str(name or "").casefold() in over else CrmStage.ON_HOLD), name

    def value_for(self, change: StageChange) -> str:
        if change.stage not in (CrmStage.ON_HOLD, CrmStage.LOST):
            raise ConfigurationError(
                f"Salesforce takes no lead to {change.stage.value} by its API: only people convert leads",
                code="unknown_stage",
                remedy="Convert the lead in Salesforce.",
                service="Salesforce",
            )
        name = "open" if change.stage is CrmStage.ON_HOLD else "declined" if _is_not_decided_here(change) else "lost"
        return _found(self.names, name, self._open, "status", "a lead")

    def missing(self) -> Iterable[str]:
        return (
            line for name in ("open", "lost", "declined") for line in _missing(self.names, name, self._open, "status")
        )

    @property
    def _open(self) -> tuple[Stage, ...]:
        return tuple(one for one in self.known if not one.is_won)


def _is_not_decided_here(change: StageChange) -> bool:
    return (change.reason or "").startswith(_NOT_DECIDED_HERE)


def _find(label: str, fitting: Iterable[Stage]) -> Stage | None:
    wanted = label.strip().casefold()
    return next((one for one in fitting if wanted in (one.name.casefold(), one.label.casefold())), None)


def _found(names: Mapping[str, str], name: str, fitting: tuple[Stage, ...], word: str, record: str) -> str:
    label = names.get(name, "")
    found = _find(label, fitting)
    if found is None:
        raise ConfigurationError(
            f"Salesforce has no {word} {label!r} for {record} that is {name.replace('_', ' ')}; there are "
            f"{_existing(fitting)}",
            code="unknown_stage",
            remedy="Name an existing one in the app settings or customize.toml, or add it in Salesforce Setup.",
            service="Salesforce",
        )
    return found.name


def _missing(names: Mapping[str, str], name: str, fitting: tuple[Stage, ...], word: str) -> Iterable[str]:
    label = names.get(name, "")
    if _find(label, fitting) is None:
        yield f"{word} {label!r} ({name}; there are {_existing(fitting)})"


def _existing(fitting: Iterable[Stage]) -> str:
    return ", ".join(repr(one.name) for one in fitting) or "none"
