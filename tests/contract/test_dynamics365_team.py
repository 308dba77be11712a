"""Owner and sales team of an opportunity in Dynamics 365."""

from __future__ import annotations

from sandbox.dataverse.schema import stable_id
from sandbox.dataverse.seed import role_id
from shared.domain.overlay import build_mapping
from shared.domain.record import Record, RecordChange, RecordKind
from shared.domain.values import Person
from tests.contract.deals import ANN, deal
from tests.contract.rigs import OTHER_USER, USER, Dynamics365Rig

OPPORTUNITY = RecordKind.OPPORTUNITY
THIRD_USER = Person("Sam", "Okafor", "", "sam.okafor@contoso.com")


def created(rig: Dynamics365Rig, *team: Person) -> Record:
    new = deal(rig.mapping, team=team)
    return rig.crm.create(new, rig.crm.prepare(new), None)


def join(rig: Dynamics365Rig, record_id: str, person: Person, role: str = "Territory Manager") -> str:
    """A seller adds a colleague to the opportunity's sales team."""
    connection = {
        "record1id_opportunity@odata.bind": f"/opportunities({record_id})",
        "record2id_systemuser@odata.bind": f"/systemusers({stable_id('systemuser', person.email)})",
        "record2roleid@odata.bind": f"/connectionroles({role_id(role)})",
    }
    return rig.simulator.insert("connection", connection)


def team_of(rig: Dynamics365Rig, record: Record) -> object:
    return rig.crm.get(OPPORTUNITY, record.id).values["@team"]


def test_a_team_has_room_for_everyone_but_that_of_a_lead(dynamics365: Dynamics365Rig) -> None:
    capacities = [dynamics365.crm.catalogue(kind).limits["@team"].capacity for kind in RecordKind]
    assert dict(zip(RecordKind, capacities, strict=True)) == {OPPORTUNITY: None, RecordKind.LEAD: 1}


def test_the_first_user_owns_a_new_deal_and_the_others_are_its_sales_team(dynamics365: Dynamics365Rig) -> None:
    record = created(dynamics365, ANN, USER, OTHER_USER, THIRD_USER)
    assert record.values["@team"] == (USER, OTHER_USER, THIRD_USER)
    owner = dynamics365.simulator.row("opportunity", record.id)["_ownerid_value"]
    assert owner == stable_id("systemuser", USER.email)
    rows = dynamics365.simulator.rows("connection")
    assert {row["_record2roleid_value"] for row in rows} == {role_id("Account Manager")}
    assert {row["_record1id_value"] for row in rows} == {record.id}


def test_colleagues_that_a_seller_adds_are_read_in_one_call(dynamics365: Dynamics365Rig) -> None:
    record = created(dynamics365, USER)
    join(dynamics365, record.id, OTHER_USER)
    join(dynamics365, record.id, USER)
    join(dynamics365, record.id, THIRD_USER, role="Stakeholder")
    before = dynamics365.calls()
    assert team_of(dynamics365, record) == (USER, OTHER_USER)
    assert dynamics365.calls() == before + 1


def test_contacts_in_the_sales_team_are_not_the_partners_own_people(dynamics365: Dynamics365Rig) -> None:
    record = created(dynamics365, USER)
    (contact,) = dynamics365.simulator.rows("contact")
    connection = join(dynamics365, record.id, OTHER_USER)
    contact_in_place = {"record2id_contact@odata.bind": f"/contacts({contact['contactid']})"}
    dynamics365.simulator.edit("connection", connection, contact_in_place)
    assert team_of(dynamics365, record) == (USER,)


def test_without_its_role_a_new_deal_has_the_owner_only(dynamics365: Dynamics365Rig) -> None:
    dynamics365.simulator.delete("connectionrole", role_id("Account Manager"))
    assert created(dynamics365, USER, OTHER_USER).values["@team"] == (USER,)
    assert dynamics365.simulator.rows("connection") == []


def test_where_the_section_is_blanked_the_team_is_the_owner(dynamics365: Dynamics365Rig) -> None:
    customized = {"adapter": {"sales_team": {"table": ""}}}
    dynamics365.crm = dynamics365.adapter(build_mapping(dynamics365.mapping.model_dump(mode="json"), customized))
    assert dynamics365.crm.catalogue().limits["@team"].capacity == 1
    record = created(dynamics365, USER, OTHER_USER)
    assert record.values["@team"] == (USER,)
    assert dynamics365.simulator.rows("connection") == []


def test_an_update_makes_owner_and_sales_team_those_of_the_deal(dynamics365: Dynamics365Rig) -> None:
    record = created(dynamics365, USER, OTHER_USER)
    dynamics365.crm.update(record, RecordChange({"@team": (THIRD_USER, USER)}))
    assert team_of(dynamics365, record) == (USER, THIRD_USER)
    dynamics365.crm.update(dynamics365.crm.get(OPPORTUNITY, record.id), RecordChange({"@team": (OTHER_USER,)}))
    assert team_of(dynamics365, record) == (OTHER_USER,)
    assert dynamics365.simulator.rows("connection") == []


def test_a_sales_team_goes_with_its_opportunity(dynamics365: Dynamics365Rig) -> None:
    record = created(dynamics365, USER, OTHER_USER)
    dynamics365.delete(record.id)
    assert dynamics365.simulator.rows("connection") == []
