"""``python -m cosell migrate``: what it says, asks and keeps; the move is in ``end_to_end/test_migration.py``."""

from __future__ import annotations

import json
import os
import pty
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cosell.command_line import main
from cosell.migration_report import MOST_SHOWN, report_document, report_text
from cosell.webhook_handover import Kept, keep, read_kept
from sandbox.azurite import Azurite
from sandbox.partner_center.registration import REFERRAL_EVENTS
from sandbox.world import World
from shared.domain.adopt import Difference, Ending
from shared.domain.errors import Rejected
from shared.domain.link import Link
from shared.domain.pairing import Doubt, NamedRecord, Unpaired
from shared.domain.record import RecordKind
from shared.domain.referral import Referral, ReferralStage
from shared.domain.values import Person, Solution
from shared.sync.adopt import Candidate, Survey

FLOW = "http://localhost:9/workflows/flow?sig=flow-secret"
VALUE = Difference("deal_value", "Est. revenue", Decimal(50000), None, Ending.PARTNER_CENTER)
NOTES = Difference("notes", "Description", "Call Mia on Monday", "Mia is away", Ending.CRM, is_personal=True)
PEOPLE = Difference("contacts", "Contact", (Person("Mia", "Lund"),), (), Ending.BOTH, is_personal=True)
SOLUTIONS = Difference("solutions", "Solutions", (Solution("SOL-1"), Solution("SOL-2")), (), Ending.PARTNER_CENTER)


def candidate(*differences: Difference, problem: str = "", number: int = 1) -> Candidate:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    referral = Referral({"name": f"Deal {number}"}, f"referral-{number}", "e", "us", "1", ReferralStage.ACCEPTED, at)
    record = NamedRecord(RecordKind.OPPORTUNITY, f"record-{number}", referral.id)
    link = None if problem else Link(f"r-{number}", RecordKind.OPPORTUNITY)
    return Candidate(record, referral, link, differences, problem)


def survey_of(*candidates: Candidate, **changes: Any) -> Survey:
    values = {"known": 0, "unpaired": (), "alone": 0, "unshared": ()}
    return Survey(candidates, **{**values, **changes})


def test_the_report_tells_both_values_and_how_it_ends_but_nothing_of_a_person() -> None:
    found = survey_of(candidate(VALUE, NOTES, PEOPLE, SOLUTIONS), candidate(number=2))
    text, document = report_text(found, "Dynamics 365"), json.dumps(report_document(found, "Dynamics 365"))
    assert "Est. revenue: Partner Center 50000, CRM blank -> Partner Center's goes to the CRM" in text
    assert "Description: different on both sides (not shown) -> the CRM's goes to Partner Center" in text
    assert "Solutions: Partner Center SOL-1, SOL-2, CRM blank -> what Partner Center has is added in the CRM" in text
    assert "Deal 2" not in text, "what agrees is counted only"
    assert "Mia" not in text + document
    fields = json.loads(document)["differences"][0]["fields"]
    assert fields[0] == {
        "field": "deal_value",
        "label": "Est. revenue",
        "partner_center": "50000",
        "crm": None,
        "ending": "partner_center",
    }
    assert fields[1] == {"field": "notes", "label": "Description", "ending": "crm"}


def test_the_report_tells_what_stays_with_a_person() -> None:
    doubt = Unpaired(Doubt.SEVERAL_RECORDS, ("referral-9",), ("A", "B"), "2 records are linked", "Keep one.")
    unshared = NamedRecord(RecordKind.OPPORTUNITY, "record-7", syncs=True)
    found = survey_of(
        candidate(problem="The currency XYZ is unknown"), unpaired=(doubt,), unshared=(unshared,), alone=3, known=4
    )
    text, document = report_text(found, "Salesforce"), report_document(found, "Salesforce")
    assert "Deal 1 (opportunity record-1, referral referral-1)\n    The currency XYZ is unknown" in text
    assert "referral referral-9, record A, B\n    2 records are linked. Keep one." in text
    assert "Referrals without a record: 3." in text
    assert "record-7" in text
    assert (document["problems"][0]["problem"], document["known"]) == ("The currency XYZ is unknown", 4)
    assert (document["in_doubt"][0]["doubt"], document["to_be_shared"]) == ("several_records", ["record-7"])


def test_a_long_report_is_cut_and_says_so_and_json_has_it_all() -> None:
    found = survey_of(*(candidate(VALUE, number=number) for number in range(MOST_SHOWN + 3)))
    assert "... and 3 more: --json has them all." in report_text(found, "Dynamics 365")
    assert len(report_document(found, "Dynamics 365")["differences"]) == MOST_SHOWN + 3


