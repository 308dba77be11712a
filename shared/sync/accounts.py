"""Which account of the CRM is a referral's customer."""

from __future__ import annotations

from shared.crm.port import AccountCandidate
from shared.domain.errors import Rejected
from shared.domain.mapping import AccountMatching, AccountPolicy


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
