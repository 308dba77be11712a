"""Which account of the CRM is a referral's customer."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256

from shared.crm.port import AccountCandidate
from shared.domain.errors import Rejected
from shared.domain.mapping import AccountMatching, AccountPolicy
from shared.domain.record import NewRecord
from shared.sync.sides import Sides


def hold_customer(sides: Sides, new: NewRecord) -> AbstractContextManager[None]:
    """Of two deals of one new customer, only one may make the account. A lead makes none."""
    if new.account is None:
        return nullcontext()
    match = sorted((column, str(value or "").strip().casefold()) for column, value in new.account.match.items())
    return sides.locks.hold(f"customer-{sha256(repr(match).encode()).hexdigest()}")


def choose_account(candidates: tuple[AccountCandidate, ...], matching: AccountMatching | None) -> str | None:
    """The account to use, or ``None`` to create one. Raises ``Rejected`` when a person has to choose."""
    policy = matching.several if matching else AccountPolicy.CREATE
    if not candidates or (len(candidates) > 1 and policy is AccountPolicy.CREATE):
        return None
    if len(candidates) > 1 and policy is AccountPolicy.HOLD:
        raise Rejected(
            f"{len(candidates)} accounts match the customer ({', '.join(candidate.id for candidate in candidates)})",
            field="Account name",
            code="several_accounts",
            remedy="Merge them in the CRM and resubmit, or set account.several in customize.toml.",
        )
    return min(candidates, key=lambda candidate: (candidate.created_at, candidate.id)).id
