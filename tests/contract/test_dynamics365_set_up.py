"""What only Dynamics 365 can lack, each found by name; and how it takes the solution catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from sandbox.certificates import Certificates
from sandbox.control import Fault
from sandbox.dataverse import DataverseSimulator
from shared.crm.dynamics365 import diagnosis
from shared.crm.dynamics365.metadata import Schema
from shared.crm.dynamics365.solution_details import PAGE_ROWS, ROWS_IN_BATCH
from shared.crm.dynamics365.tables import read_tables
from shared.crm.port import SolutionDetail
from shared.domain.errors import ConfigurationError, RetryLater
from shared.domain.finding import Condition, Finding
from shared.domain.mapping import CrmMapping
from tests.contract.deals import read_mapping
from tests.contract.rigs import Dynamics365Rig, check_token, dynamics365_rig

TABLE = "msft_microsoftsolutiondetail"


@pytest.fixture
def environment(certificates: Certificates) -> Iterator[Callable[..., Dynamics365Rig]]:
    """Makes an environment with the simulator's options."""
    with ExitStack() as running:
        yield lambda **options: running.enter_context(
            dynamics365_rig(certificates, DataverseSimulator(check_token, **options))
        )


def found(rig: Dynamics365Rig, name: str) -> Finding:
    findings = {finding.name: finding for finding in rig.crm.diagnose()}
    assert len(findings) == 7
    return findings[name]


