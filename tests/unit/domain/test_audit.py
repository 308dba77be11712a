"""The audit as a seller reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.audit import (
    TO_CRM,
    TO_PARTNER_CENTER,
    conflict_line,
    failure,
    is_newest,
    prepend,
    report_values,
    success,
)
from shared.domain.base import RecordView
from shared.domain.mapping import FieldLimits, RecordMapping
from shared.domain.merge import Conflict, Side
from shared.domain.plan import Rules
from shared.domain.record import CrmStage
from shared.domain.values import Person, Solution
from tests.unit.domain.deals import AGREED_AT, OPPORTUNITIES, RULES, opportunities

AT = datetime(2026, 3, 1, 10, 20, 59, tzinfo=UTC)
AUDIT = OPPORTUNITIES.columns.audit


def test_a_line_has_microsofts_form_exactly() -> None:
    line = prepend("", [success(TO_CRM)], AT, None)
    assert line == "2026-03-01 10:20 - Partner Center Referral to CRM sync success."


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (success(TO_PARTNER_CENTER), "CRM to Partner Center Referral sync success."),
        (success(TO_CRM, ["Topic", "Stage"]), "Partner Center Referral to CRM sync success (Topic, Stage)."),
        (failure(TO_CRM, "No currency CHF."), "Partner Center Referral to CRM sync failed: No currency CHF."),
    ],
)
def test_what_is_said_of_a_sync(line: str, expected: str) -> None:
    assert line == expected


def test_the_newest_line_is_first_and_each_is_one_line() -> None:
    audit = prepend("2026-02-01 08:00 - Old.\r\n\r\n2026-01-01 08:00 - Older.", ["One\nthing. ", "Another."], AT, None)
    assert audit.split("\n") == [
        "2026-03-01 10:20 - One thing.",
        "2026-03-01 10:20 - Another.",
        "2026-02-01 08:00 - Old.",
        "2026-01-01 08:00 - Older.",
    ]


@pytest.mark.parametrize(
    ("max_length", "kept"),
    [(48, 2), (47, 1), (27, 1), (24, 1), (71, 2), (72, 3), (1000, 3)],
)
def test_the_audit_is_cut_to_whole_lines(max_length: int, kept: int) -> None:
    old = ["2026-02-01 08:00 - Old.", "2026-01-01 08:00 - Abc."]
    audit = prepend("\n".join(old), ["New🎉"], AT, max_length)
    assert audit.split("\n") == ["2026-03-01 10:20 - New🎉", *old][:kept]
    assert len(audit.encode("utf-16-le")) // 2 <= max_length


def test_a_line_that_alone_is_too_long_is_cut_itself() -> None:
    assert prepend("old", ["A long story"], AT, 25) == "2026-03-01 10:20 - A long"


@given(st.text(), st.lists(st.text(), min_size=1, max_size=3), st.none() | st.integers(0, 60))
def test_no_text_breaks_the_audit_or_its_limit(audit: str, lines: list[str], max_length: int | None) -> None:
    told = prepend(f"{audit}\ud83c", lines, AT, max_length)
    if max_length is not None:
        assert len(told.encode("utf-16-le", "surrogatepass")) // 2 <= max_length


@pytest.mark.parametrize(
    ("audit", "line", "expected"),
    [
        ("2026-03-01 10:20 - A - b.\r\n2026-02-01 08:00 - C.", "A -  b.", True),
        ("2026-03-01 10:20 - A.\n2026-02-01 08:00 - C.", "C.", False),
        ("", "A.", False),
        ("A.", "A.", False),
    ],
)
def test_what_the_audit_says_last(audit: str, line: str, expected: bool) -> None:
    assert is_newest(audit, line) is expected


def view(audit: str = "", name: str = "Deal") -> RecordView:
    return RecordView({}, CrmStage.ACTIVE, AGREED_AT, audit, name)


def report(
    record: RecordView, *lines: str, failed: bool = False, rules: Rules = RULES, mapping: RecordMapping = OPPORTUNITIES
) -> dict[str, Any]:
    return report_values(record, mapping, rules, lines, AT, failed=failed)


def test_a_success_is_a_line_and_a_check_mark() -> None:
    assert report(view(), "Done.") == {AUDIT: "2026-03-01 10:20 - Done.", "name": "✔ Deal"}


def test_a_failure_is_a_line_and_a_cross() -> None:
    assert report(view(name="✔ Deal"), "Failed.", failed=True) == {
        AUDIT: "2026-03-01 10:20 - Failed.",
        "name": "❌ Deal",
    }
    assert report(view(name="❌ Deal"), "Done.")["name"] == "✔ Deal"


def test_nothing_new_is_not_told_and_not_marked() -> None:
    told = view("2026-02-01 08:00 - Failed.", "Deal")
    assert report(told, "Failed.", failed=True) == {}
    assert report(told) == {}
    assert AUDIT in report(told, "Failed.", "And more.")


@pytest.mark.parametrize(
    ("name", "failed", "expected"),
    [
        ("✔ Deal", False, None),
        ("❌ Deal", True, None),
        ("✔Deal", True, "❌ Deal"),
        ("✔ ✔ Deal", True, "❌ Deal"),
        ("", False, None),
        ("✔ ", True, None),
        ("x" * 58, False, "✔ " + "x" * 58),
        ("x" * 59, False, None),
        ("x" * 60, True, None),
        ("✔ " + "x" * 58, True, "❌ " + "x" * 58),
    ],
)
def test_the_mark_is_written_where_it_is_not_there_and_costs_the_name_nothing(
    name: str, failed: bool, expected: str | None
) -> None:
    assert report(view(name=name), "News.", failed=failed).get("name") == expected


def test_marks_can_be_switched_off() -> None:
    assert set(report(view(), "Done.", rules=replace(RULES, display_check_mark=False))) == {AUDIT}


def test_a_crm_without_an_audit_field_or_a_name_is_told_elsewhere() -> None:
    silent = OPPORTUNITIES.model_copy(update={"columns": OPPORTUNITIES.columns.model_copy(update={"audit": ""})})
    assert report(view(), "Done.", mapping=silent) == {"name": "✔ Deal"}
    nameless = OPPORTUNITIES.model_copy(update={"fields": OPPORTUNITIES.fields[1:]})
    assert set(report(view(), "Done.", mapping=nameless)) == {AUDIT}


def test_the_audit_keeps_to_the_limit_of_its_field() -> None:
    rules = replace(RULES, limits={AUDIT: FieldLimits(max_length=30)})
    assert report(view("2026-02-01 08:00 - Old."), "Done.", rules=rules)[AUDIT] == "2026-03-01 10:20 - Done."


@pytest.mark.parametrize(
    ("conflict", "expected"),
    [
        (
            Conflict("deal_value", Decimal(2), None, Side.CRM),
            "Est. revenue was changed on both sides (Partner Center: 2; CRM: blank); the CRM's value was kept.",
        ),
        (
            Conflict("deal_value", "x" * 61, "y" * 60, Side.PARTNER_CENTER),
            f"Est. revenue was changed on both sides (Partner Center: {'x' * 57}...; CRM: {'y' * 60}); "
            "Partner Center's value was kept.",
        ),
        (
            Conflict("notes", "secret", "words", Side.CRM, is_personal=True),
            "Description was changed on both sides; the CRM's value was kept.",
        ),
        (
            Conflict("currency", "EUR", "USD", None),
            "Currency was changed on both sides (Partner Center: EUR; CRM: USD) and waits: make both sides equal, and "
            "it goes on.",
        ),
        (
            Conflict("solutions", (Solution("SOL-1"), Solution("SOL-2")), (), None),
            "Microsoft Partner Center Solutions was changed on both sides (Partner Center: SOL-1, SOL-2; CRM: blank) "
            "and waits: make both sides equal, and it goes on.",
        ),
        (Conflict("gone", "a", "b", Side.CRM), "gone was changed on both sides; the CRM's value was kept."),
    ],
)
def test_a_conflict_is_told_with_both_values_unless_they_are_personal(conflict: Conflict, expected: str) -> None:
    assert conflict_line(conflict, OPPORTUNITIES) == expected


def test_people_are_never_shown_even_by_a_row_that_is_not_marked_personal() -> None:
    mapping = opportunities({"name": "team", "personal": False})
    line = conflict_line(Conflict("team", (Person("Mia", email="mia@x.example"),), (), None), mapping)
    assert "mia" not in line.lower()
