"""From a tenant as Microsoft's connector leaves it to this app, and back, as an administrator does it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cosell.command_line import main
from sandbox.certificates import Certificates
from sandbox.partner_center.registration import REFERRAL_EVENTS
from sandbox.serving import Server
from sandbox.world import World
from tests.end_to_end.conftest import CALLBACK_DELAY_S, NO_BRAKE
from tests.end_to_end.scene import NO_TIMERS, Scene
from tests.end_to_end.waiting import wait_for
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.crms("dynamics365", "salesforce")

AUDIT_LINE = "2026-02-01 10:20 - CRM to Partner Center Referral sync success."
LINK = "https://partner.microsoft.com/dashboard/referrals/v2/deals?id="
GONE = "0c0d0e0f-0000-4000-8000-000000000009"
EVENTS_OF_OTHERS = ("subscription-updated",)


@dataclass
class Tenant:
    """Both sides linked by Microsoft's connector; ``flow`` is its webhook, ``scene`` shows the world with our app."""

    scene: Scene
    flow: Receiver
    flow_url: str
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def linked(self, *, deal_value: int = 120000, notes: str = "They want to start small.") -> tuple[str, str]:
        """A deal that Microsoft's connector has shared: ids of referral and record. The record has other values."""
        scene, seller = self.scene, self.scene.seller
        record_id = scene.opportunity({"name": "✔ Northwind: data platform"})
        referral_id = scene.incoming(
            name="Northwind: data platform",
            status="Active",
            substatus="Accepted",
            externalReferenceId=record_id,
            inviteContext={},
            team=[{"firstName": "Alex", "lastName": "Kim", "phoneNumber": "", "email": seller.email}],
            customerProfile__name="Northwind Traders",
            customerProfile__team=[
                {
                    "firstName": "Ada",
                    "lastName": "Berg",
                    "phoneNumber": "+1 206 555 0100",
                    "email": "ada.berg@northwind.example",
                }
            ],
            consent__consentToShareReferralWithMicrosoftSellers=False,
            details__dealValue=120000,
            details__notes="They want to start small.",
            details__closingDateTime="2027-02-15T00:00:00Z",
            details__requirements__solutions=[{"id": "SOL-34104-EBB", "name": "Contoso Backup", "type": "Name"}],
        )
        then = datetime.now(UTC)
        wait_for(lambda: datetime.now(UTC) > then + timedelta(seconds=1), "a second in which the record is the newer")
        changes = {"deal_value": deal_value, "notes": notes}
        marks = {"referral_id": referral_id, "referral_link": f"{LINK}{referral_id}", "audit": AUDIT_LINE}
        scene.edit_crm(record_id, **marks, **changes)
        return referral_id, record_id

    def cosell(self, *arguments: str, command: str = "migrate", code: int = 0) -> str:
        """What ``python -m cosell`` answers; it ends with exit code ``code``."""
        assert main([command, *arguments], self.scene.world.settings()) == code
        said = self.capsys.readouterr()
        assert "flow-secret" not in said.out + said.err
        return said.out if code == 0 else said.out + said.err

    def migrate(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.cosell("--json", *arguments))
        return answer

    @property
    def registered(self) -> str:
        return self.scene.world.partner_center.webhooks.current().callback_url

    @property
    def key_file(self) -> str:
        host = self.scene.world.host
        assert host is not None
        file = self.folder / "key"
        file.write_text(host.key("partner_center_to_crm"), encoding="utf-8")
        return str(file)


@pytest.fixture
def tenant(
    tmp_path: Path,
    certificates: Certificates,
    crm: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Tenant]:
    folder, flow = tmp_path, Receiver()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.root_file))
    settings = {**NO_TIMERS, **NO_BRAKE}
    with World(folder, crm=crm, settings=settings, certificates=certificates) as world, Server(flow.build) as server:
        world.partner_center.deliveries.options.delay_s = CALLBACK_DELAY_S
        url = f"{server.url}/api/events?api-version=2016-06-01&sig=flow-secret"
        events = [*REFERRAL_EVENTS, *EVENTS_OF_OTHERS]
        world.partner_center.webhooks.public_url = world.partner_center_url
        world.partner_center.webhooks.register({"WebhookUrl": url, "WebhookEvents": events}, replaces=False)
        world.start_app()
        scene = Scene(world)
        yield Tenant(scene, flow, url, folder, capsys)
        scene.close()


