"""The refresh token is revoked, and a person stores a new one hours later: real token endpoint, injected time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.certificates import Certificates, make_certificates
from sandbox.entra import EntraSimulator
from sandbox.serving import Server
from shared.partner_center.auth import REFERRALS_SCOPE, PartnerCenterTokens
from shared.partner_center.tokens import FileTokenStore
from shared.state.runs import RunStatus
from tests.reliability.company import ACCEPTED, Company
from tests.reliability.injected_time import Clock

CLIENT, SECRET = "5b0c6a5e-30c0-4c55-8f3d-6f6b9a0d3c11", "a secret of the sandbox"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class SignedIn:
    """A company whose Partner Center tokens come from the simulated tenant, with the refresh token in a file."""

    def __init__(self, entra: EntraSimulator, url: str, file: Path) -> None:
        self.entra = entra
        self.store = FileTokenStore(file)
        self.store.save(entra.add_refresh_token(CLIENT))
        clock = Clock()
        self.tokens = PartnerCenterTokens(
            entra.tenant_id,
            CLIENT,
            SECRET,
            self.store,
            authority_host=url,
            clock=lambda: clock.now.timestamp(),
        )
        self.company = Company(clock=clock, token=self.tokens.authorizer(REFERRALS_SCOPE))


@pytest.fixture
def signed_in(certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignedIn]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.root_file))
    entra = EntraSimulator({CLIENT: SECRET})
    with Server(entra.build, tls=certificates.server_context()) as server:
        made = SignedIn(entra, server.url, tmp_path / "token")
        yield made
        made.tokens.close()


def test_deals_wait_for_a_new_sign_in_and_follow_by_themselves(signed_in: SignedIn) -> None:
    company = signed_in.company
    referral_id = company.incoming(**ACCEPTED)
    company.host.run_for(minutes=6)
    ((_, record_id),) = company.deals()
    signed_in.entra.revoke_refresh_token()
    company.host.run_for(minutes=60)  # the last access token has ended by now
    company.edit_referral(referral_id, details__notes="While nobody was signed in.")
    company.world.crm.edit(record_id, {"estimatedvalue": Decimal(4711)})
    asked_before = len(signed_in.entra.control.calls)
    company.host.run_for(hours=5)
    run = company.runs_of(referral_id)[0]
    assert run.status is RunStatus.RETRYING
    assert "Entra ID refused a Partner Center token: invalid_grant" in run.message
    assert "Sign in to Partner Center again" in run.message
    assert company.queues.poisoned == {}
    tries = sum(at > company.clock.now - timedelta(hours=5) for at, _ in company.host.attempts)
    assert tries <= 2 * 5 * 12 + 2, "each message asks every five minutes"
    assert len(signed_in.entra.control.calls) - asked_before <= tries + 5 * (12 + 12)
    signed_in.store.save(signed_in.entra.add_refresh_token(CLIENT))
    company.host.run_for(minutes=12)
    company.assert_in_step()
    assert company.queues.waiting() == []
    assert company.world.partner_center.peek(referral_id)["details"]["dealValue"] == 4711
