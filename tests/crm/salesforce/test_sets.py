"""Contacts by their roles, teams with members, solutions by their catalogue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import Rejected, RetryLater
from shared.domain.record import Record
from shared.domain.values import Person, Solution
from tests.contract.deals import ANN, BACKUP, BEN, VAULT, deal
from tests.contract.rigs import DETAILS, OTHER_USER, SOLUTIONS, USER, SalesforceRig
from tests.crm.salesforce.conftest import OrgMaker
from tests.crm.salesforce.deals import OPPORTUNITY, change, create, read, value


@pytest.fixture
def rig(org: OrgMaker) -> SalesforceRig:
    made: SalesforceRig = org(team_selling=True)
    made.crm.catalogue()
    return made


def roles(rig: SalesforceRig) -> dict[str, bool]:
    """Last name of each contact of a deal to whether it is the primary one."""
    names = {row["Id"]: row["LastName"] for row in rig.hands.rows("Contact")}
    return {names[row["ContactId"]]: row["IsPrimary"] for row in rig.hands.rows("OpportunityContactRole")}


def update(rig: SalesforceRig, record: Record, **values: Any) -> None:
    rig.crm.update(rig.crm.get(OPPORTUNITY, record.id), change(rig, **values))


def test_former_contacts_keep_their_role(rig: SalesforceRig) -> None:
    record = create(rig, contacts=(ANN,))
    assert roles(rig) == {"Beck": True}
    update(rig, record, contacts=(BEN,))
    assert roles(rig) == {"Beck": False, "Cole": True}
    update(rig, record, contacts=())
    assert roles(rig) == {"Beck": False, "Cole": False}
    assert read(rig, record, "contacts") == ()
    update(rig, record, contacts=(ANN,))
    assert roles(rig) == {"Beck": True, "Cole": False}
    assert len(rig.hands.rows("Contact")) == 2


def test_a_person_without_a_last_name_is_still_a_contact(rig: SalesforceRig) -> None:
    record = create(rig, contacts=(Person("Cher", "", "", "cher@fabrikam.example"),))
    assert value(rig, record, "contacts") == (Person("", "Cher", "", "cher@fabrikam.example"),)


def test_a_long_name_is_cut_to_its_field(rig: SalesforceRig) -> None:
    record = create(rig, contacts=(Person("A" * 60, "Beck", "", ANN.email),))
    assert value(rig, record, "contacts")[0].first_name == "A" * 40


def test_a_contact_of_another_account_is_not_used(rig: SalesforceRig) -> None:
    create(rig)
    other, account_id = deal(rig.mapping, "9c0b5b7e-6a54-4f0e-8b9a-0a4a9d8f2c02"), rig.add_account("Wingtip", None)
    prepared = rig.crm.prepare(other)
    assert len(prepared.contacts) == 1
    rig.crm.create(other, prepared, account_id)
    contacts = rig.hands.rows("Contact")
    assert [row["Email"] for row in contacts] == [ANN.email, ANN.email]
    assert account_id in {row["AccountId"] for row in contacts}


def test_a_phone_number_that_is_hidden_is_none(rig: SalesforceRig) -> None:
    rig.simulator.hide_fields("Contact", "Phone")
    rig.crm = rig.adapter()
    assert value(rig, create(rig), "contacts") == (Person(ANN.first_name, ANN.last_name, "", ANN.email),)


def test_the_first_of_a_team_owns_and_the_others_are_members(rig: SalesforceRig) -> None:
    assert "@team" not in rig.crm.catalogue().limits, "a team has any number of members"
    stranger = Person("Kim", "Lee", "", "kim.lee@fabrikam.example")
    record = create(rig, team=(stranger, USER, OTHER_USER, USER))
    assert value(rig, record, "team") == (USER, OTHER_USER)
    assert len(rig.hands.rows("OpportunityTeamMember")) == 1
    update(rig, record, team=(OTHER_USER, USER))
    assert read(rig, record, "team") == (OTHER_USER, USER)
    update(rig, record, team=(OTHER_USER,))
    assert read(rig, record, "team") == (OTHER_USER,)
    users = {row["Id"]: row["Email"] for row in rig.hands.rows("User")}
    assert {users[row["UserId"]] for row in rig.hands.rows("OpportunityTeamMember")} == {OTHER_USER.email}


def test_a_seller_who_joins_the_team_is_read(rig: SalesforceRig) -> None:
    record = create(rig)
    assert value(rig, record, "team") == (), "the connector's own user is nobody's colleague"
    (user_id,) = (row["Id"] for row in rig.hands.rows("User") if row["Email"] == USER.email)
    rig.hands.insert("OpportunityTeamMember", {"OpportunityId": record.id, "UserId": user_id})
    assert read(rig, record, "team") == (USER,)


def test_solutions_are_added_changed_and_removed_and_the_catalogue_keeps_its_names(rig: SalesforceRig) -> None:
    third = Solution("SOL-3", "Contoso Mail", None, Decimal("0.00"))
    record = create(rig, solutions=(BACKUP, VAULT))
    rows = rig.solution_rows(record.id)
    changed = Solution(VAULT.id.lower(), "Contoso Vault Plus", 7, Decimal("12.35"))
    written = rig.crm.update(record, change(rig, solutions=(changed, third), notes="with solutions"))
    expected = (Solution(VAULT.id, VAULT.name, 7, Decimal("12.35")), third)
    assert written.values["@solutions"] == expected
    assert read(rig, record, "solutions") == expected
    assert read(rig, record, "notes") == "with solutions"
    assert rows[1] in rig.solution_rows(record.id), "the row of a solution that stays is changed"
    assert rows[0] not in rig.solution_rows(record.id)


def test_a_solution_of_the_catalogue_is_used_whatever_its_case(rig: SalesforceRig) -> None:
    before = len(rig.hands.rows(DETAILS))
    record = create(rig, solutions=(Solution("sol-41001", "something else", 1, None), BACKUP))
    assert {one.name for one in value(rig, record, "solutions")} == {"Contoso Supply Chain", BACKUP.name}
    assert len(rig.hands.rows(DETAILS)) == before + 1


def test_a_row_that_names_no_solution_is_read_by_its_number(rig: SalesforceRig) -> None:
    record = create(rig)
    rig.hands.insert(SOLUTIONS, {"Opportunity__c": record.id, "Quantity__c": 3})
    unnamed = read(rig, record, "solutions")[1]
    assert (unnamed.id, unnamed.quantity) == ("", 3)
    assert unnamed.name.startswith("MS-")


def test_a_row_that_stands_twice_is_there_once_after_an_update(rig: SalesforceRig) -> None:
    record = create(rig)
    (detail,) = {row["Solution__c"] for row in rig.hands.rows(SOLUTIONS)}
    rig.hands.insert(SOLUTIONS, {"Opportunity__c": record.id, "Solution__c": detail, "Quantity__c": 9})
    update(rig, record, solutions=(BACKUP,))
    assert read(rig, record, "solutions") == (BACKUP,)


def many(count: int, quantity: int = 1) -> tuple[Solution, ...]:
    return tuple(Solution(f"SOL-{number:05d}", f"Solution {number}", quantity, None) for number in range(count))


def fill_catalogue(rig: SalesforceRig, count: int) -> None:
    for one in many(count):
        rig.hands.insert(DETAILS, {"Name": one.name, "Solution_Identifier__c": one.id})


def test_more_solutions_than_fit_one_by_one_go_as_a_collection(rig: SalesforceRig) -> None:
    fill_catalogue(rig, 60)
    record = create(rig, solutions=many(40))
    assert set(value(rig, record, "solutions")) == set(many(40))
    update(rig, record, solutions=(*many(30, quantity=2), *many(60)[40:]))
    assert set(read(rig, record, "solutions")) == {*many(30, quantity=2), *many(60)[40:]}


def test_a_row_of_a_collection_that_is_refused_is_told(rig: SalesforceRig) -> None:
    fill_catalogue(rig, 40)
    rig.simulator.change_field(SOLUTIONS, "Quantity__c", precision=2)
    with pytest.raises(Rejected) as refused:
        create(rig, solutions=many(40, quantity=1000))
    assert refused.value.field == "Quantity__c"


def test_more_new_solutions_than_one_request_can_make_are_a_rejection_in_words(rig: SalesforceRig) -> None:
    with pytest.raises(Rejected, match="writes at once") as refused:
        create(rig, solutions=many(30))
    assert refused.value.code == "too_many_parts"
    fill_catalogue(rig, 201)
    with pytest.raises(Rejected, match="201 rows"):
        create(rig, solutions=many(201))


def test_two_deals_that_bring_the_same_new_solution_at_once_take_turns(rig: SalesforceRig) -> None:
    rig.simulator.change_field(DETAILS, "Solution_Identifier__c", unique=True)
    new = deal(rig.mapping)
    prepared = rig.crm.prepare(new)
    other = deal(rig.mapping, "9c0b5b7e-6a54-4f0e-8b9a-0a4a9d8f2c02")
    rig.crm.create(other, rig.crm.prepare(other), None)
    with pytest.raises(RetryLater, match="same solution"):
        rig.crm.create(new, prepared, None)
    assert rig.crm.create(new, rig.crm.prepare(new), None).values["@solutions"] == (BACKUP,)
