"""Status and status reason of an opportunity or lead, as stages of a deal and back.

Which status reasons there are is each environment's own; which of them the stages use is the mapping's.
https://learn.microsoft.com/dynamics365/sales/developer/entities/opportunity
https://learn.microsoft.com/dynamics365/sales/developer/entities/lead
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shared.crm.dynamics365.metadata import Column
from shared.domain.errors import ConfigurationError
from shared.domain.record import CrmStage, StageChange

OPEN, WON, LOST = 0, 1, 2
QUALIFIED, DISQUALIFIED = 1, 2
_STATES = {"on_hold": OPEN, "active": OPEN, "won": WON, "lost": LOST, "declined": LOST}
_LEAD_STATES = {"open": OPEN, "qualified": QUALIFIED, "lost": DISQUALIFIED, "declined": DISQUALIFIED}
_NOT_DECIDED_HERE = ("Declined", "Expired", "Error")


class Reasons(Protocol):
    """``missing`` tells what the mapping names and the environment does not have."""

    def stage_of(self, row: Mapping[str, Any]) -> tuple[CrmStage, str | None]:
        """The stage of a row with ``statecode`` and ``statuscode``, and the label of its status reason."""
        ...

    def value_for(self, change: StageChange) -> int:
        """The status reason to set; one that the environment does not have is a ``ConfigurationError``."""
        ...

    def missing(self) -> Iterable[str]: ...


@dataclass(frozen=True)
class StatusReasons:
    """``names`` are the labels that the stages use; ``status`` is the column that has them."""

    names: Mapping[str, str]
    status: Column

    def stage_of(self, row: Mapping[str, Any]) -> tuple[CrmStage, str | None]:
        state, value = row.get("statecode"), row.get("statuscode")
        label = _label(self.status, row)
        if state == WON:
            return CrmStage.WON, label
        if state == LOST:
            return CrmStage.LOST, label
        on_hold = self.status.option(self.names.get("on_hold", ""), OPEN)
        return (CrmStage.ON_HOLD if on_hold and on_hold.value == value else CrmStage.ACTIVE), label

    def value_for(self, change: StageChange) -> int:
        name = "declined" if _is_not_decided_here(change) else change.stage.value
        return _value(self.status, self.names, name, _STATES[name], "an opportunity")

    def missing(self) -> Iterable[str]:
        return _missing(self.status, self.names, _STATES)


@dataclass(frozen=True)
class LeadStatusReasons:
    """``names`` are the labels of ``open``, ``qualified``, ``lost`` and ``declined``; ``status`` is their column."""

    names: Mapping[str, str]
    status: Column

    def stage_of(self, row: Mapping[str, Any]) -> tuple[CrmStage, str | None]:
        stage = {QUALIFIED: CrmStage.ACTIVE, DISQUALIFIED: CrmStage.LOST}.get(row.get("statecode", OPEN))
        return stage or CrmStage.ON_HOLD, _label(self.status, row)

    def value_for(self, change: StageChange) -> int:
        lost = "declined" if _is_not_decided_here(change) else "lost"
        name = {CrmStage.ON_HOLD: "open", CrmStage.LOST: lost}.get(change.stage, "qualified")
        return _value(self.status, self.names, name, _LEAD_STATES[name], "a lead")

    def missing(self) -> Iterable[str]:
        return _missing(self.status, self.names, _LEAD_STATES)


def lead_state(reasons: Reasons, change: StageChange) -> dict[str, int]:
    """What a PATCH that opens or disqualifies a lead sets; qualified it is by an action only."""
    state = DISQUALIFIED if change.stage is CrmStage.LOST else OPEN
    return {"statecode": state, "statuscode": reasons.value_for(change)}


def _label(status: Column, row: Mapping[str, Any]) -> str | None:
    value = row.get("statuscode")
    return None if value is None else status.label(int(value))


def _is_not_decided_here(change: StageChange) -> bool:
    return change.stage is CrmStage.LOST and (change.reason or "").startswith(_NOT_DECIDED_HERE)


def _value(status: Column, names: Mapping[str, str], name: str, state: int, what: str) -> int:
    label = names.get(name, "")
    option = status.option(label, state)
    if option is None:
        raise ConfigurationError(
            f"Dynamics 365 has no status reason {label!r} for {what} that is {name.replace('_', ' ')}; "
            f"there are {_existing(status, state)}",
            code="unknown_stage",
            remedy="Name an existing one in the app settings or customize.toml, or add it in Dynamics 365.",
            service="Dynamics 365",
        )
    return option.value


def _missing(status: Column, names: Mapping[str, str], states: Mapping[str, int]) -> Iterable[str]:
    for name, state in states.items():
        label = names.get(name, "")
        if status.option(label, state) is None:
            yield f"status reason {label!r} ({name}; there are {_existing(status, state)})"


def _existing(status: Column, state: int) -> str:
    return ", ".join(repr(option.label) for option in status.options if option.state == state) or "none"
