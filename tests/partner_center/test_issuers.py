"""Fetching the issuers of a certificate from a host that may serve anything."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest
from cryptography.x509 import Certificate, load_pem_x509_certificate
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import ConnectorError, Forged, RetryLater
from shared.partner_center.certificates import parse_certificates
from shared.partner_center.issuers import ISSUER_HOSTS, IssuerSource, parse_issuers
from tests.partner_center.conftest import Served, Signers
from tests.partner_center.openssl import EC_KEY, LEAF, Issued, access


def certificate_of(issued: Issued) -> Certificate:
    return load_pem_x509_certificate(issued.pem)


def source_for(signers: Signers, *hosts: str, root: Issued | None = None) -> IssuerSource:
    return IssuerSource(parse_certificates((root or signers.root).pem), hosts)


def completed(source: IssuerSource, *chain: Issued, within_s: float = 10.0) -> tuple[Certificate, ...]:
    return source.complete([certificate_of(issued) for issued in chain], time.monotonic() + within_s)


def refusal(source: IssuerSource, *chain: Issued, within_s: float = 10.0) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        completed(source, *chain, within_s=within_s)
    return caught.value


@pytest.mark.parametrize(
    "served_as",
    [
        lambda served: served.issuing.pem,
        lambda served: served.issuing.pkcs7("DER"),
        lambda served: served.issuing.pkcs7("PEM"),
        lambda served: served.middle.pem + served.leaf.pem + served.issuing.pem,
    ],
    ids=["pem", "p7c", "p7c in pem", "several"],
)
def test_every_form_of_a_certificate(served: Served, signers: Signers, served_as: Callable[[Served], bytes]) -> None:
    served.host.files["/aia/issuing.crt"] = served_as(served)
    chain = completed(source_for(signers, served.listed), served.leaf)
    assert chain == tuple(map(certificate_of, (served.leaf, served.issuing, served.middle)))


@pytest.mark.parametrize("missing", ["nothing", "middle"])
def test_what_came_along_is_not_fetched(served: Served, signers: Signers, missing: str) -> None:
    chain = [served.leaf, served.issuing] + ([served.middle] if missing == "nothing" else [])
    assert len(completed(source_for(signers, served.listed), *chain)) == 3
    assert served.host.asked == ([] if missing == "nothing" else ["/aia/middle.crt"])


def test_issuer_that_is_trusted_like_a_root_is_not_fetched(served: Served, signers: Signers) -> None:
    completed(source_for(signers, served.listed, root=served.issuing), served.leaf)
    assert served.host.asked == []


@pytest.mark.parametrize(
    "hosts", [(), ("localhost",), ("www.microsoft.com",), ("localhost:80",), ISSUER_HOSTS], ids=lambda hosts: str(hosts)
)
def test_host_that_is_not_listed_is_never_asked(served: Served, signers: Signers, hosts: tuple[str, ...]) -> None:
    error = refusal(source_for(signers, *hosts), served.leaf)
    assert (type(error), error.code) == (Forged, "issuer_address")
    assert f"is at {served.listed}, which PARTNER_CENTER_ISSUER_HOSTS does not list" in error.message
    assert served.host.asked == []


def test_allowing_one_issuer_is_not_allowing_the_next(served: Served, signers: Signers) -> None:
    """The second address comes from a certificate that was fetched: it is checked as the first was."""
    leads_away = signers.authority.intermediate(
        "leads-away", signers.intermediate, addresses=("http://169.254.169.254/metadata/identity.crt",)
    )
    address = f"{served.host.url}/aia/away.crt"
    leaf = signers.authority.leaf("led-away", leads_away, key=EC_KEY, extensions=LEAF + access(address))
    served.host.files["/aia/away.crt"] = leads_away.der
    error = refusal(source_for(signers, served.listed), leaf)
    assert (error.code, "169.254.169.254:80" in error.message) == ("issuer_address", True)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 403, 404, 410])
def test_answers_that_are_no_certificate(served: Served, signers: Signers, status: int) -> None:
    served.host.files["/cert/leaf.pem"] = served.issuing.der  # where a redirect of this host leads
    served.host.statuses = [status]
    error = refusal(source_for(signers, served.listed), served.leaf)
    assert (type(error), error.code) == (Forged, "certificate_missing")
    assert served.host.asked == ["/aia/issuing.crt"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_host_is_an_outage(served: Served, signers: Signers, status: int) -> None:
    served.host.statuses = [status]
    error = refusal(source_for(signers, served.listed), served.leaf)
    assert (type(error), error.code) == (RetryLater, "certificate_host")


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----", bytes(1024 * 1024 + 1)],
    ids=["nothing", "text", "p7c", "large"],
)
def test_files_that_are_no_certificate(served: Served, signers: Signers, content: bytes) -> None:
    served.host.files["/aia/issuing.crt"] = content
    error = refusal(source_for(signers, served.listed), served.leaf)
    assert (type(error), error.code) == (Forged, "certificate_malformed")
    assert ("too large" in error.message) == (len(content) > 1024)


def test_too_many_certificates(served: Served) -> None:
    assert len(parse_issuers(served.issuing.pem * 10)) == 10
    with pytest.raises(Forged, match="too many"):
        parse_issuers(served.issuing.pem * 11)


def test_certificate_of_another_issuer(served: Served, signers: Signers) -> None:
    """By another name, and by the same name with another key."""
    same_name = signers.authority.intermediate("issuing-too", served.middle, common_name="issuing")
    for wrong in (served.middle, same_name, served.leaf):
        served.host.files["/aia/issuing.crt"] = wrong.der
        error = refusal(source_for(signers, served.listed), served.leaf)
        assert (type(error), error.code) == (Forged, "issuer_wrong")


def test_authorities_that_issued_each_other(served: Served, signers: Signers) -> None:
    url, authority = served.host.url, signers.authority
    first = authority.root("first-of-two")
    second = authority.cross_sign("second-of-two", authority.root("second"), first, f"{url}/aia/first.crt")
    crossed = authority.cross_sign("crossed", first, second, f"{url}/aia/second.crt")
    served.host.files = {"/aia/first.crt": crossed.der, "/aia/second.crt": second.der}
    leaf = authority.leaf("circling", second, key=EC_KEY, extensions=LEAF + access(f"{url}/aia/second.crt"))
    chain = completed(source_for(signers, served.listed), leaf)
    assert chain == tuple(map(certificate_of, (leaf, second, crossed)))
    assert served.host.asked == ["/aia/second.crt", "/aia/first.crt", "/aia/second.crt"]
    served.host.asked.clear()
    completed(source_for(signers, served.listed), leaf, second)
    assert served.host.asked == ["/aia/first.crt", "/aia/second.crt"]


def test_three_levels_are_climbed_and_no_more(served: Served, signers: Signers) -> None:
    url, authority = served.host.url, signers.authority
    top = authority.intermediate("top", signers.intermediate, addresses=(f"{url}/aia/over-the-top.crt",))
    issuers = [top]
    for number in range(2):
        above = issuers[-1].certificate.stem
        issuers.append(authority.intermediate(f"level-{number}", issuers[-1], addresses=(f"{url}/aia/{above}.crt",)))
    lowest = issuers[-1].certificate.stem
    leaf = authority.leaf("deep", issuers[-1], key=EC_KEY, extensions=LEAF + access(f"{url}/aia/{lowest}.crt"))
    served.host.files = {f"/aia/{issuer.certificate.stem}.crt": issuer.der for issuer in issuers}
    served.host.files["/aia/over-the-top.crt"] = signers.intermediate.der
    assert len(completed(source_for(signers, served.listed), leaf)) == 4
    assert served.host.asked == ["/aia/level-1.crt", "/aia/level-0.crt", "/aia/top.crt"]
    # The same three lead to a root where the uppermost was issued by one.
    chain = completed(source_for(signers, served.listed, root=signers.intermediate), leaf)
    assert len(chain) == 4


def test_untrusted_root_that_came_along_hides_no_way_to_a_trusted_one(served: Served, signers: Signers) -> None:
    """Like "Microsoft TLS RSA Root G2", which is new, and cross-signed by "DigiCert Global Root G2", which is known."""
    url, authority = served.host.url, signers.authority
    new_root = authority.root("new-root")
    crossed = authority.cross_sign("new-root-crossed", new_root, signers.root, f"{url}/aia/root.crt")
    issuer = authority.intermediate("of-new-root", new_root, addresses=(f"{url}/aia/crossed.crt",))
    leaf = authority.leaf("under-new-root", issuer, extensions=LEAF)
    served.host.files = {"/aia/crossed.crt": crossed.der}
    chain = completed(source_for(signers, served.listed), leaf, issuer, new_root)
    assert chain == tuple(map(certificate_of, (leaf, issuer, new_root, crossed)))


def test_certificate_that_names_no_address(served: Served, signers: Signers) -> None:
    assert completed(source_for(signers, served.listed), signers.leaf) == (certificate_of(signers.leaf),)
    assert served.host.asked == []


def test_second_address_is_asked_when_the_first_fails(served: Served, signers: Signers) -> None:
    addresses = (
        "http://contoso.test/aia/issuing.crt",
        f"{served.host.url}/gone.crt",
        f"{served.host.url}/aia/there.crt",
    )
    leaf = signers.authority.leaf("two-ways", served.middle, key=EC_KEY, extensions=LEAF + access(*addresses))
    served.host.files = {"/aia/there.crt": served.middle.der}
    source = source_for(signers, served.listed)
    assert len(completed(source, leaf)) == 2
    assert served.host.asked == ["/gone.crt", "/aia/there.crt"]
    # An outage at one of them outweighs refusals: a later try may succeed.
    served.host.files, served.host.statuses = {}, [404, 503]
    assert isinstance(refusal(source, leaf), RetryLater)


def test_unreachable_host_is_an_outage(signers: Signers) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{unused.getsockname()[1]}"
        address = f"http://{name}/issuer.crt"
        leaf = signers.authority.leaf(
            "unreachable", signers.intermediate, key=EC_KEY, extensions=LEAF + access(address)
        )
        assert isinstance(refusal(source_for(signers, name), leaf), RetryLater)


def test_deadline_holds_for_all_together(served: Served, signers: Signers) -> None:
    address = f"{served.host.url}/cert/trickle.cer"
    leaf = signers.authority.leaf("trickling", signers.intermediate, key=EC_KEY, extensions=LEAF + access(address))
    source = source_for(signers, served.listed)
    assert "in time" in str(refusal(source, leaf, within_s=0.2))
    served.host.asked.clear()
    assert "in time" in str(refusal(source, served.leaf, within_s=0.0))
    assert served.host.asked == []


@given(st.binary(max_size=600) | st.binary(max_size=60).map(lambda junk: b"-----BEGIN PKCS7-----\n" + junk))
@settings(deadline=None)
def test_bytes_are_certificates_or_forged(content: bytes) -> None:
    with pytest.raises(Forged):
        parse_issuers(content)


@pytest.fixture(scope="module")
def intact(hierarchy: Served) -> dict[str, bytes]:
    return {"sent": hierarchy.leaf.der, "fetched": hierarchy.issuing.der}


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_damaged_certificates_end_in_no_other_error(
    hierarchy: Served, intact: dict[str, bytes], signers: Signers, data: st.DataObject
) -> None:
    """One byte is changed, in what was sent or in what was fetched: the damage is refused, or climbs no further."""
    content = {name: bytearray(der) for name, der in intact.items()}
    damaged = content[data.draw(st.sampled_from(sorted(content)))]
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    source = IssuerSource(
        parse_certificates(signers.root.pem),
        [hierarchy.listed],
        fetch=lambda _address, _what, _deadline: bytes(content["fetched"]),
    )
    try:
        chain = source.complete(parse_certificates(bytes(content["sent"])), time.monotonic() + 5)
    except Forged:
        return
    assert len(chain) < 3
