"""The report tells of an installation that cannot even start, and shows itself to people and programs."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from shared.connector import Connector
from shared.domain.errors import ConfigurationError
from shared.domain.finding import Condition
from shared.health.answer import answer_with
from shared.health.checking import KeptReport, check_installation
from shared.health.report import VERSION, Check, Report, report_document, report_text
from shared.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = Check("Settings", Condition.OK, "All set.", "", 3)
EYE = Check("Dry run", Condition.WARNING, "On.", "Set DRY_RUN to no.", 0)
BAD = Check("CRM", Condition.FAILED, "<script>alert('x')</script>\nand more", "Mend it & <start>.", 1234)
UNSEEN = Check("Webhook", Condition.UNKNOWN, "Not looked at.")


def never(_: Settings) -> Connector:
    raise AssertionError("nothing can be connected to")


def checks(environ: dict[str, str], tmp_path: Path) -> dict[str, Check]:
    report = check_installation({"CUSTOMIZE_FILE": str(tmp_path / "customize.toml"), **environ}, never)
    return {check.name: check for check in report.checks}


def test_every_mistake_in_settings_and_mapping_is_told_at_once_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "customize.toml").write_text("[stage]\non_hold = 'Parked'", encoding="utf-8")
    environ = {"CRM": "dynamics365", "PARTNER_CENTER_CLIENT_SECRET": "hush", "DYNAMICS365_URL": "http://insecure"}
    found = checks(environ, tmp_path)
    assert found["Settings"].condition is Condition.FAILED
    for name in ("PARTNER_CENTER_TENANT_ID", "DYNAMICS365_URL", "AzureWebJobsStorage", "KEY_VAULT_URL"):
        assert name in found["Settings"].what
    assert "line 1, stage: there is no such key" in found["Field mapping"].what
    assert "hush" not in str(found)
    assert found["CRM"].condition is Condition.UNKNOWN
    assert found["Version"].condition is Condition.OK


def test_without_a_crm_the_mapping_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "customize.toml").touch()
    found = checks({}, tmp_path)
    assert (found["Settings"].condition, found["Field mapping"].condition) == (Condition.FAILED, Condition.UNKNOWN)


@pytest.mark.parametrize(("code", "name"), [("mapping", "Field mapping"), ("crm", "Settings")])
def test_what_cannot_be_put_together_is_told_where_it_belongs(tmp_path: Path, code: str, name: str) -> None:
    def refuse(_: Settings) -> Connector:
        raise ConfigurationError("It does not fit", code=code, remedy="Mend it.")

    environ = {
        "CRM": "dynamics365",
        "PARTNER_CENTER_TENANT_ID": "11111111-1111-1111-1111-111111111111",
        "PARTNER_CENTER_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
        "PARTNER_CENTER_CLIENT_SECRET": "hush",
        "KEY_VAULT_URL": "https://contoso.vault.azure.net",
        "DYNAMICS365_URL": "https://contoso.crm.dynamics.com",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "DRY_RUN": "yes",
    }
    report = check_installation(environ, refuse)
    failed = [check for check in report.checks if check.condition is Condition.FAILED]
    assert [(check.name, check.what, check.remedy) for check in failed] == [(name, "It does not fit.", "Mend it.")]
    assert any(check.name == "Dry run" and check.condition is Condition.WARNING for check in report.checks)


@pytest.mark.parametrize(
    ("present", "condition", "status"),
    [
        ([GOOD], Condition.OK, 200),
        ([GOOD, EYE], Condition.WARNING, 200),
        ([GOOD, EYE, UNSEEN], Condition.UNKNOWN, 200),
        ([GOOD, EYE, UNSEEN, BAD], Condition.FAILED, 503),
    ],
)
def test_the_worst_decides_and_only_a_failure_makes_503(
    present: list[Check], condition: Condition, status: int
) -> None:
    report = Report(tuple(present), NOW)
    assert report.condition is condition
    assert answer_with(report, {}, {}).status == status


def test_programs_get_json() -> None:
    answer = answer_with(Report((GOOD, BAD), NOW), {"format": "json"}, {"Accept": "text/html"})
    assert answer.mimetype == "application/json"
    document = json.loads(answer.body)
    assert document == report_document(Report((GOOD, BAD), NOW))
    assert document["state"] == "failed"
    assert document["checked_at"] == "2026-03-01T12:00:00Z"
    assert document["checks"][0] == {
        "name": "Settings",
        "state": "ok",
        "what": "All set.",
        "remedy": "",
        "took_ms": 3,
    }


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("params", "headers"), [({"format": "html"}, {}), ({}, {"accept": "text/html,application/xhtml+xml"})]
)
def test_people_get_a_page_that_cannot_be_broken_out_of(params: dict[str, str], headers: dict[str, str]) -> None:
    answer = answer_with(Report((GOOD, EYE, BAD), NOW), params, headers)
    page = Elements()
    page.feed(answer.body)
    assert answer.mimetype == "text/html"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "script" not in page.tags
    for text in ("<script>alert('x')</script>", "Mend it & <start>.", "Set DRY_RUN to no.", "1.2 s", "3 checks"):
        assert text in page.text


def test_a_terminal_gets_a_line_for_each_check_and_the_remedy_below() -> None:
    lines = report_text(Report((GOOD, EYE, BAD), NOW)).splitlines()
    assert [line.split()[0] for line in lines if line[:1] != " " and line] == ["OK", "WARNING", "FAILED", "3"]
    assert lines[2].strip() == "-> Set DRY_RUN to no."
    assert [line.strip() for line in lines[4:6]] == ["and more", "-> Mend it & <start>."]
    assert lines[-1] == "3 checks: 1 failed, 1 warning, 1 ok."


def test_a_report_is_kept_for_a_while() -> None:
    times = iter([0.0, 0.0, 29.9, 30.0, 30.0])
    made: list[Report] = []

    def check() -> Report:
        made.append(Report((GOOD,), NOW))
        return made[-1]

    kept = KeptReport(check, 30, lambda: next(times))
    assert kept.get() is made[0]  # takes one time, for when it was made
    assert kept.get() is made[0]
    assert kept.get() is made[0]
    assert kept.get() is made[1]


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == VERSION
