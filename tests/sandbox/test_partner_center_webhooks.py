"""Callbacks and their signature, which the openssl program checks independently."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import web

from sandbox.certificates import Certificates, make_certificates
from sandbox.partner_center import DeliveryOptions
from sandbox.serving import Server
from tests.sandbox.caller import REGISTRATION, PartnerCenterCaller
from tests.sandbox.deals import DEAL, invitation
from tests.sandbox.receiver import ALL_EVENTS, Receiver, register


def test_a_callback_is_compact_signed_and_names_the_referral(
    partner_center: PartnerCenterCaller, receiver: Receiver, tmp_path: Path, certificates: Certificates
) -> None:
    register(partner_center, receiver.url)
    own = partner_center.create(DEAL)
    partner_center.simulator.wait_idle()
    [callback] = receiver.received
    assert callback.event == {
        "EventName": "referral-created",
        "ResourceUri": f"https://api.partnercenter.microsoft.com/engagements/v1/referrals/{own['id']}",
        "ResourceName": "referral",
        "AuditUri": None,
        "ResourceChangeUtcDate": own["updatedDateTime"].replace("Z", "+00:00"),
    }
    assert list(callback.event) == ["EventName", "ResourceUri", "ResourceName", "AuditUri", "ResourceChangeUtcDate"]
    assert callback.raw == json.dumps(callback.event, separators=(",", ":")).encode()
    assert callback.headers["content-type"] == "application/json"
    assert callback.headers["x-ms-signature-algorithm"] == "rsa-sha256"
    certificate_url = callback.headers["x-ms-certificate-url"]
    assert certificate_url == f"{partner_center.url}/cert/pcnotifications-dispatch.microsoft.com.cer"
    certificate = requests.get(certificate_url, verify=str(partner_center.root_file), timeout=10).content
    verify_with_openssl(callback.raw, callback.headers["authorization"], certificate, certificates, tmp_path)


def verify_with_openssl(
    raw: bytes, signature: str, certificate: bytes, certificates: Certificates, folder: Path
) -> None:
    """The signature is the certificate's over exactly these bytes, and the certificate chains to the signing root."""

    def openssl(*arguments: str | Path) -> str:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, cwd=folder, check=False)
        return done.stdout + done.stderr

    scheme, _, encoded = signature.partition(" ")
    assert scheme == "Signature"
    (folder / "signature").write_bytes(base64.b64decode(encoded, validate=True))
    (folder / "leaf.cer").write_bytes(certificate)
    (folder / "body").write_bytes(raw)
    (folder / "other").write_bytes(raw.replace(b"created", b"updated"))
    openssl("x509", "-inform", "DER", "-in", "leaf.cer", "-out", "leaf.pem")
    (folder / "key.pem").write_text(openssl("x509", "-in", "leaf.pem", "-noout", "-pubkey"))
    check = ("dgst", "-sha256", "-verify", "key.pem", "-signature", "signature")
    assert openssl(*check, "body").strip() == "Verified OK"
    assert "Verified OK" not in openssl(*check, "other")
    assert openssl("verify", "-CAfile", certificates.signing_root_file, "leaf.pem").strip() == "leaf.pem: OK"
    assert "leaf.pem: OK" not in openssl("verify", "-CAfile", certificates.root_file, "leaf.pem")
    assert openssl("x509", "-in", "leaf.pem", "-noout", "-subject", "-issuer").count("Microsoft Corporation") == 2


def test_the_signature_can_move_to_its_other_header(
    partner_center: PartnerCenterCaller, receiver: Receiver, tmp_path: Path, certificates: Certificates
) -> None:
    register(partner_center, receiver.url, SignatureTokenToMsSignatureHeader=True)
    partner_center.simulator.webhooks.certificate_url = "https://elsewhere.example/cert/x.cer"
    partner_center.create(DEAL)
    partner_center.simulator.wait_idle()
    headers = receiver.received[0].headers
    assert "authorization" not in headers
    assert headers["x-ms-certificate-url"] == "https://elsewhere.example/cert/x.cer"
    der = partner_center.simulator.signer.certificate_der
    verify_with_openssl(receiver.received[0].raw, headers["x-ms-signature"], der, certificates, tmp_path)


def test_every_change_is_announced_our_own_writes_included(
    partner_center: PartnerCenterCaller, receiver: Receiver
) -> None:
    register(partner_center, receiver.url)
    people = partner_center.simulator.people

    def announced() -> list[tuple[str, str]]:
        partner_center.simulator.wait_idle()
        events = [(entry.event["EventName"], entry.event["ResourceUri"][-36:]) for entry in receiver.received]
        receiver.received.clear()
        return sorted(events)

    own = partner_center.create(DEAL)
    assert announced() == [("referral-created", own["id"])]
    partner_center.patch(own["id"], {"/details/notes": "echo"})
    assert announced() == [("referral-updated", own["id"])]
    theirs = partner_center.create(invitation(own))
    assert announced() == [("related-referral-created", theirs["id"])]
    people.microsoft_accepts(own["engagementId"])
    assert announced() == [("referral-updated", own["id"]), ("related-referral-updated", theirs["id"])]
    partner_center.patch(own["id"], {"/name": "refused"})
    assert announced() == []


