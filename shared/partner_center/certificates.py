"""Fetches the certificates that webhooks are signed with, and verifies webhooks with them.

The address of the certificate comes from the sender, so it is followed only to the hosts and the folder that
Microsoft is known to use, and no redirect leads on from there.
https://learn.microsoft.com/partner-center/developer/partner-center-webhooks
"""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from shared.domain.errors import ConfigurationError, ConnectorError, Forged, RetryLater
from shared.partner_center.download import download
from shared.partner_center.issuers import IssuerSource
from shared.partner_center.signature import parse_signature_headers, verify

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

# Storage account in the sample requests of Microsoft's page; Microsoft publishes no list.
CERTIFICATE_HOSTS = ("3psostorageacct.blob.core.windows.net",)
CERTIFICATE_PATH = r"/cert/[A-Za-z0-9._-]{1,200}\.(?:cer|pem)"

_CHAIN_LIMIT = 10
_TIME_LIMIT_S = 10.0
_KEPT_FOR = timedelta(hours=24)
_REFUSAL_KEPT_FOR = timedelta(seconds=60)
_OUTAGE_KEPT_FOR = timedelta(seconds=5)
_CACHE_LIMIT = 32


_MAYBE_ROTATED = ("signature_wrong", "certificate_untrusted")
"""Refusals that a certificate which has changed at its address would explain."""


@dataclass(frozen=True)
class _Kept:
    since: datetime
    until: datetime
    chain: tuple[Certificate, ...] = ()
    error: ConnectorError | None = None


class CertificateSource:
    """Certificates by address, each fetched once and kept until it expires, for a day at most. Thread-safe.

    ``allowed_hosts`` holds ``host`` (port 443 only) or ``host:port``. ``issuers`` adds those that a certificate came
    without; they are kept with it, and the time limit is for all of them together. Refusals are kept for a minute and
    outages for five seconds, so that a flood of webhooks is no flood of requests to the hosts of certificates.
    """

    def __init__(
        self,
        allowed_hosts: Collection[str] = CERTIFICATE_HOSTS,
        path_pattern: str = CERTIFICATE_PATH,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        time_limit_s: float = _TIME_LIMIT_S,
        issuers: IssuerSource | None = None,
    ) -> None:
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._path = re.compile(path_pattern, re.ASCII)
        self._clock = clock
        self._time_limit_s = time_limit_s
        self._issuers = issuers
        self._lock = threading.Lock()
        self._good: OrderedDict[str, _Kept] = OrderedDict()
        # Apart from the good ones: invented addresses must not push those out.
        self._bad: OrderedDict[str, _Kept] = OrderedDict()

    def get(self, url: str) -> tuple[Certificate, ...]:
        """The signer's certificate, then those that came with it or were fetched. Nothing about them is verified.

        Raises ``Forged`` for an address that is not allowed, or does not lead to a certificate or its issuers;
        ``RetryLater`` if a host cannot be reached.
        """
        self._check(url)
        now = self._clock()
        with self._lock:
            kept = self._good.get(url) or self._bad.get(url)
        if kept is None or kept.until <= now:
            kept = self._fetched(url, now)
            self._keep(url, kept)
        if kept.error is not None:
            # A fresh one each time: a raised exception collects the traceback of whoever raised it.
            raise _again(kept.error)
        return kept.chain

    def newer(self, url: str) -> tuple[Certificate, ...] | None:
        """What is at the address of a kept certificate now; ``None`` if that was looked at within the last minute, or
        is no certificate: what was kept then stays."""
        now = self._clock()
        with self._lock:
            kept = self._good.get(url)
            if kept is None or kept.since + _REFUSAL_KEPT_FOR > now:
                return None
            # Whatever comes of it, forged webhooks make it look no sooner again.
            self._good[url] = replace(kept, since=now)
        fetched = self._fetched(url, now)
        if fetched.error is not None:
            return None
        self._keep(url, fetched)
        return fetched.chain

    def _check(self, url: str) -> None:
        match = re.fullmatch(r"https://([A-Za-z0-9.-]+(?::[0-9]{1,5})?)(/.*)", url, re.ASCII)
        if not match or match[1].lower() not in self._allowed_hosts or not self._path.fullmatch(match[2]):
            raise Forged(
                "The webhook names a certificate at an address that is not allowed", code="certificate_address"
            )

    def _fetched(self, url: str, now: datetime) -> _Kept:
        deadline = time.monotonic() + self._time_limit_s
        try:
            chain = parse_certificates(download(url, "the webhook's certificate", deadline))
            if self._issuers is not None:
                chain = self._issuers.complete(chain, deadline)
            until = min(now + _KEPT_FOR, *(certificate.not_valid_after_utc for certificate in chain))
        except Forged as refused:
            return _Kept(now, now + _REFUSAL_KEPT_FOR, error=refused)
        except RetryLater as outage:
            return _Kept(now, now + _OUTAGE_KEPT_FOR, error=outage)
        # An expired certificate may have been renewed at the same address: it is asked for again, but not each time.
        return _Kept(now, max(until, now + _REFUSAL_KEPT_FOR), chain)

    def _keep(self, url: str, kept: _Kept) -> None:
        with self._lock:
            self._good.pop(url, None)
            self._bad.pop(url, None)
            cache = self._good if kept.error is None else self._bad
            cache[url] = kept
            while len(cache) > _CACHE_LIMIT:
                cache.popitem(last=False)