def test_a_tenant_moves_over_and_back_again(tenant: Tenant) -> None:
    scene = tenant.scene
    agreeing, agreeing_record = tenant.linked()
    differing, differing_record = tenant.linked(deal_value=90000, notes="The seller's words.")
    orphan = scene.opportunity({"sync": False})
    scene.edit_crm(orphan, referral_id=GONE)
    scene.world.partner_center.wait_idle()
    assert len(tenant.flow.received) == 2, "until it is moved, the webhook is the flow's"
    scene.forget_calls()
    _rehearse(tenant, differing)
    _move(tenant)

    scene.edit_referral(agreeing, details__dealValue=7)
    scene.edit_crm(agreeing_record, notes="Edited after the move.")
    scene.settle()
    assert scene.record(agreeing_record)["deal_value"] == 7
    assert scene.referral(agreeing)["details"]["notes"] == "Edited after the move."
    audit = scene.audit(agreeing_record)
    assert AUDIT_LINE.partition(" - ")[2] in audit, "Microsoft's lines stay"
    assert not any("changed on both sides" in line for line in audit), "two edits, and no conflict"

    referral, record = scene.referral(differing)["details"], scene.record(differing_record)
    assert (referral["dealValue"], referral["notes"]) == (90000, "The seller's words."), "the record is newer"
    assert (record["deal_value"], record["notes"]) == (Decimal(90000), "The seller's words.")
    assert [len(scene.records_of(one)) for one in (agreeing, differing)] == [1, 1]
    assert len(scene.world.partner_center.store.all()) == 2, "nothing was created in Partner Center"
    assert scene.audit(orphan) == []

    _go_back(tenant, agreeing)
    _backfill(tenant, agreeing, agreeing_record)


def _rehearse(tenant: Tenant, differing: str) -> None:
    report = tenant.migrate("--dry-run")
    assert (report["agree"], report["differ"], report["known"], report["adopted"]) == (1, 1, 0, 0)
    assert [(one["doubt"], one["referrals"]) for one in report["in_doubt"]] == [("referral_unseen", [GONE])]
    (deal,) = report["differences"]
    assert deal["referral"] == differing
    told = {one["field"]: (one.get("partner_center"), one["ending"]) for one in deal["fields"]}
    assert told == {"deal_value": ("120000", "crm"), "notes": (None, "crm")}, "notes are personal, and not shown"
    assert report["to_be_shared"] == []
    assert report["webhook"]["before"] == tenant.flow_url.partition("?")[0]
    assert tenant.registered == tenant.flow_url
    assert list(tenant.scene.links.all()) == []
    calls, crm_calls = tenant.scene.calls()
    assert not [name for name in (*calls, *crm_calls) if name.startswith(("PATCH", "DELETE"))]
    assert not [name for name in calls if name.startswith("POST")]
    text = tenant.cosell("--dry-run")
    assert "120000, CRM 90000" in text
    assert "seller's words" not in text
    assert "A dry run: nothing was written." in text
    assert "add --links-only" in tenant.cosell("--yes", code=2)


def _move(tenant: Tenant) -> None:
    scene, kept = tenant.scene, tenant.folder / "kept.json"
    first = tenant.migrate("--yes", "--links-only")
    assert (first["adopted"], first["webhook"], tenant.registered) == (2, None, tenant.flow_url)
    second = tenant.migrate("--yes", "--key-file", tenant.key_file, "--keep", str(kept))
    assert (second["adopted"], second["known"]) == (0, 2)
    assert second["webhook"]["taken_over"]
    registered = scene.world.partner_center.webhooks.current()
    assert registered.callback_url.startswith(f"{scene.world.app_url}/api/partner-center?code=")
    assert set(registered.events) == {*REFERRAL_EVENTS, *EVENTS_OF_OTHERS}, "events of others are not lost"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text(encoding="utf-8"))["url"] == tenant.flow_url


def _go_back(tenant: Tenant, referral_id: str) -> None:
    scene, kept = tenant.scene, str(tenant.folder / "kept.json")
    assert "does not tell what was registered" in tenant.cosell("--back", "--yes", "--keep", "elsewhere.json", code=1)
    text = tenant.cosell("--back", "--dry-run", "--keep", kept)
    assert "Turn on, in this order" in text
    assert tenant.registered != tenant.flow_url
    assert tenant.migrate("--back", "--yes", "--keep", kept)["given_back"]
    registered = scene.world.partner_center.webhooks.current()
    assert (registered.callback_url, set(registered.events)) == (tenant.flow_url, {*REFERRAL_EVENTS, *EVENTS_OF_OTHERS})
    before = len(tenant.flow.received)
    scene.edit_referral(referral_id, details__dealValue=8)
    wait_for(lambda: len(tenant.flow.received) > before, "an event at Microsoft's flow")
    assert not tenant.migrate("--back", "--yes", "--keep", kept)["given_back"], "it is there already"


def _backfill(tenant: Tenant, edited: str, edited_record: str) -> None:
    """What the app was not told of, because the webhook is the flow's again."""
    scene = tenant.scene
    referral_id = scene.incoming()
    tenant.cosell("--yes", command="backfill")
    scene.wait_quiet()
    assert scene.record_of(referral_id)["name"] == "✔ Contoso – supply chain analytics"
    assert scene.record(edited_record)["deal_value"] == scene.referral(edited)["details"]["dealValue"] == 8
    counted = json.loads(tenant.cosell("--dry-run", "--json", "--from-partner-center", command="backfill"))
    assert [(one["read"], one["to_be_queued"]) for one in counted["sources"]] == [(3, 0)]
