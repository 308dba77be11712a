"""What the sync needs of any CRM. A third CRM is one class with these methods, and one mapping file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.domain.finding import Finding
from shared.domain.mapping import FieldLimits
from shared.domain.record import NewRecord, Record, RecordChange, RecordKind


@dataclass(frozen=True)
class Capabilities:
    """``optimistic_lock``: an update that names an old version is refused, so the record need not be read first.

    ``qualifies_leads``: :meth:`CrmPort.qualify` can be asked for; elsewhere only the CRM's users convert leads.
    """

    optimistic_lock: bool
    qualifies_leads: bool = False


@dataclass(frozen=True)
class ApiUsage:
    """Of the calls that the CRM allows in 24 hours, those that were made, by whomever."""

    used: int
    most: int

    @property
    def percent(self) -> int:
        return round(100 * self.used / self.most) if self.most else 100


@dataclass(frozen=True)
class Catalogue:
    """What the CRM says of itself: limits by CRM path, and currencies (ISO code to number of decimals).

    Money without ``decimals`` of its own has those of the record's currency.
    """

    limits: Mapping[str, FieldLimits]
    currencies: Mapping[str, int]


@dataclass(frozen=True)
class Change:
    """One record that changed since the cursor. ``syncs`` is its *Sync with Partner Center* flag.

    ``deleted`` records have no other values.
    """

    kind: RecordKind
    id: str
    version: str | None = None
    syncs: bool = False
    referral_id: str | None = None
    deleted: bool = False


@dataclass(frozen=True)
class ChangePage:
    """``cursor`` is only set on the last page: store it once everything read so far is queued.

    ``full`` pages come from a full read, because there was no cursor or the CRM no longer knows it.
    """

    changes: tuple[Change, ...]
    cursor: str | None
    full: bool = False


@dataclass(frozen=True)
class SolutionChange:
    """One solution row that changed. ``record_id`` is the opportunity it is under, ``None`` where there is none.

    Of a deleted row the CRM may not know any more what it was under.
    """

    id: str
    version: str | None = None
    record_id: str | None = None
    deleted: bool = False


@dataclass(frozen=True)
class SolutionChangePage:
    """As :class:`ChangePage`."""

    changes: tuple[SolutionChange, ...]
    cursor: str | None
    full: bool = False


@dataclass(frozen=True)
class Written:
    """After a write: the record's new version (``None`` where the CRM does not say) and time of change.

    ``values`` are those the CRM answered with, by CRM path: it may have rounded or cut what it was given.
    ``landed``, by path or ``stage``, is what somebody else changed just before, unseen by the CRM's check; it was not
    overwritten. There is no ``version`` then, so that the record is read again.
    """

    id: str
    version: str | None
    modified_at: datetime | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    landed: tuple[str, ...] = ()


@dataclass(frozen=True)
class AccountCandidate:
    """An account that matches the customer's name and postal code; ``created_at`` for the policy ``oldest``."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True)
class ContactCandidate:
    """A contact whose e-mail address is that of one of the referral's; ``account_id`` is the account it belongs to."""

    id: str
    email: str
    account_id: str | None


@dataclass(frozen=True)
class Prepared:
    """What one look-up found before a create: the record if it is there already, and what a new one can build on.

    ``owners`` are the CRM's users among the referral's team: e-mail address in lower case to user id.
    """

    existing: Record | None
    accounts: tuple[AccountCandidate, ...]
    contacts: tuple[ContactCandidate, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SolutionDetail:
    """One row of *Microsoft Solution Details*, the list that sellers pick a deal's solutions from.

    Blank parts are not known: what the CRM has stays. Two rows are one solution when ``key`` is equal.
    """

    id: str
    name: str
    type: str = ""
    publisher: str = ""

    @property
    def key(self) -> str:
        return self.id.strip().casefold()


@dataclass(frozen=True)
class SavedDetails:
    """How many rows were written or, without writing, would be; ``refused`` says by key why a row cannot be."""

    created: int
    updated: int
    unchanged: int
    refused: Mapping[str, str] = field(default_factory=dict)


class CrmPort(Protocol):
    """Every method may raise :class:`~shared.domain.errors.ConnectorError`; none repeats a write by itself."""

    @property
    def name(self) -> str:
        """The CRM's name as people write it, for logs and messages."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def catalogue(self, kind: RecordKind = RecordKind.OPPORTUNITY) -> Catalogue:
        """Read once per worker and kind, and kept."""
        ...

    def changes(self, kind: RecordKind, cursor: str | None) -> Iterator[ChangePage]:
        """What changed since ``cursor`` (every record without one), page by page; the last page carries the cursor."""
        ...

    def solution_changes(self, cursor: str | None) -> Iterator[SolutionChangePage]:
        """What changed among the solution rows under opportunities since ``cursor``, as :meth:`changes` tells it.

        No pages at all, and no call, where the mapping has no table of solutions.
        """
        ...

    def get(self, kind: RecordKind, record_id: str) -> Record:
        """Raises ``NotFound`` for an id the CRM does not have."""
        ...

    def get_many(self, kind: RecordKind, record_ids: Sequence[str]) -> Mapping[str, Record]:
        """In few calls, by the CRM's id: those of the records that it has and that can be read.

        :meth:`get` says why one is missing.
        """
        ...

    def prepare(self, new: NewRecord) -> Prepared:
        """In one call: the record of this referral if there is one, and the accounts and people that match."""
        ...

    def create(self, new: NewRecord, prepared: Prepared, account_id: str | None) -> Record:
        """Account (unless ``account_id`` is given), contact, record and solution rows, all or none.

        ``prepared`` is this referral's own look-up: its contacts and users are used again instead of made twice.
        A second create for the same referral id writes nothing and raises ``VersionConflict``.
        """
        ...

    def update(self, record: Record, change: RecordChange) -> Written:
        """All or nothing. With ``record.version``, raises ``VersionConflict`` if the record changed since."""
        ...

    def opportunity_of(self, lead: Record) -> Record | None:
        """The opportunity that a qualified lead became, the oldest of several; ``None`` where there is none."""
        ...

    def lead_of(self, opportunity: Record) -> str | None:
        """The lead that the opportunity was made of; a call where opportunities themselves do not tell."""
        ...

    def qualify(self, lead: Record, prepared: Prepared, account_id: str | None) -> Record:
        """The opportunity that an open lead becomes, with its account (unless ``account_id`` is given) and contact.

        All or nothing. ``prepared`` is a look-up for the opportunity, whose contacts are used again. With
        ``lead.version``, raises ``VersionConflict`` if the lead changed since: it may have been qualified already.
        Only to be called where ``capabilities.qualifies_leads``.
        """
        ...

    def link_to(self, kind: RecordKind, record_id: str) -> str:
        """The address at which a person opens the record."""
        ...

    def usage(self) -> ApiUsage | None:
        """As the CRM's last answer told it, without a call; ``None`` where it has not, or never does."""
        ...

    def diagnose(self) -> tuple[Finding, ...]:
        """What of this CRM's set-up works, in at most three calls. What is wrong is found, not raised."""
        ...

    def save_solution_details(
        self, rows: Sequence[SolutionDetail], *, dry_run: bool = False, progress: Callable[[int], None] | None = None
    ) -> SavedDetails:
        """Every row that the CRM can hold is there as given, whichever were before; rows not named stay.

        ``dry_run`` writes nothing. ``progress`` is told how many rows were written so far. May be repeated after an
        error: what was written already is unchanged then.
        """
        ...