def test_a_diagnosis_is_one_call(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    said = {finding.name: finding.what for finding in rig.crm.diagnose()}
    assert rig.calls() == 1
    assert "Signed in as user" in said[diagnosis.SIGN_IN]
    assert "EUR" in said[diagnosis.CURRENCIES]
    assert "on hold: On Hold" in said[diagnosis.STAGES]


def test_an_absent_alternate_key_is_a_warning(environment: Callable[..., Dynamics365Rig]) -> None:
    key = found(environment(with_alternate_key=False), diagnosis.KEY)
    assert key.condition is Condition.WARNING
    assert "opportunity has no key msft_referralkey" in key.what.lower()
    assert "infra/dynamics365" in key.remedy


@pytest.mark.parametrize("status", ["Pending", "Failed"])
def test_an_alternate_key_without_an_index_is_a_warning(status: str) -> None:
    mapping, keys = read_mapping("dynamics365.toml"), {"opportunity": {"msft_referralkey": status}}
    key = diagnosis.alternate_keys(diagnosis.Environment(mapping, read_tables(mapping), {}, Schema({}, ()), keys))
    assert key.condition is Condition.WARNING
    assert f"msft_referralkey of opportunity is {status}" in key.what


def test_change_tracking_that_is_off_is_found(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    rig.simulator.change_tracking("opportunity", enabled=False)
    tracking = found(rig, diagnosis.TRACKING)
    assert (tracking.condition, tracking.what) == (Condition.FAILED, "Off for opportunity.")
    assert "Track changes" in tracking.remedy


def test_a_sales_team_without_its_role_is_a_warning(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    told = found(rig, diagnosis.SALES_TEAM)
    assert (told.condition, "Account Manager" in told.what) == (Condition.OK, True)
    for role in rig.simulator.rows("connectionrole"):
        rig.simulator.edit("connectionrole", role["connectionroleid"], {"statecode": 1, "statuscode": 2})
    told = found(rig, diagnosis.SALES_TEAM)
    assert told.condition is Condition.WARNING
    assert "'Account Manager'" in told.what
    assert "new_role" in told.remedy


def test_an_environment_without_connection_roles_is_told_the_same(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    del rig.simulator.schema.tables["connectionrole"]
    assert found(rig, diagnosis.SALES_TEAM).condition is Condition.WARNING


def test_a_mapping_without_a_sales_team_is_sound(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    adapter = {name: table for name, table in rig.mapping.adapter.items() if name != "sales_team"}
    rig.crm = rig.adapter(customized(rig, adapter=adapter))
    told = found(rig, diagnosis.SALES_TEAM)
    assert (told.condition, "owner only" in told.what) == (Condition.OK, True)


def customized(rig: Dynamics365Rig, **changes: object) -> CrmMapping:
    return rig.mapping.model_copy(update=changes)


def test_a_missing_stage_is_named_with_those_there_are(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    rig.crm = rig.adapter(customized(rig, stages={**rig.mapping.stages, "on_hold": "Parked"}))
    stages = found(rig, diagnosis.STAGES)
    assert stages.condition is Condition.FAILED
    assert "'Parked'" in stages.what
    assert "'On Hold'" in stages.what
    assert "ON_HOLD_STAGE_NAME" in stages.remedy


def test_every_missing_column_is_named(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    gone = {"msft_microsoftcrmidentifier", "estimatedvalue"}
    table = rig.simulator.schema.tables["opportunity"]
    kept = {name: column for name, column in table.columns.items() if name not in gone}
    rig.simulator.schema.tables["opportunity"] = replace(table, columns=kept)
    columns = found(rig, diagnosis.COLUMNS)
    assert columns.condition is Condition.FAILED
    assert "column msft_microsoftcrmidentifier of opportunity" in columns.what
    assert "column estimatedvalue of opportunity" in columns.what


def test_a_refused_user_is_told_to_be_made_an_application_user(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    body = {"error": {"code": "0x80072560", "message": "The user is not a member of the organization."}}
    rig.simulator.control.order(Fault(r"\$batch", status=403, body=body))
    sign_in = found(rig, diagnosis.SIGN_IN)
    assert sign_in.condition is Condition.FAILED
    assert "application user" in sign_in.remedy


def many(count: int) -> list[SolutionDetail]:
    return [SolutionDetail(f"SOL-{number:05d}", f"Solution {number}", "3P", "Contoso") for number in range(count)]


def test_rows_are_written_in_batches(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    details = many(2 * ROWS_IN_BATCH + 5)
    told: list[int] = []
    rig.crm.save_solution_details(details, progress=told.append)
    assert told == [100, 200, 205]
    assert len(rig.simulator.rows(TABLE)) == 205
    rig.simulator.control.forget_calls()
    assert rig.crm.save_solution_details(details).unchanged == 205
    assert rig.simulator.control.count("POST .*batch") == 1  # the metadata


def test_rows_that_are_there_are_read_to_the_last_page(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    details = many(PAGE_ROWS + 1)
    for detail in details:
        rig.simulator.insert(TABLE, {"msft_solutionidentifier": detail.id, "msft_name": detail.name})
    named = [SolutionDetail(detail.id, detail.name) for detail in details]
    assert rig.crm.save_solution_details(named).unchanged == PAGE_ROWS + 1
    assert rig.simulator.control.count(f"GET .*{TABLE}") == 2


def test_a_save_that_was_cut_short_is_ended_by_the_next(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    details = many(ROWS_IN_BATCH + 1)
    rig.simulator.control.order(Fault(r"\$batch", status=503, skip=2))
    with pytest.raises(RetryLater):
        rig.crm.save_solution_details(details)
    saved = rig.crm.save_solution_details(details)
    assert (saved.created, saved.unchanged) == (1, ROWS_IN_BATCH)


def test_an_environment_without_the_table_says_so(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    del rig.simulator.schema.tables[TABLE]
    with pytest.raises(ConfigurationError, match=f"does not have: table {TABLE}.*infra/dynamics365"):
        rig.crm.save_solution_details(many(1))


def test_a_mapping_without_the_table_says_so(environment: Callable[..., Dynamics365Rig]) -> None:
    rig = environment()
    parts = {name: part for name, part in rig.mapping.adapter.items() if name != "solution_details"}
    with pytest.raises(ConfigurationError, match=r"\[adapter.solution_details\]"):
        rig.adapter(customized(rig, adapter=parts)).save_solution_details(many(1))
