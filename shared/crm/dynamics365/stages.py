"""Status and status reason of an opportunity, as stages of a deal and back.

Which status reasons there are is each environment's own; which of them the stages use is the mapping's.
https://learn.microsoft.com/dynamics365/sales/developer/entities/opportunity
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.crm.dynamics365.metadata import Column
from shared.domain.errors import ConfigurationError
from shared.domain.record import CrmStage, StageChange

OPEN, WON, LOST = 0, 1, 2
_STATES = {"on_hold": OPEN, "active": OPEN, "won": WON, "lost": LOST, "declined": LOST}
_NOT_DECIDED_HERE = ("Declined", "Expired", "Error")


@dataclass(frozen=True)
class StatusReasons:
    """``names`` are the labels that the stages use; ``status`` is the column that has them."""

    names: Mapping[str, str]
    status: Column

    def stage_of(self, row: Mapping[str, Any]) -> tuple[CrmStage, str | None]:
        """The stage of a row with ``statecode`` and ``statuscode``, and the label of its status reason."""
        state, value = row.get("statecode"), row.get("statuscode")
        label = None if value is None else self.status.label(int(value))
        if state == WON:
            return CrmStage.WON, label
        if state == LOST:
            return CrmStage.LOST, label
        on_hold = self.status.option(self.names.get("on_hold", ""), OPEN)
        return (CrmStage.ON_HOLD if on_hold and on_hold.value == value else CrmStage.ACTIVE), label

    def value_for(self, change: StageChange) -> int:
        """The status reason to set; one that the environment does not have is a ``ConfigurationError``."""
        name = change.stage.value
        if change.stage is CrmStage.LOST and (change.reason or "").startswith(_NOT_DECIDED_HERE):
            name = "declined"
        label = self.names.get(name, "")
        option = self.status.option(label, _STATES[name])
        if option is None:
            raise ConfigurationError(
                f"Dynamics 365 has no status reason {label!r} for an opportunity that is {name.replace('_', ' ')}; "
                f"there are {self._existing(_STATES[name])}",
                code="unknown_stage",
                remedy="Name an existing one in the app settings or customize.toml, or add it in Dynamics 365.",
                service="Dynamics 365",
            )
        return option.value

    def missing(self) -> Iterable[str]:
        """What the mapping names and the environment does not have."""
        for name, state in _STATES.items():
            label = self.names.get(name, "")
            if self.status.option(label, state) is None:
                yield f"status reason {label!r} ({name}; there are {self._existing(state)})"

    def _existing(self, state: int) -> str:
        return ", ".join(repr(option.label) for option in self.status.options if option.state == state) or "none"
