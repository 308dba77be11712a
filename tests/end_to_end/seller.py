"""A seller at work in the CRM, in the words of the mapping: the same for both CRMs, so that one test acts in either.

Values are given and shown by the name of the mapping's row (``deal_value``, ``notes``, ``customer_city``) or column
(``sync``, ``audit``); ``stage`` is given as a stage of a deal, and shown as the CRM calls it; ``help`` is Partner
Center's code. Any other name is the CRM's own. All of it goes past the connector, into the simulator's rows.
Users are named by their e-mail address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from sandbox.control import Control, Fault
from shared.state.cursors import CursorStore

Values = Mapping[str, Any]
PROOF_OF_CONCEPT = "ProofOfConceptOrDemo"


@dataclass(frozen=True)
class Stages:
    """What the CRM calls each stage. ``lost`` is what a seller or Partner Center lost, ``declined`` what was never
    decided here: declined, expired, or ended in an error. ``converted`` is where the opportunity of a lead begins."""

    on_hold: str
    active: str
    won: str
    lost: str
    declined: str
    converted: str


@dataclass(frozen=True)
class Operations:
    """The connector's requests, as the CRM's simulator counts them. ``write`` is what creates, all or nothing."""

    look: str
    look_at_leads: str
    look_at_solutions: str
    read: str
    update: str
    write: str


@dataclass(frozen=True)
class LeadStages:
    """What the CRM calls each stage of a lead. ``lost`` is what a seller gave up, ``declined`` what Microsoft did."""

    open: str
    qualified: str
    lost: str
    declined: str


@dataclass(frozen=True)
class OwnColumns:
    """Columns that are the partner's own to use, and that the mapping as it ships leaves alone."""

    notes: str
    phase: str
    deal_value: str
    currency: str
    country: str
    probability: str
    microsoft_status: str
    microsoft_team: str


class Seller(Protocol):
    """``labels`` are the names that sellers see, by name of the mapping's row. ``email`` is the seller's own, and
    ``colleague`` another user's. ``always_filled`` are rows that the CRM itself lets nobody leave blank, and
    ``lead_lacks`` those for which its leads have no field. ``unknown_id`` is one of no record.

    ``refuses_stale_writes``: a write names the version that it goes by, so that no read has to come before it.
    ``only_people_convert_leads``: the CRM has no request for it. ``keeps_qualified_leads_editable``: the audit of a
    lead can still be written once it was qualified.
    """

    control: Control
    stages: ClassVar[Stages]
    lead_stages: ClassVar[LeadStages]
    labels: ClassVar[Mapping[str, str]]
    email: ClassVar[str]
    colleague: ClassVar[str]
    always_filled: ClassVar[frozenset[str]]
    lead_lacks: ClassVar[frozenset[str]]
    unknown_id: ClassVar[str]
    operations: ClassVar[Operations]
    own: ClassVar[OwnColumns]
    refuses_stale_writes: ClassVar[bool]
    only_people_convert_leads: ClassVar[bool]
    keeps_qualified_leads_editable: ClassVar[bool]

    # The customer

    def add_account(self, values: Values) -> str:
        """``made_at`` among the values is a time before now, for an account that came with an import."""
        ...

    def edit_account(self, account_id: str, values: Values) -> None: ...
    def account(self, account_id: str) -> dict[str, Any]: ...
    def accounts(self) -> list[dict[str, Any]]: ...
    def delete_account(self, account_id: str) -> None: ...
    def add_contact(self, account_id: str, person: Values) -> str:
        """``person``: ``first_name``, ``last_name``, ``email`` and ``phone``."""
        ...

    def edit_contact(self, contact_id: str, person: Values) -> None: ...
    def contact(self, contact_id: str) -> dict[str, Any]:
        """As it was added, and the id of its ``account``."""
        ...

    def choose_contact(self, record_id: str, contact_id: str) -> None:
        """The contact is the opportunity's customer contact from now on. The record itself may be as it was."""
        ...

    # The opportunity

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

    def record(self, record_id: str) -> dict[str, Any]:
        """By the mapping's names, ``id``, ``account`` and ``contact`` (ids) among them, beside the CRM's own."""
        ...

    def records(self) -> list[dict[str, Any]]: ...

    # Its owner and team

    def owner(self, record_id: str) -> str: ...
    def change_owner(self, record_id: str, email: str) -> None: ...
    def colleagues(self, record_id: str) -> list[str]:
        """The team without the owner."""
        ...

    def add_colleague(self, record_id: str, email: str) -> str:
        """The id of the membership. To join a team is no edit of the opportunity."""
        ...

    def remove_colleague(self, membership_id: str) -> None: ...

    # Its solutions

    def add_solution(self, record_id: str, identifier: str) -> str:
        """The new row's id; a row that says of no solution which, for a blank identifier."""
        ...

    def edit_solution(self, row_id: str, *, name: str = "", **terms: Any) -> None:
        """``terms`` are ``quantity`` and ``price``; ``name`` is the solution's, wherever the CRM keeps it."""
        ...

    def identify_solution(self, row_id: str, identifier: str) -> None: ...
    def delete_solution(self, row_id: str) -> None: ...
    def solution_name(self, row_id: str) -> str:
        """By which a seller finds the row."""
        ...

    def solutions(self, record_id: str) -> dict[str, str]:
        """Ids of the rows by solution identifier, in their order."""
        ...

    # Leads

    def leads(self) -> list[dict[str, Any]]:
        """By the mapping's names, ``id``, ``stage`` and those of a person among them."""
        ...

    def lead(self, lead_id: str) -> dict[str, Any]: ...
    def add_lead(self, values: Values) -> str: ...
    def edit_lead(self, lead_id: str, values: Values) -> None: ...
    def disqualify(self, lead_id: str) -> None: ...
    def convert(self, lead_id: str, *, opportunity: bool = True) -> str | None:
        """Into an account, a contact and, if so chosen, an opportunity, whose id is the answer."""
        ...

    def lead_of(self, record_id: str) -> str | None:
        """The lead that the opportunity was."""
        ...

    # What happens to the CRM itself

    def busy(self) -> Fault:
        """The next write is refused for a second, as there were too many."""
        ...

    def update_request(self, record_id: str) -> tuple[str, str]:
        """Path (a regular expression) and method of the connector's next update of this record."""
        ...

    def expire_cursors(self, cursors: CursorStore) -> None:
        """What the connector knows of when it last looked is of no more use to the CRM."""
        ...


def renamed(names: Mapping[str, str], values: Values) -> dict[str, Any]:
    """``values`` as the CRM calls them. Of two that are the same there, the later one holds."""
    return {names.get(name, name): value for name, value in values.items()}


def shown(names: Mapping[str, str], row: Values) -> dict[str, Any]:
    """``row`` with the mapping's names beside the CRM's own."""
    return {**row, **{name: row[column] for name, column in names.items() if column in row}}
