"""What every CRM adapter does for whoever sets the connector up: the solution catalogue, and a diagnosis."""

from __future__ import annotations

from shared.crm.port import SavedDetails, SolutionDetail
from shared.domain.finding import Condition
from tests.contract.rigs import Rig

SUPPLY = SolutionDetail("SOL-34104-EBB", "Contoso Supply Chain", "3P", "Contoso")
FRAUD = SolutionDetail("SOL-20001-AAA", "Woodgrove Fraud Watch", "3P", "Woodgrove Bank")


def test_the_first_save_creates_and_the_second_finds_nothing_to_do(rig: Rig) -> None:
    assert rig.crm.save_solution_details([SUPPLY, FRAUD]) == SavedDetails(2, 0, 0)
    assert rig.crm.save_solution_details([SUPPLY, FRAUD]) == SavedDetails(0, 0, 2)


def test_a_changed_row_is_updated_alone_whatever_the_case_of_its_identifier(rig: Rig) -> None:
    rig.crm.save_solution_details([SUPPLY, FRAUD])
    renamed = SolutionDetail("sol-34104-ebb ", "Contoso Supply Chain 2", "3P", "Contoso")
    assert rig.crm.save_solution_details([renamed, FRAUD]) == SavedDetails(0, 1, 1)
    assert rig.crm.save_solution_details([renamed, SUPPLY]) == SavedDetails(0, 1, 0)


def test_blank_parts_leave_what_is_there(rig: Rig) -> None:
    rig.crm.save_solution_details([SUPPLY])
    assert rig.crm.save_solution_details([SolutionDetail(SUPPLY.id, SUPPLY.name)]) == SavedDetails(0, 0, 1)
    assert rig.crm.save_solution_details([SUPPLY]) == SavedDetails(0, 0, 1)


def test_a_dry_run_counts_and_writes_nothing(rig: Rig) -> None:
    told: list[int] = []
    assert rig.crm.save_solution_details([SUPPLY], dry_run=True, progress=told.append) == SavedDetails(1, 0, 0)
    assert rig.crm.save_solution_details([SUPPLY], progress=told.append) == SavedDetails(1, 0, 0)
    assert told == [1]


def test_a_row_that_does_not_fit_is_refused_and_the_others_written(rig: Rig) -> None:
    long = SolutionDetail("SOL-1", "x" * 201)
    saved = rig.crm.save_solution_details([long, SUPPLY])
    assert (saved.created, list(saved.refused)) == (1, ["sol-1"])
    assert "long" in saved.refused["sol-1"]


def test_a_sound_crm_is_found_sound(rig: Rig) -> None:
    assert {finding.condition for finding in rig.crm.diagnose()} == {Condition.OK}


def test_a_crm_that_does_not_answer_is_a_finding_and_no_error(rig: Rig) -> None:
    rig.refuse_next()
    first, *others = rig.crm.diagnose()
    assert first.condition is Condition.FAILED
    assert {finding.condition for finding in others} <= {Condition.UNKNOWN}


def test_what_is_used_of_the_limits_is_told_without_a_call(rig: Rig) -> None:
    before = rig.calls()
    usage = rig.crm.usage()
    assert rig.calls() == before
    assert usage is None or 0 <= usage.used <= usage.most
