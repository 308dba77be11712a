"""The signature check, with certificates and signatures made by openssl."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.certificates import Certificates
from shared.domain.errors import Forged
from shared.partner_center.certificates import parse_certificates
from shared.partner_center.signature import parse_signature_headers, verify
from tests.partner_center.conftest import Signers
from tests.partner_center.openssl import LEAF, Issued

BODY = b'{"EventName":"referral-created"}'
GOOD = {
    "Authorization": "Signature c2lnbmVk",
    "X-MS-Certificate-Url": "https://contoso.test/cert/a.cer",
    "X-MS-Signature-Algorithm": "rsa-sha256",
}


@dataclass(frozen=True)
class Signed:
    """``BODY`` signed by the good signer, once for many examples."""

    der: bytes
    signature: bytes


@pytest.fixture(scope="session")
def signed(signers: Signers) -> Signed:
    return Signed(signers.leaf.der, signers.leaf.sign(BODY))


def check(
    signers: Signers,
    signer: Issued,
    *,
    sent: bytes = b"",
    roots: bytes = b"",
    body: bytes = BODY,
    at: datetime | None = None,
) -> None:
    chain = parse_certificates(sent or signer.pem + signers.intermediate.pem)
    trusted = parse_certificates(roots or signers.root.pem)
    verify(body, signer.sign(BODY), chain, trusted, at or datetime.now(UTC))


def refusal(signers: Signers, signer: Issued, **options: object) -> str:
    with pytest.raises(Forged) as caught:
        check(signers, signer, **options)  # type: ignore[arg-type]
    assert caught.value.http_status == 401
    return caught.value.code


def test_a_body_signed_by_microsoft_holds(signers: Signers) -> None:
    check(signers, signers.leaf)


def test_order_of_intermediates_does_not_matter(signers: Signers) -> None:
    check(signers, signers.leaf, sent=signers.leaf.pem + signers.root.pem + signers.intermediate.pem)


def test_an_issuer_may_be_trusted_like_a_root(signers: Signers) -> None:
    check(signers, signers.leaf, sent=signers.leaf.pem, roots=signers.intermediate.pem)


def test_certificate_without_purposes_or_names_holds(signers: Signers) -> None:
    plain = "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n"
    check(signers, signers.authority.leaf("plain", signers.intermediate, extensions=plain))


def test_the_sandbox_signs_like_microsoft(certificates: Certificates) -> None:
    signer = Issued(certificates.signing_certificate_file, certificates.signing_key_file)
    roots = parse_certificates(certificates.signing_root_file.read_bytes())
    verify(BODY, signer.sign(BODY), parse_certificates(signer.pem), roots, datetime.now(UTC))


@pytest.mark.parametrize("changed", [BODY + b" ", b"", BODY.replace(b"created", b"updated"), b"\xef\xbb\xbf" + BODY])
def test_any_other_body_is_refused(signers: Signers, changed: bytes) -> None:
    assert refusal(signers, signers.leaf, body=changed) == "signature_wrong"


def test_signature_with_another_hash_is_refused(signers: Signers) -> None:
    command = ["openssl", "dgst", "-sha1", "-sign", str(signers.leaf.key)]
    signature = subprocess.run(command, input=BODY, check=True, capture_output=True).stdout
    with pytest.raises(Forged, match="does not fit"):
        verify(
            BODY, signature, parse_certificates(signers.chain), parse_certificates(signers.root.pem), datetime.now(UTC)
        )


def test_expired_certificate_is_refused(signers: Signers) -> None:
    old = signers.authority.leaf("old", signers.intermediate, valid=(-20, -10))
    assert refusal(signers, old) == "certificate_untrusted"


def test_certificate_of_the_future_is_refused(signers: Signers) -> None:
    assert (
        refusal(signers, signers.authority.leaf("soon", signers.intermediate, valid=(1, 9))) == "certificate_untrusted"
    )


@pytest.mark.parametrize("days", [-2, 31])
def test_given_time_decides(signers: Signers, days: int) -> None:
    at = datetime.now(UTC) + timedelta(days=days)
    assert refusal(signers, signers.leaf, at=at) == "certificate_untrusted"


def test_other_root_is_refused(signers: Signers) -> None:
    assert refusal(signers, signers.leaf, roots=signers.authority.root("other").pem) == "certificate_untrusted"


def test_missing_intermediate_is_refused(signers: Signers) -> None:
    assert refusal(signers, signers.leaf, sent=signers.leaf.pem) == "certificate_untrusted"


def test_self_signed_certificate_is_refused(signers: Signers) -> None:
    alone = signers.authority.leaf("alone", None)
    assert refusal(signers, alone, sent=alone.pem) == "certificate_untrusted"


def test_root_sent_along_is_not_trusted(signers: Signers) -> None:
    root = signers.authority.root("attacker")
    signer = signers.authority.leaf("attacked", root)
    assert refusal(signers, signer, sent=signer.pem + root.pem) == "certificate_untrusted"


def test_leaf_cannot_issue(signers: Signers) -> None:
    signer = signers.authority.leaf("grandchild", signers.leaf)
    assert refusal(signers, signer, sent=signer.pem + signers.chain) == "certificate_untrusted"


def test_authority_does_not_sign(signers: Signers) -> None:
    assert refusal(signers, signers.intermediate, sent=signers.intermediate.pem) == "certificate_untrusted"


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("fabrikam", "/C=US/O=Fabrikam"),
        ("longer", "/C=US/O=Microsoft Corporation Ltd"),
        ("smaller", "/C=US/O=microsoft corporation"),
        ("none", "/C=US"),
        ("in-name", "/CN=O\\=Microsoft Corporation"),
        ("two", "/O=Microsoft Corporation/O=Fabrikam"),
    ],
)
def test_other_organisation_is_refused(signers: Signers, name: str, subject: str) -> None:
    signer = signers.authority.leaf(name, signers.intermediate, subject=subject)
    assert refusal(signers, signer) == "certificate_organisation"


def test_other_issuer_is_refused(signers: Signers) -> None:
    other = signers.authority.intermediate("fabrikam-issuer", signers.root, "/C=US/O=Fabrikam")
    signer = signers.authority.leaf("issued-by-fabrikam", other)
    assert refusal(signers, signer, sent=signer.pem + other.pem) == "certificate_organisation"


def test_key_that_is_not_rsa_is_refused(signers: Signers) -> None:
    key = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    assert refusal(signers, signers.authority.leaf("ec", signers.intermediate, key=key)) == "certificate_key"


def test_short_key_is_refused(signers: Signers) -> None:
    short = signers.authority.leaf("short", signers.intermediate, key=("rsa:1024",))
    assert refusal(signers, short) in ("certificate_key", "certificate_untrusted")


def test_unknown_critical_extension_is_refused(signers: Signers) -> None:
    strange = signers.authority.leaf(
        "strange", signers.intermediate, extensions=f"{LEAF}1.3.6.1.4.1.99999.1=critical,DER:0500\n"
    )
    assert refusal(signers, strange) == "certificate_untrusted"


@pytest.mark.parametrize("missing", ["chain", "roots"])
def test_nothing_vouches_for_nothing(signers: Signers, missing: str) -> None:
    chain = () if missing == "chain" else parse_certificates(signers.chain)
    roots = () if missing == "roots" else parse_certificates(signers.root.pem)
    with pytest.raises(Forged):
        verify(BODY, signers.leaf.sign(BODY), chain, roots, datetime.now(UTC))


@pytest.mark.parametrize("value", ["Signature c2lnbmVk", "signature c2lnbmVk", "  SIGNATURE   c2lnbmVk "])
def test_signature_in_authorization(value: str) -> None:
    assert parse_signature_headers({**GOOD, "Authorization": value}).signature == b"signed"


@pytest.mark.parametrize("value", ["Signature c2lnbmVk", "c2lnbmVk"])
def test_signature_in_its_own_header(value: str) -> None:
    headers = {name.upper(): text for name, text in GOOD.items() if name != "Authorization"} | {"x-ms-signature": value}
    parsed = parse_signature_headers(headers)
    assert (parsed.signature, parsed.certificate_url) == (b"signed", "https://contoso.test/cert/a.cer")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Authorization": None}, 401),
        ({"X-MS-Certificate-Url": None}, 400),
        ({"X-MS-Signature-Algorithm": None}, 400),
        ({"X-MS-Certificate-Url": ""}, 400),
        ({"Authorization": "Bearer c2lnbmVk"}, 401),
        ({"Authorization": "Bearer c2lnbmVk", "x-ms-signature": "c2lnbmVk"}, 401),
        ({"Authorization": "c2lnbmVk"}, 401),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Signature"}, 401),
        ({"Authorization": "Signature a b"}, 401),
        ({"Authorization": "Signature c2lnbm=k"}, 401),
        ({"Authorization": "Signature c2lnbmV"}, 401),
        ({"Authorization": "Signature c2ln_mVk"}, 401),
        ({"Authorization": "Signature ☃☃☃☃"}, 401),
        ({"Authorization": "Signature " + "c2ln" * 1000}, 401),
        ({"X-MS-Signature-Algorithm": "rsa-sha1"}, 401),
        ({"X-MS-Signature-Algorithm": "none"}, 401),
        ({"X-MS-Signature-Algorithm": "hmac-sha256"}, 401),
    ],
)
def test_headers_that_prove_nothing(changes: dict[str, str | None], status: int) -> None:
    headers = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(Forged) as caught:
        parse_signature_headers(headers)
    assert caught.value.http_status == status


@given(st.dictionaries(st.sampled_from([*GOOD, "x-ms-signature"]), st.text() | st.sampled_from(list(GOOD.values()))))
def test_headers_are_read_or_forged(headers: dict[str, str]) -> None:
    try:
        parsed = parse_signature_headers(headers)
    except Forged:
        return
    assert parsed.signature
    assert parsed.certificate_url


@given(st.binary(max_size=600))
@settings(deadline=None)
def test_bytes_are_a_certificate_or_forged(content: bytes) -> None:
    with pytest.raises(Forged):
        parse_certificates(content)


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_damaged_certificates_never_verify(signers: Signers, signed: Signed, data: st.DataObject) -> None:
    """One byte of the signer's certificate is changed: it is refused with ``Forged``, wherever the byte is."""
    der = bytearray(signed.der)
    position = data.draw(st.integers(0, len(der) - 1))
    der[position] ^= data.draw(st.integers(1, 255))
    roots = parse_certificates(signers.root.pem)
    try:
        damaged = parse_certificates(bytes(der))
    except Forged:
        return
    with pytest.raises(Forged):
        verify(
            BODY, signed.signature, (*damaged, *parse_certificates(signers.intermediate.pem)), roots, datetime.now(UTC)
        )


@given(signature=st.binary(max_size=300))
@settings(deadline=None)
def test_no_other_signature_verifies(signers: Signers, signature: bytes) -> None:
    chain, roots = parse_certificates(signers.chain), parse_certificates(signers.root.pem)
    with pytest.raises(Forged):
        verify(BODY, signature, chain, roots, datetime.now(UTC))


def test_signature_is_not_shown() -> None:
    assert base64.b64decode("c2lnbmVk").decode() not in repr(parse_signature_headers(GOOD))
