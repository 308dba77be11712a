"""What Partner Center's answers, and its refusals, say about sign-in, roles and the webhook. Pure.

https://learn.microsoft.com/partner-center/referrals/connectors-troubleshoot
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.domain.errors import ConnectorError
from shared.domain.finding import Condition, Finding
from shared.health.probing import failure
from shared.partner_center.event import REFERRAL_EVENTS, TEST_EVENT
from shared.partner_center.registration import Registration

REFERRALS_SIGN_IN = "Partner Center sign-in (referrals)"
REFERRALS_ROLE = "Partner Center referrals role"
WEBHOOKS_SIGN_IN = "Partner Center sign-in (webhooks)"
WEBHOOK = "Partner Center webhook"
REFRESH_TOKEN = "Partner Center refresh token"  # noqa: S105 - the check's name

WARN_AGE_DAYS = 60
LAST_AGE_DAYS = 90
"""Entra ID lets a refresh token die that was not used for so long.

https://learn.microsoft.com/entra/identity-platform/refresh-tokens
"""
_DAY_S = 86_400
_ENTRA = "Entra ID"

_CONSENT = (
    "Check that the app registration has the delegated permission, with admin consent, for {api}, and that the person "
    "signed in with a second factor: Partner Center refuses tokens without."
)
_REFERRALS_API = "Microsoft Partner (Microsoft Dev Center), 4990cffe-04e8-4e8b-808a-1175604b879f"
_PARTNER_API = "Microsoft Partner Center, fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd"
_REFERRALS_ROLES = (
    "Give the person who signed in the role Referrals admin or Referrals user in Partner Center (Settings, Account "
    "settings, User management), at the location whose PartnerID has the co-sell solution."
)
_WEBHOOKS_ROLES = (
    "Give the person who signed in the role Referrals admin in Partner Center; where that is not enough, Admin agent, "
    "Sales agent, Helpdesk agent or Billing admin."
)
_REGISTER = (
    "Register this app: POST /api/webhook-registration with the function key of partner_center_to_crm and "
    '"overwrite": true (docs/operations.md). Until then auto-heal brings what changed, minutes later.'
)


def referrals_findings(error: ConnectorError | None) -> tuple[Finding, Finding]:
    """What a read of referrals tells: a token was had and taken, and its person may read referrals."""
    sign_in = _sign_in(REFERRALS_SIGN_IN, error, _REFERRALS_API)
    if error is None:
        return sign_in, Finding(REFERRALS_ROLE, Condition.OK, "The person who signed in may read referrals.")
    if sign_in.condition is Condition.FAILED:
        return sign_in, Finding(REFERRALS_ROLE, Condition.UNKNOWN, "Not looked at, because the sign-in failed.")
    if error.status == 403:
        return sign_in, Finding(REFERRALS_ROLE, Condition.FAILED, error.message, _REFERRALS_ROLES)
    return sign_in, failure(REFERRALS_ROLE, error)


def webhook_findings(
    registration: Registration | ConnectorError | None, endpoint: str | None
) -> tuple[Finding, Finding]:
    """``endpoint`` is this app's own webhook address without its key, ``None`` where it is not known."""
    sign_in = webhooks_sign_in_finding(registration if isinstance(registration, ConnectorError) else None)
    if sign_in.condition is Condition.FAILED:
        return sign_in, Finding(WEBHOOK, Condition.UNKNOWN, "Not looked at, because the sign-in failed.")
    if isinstance(registration, ConnectorError):
        if registration.status == 403:
            return sign_in, Finding(WEBHOOK, Condition.FAILED, registration.message, _WEBHOOKS_ROLES)
        return sign_in, failure(WEBHOOK, registration)
    return sign_in, _webhook(registration, endpoint)


def webhooks_sign_in_finding(error: ConnectorError | None) -> Finding:
    """What a read of the webhook registration tells: a token was had and taken."""
    return _sign_in(WEBHOOKS_SIGN_IN, error, _PARTNER_API)


def refresh_token_finding(age_s: float | None, has_first: bool) -> Finding:
    """``age_s`` since it was last stored; ``has_first``: the settings hold one to begin with."""
    if age_s is None:
        if has_first:
            what = "None is stored yet: the one in PARTNER_CENTER_REFRESH_TOKEN is used first."
            return Finding(REFRESH_TOKEN, Condition.OK, what)
        remedy = "Sign in to Partner Center: python -m cosell consent sign-in"
        return Finding(REFRESH_TOKEN, Condition.FAILED, "There is none.", remedy)
    days = int(age_s // _DAY_S)
    what = f"Stored {days} day{'' if days == 1 else 's'} ago; Entra ID ends one that was not used for {LAST_AGE_DAYS}."
    if days < WARN_AGE_DAYS:
        return Finding(REFRESH_TOKEN, Condition.OK, what)
    condition = Condition.FAILED if days >= LAST_AGE_DAYS else Condition.WARNING
    remedy = "python -m cosell consent renew; if that is refused already: python -m cosell consent sign-in"
    return Finding(REFRESH_TOKEN, condition, what, remedy)


def _sign_in(name: str, error: ConnectorError | None, api: str) -> Finding:
    if error is not None and error.service == _ENTRA:
        return failure(name, error)
    if error is not None and error.status == 401:
        return Finding(name, Condition.FAILED, error.message, _CONSENT.format(api=api))
    return Finding(name, Condition.OK, "Entra ID gives a token for it.")


def _webhook(registration: Registration | None, endpoint: str | None) -> Finding:
    if registration is None:
        return Finding(WEBHOOK, Condition.FAILED, "No webhook is registered for this tenant.", _REGISTER)
    registered = _folded(registration.events)
    missing = [name for name in REFERRAL_EVENTS if name not in registered]
    others = [name for name in registration.events if name.lower() not in (*REFERRAL_EVENTS, TEST_EVENT)]
    kept = f" Registered for others, and ignored here: {', '.join(others)}." if others else ""
    if endpoint is None:
        what = f"Registered at {registration.address}; this app does not know its own address.{kept}"
        return Finding(WEBHOOK, Condition.WARNING, what, "Set PUBLIC_URL.")
    if registration.address != endpoint:
        what = f"The tenant's webhooks go to {registration.address}, not to {endpoint}.{kept}"
        return Finding(WEBHOOK, Condition.FAILED, what, f"{_REGISTER} That address then gets none.")
    if missing:
        what = f"Registered here, but without {', '.join(missing)}.{kept}"
        return Finding(WEBHOOK, Condition.FAILED, what, _REGISTER)
    return Finding(WEBHOOK, Condition.OK, f"All {len(REFERRAL_EVENTS)} referral events come to this app.{kept}")


def _folded(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}
