"""Proves that a webhook body was signed by Microsoft. Pure: certificates, roots and the time are given.

https://learn.microsoft.com/partner-center/developer/partner-center-webhooks (read 2023 and 2025). Only the raw body is
signed: no header, no address, no time, so a replay verifies too, and must do no harm.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from shared.domain.errors import Forged

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Name
    from cryptography.x509.verification import ExtensionPolicy

MICROSOFT_ORGANISATION = "Microsoft Corporation"
_SIGNATURE_LIMIT_CHARACTERS = 2048
_KEY_LIMITS_BITS = (2048, 8192)
_CHAIN_DEPTH = 5


@dataclass(frozen=True)
class SignatureHeaders:
    """``certificate_url`` is what the sender claims: not yet checked against anything."""

    certificate_url: str
    signature: bytes = field(repr=False)


def parse_signature_headers(headers: Mapping[str, str]) -> SignatureHeaders:
    """The signature and the address of its certificate, read without regard to the case of header names.

    Raises ``Forged``: with 400 where the certificate's address or the algorithm is missing, with 401 otherwise.
    """
    by_name = {str(name).lower(): str(value).strip() for name, value in headers.items()}
    # As Microsoft's sample: the Authorization header counts where there is one, x-ms-signature only without it.
    if "authorization" in by_name:
        token = _after_scheme(by_name["authorization"], bare=False)
    elif "x-ms-signature" in by_name:
        token = _after_scheme(by_name["x-ms-signature"], bare=True)
    else:
        raise Forged("The webhook has no signature", code="signature_missing")
    url = by_name.get("x-ms-certificate-url", "")
    algorithm = by_name.get("x-ms-signature-algorithm", "")
    if not url or not algorithm:
        raise Forged(
            "The webhook does not name its certificate or algorithm", code="signature_missing", http_status=400
        )
    if algorithm.lower() != "rsa-sha256":
        raise Forged("The webhook is signed with an algorithm other than rsa-sha256", code="signature_algorithm")
    return SignatureHeaders(url, _decoded(token))


def _after_scheme(value: str, *, bare: bool) -> str:
    """The base64 text of ``Signature <base64>``, or of the base64 alone where ``bare`` is allowed."""
    words = value.split()
    if len(words) == 2 and words[0].lower() == "signature":
        return words[1]
    if bare and len(words) == 1:
        return words[0]
    raise Forged("The webhook's signature is not of the scheme Signature", code="signature_scheme")


def _decoded(token: str) -> bytes:
    if len(token) > _SIGNATURE_LIMIT_CHARACTERS or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", token):
        raise Forged("The webhook's signature is not base64", code="signature_malformed")
    try:
        return base64.b64decode(token, validate=True)
    except ValueError:
        raise Forged("The webhook's signature is not base64", code="signature_malformed") from None


def verify(
    body: bytes,
    signature: bytes,
    certificate_chain: Sequence[Certificate],
    roots: Sequence[Certificate],
    now: datetime,
    organisation: str = MICROSOFT_ORGANISATION,
) -> None:
    """Returns if ``signature`` over ``body`` is by the first certificate of the chain, which ``roots`` vouch for.

    It and its issuers must be valid at ``now`` (aware), it must be no CA, and name ``organisation`` in subject and
    issuer: Microsoft's page asks for the former in words and for the latter in its sample, and a public root alone
    proves neither. Whether it was revoked is not asked: that would take a call to a third party for each event.
    Raises ``Forged`` in every other case, whatever the bytes.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        if not certificate_chain:
            raise Forged("The webhook's certificate is missing", code="certificate_malformed")
        signer = certificate_chain[0]
        _check_chain(signer, certificate_chain[1:], roots, now)
        if not (_is_of(signer.subject, organisation) and _is_of(signer.issuer, organisation)):
            raise Forged(f"The webhook's certificate is not {organisation}'s", code="certificate_organisation")
        key = signer.public_key()
        shortest, longest = _KEY_LIMITS_BITS
        if not isinstance(key, RSAPublicKey) or not shortest <= key.key_size <= longest:
            raise Forged("The webhook's certificate has no RSA key of a safe size", code="certificate_key")
        key.verify(signature, body, PKCS1v15(), SHA256())
    except Forged:
        raise
    except InvalidSignature:
        raise Forged("The webhook's signature does not fit its body", code="signature_wrong") from None
    except Exception as problem:
        # cryptography parses parts of a certificate only when asked for them, and each can be malformed in its own way.
        raise Forged(
            f"The webhook's certificate cannot be read ({type(problem).__name__})", code="certificate_malformed"
        ) from problem


def _check_chain(
    signer: Certificate, intermediates: Sequence[Certificate], roots: Sequence[Certificate], now: datetime
) -> None:
    from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

    if not roots:
        raise Forged("No root certificate is trusted", code="certificate_untrusted")
    verifier = (
        PolicyBuilder()
        .store(Store(list(roots)))
        .time(now)
        .max_chain_depth(_CHAIN_DEPTH)
        .extension_policies(
            ca_policy=_any_purpose(ExtensionPolicy.webpki_defaults_ca()),
            ee_policy=_signer_policy(ExtensionPolicy.webpki_defaults_ee()),
        )
        .build_client_verifier()
    )
    try:
        verifier.verify(signer, list(intermediates))
    except VerificationError as problem:
        raise Forged(
            "The webhook's certificate is expired, or no trusted root vouches for it", code="certificate_untrusted"
        ) from problem


def _any_purpose(policy: ExtensionPolicy) -> ExtensionPolicy:
    """Microsoft documents no purpose for this certificate, and its issuers are about to drop client authentication."""
    from cryptography.x509 import ExtendedKeyUsage
    from cryptography.x509.verification import Criticality

    return policy.may_be_present(ExtendedKeyUsage, Criticality.AGNOSTIC, None)


def _signer_policy(policy: ExtensionPolicy) -> ExtensionPolicy:
    from cryptography.x509 import BasicConstraints, SubjectAlternativeName
    from cryptography.x509.verification import Criticality

    # The certificate signs bodies and serves no host, so what its alternative names are does not matter.
    return (
        _any_purpose(policy)
        .may_be_present(SubjectAlternativeName, Criticality.AGNOSTIC, None)
        .may_be_present(BasicConstraints, Criticality.AGNOSTIC, _refuse_authority)
    )


def _refuse_authority(_policy: object, _certificate: object, constraints: object) -> None:
    if getattr(constraints, "ca", False):
        raise ValueError("a certificate authority does not sign webhooks")


def _is_of(name: Name, organisation: str) -> bool:
    from cryptography.x509.oid import NameOID

    return [part.value for part in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [organisation]
