"""Where a certificate, of which nothing is verified yet, may send the app for its issuer."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from shared.domain.errors import Forged
from shared.partner_center.certificates import parse_certificates, trusted_roots
from shared.partner_center.issuers import ISSUER_HOSTS, IssuerSource
from shared.settings import Settings
from tests.partner_center.conftest import Signers
from tests.partner_center.openssl import EC_KEY

MICROSOFTS = [
    "http://www.microsoft.com/pkiops/certs/Microsoft%20TLS%20G2%20RSA%20CA%20OCSP%2002.crt",
    "http://caissuers.microsoft.com/pkiops/certs/Microsoft%20TLS%20RSA%20Root%20G2%20-%20xsign.crt",
    "http://cacerts.digicert.com/DigiCertGlobalRootG2.crt",
    "https://WWW.microsoft.com:443/pki/mscorp/Microsoft%20RSA%20TLS%20CA%2001.crt",
]
OTHERS = [
    "http://www.microsoft.com:8080/a.crt",
    "https://www.microsoft.com:80/a.crt",
    "http://www.microsoft.com./a.crt",
    "http://www.microsoft.com.contoso.test/a.crt",
    "http://contoso.test@www.microsoft.com/a.crt",
    "http://www.microsoft.com@contoso.test/a.crt",
    "http://contoso.test#www.microsoft.com/a.crt",
    "http://contoso.test?www.microsoft.com/a.crt",
    "http://contoso.test\\@www.microsoft.com/a.crt",
    "http://sub.www.microsoft.com/a.crt",
    "http://169.254.169.254/metadata/a.crt",
    "http://2130706433/a.crt",
    "http://[::1]/a.crt",
    "http://www.microsoft.com/a.crt?b=c",
    "http://www.microsoft.com/a.crt#b",
    "http://www.microsoft.com/redirect",
    "http://www.microsoft.com",
    "http:www.microsoft.com/a.crt",
    "//www.microsoft.com/a.crt",
    "ftp://www.microsoft.com/a.crt",
    "file:///a.crt",
    "ldap://www.microsoft.com/a.crt",
]


def addresses_asked(addresses: Sequence[str], signers: Signers, name: str) -> list[str]:
    """Which of these a source with the default hosts would call; nothing leaves this machine."""
    asked: list[str] = []

    def fetch(address: str, _what: str, _deadline: float) -> bytes:
        asked.append(address)
        return b""

    escaped = [address.replace("\\", "\\\\").replace("#", "\\#") for address in addresses]
    places = "".join(f"caIssuers;URI.{number} = {address}\n" for number, address in enumerate(escaped))
    leaf = signers.authority.leaf(
        name, signers.intermediate, key=EC_KEY, extensions=f"authorityInfoAccess=@places\n[places]\n{places}"
    )
    source = IssuerSource(parse_certificates(signers.root.pem), fetch=fetch)
    with pytest.raises(Forged):
        source.complete(parse_certificates(leaf.pem), time.monotonic() + 5)
    return asked


def test_addresses_of_microsofts_issuers(signers: Signers) -> None:
    assert addresses_asked(MICROSOFTS, signers, "microsofts") == MICROSOFTS


@pytest.mark.parametrize("start", range(0, len(OTHERS), 4))
def test_other_addresses_are_never_asked(signers: Signers, start: int) -> None:
    assert addresses_asked(OTHERS[start : start + 4], signers, f"others-{start}") == []


def test_number_of_addresses_is_limited(signers: Signers) -> None:
    assert len(addresses_asked(MICROSOFTS * 2, signers, "eight")) == 4


def test_default_hosts_are_those_of_the_setting() -> None:
    assert Settings.model_fields["partner_center_issuer_hosts"].default == ISSUER_HOSTS


def test_microsofts_roots_are_public_roots() -> None:
    """Under one of these ends every chain of https://learn.microsoft.com/azure/security/fundamentals/azure-ca-details."""
    names = {root.subject.rfc4514_string().split(",")[0] for root in trusted_roots()}
    assert {"CN=Microsoft RSA Root Certificate Authority 2017", "CN=DigiCert Global Root G2"} <= names
