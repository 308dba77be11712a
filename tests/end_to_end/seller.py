"""A seller at work in the CRM, in the words of the mapping: the same for both CRMs, so that one test acts in either.

Values are given and shown by the name of the mapping's row (``deal_value``, ``notes``, ``customer_city``) or column
(``sync``, ``audit``); ``stage`` is given as a stage of a deal, and shown as the CRM calls it; ``help`` is Partner
Center's code. Any other name is the CRM's own. All of it goes past the connector, into the simulator's rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from sandbox.control import Control

Values = Mapping[str, Any]
PROOF_OF_CONCEPT = "ProofOfConceptOrDemo"


@dataclass(frozen=True)
class Stages:
    """What the CRM calls each stage. ``lost`` is what a seller or Partner Center lost, ``declined`` what was never
    decided here: declined, expired, or ended in an error."""

    on_hold: str
    active: str
    won: str
    lost: str
    declined: str


class Seller(Protocol):
    """``labels`` are the names that sellers see, by name of the mapping's row. ``email`` is the seller's own.
    ``always_filled`` are rows that the CRM itself lets nobody leave blank. ``unknown_id`` is one of no record."""

    control: Control
    stages: ClassVar[Stages]
    labels: ClassVar[Mapping[str, str]]
    email: ClassVar[str]
    always_filled: ClassVar[frozenset[str]]
    unknown_id: ClassVar[str]

    def add_account(self, values: Values) -> str: ...
    def edit_account(self, account_id: str, values: Values) -> None: ...
    def account(self, account_id: str) -> dict[str, Any]: ...
    def delete_account(self, account_id: str) -> None: ...
    def add_contact(self, account_id: str, person: Values) -> str:
        """``person``: ``first_name``, ``last_name``, ``email`` and ``phone``."""
        ...

    def contact(self, contact_id: str) -> dict[str, Any]:
        """Its ``email``, and the id of its ``account``."""
        ...

    def choose_contact(self, record_id: str, contact_id: str) -> None:
        """The contact is the opportunity's customer contact from now on; it had none before."""
        ...

    def add_opportunity(self, values: Values, account_id: str, contact_id: str | None) -> str: ...
    def edit(self, record_id: str, values: Values) -> None: ...
    def delete(self, record_id: str) -> None: ...
    def win(self, record_id: str) -> None: ...
    def lose(self, record_id: str, stage: str) -> None:
        """``stage`` is ``stages.lost`` or ``stages.declined``."""
        ...

    def why_closed(self, record_id: str) -> str:
        """What the CRM tells its users of a closing that came from Partner Center."""
        ...

    def reopen(self, record_id: str) -> None: ...
    def words_of_closing(self, outcome: str, reason: str = "") -> str:
        """What :meth:`why_closed` has to contain."""
        ...

    def add_solution(self, record_id: str, identifier: str) -> str: ...
    def solutions(self, record_id: str) -> list[str]:
        """The identifiers, in the order of their rows."""
        ...

    def record(self, record_id: str) -> dict[str, Any]:
        """By the mapping's names, ``id``, ``account`` and ``contact`` (ids) among them, beside the CRM's own."""
        ...

    def records(self) -> list[dict[str, Any]]: ...
    def leads(self) -> list[dict[str, Any]]: ...


def renamed(names: Mapping[str, str], values: Values) -> dict[str, Any]:
    """``values`` as the CRM calls them. Of two that are the same there, the later one holds."""
    return {names.get(name, name): value for name, value in values.items()}


def shown(names: Mapping[str, str], row: Values) -> dict[str, Any]:
    """``row`` with the mapping's names beside the CRM's own."""
    return {**row, **{name: row[column] for name, column in names.items() if column in row}}