def test_only_registered_events_are_sent(partner_center: PartnerCenterCaller, receiver: Receiver) -> None:
    partner_center.create(DEAL)
    register(partner_center, receiver.url, ["referral-updated"])
    own = partner_center.create(DEAL)
    partner_center.patch(own["id"], {"/details/notes": "x"})
    partner_center.simulator.wait_idle()
    assert receiver.names() == ["referral-updated"]


def test_a_callback_is_tried_again_until_any_2xx(partner_center: PartnerCenterCaller, receiver: Receiver) -> None:
    register(partner_center, receiver.url)
    receiver.answers = [503, 404, 302, 202]
    partner_center.create(DEAL)
    partner_center.simulator.wait_idle()
    [delivery] = partner_center.simulator.deliveries.log
    assert (delivery.statuses, delivery.attempts, delivery.delivered) == ([503, 404, 302, 202], 4, True)
    assert len({callback.raw for callback in receiver.received}) == 1


def test_a_callback_is_given_up_after_ten_tries(partner_center: PartnerCenterCaller) -> None:
    with Server(web.Application) as closed:
        nobody = closed.url
    register(partner_center, nobody)
    partner_center.create(DEAL)
    partner_center.simulator.wait_idle()
    [delivery] = partner_center.simulator.deliveries.log
    assert (delivery.statuses, delivery.delivered, delivery.finished) == ([0] * 10, False, True)


def test_a_receiver_over_tls_must_be_trusted(
    partner_center: PartnerCenterCaller, certificates: Certificates, tmp_path: Path
) -> None:
    partner_center.simulator.deliveries.options = DeliveryOptions(attempts=1)
    trusted, stranger = Receiver(), Receiver()
    with (
        Server(trusted.build, tls=certificates.server_context()) as known,
        Server(stranger.build, tls=make_certificates(tmp_path / "others").server_context()) as unknown,
    ):
        register(partner_center, f"{known.url}/api/events")
        partner_center.create(DEAL)
        body = {"WebhookUrl": f"{unknown.url}/api/events", "WebhookEvents": ALL_EVENTS}
        assert partner_center.call("PUT", REGISTRATION, body).status_code == 200
        partner_center.create(DEAL)
        partner_center.simulator.wait_idle()
    assert (len(trusted.received), len(stranger.received)) == (1, 0)
    assert [delivery.statuses for delivery in partner_center.simulator.deliveries.log] == [[200], [0]]


def test_duplicates_losses_and_disorder_on_order(partner_center: PartnerCenterCaller, receiver: Receiver) -> None:
    register(partner_center, receiver.url)
    options = partner_center.simulator.deliveries.options

    def received_after(action: Any) -> list[str]:
        receiver.received.clear()
        action()
        partner_center.simulator.wait_idle()
        return [callback.event["ResourceUri"][-36:] for callback in receiver.received]

    options.copies = 2
    assert len(received_after(lambda: partner_center.create(DEAL))) == 2
    options.copies, options.drop_next = 1, 1
    assert received_after(lambda: partner_center.create(DEAL)) == []
    assert len(received_after(lambda: partner_center.create(DEAL))) == 1
    options.drop = lambda event: event.event_name == "referral-created"
    assert received_after(lambda: partner_center.create(DEAL)) == []
    assert sum(delivery.dropped for delivery in partner_center.simulator.deliveries.log) == 2
    options.drop, options.shuffle = None, True
    sent: list[str] = []
    shuffled = received_after(lambda: sent.extend(partner_center.create(DEAL)["id"] for _ in range(12)))
    assert sorted(shuffled) == sorted(sent)
    assert shuffled != sent


def test_waiting_for_idle_says_what_is_under_way(partner_center: PartnerCenterCaller, receiver: Receiver) -> None:
    register(partner_center, receiver.url)
    partner_center.simulator.deliveries.options.delay_s = 60
    partner_center.create(DEAL)
    with pytest.raises(TimeoutError, match=r"1 callbacks under way after 0\.05 s: referral-created"):
        partner_center.simulator.wait_idle(0.05)
    assert partner_center.call("GET", "/_control/idle?timeout_s=0.05").status_code == 503


def test_the_delivery_switches_work_over_http(partner_center: PartnerCenterCaller, receiver: Receiver) -> None:
    register(partner_center, receiver.url)
    answer = partner_center.call("PATCH", "/_control/deliveries", {"copies": 2, "attempts": 3})
    assert (answer.json()["copies"], answer.json()["attempts"]) == (2, 3)
    assert partner_center.call("PATCH", "/_control/deliveries", {"colour": 1}).status_code == 400
    partner_center.create(DEAL)
    assert partner_center.call("GET", "/_control/idle").status_code == 204
    log = partner_center.call("GET", "/_control/deliveries").json()
    assert [(entry["event"]["EventName"], entry["statuses"]) for entry in log] == [("referral-created", [200])] * 2
    assert "a-function-key" not in json.dumps(log)
