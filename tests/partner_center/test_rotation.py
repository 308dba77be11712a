"""Microsoft's certificate changes at its own address, a day before anybody here would look again."""

from __future__ import annotations

import base64

import pytest

from shared.domain.errors import Forged
from shared.partner_center.certificates import CertificateSource, WebhookVerifier, parse_certificates
from tests.partner_center.conftest import CertificateHost, Signers
from tests.partner_center.openssl import Issued
from tests.partner_center.test_certificates import Clock

BODY = b'{"EventName":"referral-updated"}'
PATH = "/cert/leaf.pem"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(certificate_host: CertificateHost, signers: Signers, clock: Clock) -> WebhookVerifier:
    source = CertificateSource([certificate_host.name], clock=clock)
    return WebhookVerifier(source, parse_certificates(signers.root.pem), clock)


def webhook(signer: Issued, host: CertificateHost) -> dict[str, str]:
    return {
        "authorization": f"Signature {base64.b64encode(signer.sign(BODY)).decode()}",
        "x-ms-certificate-url": f"{host.url}{PATH}",
        "x-ms-signature-algorithm": "rsa-sha256",
    }


def test_a_rotated_certificate_is_taken_up_with_the_first_webhook_signed_by_it(
    verifier: WebhookVerifier, certificate_host: CertificateHost, signers: Signers, clock: Clock
) -> None:
    verifier.verify(webhook(signers.leaf, certificate_host), BODY)
    renewed = signers.authority.leaf("renewed", signers.intermediate)
    certificate_host.files[PATH] = renewed.pem + signers.intermediate.pem
    clock.advance(61)
    verifier.verify(webhook(renewed, certificate_host), BODY)
    verifier.verify(webhook(renewed, certificate_host), BODY)
    assert len(certificate_host.asked) == 2
    with pytest.raises(Forged, match="does not fit"):
        verifier.verify(webhook(signers.leaf, certificate_host), BODY)


def test_forgeries_make_it_look_once_a_minute_and_push_nothing_out(
    verifier: WebhookVerifier, certificate_host: CertificateHost, signers: Signers, clock: Clock
) -> None:
    verifier.verify(webhook(signers.leaf, certificate_host), BODY)
    stranger = signers.authority.leaf("stranger", signers.intermediate)
    for _ in range(3):
        clock.advance(61)
        for _ in range(5):
            with pytest.raises(Forged, match="does not fit"):
                verifier.verify(webhook(stranger, certificate_host), BODY)
    assert len(certificate_host.asked) == 4
    verifier.verify(webhook(signers.leaf, certificate_host), BODY)


def test_a_host_that_is_away_while_it_is_looked_at_again_changes_nothing(
    verifier: WebhookVerifier, certificate_host: CertificateHost, signers: Signers, clock: Clock
) -> None:
    verifier.verify(webhook(signers.leaf, certificate_host), BODY)
    stranger = signers.authority.leaf("another-stranger", signers.intermediate)
    certificate_host.statuses = [503, 404]
    for _ in range(2):
        clock.advance(61)
        with pytest.raises(Forged, match="does not fit"):
            verifier.verify(webhook(stranger, certificate_host), BODY)
    verifier.verify(webhook(signers.leaf, certificate_host), BODY)
