"""A seller at work in the CRM, in the campaign's words: the same for every CRM."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from sandbox.campaign.cast import Customer, Person
from sandbox.campaign.plan import Field, PlannedDeal
from sandbox.crms import MARKS, CrmSide, DataverseSide, SalesforceSide


class Refused(Exception):
    """The CRM does not take what a seller typed: that is no edit."""


@dataclass(frozen=True)
class Shown:
    """One opportunity as its CRM shows it. ``stage`` is ``on hold``, ``active``, ``won`` or ``lost``.

    ``values`` has what both sides hold: amounts as ``Decimal``, days in ISO form, the name without the mark.
    ``owner`` is the address of a user. ``audit`` has the lines of the audit field, newest first.
    """

    id: str
    referral_id: str | None
    stage: str
    values: Mapping[Field, Any]
    owner: str
    microsoft_crm_id: str | None
    audit: tuple[str, ...]


class Seller(Protocol):
    """``labels`` are the names under which the audit tells of fields."""

    labels: ClassVar[Mapping[Field, str]]

    def enter(self, deal: PlannedDeal, customer: Customer) -> str:
        """An opportunity with its account, contact and solution, shared at once; its id."""
        ...

    def edit(self, record_id: str, field: Field, value: Any) -> None:
        """Of the fields in ``Shown.values``, and ``OWNER`` (a number) and ``HELP``. Raises :class:`Refused`."""
        ...

    def add_solution(self, record_id: str, identifier: str) -> None: ...
    def remove_solution(self, record_id: str) -> str | None:
        """The newest of several goes; its identifier, ``None`` where there is only one."""
        ...

    def solutions(self, record_id: str) -> set[str]: ...
    def choose_contact(self, record_id: str, person: Person) -> None: ...
    def accept(self, record_id: str) -> None: ...
    def win(self, record_id: str) -> None: ...
    def lose(self, record_id: str) -> None: ...
    def show(self, record_id: str) -> Shown: ...
    def alone(self) -> AbstractContextManager[object]:
        """Within the block nobody else reads or writes in the CRM."""
        ...

    def record_of(self, referral_id: str) -> str | None:
        """The first record that names the referral."""
        ...

    def record_ids(self) -> list[str]: ...
    def accounts(self) -> list[tuple[str, str]]:
        """Name and postal code of each."""
        ...

    def contacts(self) -> list[tuple[str, str]]:
        """Account and address of each."""
        ...


def seller_of(side: CrmSide) -> Seller:
    """A seller of the CRM that the sandbox runs."""
    from sandbox.campaign.seller_in_dynamics365 import Dynamics365Seller
    from sandbox.campaign.seller_in_salesforce import SalesforceSeller

    if isinstance(side, SalesforceSide):
        return SalesforceSeller(side.simulator)
    if isinstance(side, DataverseSide):
        return Dynamics365Seller(side.simulator)
    raise TypeError(f"no seller knows {side.name}")


def without_mark(name: str) -> str:
    return name.lstrip(MARKS)


def audit_lines(text: str | None) -> tuple[str, ...]:
    return tuple((text or "").replace("\r\n", "\n").splitlines())
