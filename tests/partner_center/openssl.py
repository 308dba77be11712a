"""Certificates and signatures made by the ``openssl`` command: an independent tool, not the code under test."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

MICROSOFT = "/C=US/O=Microsoft Corporation"

_ROOT = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
_ISSUER = f"{_ROOT}authorityKeyIdentifier=keyid\nextendedKeyUsage=serverAuth\n"
LEAF = (
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
    "extendedKeyUsage=serverAuth,clientAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    "subjectAltName=DNS:pcnotifications-dispatch.microsoft.com\n"
)


def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, in PEM files."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> bytes:
        return self.certificate.read_bytes()

    @property
    def der(self) -> bytes:
        return openssl("x509", "-in", str(self.certificate), "-outform", "DER")

    def sign(self, body: bytes) -> bytes:
        return openssl("dgst", "-sha256", "-sign", str(self.key), stdin=body)


class Authority:
    """Issues certificates into ``folder``; each call needs a name of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def root(self, name: str, subject: str = MICROSOFT) -> Issued:
        return self._issue(name, f"{subject}/CN={name}", _ROOT, None)

    def intermediate(self, name: str, by: Issued, subject: str = MICROSOFT) -> Issued:
        return self._issue(name, f"{subject}/CN={name}", _ISSUER, by)

    def leaf(
        self,
        name: str,
        by: Issued | None,
        *,
        subject: str = MICROSOFT,
        valid: tuple[int, int] = (-1, 30),
        key: tuple[str, ...] = ("rsa:2048",),
        extensions: str = LEAF,
    ) -> Issued:
        """``valid`` in days from now, ``by`` ``None`` signs itself."""
        return self._issue(name, f"{subject}/CN={name}", extensions, by, valid, key)

    def _issue(
        self,
        name: str,
        subject: str,
        extensions: str,
        by: Issued | None,
        valid: tuple[int, int] = (-1, 30),
        key: tuple[str, ...] = ("rsa:2048",),
    ) -> Issued:
        issued = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, wanted = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        wanted.write_text(extensions)
        openssl(
            "req", "-new", "-newkey", *key, "-nodes", "-keyout", str(issued.key), "-out", str(request), "-subj", subject
        )
        database = self._folder / f"{name}.db"
        database.touch()
        configuration = self._folder / f"{name}.cnf"
        configuration.write_text(
            f"[ca]\ndefault_ca=one\n[one]\ndatabase={database}\nnew_certs_dir={self._folder}\nrand_serial=yes\n"
            "default_md=sha256\npolicy=any\n[any]\ncountryName=optional\norganizationName=optional\ncommonName=supplied\n"
        )
        signer = ["-selfsign", "-keyfile", str(issued.key)]
        if by is not None:
            signer = ["-cert", str(by.certificate), "-keyfile", str(by.key)]
        start, end = (f"{datetime.now(UTC) + timedelta(days=days):%Y%m%d%H%M%SZ}" for days in valid)
        openssl(
            *("ca", "-batch", "-notext", "-config", str(configuration), *signer, "-extfile", str(wanted)),
            *("-startdate", start, "-enddate", end, "-in", str(request), "-out", str(issued.certificate)),
        )
        return issued