def test_what_was_registered_is_kept_for_its_owner_alone_and_not_written_over(tmp_path: Path) -> None:
    file, kept = tmp_path / "kept.json", Kept(FLOW, REFERRAL_EVENTS)
    keep(kept, file)
    keep(kept, file)
    assert (read_kept(file), stat.S_IMODE(file.stat().st_mode)) == (kept, 0o600)
    with pytest.raises(Rejected) as caught:
        keep(Kept("http://localhost:9/other?sig=other-secret", ()), file)
    assert "http://localhost:9/workflows/flow" in caught.value.message
    assert read_kept(file) == kept
    assert "secret" not in f"{caught.value}{kept!r}{kept.address}"
    with pytest.raises(Rejected, match="cannot be written"):
        keep(kept, tmp_path / "nowhere" / "kept.json")


@pytest.mark.parametrize("content", [None, "secret {", "[]", '{"url": 1, "events": []}', '{"url": "secret"}'])
def test_a_file_that_keeps_nothing_is_refused_and_not_shown(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "kept.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(Rejected) as caught:
        read_kept(file)
    assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The simulators, with one deal that Microsoft's connector has linked, and storage; the app does not run."""
    with Azurite() as azurite, World(tmp_path_factory.mktemp("world"), storage=azurite.connection_string) as world:
        record_id = world.crm.enter_opportunity()
        world.partner_center.people.add_referral(
            {
                "name": "Tailspin data platform",
                "type": "Shared",
                "qualification": "SalesQualified",
                "status": "Active",
                "substatus": "Accepted",
                "externalReferenceId": record_id,
                "customerProfile": {"name": "Tailspin Toys", "address": {"country": "GB"}, "team": []},
                "consent": {"consentToContact": True},
                "details": {"dealValue": 1, "currency": "GBP", "requirements": {}},
            }
        )
        events = list(REFERRAL_EVENTS)
        world.partner_center.webhooks.register({"WebhookUrl": FLOW, "WebhookEvents": events}, replaces=False)
        yield world


class Terminal:
    """Somebody at a terminal, who types."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._world, self._monkeypatch, self._capsys = world, monkeypatch, capsys
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(world.certificates.root_file))

    def migrate(self, *arguments: str, typed: str, **settings: str) -> tuple[int, str]:
        """Exit code and all that is said."""
        ours, terminal = pty.openpty()
        os.write(ours, typed.encode())
        with os.fdopen(terminal, encoding="utf-8") as stdin:
            self._monkeypatch.setattr(sys, "stdin", stdin)
            code = main(["migrate", *arguments], {**self._world.settings(), **settings})
        os.close(ours)
        said = self._capsys.readouterr()
        return code, said.out + said.err


@pytest.fixture
def terminal(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(world, monkeypatch, capsys)


def test_a_no_writes_nothing_and_the_webhook_has_a_question_of_its_own(
    world: World, terminal: Terminal, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("function-key\n", encoding="utf-8")
    webhook = ("--key-file", str(key), "--keep", str(tmp_path / "kept.json"))
    code, said = terminal.migrate(*webhook, typed="n\n")
    assert (code, "Take 1 deal over?" in said, "Nothing was written." in said) == (1, True, True)
    code, said = terminal.migrate(*webhook, typed="y\nn\n", DRY_RUN="yes")
    assert (code, "1 deal taken over; neither side was written to." in said) == (1, True)
    assert "nobody syncs until you set it to no" in said
    assert "The webhook was left where it is" in said
    assert world.partner_center.webhooks.current().callback_url == FLOW
    assert "flow-secret" not in said
    code, said = terminal.migrate(*webhook, typed="y\n")
    assert (code, "1 were taken over before" in said, "Now turn these flows off" in said) == (0, True, True)
    registered = world.partner_center.webhooks.current().callback_url
    assert registered == f"{world.app_url}/api/partner-center?code=function-key"
    code, said = terminal.migrate("--keep", str(tmp_path / "kept.json"), typed="")
    assert (code, "(this app)" in said) == (0, True), "nothing is left to ask for"


def test_what_the_webhook_needs_is_asked_for_before_anything_is_read(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(world.certificates.root_file))
    settings = {**world.settings(), "PUBLIC_URL": "http://localhost:1"}
    world.dataverse.control.forget_calls()
    assert main(["migrate", "--yes"], settings) == 2
    assert main(["migrate", "--yes", "--key-file", "no-such-file"], settings) == 2
    del settings["PUBLIC_URL"]
    assert main(["migrate", "--yes"], settings) == 1
    said = capsys.readouterr().err
    assert [words in said for words in ("--links-only", "no-such-file cannot be read", "Set PUBLIC_URL")] == [True] * 3
    assert world.dataverse.control.calls == []
