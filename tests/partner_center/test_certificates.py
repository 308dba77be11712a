"""Fetching signing certificates from hosts that may be slow, down or not allowed, and the whole check of a webhook."""

from __future__ import annotations

import base64
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.errors import ConfigurationError, ConnectorError, Forged, RetryLater
from shared.partner_center.certificates import (
    CERTIFICATE_HOSTS,
    CertificateSource,
    WebhookVerifier,
    parse_certificates,
    trusted_roots,
)
from tests.partner_center.conftest import CertificateHost, Signers

BODY = b'{"EventName":"referral-updated"}'


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(certificate_host: CertificateHost, clock: Clock) -> CertificateSource:
    return CertificateSource([certificate_host.name], clock=clock)


def refused(source: CertificateSource, url: str) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        source.get(url)
    return caught.value


@pytest.mark.parametrize("name", ["leaf.pem", "leaf.cer"])
def test_fetches_pem_and_der(
    source: CertificateSource, certificate_host: CertificateHost, signers: Signers, name: str
) -> None:
    chain = source.get(f"{certificate_host.url}/cert/{name}")
    assert chain[0] == load_pem_x509_certificate(signers.leaf.pem)
    assert len(chain) == (2 if name == "leaf.pem" else 1)


def test_fetches_once_a_day(source: CertificateSource, certificate_host: CertificateHost, clock: Clock) -> None:
    url = f"{certificate_host.url}/cert/leaf.pem"
    source.get(url)
    clock.advance(24 * 3600 - 1)
    source.get(url)
    assert len(certificate_host.asked) == 1
    clock.advance(2)
    source.get(url)
    assert len(certificate_host.asked) == 2


def test_fetches_anew_once_expired(
    source: CertificateSource, certificate_host: CertificateHost, signers: Signers, clock: Clock
) -> None:
    certificate_host.files["/cert/brief.pem"] = signers.leaf.pem
    url = f"{certificate_host.url}/cert/brief.pem"
    expires = load_pem_x509_certificate(signers.leaf.pem).not_valid_after_utc
    clock.now = expires - timedelta(hours=1)
    source.get(url)
    clock.advance(3600 + 1)
    source.get(url)
    assert len(certificate_host.asked) == 2
    source.get(url)
    assert len(certificate_host.asked) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 403, 404, 410])
def test_refusals_are_kept_for_a_minute(
    source: CertificateSource, certificate_host: CertificateHost, clock: Clock, status: int
) -> None:
    certificate_host.statuses = [status]
    url = f"{certificate_host.url}/cert/leaf.pem"
    assert isinstance(refused(source, url), Forged)
    clock.advance(59)
    assert isinstance(refused(source, url), Forged)
    assert len(certificate_host.asked) == 1
    clock.advance(2)
    source.get(url)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_outages_are_retried_soon(
    source: CertificateSource, certificate_host: CertificateHost, clock: Clock, status: int
) -> None:
    certificate_host.statuses = [status]
    url = f"{certificate_host.url}/cert/leaf.pem"
    assert isinstance(refused(source, url), RetryLater)
    assert isinstance(refused(source, url), RetryLater)
    assert len(certificate_host.asked) == 1
    clock.advance(6)
    source.get(url)


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_other_files_are_no_certificates(
    source: CertificateSource, certificate_host: CertificateHost, content: bytes
) -> None:
    certificate_host.files["/cert/other.cer"] = content
    assert isinstance(refused(source, f"{certificate_host.url}/cert/other.cer"), Forged)


def test_size_is_limited(source: CertificateSource, certificate_host: CertificateHost) -> None:
    certificate_host.files["/cert/large.cer"] = bytes(1024 * 1024 + 1)
    error = refused(source, f"{certificate_host.url}/cert/large.cer")
    assert "too large" in error.message


def test_number_of_certificates_is_limited(signers: Signers) -> None:
    assert len(parse_certificates(signers.leaf.pem * 10)) == 10
    with pytest.raises(Forged):
        parse_certificates(signers.leaf.pem * 11)


def test_invented_addresses_do_not_push_out_good_ones(
    source: CertificateSource, certificate_host: CertificateHost
) -> None:
    source.get(f"{certificate_host.url}/cert/leaf.pem")
    for number in range(40):
        refused(source, f"{certificate_host.url}/cert/{number}.cer")
    source.get(f"{certificate_host.url}/cert/leaf.pem")
    assert len(certificate_host.asked) == 41
    refused(source, f"{certificate_host.url}/cert/39.cer")
    assert len(certificate_host.asked) == 41


