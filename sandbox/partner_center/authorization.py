"""Who may call: a person's token with a second factor for referrals; an app's or such a person's for webhooks.

https://learn.microsoft.com/partner-center/developer/referral-api-authentication and
https://learn.microsoft.com/partner-center/security/partner-security-requirements-mandating-mfa
"""

from __future__ import annotations

from sandbox.entra import TokenCheck
from sandbox.partner_center.refusals import Refusal, unauthenticated

REFERRALS_AUDIENCE = "https://api.partner.microsoft.com"
WEBHOOKS_AUDIENCE = "https://api.partnercenter.microsoft.com"


def check_token(tokens: TokenCheck, authorization: str | None, audience: str, *, user_only: bool) -> None:
    """Raises :class:`Refusal` unless the Authorization header may be used at ``audience``."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthenticated("The request has no bearer token.")
    claims = tokens.check(token.strip(), audience)
    if claims is None:
        raise unauthenticated(f"The token is expired, unknown or not for {audience}.")
    if user_only and not claims.is_user:
        raise Refusal(403, "accessDenied", "Referrals are open to App+User credentials only.")
    if claims.is_user and not claims.has_mfa:
        raise unauthenticated("MFA required: the token has no mfa in its amr claim.")
