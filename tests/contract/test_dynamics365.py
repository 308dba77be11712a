"""What is Dynamics 365's own: its set-up, its alternate key, its way of closing, its metadata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.certificates import Certificates
from sandbox.dataverse import DataverseSimulator
from shared.domain.errors import ConfigurationError, Rejected, VersionConflict
from shared.domain.mapping import CrmMapping
from shared.domain.overlay import build_mapping
from shared.domain.record import CrmStage, Record, RecordChange, RecordKind, StageChange
from tests.contract.deals import ANN, BACKUP, REFERRAL_ID, deal, paths, read_mapping
from tests.contract.rigs import Dynamics365Rig, check_token, dynamics365_rig

OPPORTUNITY = RecordKind.OPPORTUNITY


@pytest.fixture
def rig_with(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Dynamics365Rig]:
    """A rig on a simulator with the options that the test is parametrised with."""
    with dynamics365_rig(certificates, DataverseSimulator(check_token, **request.param)) as rig:
        yield rig


def create(rig: Dynamics365Rig, stage: CrmStage = CrmStage.ACTIVE, **values: Any) -> Record:
    new = deal(rig.mapping, stage=StageChange(stage), **values)
    return rig.crm.create(new, rig.crm.prepare(new), None)


def changed_mapping(overlay: dict[str, Any]) -> CrmMapping:
    return build_mapping(read_mapping("dynamics365.toml").model_dump(mode="json"), overlay)


def test_the_metadata_cost_one_call_per_worker(dynamics365: Dynamics365Rig) -> None:
    dynamics365.crm.catalogue()
    dynamics365.crm.catalogue()
    assert dynamics365.calls() == 1
    assert dynamics365.transport.calls == {"metadata.read": 1}


def test_everything_that_the_environment_lacks_is_told_at_once(dynamics365: Dynamics365Rig) -> None:
    mapping = changed_mapping(
        {
            "records": {
                "opportunity": {
                    "columns": {"audit": "new_audit"},
                    "fields": [
                        {"name": "notes", "crm": "new_notes"},
                        {"name": "customer_city", "crm": "customerid_account.new_city"},
                        {"name": "customer_state", "crm": "new_customerid.state"},
                        {"name": "customer_address_line_2", "crm": "originatingleadid"},
                    ],
                }
            },
            "adapter": {"solutions": {"table": "new_solution"}, "contacts": {"phone": "new_phone"}},
            "stages": {"on_hold": "Waiting"},
        }
    )
    with pytest.raises(ConfigurationError) as refused:
        dynamics365.adapter(mapping).catalogue()
    for missing in (
        "column new_audit of opportunity",
        "column new_notes of opportunity",
        "column new_city of account",
        "lookup new_customerid of opportunity",
        "column originatingleadid of opportunity with a type",
        "table new_solution",
        "column new_phone of contact",
        "status reason 'Waiting'",
        "'On Hold'",
    ):
        assert missing in refused.value.message
    assert "infra/dynamics365" in refused.value.remedy


def test_a_table_that_does_not_track_changes_is_named(dynamics365: Dynamics365Rig) -> None:
    dynamics365.simulator.change_tracking("opportunity", enabled=False)
    with pytest.raises(ConfigurationError, match="opportunity") as refused:
        next(dynamics365.crm.changes(OPPORTUNITY, None))
    assert "Track changes" in refused.value.remedy


def test_a_missing_privilege_is_named(dynamics365: Dynamics365Rig) -> None:
    dynamics365.simulator.deny_organization_read("opportunity")
    with pytest.raises(ConfigurationError) as refused:
        next(dynamics365.crm.changes(OPPORTUNITY, None))
    assert "prvReadOpportunity" in refused.value.remedy


def test_a_cursor_for_other_columns_becomes_a_full_read(dynamics365: Dynamics365Rig) -> None:
    create(dynamics365)
    (page,) = dynamics365.crm.changes(OPPORTUNITY, None)
    assert page.cursor is not None
    cursor = page.cursor.replace("statecode", "stepname")
    assert [page.full for page in dynamics365.crm.changes(OPPORTUNITY, cursor)] == [True]


@pytest.mark.parametrize("rig_with", [{"expired_token_status": status} for status in (400, 404, 410)], indirect=True)
def test_an_expired_cursor_is_known_by_its_code(rig_with: Dynamics365Rig) -> None:
    (page,) = rig_with.crm.changes(OPPORTUNITY, None)
    rig_with.expire_cursors()
    assert [page.full for page in rig_with.crm.changes(OPPORTUNITY, page.cursor)] == [True]


@pytest.mark.parametrize("rig_with", [{"batch_failure_status": status} for status in (200, 400, 412)], indirect=True)
def test_a_refused_change_set_is_understood_whatever_the_batch_says(rig_with: Dynamics365Rig) -> None:
    new = deal(rig_with.mapping)
    prepared = rig_with.crm.prepare(new)
    rig_with.crm.create(new, prepared, None)
    with pytest.raises(VersionConflict):
        rig_with.crm.create(new, prepared, None)


@pytest.mark.parametrize("rig_with", [{"with_alternate_key": False}], indirect=True)
class TestWithoutAlternateKey:
    def test_records_are_created_closed_and_found(self, rig_with: Dynamics365Rig) -> None:
        record = create(rig_with, CrmStage.WON)
        assert record.stage is CrmStage.WON
        assert record.values["@solutions"] == (BACKUP,)
        assert rig_with.crm.prepare(deal(rig_with.mapping)).existing == record

    def test_two_records_of_one_referral_wait_for_a_person(self, rig_with: Dynamics365Rig) -> None:
        record = create(rig_with)
        column = rig_with.mapping.records[OPPORTUNITY].columns.referral_id
        other = rig_with.simulator.insert("opportunity", {"name": "copy", column: REFERRAL_ID})
        with pytest.raises(Rejected) as refused:
            rig_with.crm.prepare(deal(rig_with.mapping))
        assert refused.value.field == column
        assert record.id in refused.value.message
        assert other in refused.value.message


def test_a_referral_id_that_no_key_url_can_hold_is_still_unique(dynamics365: Dynamics365Rig) -> None:
    new = deal(dynamics365.mapping, "id/with:marks?")
    prepared = dynamics365.crm.prepare(new)
    record = dynamics365.crm.create(new, prepared, None)
    assert dynamics365.crm.prepare(new).existing == record
    with pytest.raises(VersionConflict):
        dynamics365.crm.create(new, prepared, None)


@pytest.mark.parametrize("rig_with", [{"closed_rows_read_only": True}], indirect=True)
def test_where_closed_records_are_read_only_the_refusal_says_what_to_do(rig_with: Dynamics365Rig) -> None:
    record = create(rig_with, CrmStage.WON)
    with pytest.raises((Rejected, ConfigurationError)) as refused:
        rig_with.crm.update(record, RecordChange(paths(rig_with.mapping, {"notes": "late"})))
    assert "eopen" in refused.value.remedy
    rig_with.crm.update(record, RecordChange(paths(rig_with.mapping, {"notes": "late"}), StageChange(CrmStage.ACTIVE)))
    assert rig_with.crm.get(OPPORTUNITY, record.id).values["description"] == "late"


def test_closing_tells_why_and_for_how_much(dynamics365: Dynamics365Rig) -> None:
    record = create(dynamics365)
    dynamics365.crm.update(record, RecordChange(stage=StageChange(CrmStage.WON, "Won in Partner Center")))
    (close,) = dynamics365.simulator.rows("opportunityclose")
    assert close["subject"] == "Won: Won in Partner Center"
    assert close["description"] == "Won in Partner Center"
    assert close["actualrevenue"] == record.values["estimatedvalue"]


def test_a_choice_added_later_is_read_with_new_metadata(dynamics365: Dynamics365Rig) -> None:
    record = create(dynamics365)
    simulator = dynamics365.simulator
    column = simulator.schema.tables["opportunity"].columns["msft_microsoftpartnercenterhelp"]
    added = type(column.options[0])(299600099, "A helping hand")
    simulator.change_column("opportunity", column.name, options=(*column.options, added))
    simulator.edit("opportunity", record.id, {column.name: 299600099})
    before = dynamics365.calls()
    assert dynamics365.crm.get(OPPORTUNITY, record.id).values[column.name] == "A helping hand"
    assert dynamics365.calls() - before == 2


def test_a_contact_of_another_account_is_not_used(dynamics365: Dynamics365Rig) -> None:
    create(dynamics365)
    account_id = dynamics365.add_account("Wingtip", None)
    other = deal(dynamics365.mapping, "9c0b5b7e-6a54-4f0e-8b9a-0a4a9d8f2c02")
    prepared = dynamics365.crm.prepare(other)
    assert len(prepared.contacts) == 1
    dynamics365.crm.create(other, prepared, account_id)
    contacts = dynamics365.simulator.rows("contact")
    assert [row["emailaddress1"] for row in contacts] == [ANN.email, ANN.email]
    assert account_id in {row["_parentcustomerid_value"] for row in contacts}


def test_a_stranger_with_a_long_name_does_not_stop_the_deal(dynamics365: Dynamics365Rig) -> None:
    record = create(dynamics365, contacts=(type(ANN)("A" * 60, "Beck", "", ANN.email),))
    assert record.values["@contacts"][0].first_name == "A" * 50


def test_links_open_the_app_that_is_set(dynamics365: Dynamics365Rig) -> None:
    record_id = "0a5f3b1e-0000-4000-8000-000000000001"
    plain = dynamics365.crm.link_to(OPPORTUNITY, record_id)
    assert plain == f"{dynamics365.url}/main.aspx?etn=opportunity&pagetype=entityrecord&id={record_id}"


def test_the_record_itself_holds_both_lookups_to_its_account(dynamics365: Dynamics365Rig) -> None:
    record = create(dynamics365)
    row = dynamics365.simulator.row("opportunity", record.id)
    assert row["_customerid_value"] == row["_parentaccountid_value"] is not None


def test_a_choice_that_dynamics_365_does_not_list_is_rejected_by_name(dynamics365: Dynamics365Rig) -> None:
    record = create(dynamics365)
    simulator = dynamics365.simulator
    column = simulator.schema.tables["opportunity"].columns["msft_microsoftpartnercenterhelp"]
    simulator.change_column("opportunity", column.name, options=column.options[:1])
    worker = dynamics365.adapter()
    with pytest.raises(Rejected) as refused:
        worker.get(OPPORTUNITY, record.id)
    assert refused.value.field == column.name


def test_a_customer_can_only_be_corrected_where_there_is_one(dynamics365: Dynamics365Rig) -> None:
    record_id = dynamics365.simulator.insert("opportunity", {"name": "without a customer"})
    record = dynamics365.crm.get(OPPORTUNITY, record_id)
    assert record.values["customerid_account.name"] is None
    with pytest.raises(Rejected, match="no account"):
        dynamics365.crm.update(record, RecordChange(paths(dynamics365.mapping, {"customer_city": "Berlin"})))


def test_a_create_for_a_record_that_was_found_makes_no_call(dynamics365: Dynamics365Rig) -> None:
    create(dynamics365)
    new = deal(dynamics365.mapping)
    prepared = dynamics365.crm.prepare(new)
    before = dynamics365.calls()
    with pytest.raises(VersionConflict, match=REFERRAL_ID):
        dynamics365.crm.create(new, prepared, None)
    assert dynamics365.calls() == before


def test_an_update_of_strangers_only_writes_nothing(dynamics365: Dynamics365Rig) -> None:
    record = create(dynamics365)
    written = dynamics365.crm.update(record, RecordChange({"@team": (ANN,)}))
    assert written.version == record.version
    assert dynamics365.crm.get(OPPORTUNITY, record.id) == record


def test_a_kind_of_record_that_is_not_mapped_is_named(dynamics365: Dynamics365Rig) -> None:
    opportunities = {OPPORTUNITY: dynamics365.mapping.records[OPPORTUNITY]}
    crm = dynamics365.adapter(dynamics365.mapping.model_copy(update={"records": opportunities}))
    with pytest.raises(ConfigurationError, match="lead"):
        crm.get(RecordKind.LEAD, "0a5f3b1e-0000-4000-8000-000000000001")