def _again(error: ConnectorError) -> ConnectorError:
    if isinstance(error, Forged):
        return Forged(error.message, code=error.code, http_status=error.http_status)
    return RetryLater(error.message, code=error.code, remedy=error.remedy, service=error.service)


def parse_certificates(content: bytes) -> tuple[Certificate, ...]:
    """One DER certificate, or PEM: the signer's first, then its issuers. Raises ``Forged`` for anything else."""
    from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificates

    try:
        pem = b"-----BEGIN" in content
        chain = tuple(load_pem_x509_certificates(content) if pem else [load_der_x509_certificate(content)])
    except Exception as problem:
        raise Forged("The webhook names a file that is no certificate", code="certificate_malformed") from problem
    if not 1 <= len(chain) <= _CHAIN_LIMIT:
        raise Forged("The webhook names a file with too many certificates", code="certificate_malformed")
    return chain


def trusted_roots(path: Path | None = None) -> tuple[Certificate, ...]:
    """The certificates in the PEM file ``path``; without one, the public roots that ``requests`` trusts.

    An issuer may be listed like a root: it is then trusted without its own issuer. Raises ``ConfigurationError`` for
    a file without a readable certificate.
    """
    from cryptography.utils import CryptographyDeprecationWarning
    from cryptography.x509 import load_pem_x509_certificates

    if path is None:
        import certifi

        path = Path(certifi.where())
    try:
        with warnings.catch_warnings():
            # Some public roots have serial numbers that today's rules forbid.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return tuple(load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as problem:
        raise ConfigurationError(
            f"The trusted roots for webhook certificates cannot be read ({type(problem).__name__})",
            code="trusted_roots",
            remedy="PARTNER_CENTER_TRUSTED_ROOTS must name a PEM file with at least one certificate.",
        ) from problem


class WebhookVerifier:
    """Tells Microsoft's webhooks from all others; safe to share between threads."""

    def __init__(
        self,
        source: CertificateSource,
        roots: Sequence[Certificate],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source = source
        self._roots = tuple(roots)
        self._clock = clock

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Returns if Microsoft signed ``body``, byte for byte as it arrived.

        Raises ``Forged`` if not, and ``RetryLater`` if its certificate cannot be fetched now: answer 503, and
        Partner Center sends the event again.
        """
        signature = parse_signature_headers(headers)
        chain = self._source.get(signature.certificate_url)
        try:
            verify(body, signature.signature, chain, self._roots, self._clock())
        except Forged as refused:
            rotated = self._source.newer(signature.certificate_url) if refused.code in _MAYBE_ROTATED else None
            if rotated is None or rotated == chain:
                raise
            verify(body, signature.signature, rotated, self._roots, self._clock())
