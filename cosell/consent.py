"""``consent``: a person signs in to Partner Center, and the app goes on in that person's name."""

from __future__ import annotations

import argparse
import json
import sys
import webbrowser
from collections.abc import Mapping, Sequence

from cosell.asking import add_asking, agreed, must_be_answerable
from shared.connector import partner_center_clients, partner_center_tokens, token_store_of
from shared.domain.errors import ConnectorError
from shared.domain.finding import Condition, Finding
from shared.health.partner_center import referrals_findings, refresh_token_finding, webhooks_sign_in_finding
from shared.health.report import Check, findings_text
from shared.partner_center.auth import REFERRALS_SCOPE, PartnerCenterTokens
from shared.partner_center.consent import (
    Application,
    SignIn,
    has_second_factor,
    sign_in_with_browser,
    sign_in_with_device_code,
)
from shared.partner_center.tokens import RefreshTokenStore, TokenInHand
from shared.settings import Settings, load_settings
from shared.state.clock import utc_now

SECOND_FACTOR = "Second factor"
_CONCERNED = ("PARTNER_CENTER_", "KEY_VAULT_URL", "AZURE_AUTHORITY_HOST")
_OF_NO_CONCERN = {
    "CRM": "dynamics365",
    "DYNAMICS365_URL": "https://contoso.crm.dynamics.com",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
"""Stands in for settings that have nothing to do with the sign-in, which is often done before they are known."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    consent = commands.add_parser("consent", help="sign in to Partner Center for the app; show and renew its sign-in")
    verbs = consent.add_subparsers(title="commands", metavar="COMMAND", required=True)
    sign_in = verbs.add_parser(
        "sign-in",
        parents=[common],
        help="sign in with a second factor, check the role, and store the refresh token",
        description="Whoever signs in needs the role Referrals admin in Partner Center, and a second factor. The "
        "refresh token goes to Key Vault (KEY_VAULT_URL, as whoever `az login` says) or to PARTNER_CENTER_TOKEN_FILE; "
        "it is never shown. The app registration needs the redirect URI http://localhost (platform Web). A running "
        "app takes the new sign-in up by itself.",
    )
    sign_in.add_argument("--device-code", action="store_true", help="sign in on another device (needs public flows)")
    sign_in.add_argument("--no-browser", action="store_true", help="show the address only, and open no browser")
    sign_in.add_argument(
        "--port", type=int, default=0, help="where the browser brings the answer (default: a free one)"
    )
    add_asking(sign_in, "sign in and check, and store nothing")
    sign_in.set_defaults(run=sign_in_and_store)
    show = verbs.add_parser("show", parents=[common], help="the age of the stored sign-in, and whether it still works")
    show.set_defaults(run=show_consent)
    renew = verbs.add_parser(
        "renew", parents=[common], help="exchange the stored refresh token for a new one, whose 90 days begin today"
    )
    add_asking(renew, "say whether it could be renewed, and store nothing")
    renew.set_defaults(run=renew_consent)


def sign_in_settings(environ: Mapping[str, str]) -> Settings:
    """What a sign-in depends on, checked; other settings may be missing or wrong."""
    return load_settings({**_OF_NO_CONCERN, **{name: environ[name] for name in environ if name.startswith(_CONCERNED)}})


def sign_in_and_store(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Stored only if Partner Center takes the new sign-in, and after a yes."""
    must_be_answerable(options)
    settings = sign_in_settings(environ)
    store = token_store_of(settings)
    store.age_s()  # a store that cannot be used is said before anybody signs in
    signed_in = _sign_in(options, settings)
    # Tried as the app will use it: with the client secret, for both audiences.
    checks = _look(settings, TokenInHand(signed_in.refresh_token))
    has_failed = _has_failed(checks)
    stores = not has_failed and not options.dry_run
    if not options.json:
        print(f"Signed in: user {signed_in.user_object_id} of tenant {signed_in.tenant_id}.")
        print(findings_text([Check.of(finding) for finding in checks]))
        stores = stores and agreed(options, f"Store this sign-in in {_place(settings)}?")
    if stores:
        store.save(signed_in.refresh_token)
    return _end(options, settings, checks, stored=stores, signed_in=signed_in)


def show_consent(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Tries the stored token and keeps nothing of what it yields."""
    settings = sign_in_settings(environ)
    store = token_store_of(settings)
    first = settings.partner_center_refresh_token
    age = refresh_token_finding(store.age_s(), first is not None)
    token = store.load() or (first.get_secret_value() if first else None)
    checks = [age, *(_look(settings, TokenInHand(token)) if token else ())]
    if not options.json:
        print(findings_text([Check.of(finding) for finding in checks]))
    return _end(options, settings, checks, stored=False)


def renew_consent(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """The new token is stored once Entra has given it; the old one is good until then."""
    must_be_answerable(options)
    settings = sign_in_settings(environ)
    store = token_store_of(settings)
    stored = store.load()
    if stored is None:
        raise ConnectorError(
            "There is no stored sign-in to renew",
            code="refresh_token_missing",
            remedy="Sign in first: python -m cosell consent sign-in",
        )
    hand = TokenInHand(stored)
    partner_center_tokens(settings, hand).authorizer(REFERRALS_SCOPE)(True)
    renewed = hand.load() or stored
    writes = not options.dry_run and agreed(options, f"Store the renewed sign-in in {_place(settings)}?")
    if writes:
        store.save(renewed)
    if not options.json:
        print("Entra ID renewed the sign-in.")
    return _end(options, settings, (), stored=writes)


def _sign_in(options: argparse.Namespace, settings: Settings) -> SignIn:
    application = Application(
        settings.partner_center_tenant_id,
        settings.partner_center_client_id,
        settings.partner_center_client_secret.get_secret_value(),
        settings.azure_authority_host,
    )
    if options.device_code:
        return sign_in_with_device_code(application, _tell)

    def open_page(address: str) -> None:
        _tell(f"Sign in to Partner Center here:\n{address}")
        if not options.no_browser:
            webbrowser.open(address)

    return sign_in_with_browser(application, open_page, port=options.port)


def _tell(text: str) -> None:
    """Aside from the answer, which may be JSON for a program."""
    print(text, file=sys.stderr, flush=True)


def _look(settings: Settings, store: RefreshTokenStore) -> Sequence[Finding]:
    """Whether both of Partner Center's services take tokens of this sign-in, and its person may read referrals."""
    tokens = partner_center_tokens(settings.model_copy(update={"partner_center_refresh_token": None}), store)
    referrals, registration = partner_center_clients(settings, tokens)
    refused: ConnectorError | None = None
    try:
        next(referrals.updated_since(utc_now()), None)
    except ConnectorError as error:
        refused = error
    findings = [*referrals_findings(refused)]
    if findings[0].condition is Condition.OK or refused is None or refused.status == 401:
        findings.insert(0, _second_factor(tokens))
    try:
        registration.get()
        findings.append(webhooks_sign_in_finding(None))
    except ConnectorError as error:
        findings.append(webhooks_sign_in_finding(error))
    return findings


def _second_factor(tokens: PartnerCenterTokens) -> Finding:
    match has_second_factor(tokens.authorizer(REFERRALS_SCOPE)(False)):
        case True:
            return Finding(SECOND_FACTOR, Condition.OK, "It was given at the sign-in.")
        case False:
            return Finding(
                SECOND_FACTOR,
                Condition.FAILED,
                "The sign-in was without one, and Partner Center refuses such calls.",
                "Turn on multifactor authentication for this person in Entra ID, and sign in again.",
            )
        case None:
            return Finding(SECOND_FACTOR, Condition.UNKNOWN, "The token does not show whether there was one.")


def _has_failed(checks: Sequence[Finding]) -> bool:
    return any(finding.condition is Condition.FAILED for finding in checks)


def _place(settings: Settings) -> str:
    return f"Key Vault {settings.key_vault_url}" if settings.key_vault_url else "the file PARTNER_CENTER_TOKEN_FILE"


def _end(
    options: argparse.Namespace,
    settings: Settings,
    checks: Sequence[Finding],
    *,
    stored: bool,
    signed_in: SignIn | None = None,
) -> int:
    place = _place(settings)
    if options.json:
        who = {"user_object_id": signed_in.user_object_id, "tenant_id": signed_in.tenant_id} if signed_in else None
        rows = [
            {"name": one.name, "state": one.condition.value, "what": one.what, "remedy": one.remedy} for one in checks
        ]
        print(json.dumps({"stored": stored, "store": place, "signed_in": who, "checks": rows}, indent=2))
    elif stored:
        print(f"Stored in {place}. The app takes it up by itself, within minutes of its next refusal.")
    elif "dry_run" in options:
        print("Nothing was stored.")
    return 1 if _has_failed(checks) or not (stored or getattr(options, "dry_run", True)) else 0
