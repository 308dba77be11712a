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
EC_KEY = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
"""Made in no time; Microsoft's issuers have RSA keys."""


def access(*addresses: str) -> str:
    """The extension that says where the issuer's certificate is."""
    return "authorityInfoAccess=" + ",".join(f"caIssuers;URI:{address}" for address in addresses) + "\n"


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

    def pkcs7(self, form: str) -> bytes:
        """The certificate alone in PKCS #7, ``DER`` or ``PEM``: the .p7c files of RFC 5280."""
        return openssl("crl2pkcs7", "-nocrl", "-certfile", str(self.certificate), "-outform", form)

    def sign(self, body: bytes) -> bytes:
        return openssl("dgst", "-sha256", "-sign", str(self.key), stdin=body)


class Authority:
    """Issues certificates into ``folder``; each call needs a name of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def root(self, name: str, subject: str = MICROSOFT) -> Issued:
        return self._issue(name, f"{subject}/CN={name}", _ROOT, None)

    def intermediate(
        self, name: str, by: Issued, subject: str = MICROSOFT, *, addresses: tuple[str, ...] = (), common_name: str = ""
    ) -> Issued:
        extensions = _ISSUER + (access(*addresses) if addresses else "")
        return self._issue(name, f"{subject}/CN={common_name or name}", extensions, by)

    def cross_sign(self, name: str, other: Issued, by: Issued, *addresses: str) -> Issued:
        """Another certificate for the name and key of ``other``, issued by ``by``."""
        request = self._folder / f"{name}.csr"
        openssl(
            *("x509", "-x509toreq", "-in", str(other.certificate), "-signkey", str(other.key), "-out", str(request))
        )
        return self._sign(Issued(self._folder / f"{name}.pem", other.key), request, _ISSUER + access(*addresses), by)

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
        request = self._folder / f"{name}.csr"
        openssl(
            "req", "-new", "-newkey", *key, "-nodes", "-keyout", str(issued.key), "-out", str(request), "-subj", subject
        )
        return self._sign(issued, request, extensions, by, valid)

    def _sign(
        self, issued: Issued, request: Path, extensions: str, by: Issued | None, valid: tuple[int, int] = (-1, 30)
    ) -> Issued:
        name, wanted = issued.certificate.stem, issued.certificate.with_suffix(".ext")
        wanted.write_text(extensions)
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
