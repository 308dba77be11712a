"""A certificate authority for the sandbox: TLS for the simulators, and the certificate webhooks are signed with."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """What one sandbox trusts and serves with. All files are PEM, in ``folder``."""

    folder: Path

    @property
    def root_file(self) -> Path:
        """The root that clients of the simulators must trust (``REQUESTS_CA_BUNDLE``)."""
        return self.folder / "root.pem"

    @property
    def signing_root_file(self) -> Path:
        """The root that the webhook signing certificate chains to (``PARTNER_CENTER_TRUSTED_ROOTS``)."""
        return self.folder / "signing-root.pem"

    @property
    def signing_certificate_file(self) -> Path:
        return self.folder / "signing.pem"

    @property
    def signing_key_file(self) -> Path:
        return self.folder / "signing-key.pem"

    def server_context(self) -> ssl.SSLContext:
        """TLS for a server on localhost, 127.0.0.1 and ::1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server-key.pem")
        return context


def make_certificates(folder: Path) -> Certificates:
    """Everything in ``folder``, made anew unless it is all there already."""
    certificates = Certificates(folder)
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        tls = trustme.CA(organization_name="Co-sell sandbox")
        tls.cert_pem.write_to_path(str(certificates.root_file))
        server = tls.issue_cert("localhost", "127.0.0.1", "::1")
        _write_chain(server, folder / "server.pem", folder / "server-key.pem")
        # Microsoft's rule for the webhook certificate: O=Microsoft Corporation in subject and issuer.
        signer = trustme.CA(organization_name="Microsoft Corporation")
        signer.cert_pem.write_to_path(str(certificates.signing_root_file))
        leaf = signer.issue_cert(
            "pcnotifications-dispatch.microsoft.com",
            organization_name="Microsoft Corporation",
            key_type=trustme.KeyType.RSA,
        )
        _write_chain(leaf, certificates.signing_certificate_file, certificates.signing_key_file)
        (folder / "complete").touch()
    return certificates


def _write_chain(leaf: trustme.LeafCert, chain_file: Path, key_file: Path) -> None:
    chain_file.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    key_file.write_bytes(leaf.private_key_pem.bytes())
    key_file.chmod(0o600)
