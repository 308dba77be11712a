"""The signature of a callback, as the receiver finds it in the headers.

https://learn.microsoft.com/partner-center/developer/partner-center-webhooks (authenticate the callback): RSA PKCS#1
v1.5 with SHA-256 over the raw body and nothing else.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import load_pem_x509_certificate

from sandbox.certificates import Certificates

CERTIFICATE_PATH = "/cert/pcnotifications-dispatch.microsoft.com.cer"


class Signer:
    """Signs with the sandbox's own certificate, which has Microsoft's organisation but not Microsoft's root."""

    def __init__(self, certificates: Certificates) -> None:
        key = serialization.load_pem_private_key(certificates.signing_key_file.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("webhooks are signed with an RSA key")
        self._key = key
        certificate = load_pem_x509_certificate(certificates.signing_certificate_file.read_bytes())
        self.certificate_der = certificate.public_bytes(serialization.Encoding.DER)

    def headers(self, body: bytes, certificate_url: str, *, in_ms_signature: bool = False) -> dict[str, str]:
        """What to send beside ``body``; ``in_ms_signature`` is the registration's SignatureTokenToMsSignatureHeader."""
        signature = base64.b64encode(self._key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()
        return {
            "x-ms-signature" if in_ms_signature else "Authorization": f"Signature {signature}",
            "X-MS-Certificate-Url": certificate_url,
            "X-MS-Signature-Algorithm": "rsa-sha256",
        }