HOST = CERTIFICATE_HOSTS[0]


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}/cert/a.cer",
        f"HTTPS://{HOST}/cert/a.cer",
        f"https://{HOST}:8443/cert/a.cer",
        f"https://{HOST}./cert/a.cer",
        f"https://{HOST}.contoso.com/cert/a.cer",
        f"https://{HOST}@contoso.com/cert/a.cer",
        f"https://contoso.com@{HOST}/cert/a.cer",
        f"https://contoso.com/cert/a.cer?{HOST}/cert/a.cer",
        f"https://contoso.com#{HOST}/cert/a.cer",
        f"https://contoso.com\\@{HOST}/cert/a.cer",
        f"https://{HOST}\\cert/a.cer",
        f"https://sub.{HOST}/cert/a.cer",
        "https://127.0.0.1/cert/a.cer",
        "https://2130706433/cert/a.cer",
        "https://[::1]/cert/a.cer",
        "https://169.254.169.254/cert/a.cer",
        f"https://{HOST}/cert/a.cer?x=1",
        f"https://{HOST}/cert/a.cer#x",
        f"https://{HOST}/cert/a.txt",
        f"https://{HOST}/cert/../a.cer",
        f"https://{HOST}/cert/%2e%2e/a.cer",
        f"https://{HOST}/cert/b/a.cer",
        f"https://{HOST}/other/a.cer",
        f"https://{HOST}//cert/a.cer",
        f"https://{HOST}/cert/a.cer\n",
        f"https://{HOST}/cert/a.cer ",
        f"https://{HOST}/cert/é.cer",
        f"file:///cert/a.cer",  # noqa: F541
        "",
    ],
)
def test_other_addresses_are_never_asked(url: str) -> None:
    error = refused(CertificateSource(time_limit_s=0.01), url)
    assert (type(error), error.code) == (Forged, "certificate_address")


def test_port_belongs_to_the_allowed_host(certificate_host: CertificateHost) -> None:
    error = refused(CertificateSource(["localhost"]), f"{certificate_host.url}/cert/leaf.pem")
    assert error.code == "certificate_address"
    assert certificate_host.asked == []


def test_unreachable_host_is_an_outage() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{unused.getsockname()[1]}"
        assert isinstance(refused(CertificateSource([name]), f"https://{name}/cert/a.cer"), RetryLater)


def test_untrusted_tls_is_an_outage(certificate_host: CertificateHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    source = CertificateSource([certificate_host.name])
    assert isinstance(refused(source, f"{certificate_host.url}/cert/leaf.pem"), RetryLater)
    assert certificate_host.asked == []


def test_silent_host_is_an_outage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        name = f"127.0.0.1:{listener.getsockname()[1]}"
        source = CertificateSource([name], time_limit_s=0.05)
        assert isinstance(refused(source, f"https://{name}/cert/a.cer"), RetryLater)


def test_sandbox_and_public_roots(tmp_path: Path, signers: Signers) -> None:
    assert len(trusted_roots()) > 50
    file = tmp_path / "roots.pem"
    file.write_bytes(signers.root.pem + signers.intermediate.pem)
    assert len(trusted_roots(file)) == 2


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_roots_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "roots.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="PARTNER_CENTER_TRUSTED_ROOTS"):
        trusted_roots(file)


def webhook(signers: Signers, url: str, body: bytes = BODY) -> dict[str, str]:
    return {
        "authorization": f"Signature {base64.b64encode(signers.leaf.sign(body)).decode()}",
        "x-ms-certificate-url": url,
        "x-ms-signature-algorithm": "RSA-SHA256",
    }


@pytest.fixture
def verifier(source: CertificateSource, signers: Signers) -> WebhookVerifier:
    return WebhookVerifier(source, parse_certificates(signers.root.pem))


def test_webhook_of_microsoft(verifier: WebhookVerifier, certificate_host: CertificateHost, signers: Signers) -> None:
    headers = webhook(signers, f"{certificate_host.url}/cert/leaf.pem")
    verifier.verify(headers, BODY)
    with pytest.raises(Forged):
        verifier.verify(headers, BODY + b"\n")
    assert len(certificate_host.asked) == 1


def test_webhook_while_the_certificate_host_is_down(
    verifier: WebhookVerifier, certificate_host: CertificateHost, signers: Signers
) -> None:
    certificate_host.statuses = [503]
    with pytest.raises(RetryLater):
        verifier.verify(webhook(signers, f"{certificate_host.url}/cert/leaf.pem"), BODY)


def test_webhook_that_leads_elsewhere_is_not_followed(verifier: WebhookVerifier, signers: Signers) -> None:
    with pytest.raises(Forged, match="not allowed"):
        verifier.verify(webhook(signers, "https://contoso.test/cert/leaf.pem"), BODY)


@given(
    headers=st.dictionaries(
        st.sampled_from(["Authorization", "x-ms-signature", "X-MS-Certificate-Url", "X-MS-Signature-Algorithm"])
        | st.text(),
        st.text()
        | st.sampled_from(["Signature c2lnbmVk", "c2lnbmVk", "rsa-sha256", f"https://{HOST}x/cert/a.cer", "https://"]),
    ),
    body=st.binary(),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_is_forged(signers: Signers, headers: dict[str, str], body: bytes) -> None:
    verifier = WebhookVerifier(CertificateSource(), parse_certificates(signers.root.pem))
    with pytest.raises(Forged):
        verifier.verify(headers, body)


@given(body=st.binary(), signature=st.binary(min_size=1, max_size=300))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_whatever_is_sent_under_a_real_certificate_is_forged(
    verifier: WebhookVerifier, certificate_host: CertificateHost, body: bytes, signature: bytes
) -> None:
    headers = {
        "Authorization": f"Signature {base64.b64encode(signature).decode()}",
        "X-MS-Certificate-Url": f"{certificate_host.url}/cert/leaf.pem",
        "X-MS-Signature-Algorithm": "rsa-sha256",
    }
    with pytest.raises(Forged):
        verifier.verify(headers, body)


def test_trickling_host_is_cut_off(certificate_host: CertificateHost) -> None:
    """A byte now and then keeps every read short: the whole download has a deadline too."""
    source = CertificateSource([certificate_host.name], time_limit_s=0.2)
    assert "in time" in refused(source, f"{certificate_host.url}/cert/trickle.cer").message
