"""Fetches the issuers that a webhook's certificate came without, as .NET does for Microsoft's own sample.

Microsoft serves the signer's certificate alone. It names the address of its issuer (Authority Information Access,
https://www.rfc-editor.org/rfc/rfc5280#section-4.2.2.1), the issuer that of the next, up to a public root. Nothing has
been verified when these addresses are followed, so it is the list of hosts that keeps the app from being sent
elsewhere; plain http does no harm, since what comes is only a candidate until a trusted root vouches for the chain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from shared.domain.errors import ConnectorError, Forged, RetryLater
from shared.partner_center.download import download

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Name

# https://learn.microsoft.com/azure/security/fundamentals/azure-ca-details (read as of November 2025), under
# "Certificate downloads and revocation lists", without the two that serve no issuer of Microsoft's name: geotrust.com
# and digicert.cn. Microsoft's own are at www.microsoft.com/pkiops/certs and caissuers.microsoft.com/pkiops/certs, over
# http: https://www.microsoft.com/pkiops/docs/repository.htm.
ISSUER_HOSTS = ("www.microsoft.com", "cacerts.digicert.com", "caissuers.microsoft.com")

_ADDRESS = re.compile(
    r"(https?)://([A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?/[A-Za-z0-9._~%()+/-]{1,300}\.(?i:crt|cer|der|pem|p7b|p7c)",
    re.ASCII,
)
_PORTS = {"http": "80", "https": "443"}
_ADDRESS_LIMIT = 4
_LEVEL_LIMIT = 3
_CANDIDATE_LIMIT = 10
_WHAT = "an issuer of the webhook's certificate"


class IssuerSource:
    """Issuers by the addresses in the certificates they issued. Keeps nothing; thread-safe.

    ``allowed_hosts`` holds ``host`` (port 80 with http, 443 with https) or ``host:port``. ``roots`` only say where to
    stop: a root is trusted because the chain is verified against it later, not because it is known here.
    """

    def __init__(
        self,
        roots: Sequence[Certificate],
        allowed_hosts: Collection[str] = ISSUER_HOSTS,
        fetch: Callable[[str, str, float], bytes] = download,
    ) -> None:
        self._roots: dict[Name, list[Certificate]] = {}
        for root in roots:
            self._roots.setdefault(root.subject, []).append(root)
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._fetch = fetch

    def complete(self, chain: Sequence[Certificate], deadline: float) -> tuple[Certificate, ...]:
        """``chain`` and the issuers it lacks below a root, from three addresses up at most, by ``deadline``.

        ``deadline`` is of ``time.monotonic``. What was fetched has issued what is below it by name and key, and is
        not trusted for that. The end may still be no trusted root. Raises ``Forged`` if an issuer's address is not
        allowed or leads to no issuer, and ``RetryLater`` if its host cannot be reached.
        """
        try:
            return self._complete(chain, deadline)
        except ConnectorError:
            raise
        except Exception as problem:
            # cryptography parses names and extensions only when asked for them; each can be malformed in its own way.
            raise Forged(
                f"The webhook's certificate cannot be read ({type(problem).__name__})", code="certificate_malformed"
            ) from problem

    def _complete(self, chain: Sequence[Certificate], deadline: float) -> tuple[Certificate, ...]:
        known, level, levels_fetched = list(chain), list(chain[:1]), 0
        seen = set(level)
        while level and not any(self._has_known_root(certificate) for certificate in level):
            # A root that came along is not trusted: another certificate of the same authority may lead to one that is.
            issuers = _issuers_among([each for each in known if each not in seen and not _is_self_issued(each)], level)
            if not issuers and levels_fetched < _LEVEL_LIMIT:
                levels_fetched += 1
                issuers = self._fetch_issuers(level, deadline)
                known += [issuer for issuer in issuers if issuer not in known]
            # Two authorities may have issued each other: each is climbed from once.
            level = [issuer for issuer in issuers if issuer not in seen]
            seen.update(level)
        return tuple(known)

    def _has_known_root(self, certificate: Certificate) -> bool:
        return any(_is_issuer(root, certificate) for root in self._roots.get(certificate.issuer, ()))

    def _fetch_issuers(self, level: Sequence[Certificate], deadline: float) -> list[Certificate]:
        """Those at the first address that leads to any; none if no certificate names an address."""
        outage: RetryLater | None = None
        refusal: Forged | None = None
        for certificate in level:
            for address in _issuer_addresses(certificate):
                try:
                    return self._issuers_at(address, certificate, deadline)
                except RetryLater as problem:
                    outage = outage or problem
                except Forged as problem:
                    refusal = refusal or problem
        if outage is not None:
            raise outage
        if refusal is not None:
            raise refusal
        return []

    def _issuers_at(self, address: str, certificate: Certificate, deadline: float) -> list[Certificate]:
        self._check(address)
        issuers = _issuers_among(parse_issuers(self._fetch(address, _WHAT, deadline)), [certificate])
        if not issuers:
            raise Forged(f"The address of {_WHAT} leads to one that did not issue it", code="issuer_wrong")
        return issuers

    def _check(self, address: str) -> None:
        match = _ADDRESS.fullmatch(address)
        if not match:
            raise Forged(f"The address of {_WHAT} is not one of a certificate on the web", code="issuer_address")
        scheme, host, port = match[1], match[2].lower(), match[3] or _PORTS[match[1]]
        allowed = {f"{host}:{port}"} | ({host} if port == _PORTS[scheme] else set())
        if allowed.isdisjoint(self._allowed_hosts):
            raise Forged(
                f"The address of {_WHAT} is at {host}:{port}, which PARTNER_CENTER_ISSUER_HOSTS does not list",
                code="issuer_address",
            )


def parse_issuers(content: bytes) -> list[Certificate]:
    """Certificates in DER, PEM or PKCS #7 (certificates only, in either), ten at most, in no order to rely on.

    RFC 5280 section 4.2.2.1 allows DER and PKCS #7. Raises ``Forged`` for anything else.
    """
    from cryptography.hazmat.primitives.serialization.pkcs7 import (
        load_der_pkcs7_certificates,
        load_pem_pkcs7_certificates,
    )
    from cryptography.x509 import load_pem_x509_certificates

    try:
        if b"-----BEGIN PKCS7-----" in content:
            found = load_pem_pkcs7_certificates(content)
        elif b"-----BEGIN" in content:
            found = load_pem_x509_certificates(content)
        else:
            found = _load_der(content) or load_der_pkcs7_certificates(content)
    except Exception as problem:
        raise Forged(f"The file of {_WHAT} is no certificate", code="certificate_malformed") from problem
    if len(found) > _CANDIDATE_LIMIT:
        raise Forged(f"The file of {_WHAT} has too many certificates", code="certificate_malformed")
    return found


def _load_der(content: bytes) -> list[Certificate]:
    from cryptography.x509 import load_der_x509_certificate

    try:
        return [load_der_x509_certificate(content)]
    except ValueError:
        return []


def _issuer_addresses(certificate: Certificate) -> list[str]:
    from cryptography.x509 import AuthorityInformationAccess, ExtensionNotFound, UniformResourceIdentifier
    from cryptography.x509.oid import AuthorityInformationAccessOID

    try:
        access = certificate.extensions.get_extension_for_class(AuthorityInformationAccess).value
    except ExtensionNotFound:
        return []
    return [
        place.access_location.value
        for place in access
        if place.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(place.access_location, UniformResourceIdentifier)
    ][:_ADDRESS_LIMIT]


def _issuers_among(candidates: Sequence[Certificate], level: Sequence[Certificate]) -> list[Certificate]:
    return [candidate for candidate in candidates if any(_is_issuer(candidate, certificate) for certificate in level)]


def _is_self_issued(certificate: Certificate) -> bool:
    return certificate.subject == certificate.issuer


def _is_issuer(candidate: Certificate, certificate: Certificate) -> bool:
    """By name and key; whether ``candidate`` may issue at all is for the verification of the chain."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if candidate.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(candidate)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True
