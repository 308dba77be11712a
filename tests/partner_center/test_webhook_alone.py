"""Webhooks as Microsoft serves them: the signer's certificate alone, its issuers at addresses that it names."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509 import load_pem_x509_certificate

from shared.domain.errors import Forged, RetryLater
from shared.partner_center.certificates import CertificateSource, WebhookVerifier, parse_certificates
from shared.partner_center.issuers import IssuerSource
from tests.partner_center.conftest import CertificateHost, Served, Signers
from tests.partner_center.openssl import EC_KEY, LEAF, Issued, access

BODY = b'{"EventName":"referral-updated"}'


def webhook(signer: Issued, url: str) -> dict[str, str]:
    return {
        "authorization": f"Signature {base64.b64encode(signer.sign(BODY)).decode()}",
        "x-ms-certificate-url": url,
        "x-ms-signature-algorithm": "rsa-sha256",
    }


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def verifier(served: Served, certificate_host: CertificateHost, signers: Signers, clock: Clock) -> WebhookVerifier:
    """Everything that stands between a webhook and the queue; the signer's certificate is served alone, in DER."""
    certificate_host.files = {"/cert/served.cer": served.leaf.der}
    roots = parse_certificates(signers.root.pem)
    source = CertificateSource([certificate_host.name], clock=clock, issuers=IssuerSource(roots, [served.listed]))
    return WebhookVerifier(source, roots, clock)


def test_webhook_whose_certificate_came_alone(
    verifier: WebhookVerifier, certificate_host: CertificateHost, served: Served
) -> None:
    headers = webhook(served.leaf, f"{certificate_host.url}/cert/served.cer")
    verifier.verify(headers, BODY)
    verifier.verify(headers, BODY)
    # The root's own address is not asked for: it is trusted, or it is not, as it stands here.
    assert served.host.asked == ["/aia/issuing.crt", "/aia/middle.crt"]
    assert certificate_host.asked == ["/cert/served.cer"]
    with pytest.raises(Forged, match="does not fit its body"):
        verifier.verify(headers, BODY + b" ")


def test_webhook_while_the_host_of_an_issuer_is_down(
    verifier: WebhookVerifier, certificate_host: CertificateHost, served: Served, clock: Clock
) -> None:
    served.host.statuses = [503]
    headers = webhook(served.leaf, f"{certificate_host.url}/cert/served.cer")
    for _ in range(3):
        with pytest.raises(RetryLater, match="an issuer of the webhook's certificate answered 503"):
            verifier.verify(headers, BODY)
    assert served.host.asked == ["/aia/issuing.crt"]
    clock.now += timedelta(seconds=6)
    verifier.verify(headers, BODY)


def test_refused_issuers_are_kept_for_a_minute(
    verifier: WebhookVerifier, certificate_host: CertificateHost, served: Served, clock: Clock
) -> None:
    served.host.statuses = [404]
    headers = webhook(served.leaf, f"{certificate_host.url}/cert/served.cer")
    for _ in range(3):
        with pytest.raises(Forged):
            verifier.verify(headers, BODY)
    assert served.host.asked == ["/aia/issuing.crt"]
    clock.now += timedelta(seconds=61)
    verifier.verify(headers, BODY)


def test_one_time_limit_for_all(served: Served, certificate_host: CertificateHost, signers: Signers) -> None:
    address = f"{served.host.url}/cert/trickle.cer"
    signer = signers.authority.leaf("slow", signers.intermediate, key=EC_KEY, extensions=LEAF + access(address))
    certificate_host.files["/cert/slow.cer"] = signer.der
    issuers = IssuerSource(parse_certificates(signers.root.pem), [served.listed])
    source = CertificateSource([certificate_host.name], issuers=issuers, time_limit_s=0.5)
    began_s = time.monotonic()
    with pytest.raises(RetryLater, match="in time"):
        source.get(f"{certificate_host.url}/cert/slow.cer")
    assert time.monotonic() - began_s < 10


def test_issuer_that_expires_is_fetched_anew(
    served: Served, certificate_host: CertificateHost, signers: Signers, clock: Clock
) -> None:
    """Not only once the signer's own certificate expires."""
    address = f"{served.host.url}/aia/middle.crt"
    signer = signers.authority.leaf("outlives", served.middle, valid=(-1, 90), extensions=LEAF + access(address))
    certificate_host.files["/cert/outlives.cer"] = signer.der
    issuers = IssuerSource(parse_certificates(signers.root.pem), [served.listed])
    source = CertificateSource([certificate_host.name], clock=clock, issuers=issuers)
    clock.now = load_pem_x509_certificate(served.middle.pem).not_valid_after_utc - timedelta(hours=1)
    for _ in range(2):
        source.get(f"{certificate_host.url}/cert/outlives.cer")
    assert served.host.asked == ["/aia/middle.crt"]
    clock.now += timedelta(hours=1, seconds=1)
    source.get(f"{certificate_host.url}/cert/outlives.cer")
    assert served.host.asked == ["/aia/middle.crt"] * 2


def test_webhook_with_an_attackers_own_authority(
    verifier: WebhookVerifier, certificate_host: CertificateHost, served: Served, signers: Signers
) -> None:
    """Even one that answers for the listed host, over plain http, wins nothing: no trusted root vouches for it."""
    url, authority = served.host.url, signers.authority
    root = authority.root("forger-root")
    issuer = authority.intermediate("forger", root, addresses=(f"{url}/aia/forger-root.crt",))
    signer = authority.leaf("forged", issuer, extensions=LEAF + access(f"{url}/aia/forger.crt"))
    served.host.files |= {"/aia/forger.crt": issuer.der, "/aia/forger-root.crt": root.der}
    certificate_host.files["/cert/forged.cer"] = signer.der
    with pytest.raises(Forged) as caught:
        verifier.verify(webhook(signer, f"{certificate_host.url}/cert/forged.cer"), BODY)
    assert caught.value.code == "certificate_untrusted"
    assert served.host.asked == ["/aia/forger.crt", "/aia/forger-root.crt"]
