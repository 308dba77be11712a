"""Both sides of a sync and what lies between them, as the sync needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.crm.port import CrmPort
from shared.domain.errors import RetryLater
from shared.domain.link import Link
from shared.domain.mapping import CrmMapping, RecordMapping
from shared.domain.patch import PatchOperation
from shared.domain.plan import Rules
from shared.domain.record import RecordKind
from shared.domain.referral import Referral, parse_referral

Clock = Callable[[], datetime]


class ReferralsPort(Protocol):
    """What the sync needs of Partner Center; documents are its JSON."""

    def get(self, referral_id: str) -> dict[str, Any]:
        """Raises ``NotFound`` for an id that our account cannot see."""
        ...

    def patch(self, referral_id: str, operations: Sequence[PatchOperation], etag: str | None) -> dict[str, Any]:
        """The referral after the change. Raises ``VersionConflict`` when ``etag`` is no longer current."""
        ...

    def create(self, document: Mapping[str, Any]) -> dict[str, Any]: ...

    def of_engagement(self, engagement_id: str) -> list[dict[str, Any]]:
        """Every side of the deal that our account can see, Microsoft's with ``organizationId`` "msft"."""
        ...

    def created_for(self, external_reference: str, since: datetime) -> list[dict[str, Any]]:
        """Referrals that carry this CRM id and changed since then."""
        ...

    def updated_since(self, since: datetime) -> Iterator[list[dict[str, Any]]]:
        """Pages of all referrals that changed since then, oldest change first."""
        ...


class LockedLink(Protocol):
    """A link that no other worker can touch until the ``with`` block ends."""

    @property
    def link(self) -> Link: ...

    def save(self, link: Link, *, release: bool = False) -> None:
        """Stored, or ``LockTaken`` if the lock has gone to another worker; ``link`` is then what it was."""
        ...


class LinksPort(Protocol):
    """The store of links."""

    def find_by_referral(self, referral_id: str) -> Link | None: ...
    def find_by_record(self, kind: RecordKind, record_id: str) -> Link | None: ...

    def lock(self, link_id: str, *, new: Link | None = None) -> AbstractContextManager[LockedLink]:
        """Raises ``LockTaken`` while another worker has it, ``NotFound`` when there is none and no ``new`` one."""
        ...


class NameLocksPort(Protocol):
    """Locks by name, for what no single link covers."""

    def hold(self, name: str) -> AbstractContextManager[None]:
        """Raises ``LockTaken`` while another worker holds it."""
        ...


class BrakePort(Protocol):
    """Stops when an improbable share of the deals would be closed or cleared."""

    def check(self, link_id: str) -> None:
        """Raises ``Rejected`` when this deal must wait for a person."""
        ...

    def release(self) -> None: ...


@dataclass(frozen=True)
class Sides:
    """Everything that bringing one deal up to date touches. ``rules`` is read when first needed."""

    referrals: ReferralsPort
    crm: CrmPort
    links: LinksPort
    crm_mapping: CrmMapping
    rules: Callable[[RecordKind], Rules]
    clock: Clock
    brake: BrakePort
    locks: NameLocksPort
    dry_run: bool = False
    cosell_only: bool = True

    def mapping(self, kind: RecordKind) -> RecordMapping:
        return self.crm_mapping.records[kind]

    def referral(self, referral_id: str) -> Referral:
        """As Partner Center holds it now; ``RetryLater`` if it answers with another one than was asked for."""
        referral = parse_referral(self.referrals.get(referral_id))
        if referral.id.lower() != referral_id.lower():
            raise RetryLater(
                f"Partner Center was asked for referral {referral_id} and answered with another",
                code="unreadable_answer",
                remedy="It is tried again by itself.",
                service="Partner Center",
            )
        return referral
