"""What the Dataverse simulator takes and refuses of who customises it, as Microsoft's pages print it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PowerPlatform.Dataverse.client import DataverseClient

from sandbox.certificates import Certificates
from sandbox.dataverse import APPLICATION_USER_ID, DataverseSimulator
from sandbox.serving import Server
from tests.sandbox.test_dataverse_clients import GoodCredential

OPPORTUNITY = "EntityDefinitions(LogicalName='opportunity')"
LEAD = "EntityDefinitions(LogicalName='lead')"
IN_SOLUTION = {"MSCRM.SolutionUniqueName": "Fabrikam"}
MERGED = {"MSCRM.MergeLabels": "true"}
LEVEL = {"Value": "None", "CanBeChanged": True, "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings"}


def label(text: str, language: int = 1033) -> dict[str, Any]:
    localized = {"@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", "Label": text, "LanguageCode": language}
    return {"@odata.type": "Microsoft.Dynamics.CRM.Label", "LocalizedLabels": [localized]}


def text_column(name: str = "fab_Code", **changes: Any) -> dict[str, Any]:
    return {
        "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata",
        "SchemaName": name,
        "DisplayName": label("Code"),
        "RequiredLevel": LEVEL,
        "MaxLength": 100,
        "FormatName": {"Value": "Text"},
        **changes,
    }


def table(name: str = "fab_Thing", **changes: Any) -> dict[str, Any]:
    return {
        "@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata",
        "SchemaName": name,
        "DisplayName": label("Thing"),
        "DisplayCollectionName": label("Things"),
        "OwnershipType": "UserOwned",
        "HasNotes": False,
        "HasActivities": False,
        "Attributes": [text_column("fab_Name", IsPrimaryName=True)],
        **changes,
    }


def relationship(**changes: Any) -> dict[str, Any]:
    return {
        "@odata.type": "Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata",
        "SchemaName": "fab_opportunity_thing",
        "ReferencedEntity": "opportunity",
        "ReferencingEntity": "fab_thing",
        "CascadeConfiguration": {"Delete": "Cascade", "Assign": "NoCascade"},
        "Lookup": {
            "@odata.type": "Microsoft.Dynamics.CRM.LookupAttributeMetadata",
            "SchemaName": "fab_OpportunityId",
            "DisplayName": label("Opportunity"),
            "RequiredLevel": LEVEL,
        },
        **changes,
    }


class Customiser:
    """A customiser's requests, with the body of each answer."""

    def __init__(self, url: str, session: Any) -> None:
        self.root = f"{url}/api/data/v9.2/"
        self._session = session

    def __call__(self, method: str, path: str, json: Any = None, headers: dict[str, str] | None = None) -> Any:
        return self._session.request(method, self.root + path, json=json, headers=headers or {}, timeout=10)

    def made(self, path: str, body: Any, headers: dict[str, str] | None = None) -> str:
        answer = self("POST", path, body, IN_SOLUTION if headers is None else headers)
        assert answer.status_code == 204, answer.text
        return str(answer.headers.get("OData-EntityId", ""))

    def refused(self, path: str, body: Any, headers: dict[str, str] | None = None, method: str = "POST") -> str:
        answer = self(method, path, body, IN_SOLUTION if headers is None else headers)
        assert answer.status_code == 400, answer.text
        return str(answer.json()["error"]["message"])


@pytest.fixture
def simulator() -> DataverseSimulator:
    simulator = DataverseSimulator(lambda authorization, audience: None)
    simulator.uninstall("msft_")
    return simulator


@pytest.fixture
def customiser(simulator: DataverseSimulator) -> Iterator[Customiser]:
    with Server(simulator.build) as server, requests.Session() as session:
        customiser = Customiser(server.url, session)
        publisher = {"uniquename": "fabrikam", "friendlyname": "Fabrikam", "customizationprefix": "fab"}
        made = customiser.made("publishers", {**publisher, "customizationoptionvalueprefix": 72700}, {})
        link = f"/publishers{made[made.index('(') :]}"
        solution = {"uniquename": "Fabrikam", "friendlyname": "Fabrikam", "version": "1.0.0.0"}
        customiser.made("solutions", {**solution, "publisherid@odata.bind": link}, {})
        yield customiser


# Publishers, solutions, prefixes


@pytest.mark.parametrize("prefix", ["f", "toolong789", "1fab", "fa_b", "mscrmfab", ""])
def test_a_prefix_has_two_to_eight_letters_and_digits_and_is_not_microsofts(
    customiser: Customiser, prefix: str
) -> None:
    values = {"uniquename": "x", "friendlyname": "x", "customizationoptionvalueprefix": 10000}
    assert "prefix" in customiser.refused("publishers", {**values, "customizationprefix": prefix}, {})


def test_names_of_publishers_and_solutions_are_unique(customiser: Customiser) -> None:
    values = {"uniquename": "fabrikam", "friendlyname": "x", "customizationoptionvalueprefix": 10000}
    assert customiser("POST", "publishers", {**values, "customizationprefix": "fab"}).status_code == 412


def test_a_name_has_the_prefix_of_the_solution_it_goes_into(customiser: Customiser) -> None:
    prefix = "must start with a valid customization prefix"
    for name in ("Code", "new_Code", "FAB_Code", "fab_", "fab Code"):
        said = customiser.refused(f"{OPPORTUNITY}/Attributes", text_column(name))
        assert prefix in said or "not a valid schema name" in said
    assert prefix in customiser.refused(f"{OPPORTUNITY}/Attributes", text_column(), {})
    customiser.made(f"{OPPORTUNITY}/Attributes", text_column("new_Code"), {})
    nowhere = {"MSCRM.SolutionUniqueName": "Nowhere"}
    assert "was not found" in customiser.refused(f"{OPPORTUNITY}/Attributes", text_column(), nowhere)


# Columns


def test_a_new_column_is_described_written_and_read(customiser: Customiser, simulator: DataverseSimulator) -> None:
    before = simulator.insert("opportunity", {"name": "Older"})
    customiser.made(f"{OPPORTUNITY}/Attributes", text_column())
    cast = "Microsoft.Dynamics.CRM.StringAttributeMetadata"
    found = customiser("GET", f"{OPPORTUNITY}/Attributes(LogicalName='fab_code')/{cast}").json()
    assert (found["SchemaName"], found["MaxLength"], found["IsManaged"]) == ("fab_Code", 100, False)
    assert customiser("GET", f"opportunities({before})?$select=fab_code").json()["fab_code"] is None
    assert customiser("PATCH", f"opportunities({before})", {"fab_code": "x"}).status_code == 204
    assert customiser("PATCH", f"opportunities({before})", {"fab_Code": "x"}).status_code == 400
    assert customiser("PATCH", f"opportunities({before})", {"fab_code": "x" * 101}).status_code == 400
    assert simulator.metadata.components["Fabrikam"] == ["column fab_code of opportunity"]


def test_a_second_column_of_that_name_is_refused(customiser: Customiser) -> None:
    customiser.made(f"{OPPORTUNITY}/Attributes", text_column())
    answer = customiser("POST", f"{OPPORTUNITY}/Attributes", text_column("fab_CODE"), IN_SOLUTION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "0x80047013")


@pytest.mark.parametrize(
    "changes",
    [
        {"@odata.type": "Microsoft.Dynamics.CRM.TextAttributeMetadata"},
        {"@odata.type": "StringAttributeMetadata"},
        {"@odata.type": "Microsoft.Dynamics.CRM.LookupAttributeMetadata", "MaxLength": None},
        {"DisplayName": "Code"},
        {"DisplayName": {"LocalizedLabels": []}},
        {"DisplayName": {"UserLocalizedLabel": {"Label": "Code", "LanguageCode": 1033}}},
        {"DisplayName": {"LocalizedLabels": [{"Label": "Code"}]}},
        {"DisplayName": label("Code", 1031)},
        {"MaxLength": 0},
        {"MaxLength": 4001},
        {"MaxLength": None},
        {"FormatName": {"Value": "Website"}},
        {"RequiredLevel": {"Value": "SystemRequired"}},
        {"Precision": 2},
    ],
)
def test_a_column_that_is_not_well_described_is_refused(customiser: Customiser, changes: dict[str, Any]) -> None:
    customiser.refused(f"{OPPORTUNITY}/Attributes", text_column(**changes))


def test_choices_need_values_that_differ_and_labels(customiser: Customiser) -> None:
    def choice(*options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        option_set = {"OptionSetType": "Picklist", "IsGlobal": False, "Options": list(options), **changes}
        kind = "Microsoft.Dynamics.CRM.PicklistAttributeMetadata"
        described = {"@odata.type": kind, "SchemaName": "fab_Kind", "DisplayName": label("Kind")}
        return {**described, "OptionSet": option_set}

    one = {"Value": 727000000, "Label": label("One")}
    path = f"{OPPORTUNITY}/Attributes"
    assert "same value" in customiser.refused(path, choice(one, one))
    assert "Label" in customiser.refused(path, choice({"Value": 1}))
    customiser.refused(path, choice(one, IsGlobal=True))
    customiser.made(path, choice(one))
    row = customiser("POST", "opportunities", {"name": "x", "fab_kind": 727000000})
    assert row.status_code == 204
    assert customiser("POST", "opportunities", {"name": "x", "fab_kind": 727000001}).status_code == 400


def test_money_comes_with_its_base_value_and_a_currency(customiser: Customiser, simulator: DataverseSimulator) -> None:
    customiser.made("EntityDefinitions", table())
    kind = "Microsoft.Dynamics.CRM.MoneyAttributeMetadata"
    price = {"@odata.type": kind, "SchemaName": "fab_Price", "DisplayName": label("Price"), "PrecisionSource": 2}
    customiser.made("EntityDefinitions(LogicalName='fab_thing')/Attributes", price)
    columns = set(simulator.schema.tables["fab_thing"].columns)
    assert {"fab_price", "fab_price_base", "transactioncurrencyid", "exchangerate"} <= columns
    assert simulator.row("fab_thing", simulator.insert("fab_thing", {"fab_price": 5}))["fab_price_base"] == 5


# Tables and relationships


def test_a_new_table_has_rows_privileges_and_no_change_tracking(
    customiser: Customiser, simulator: DataverseSimulator
) -> None:
    customiser.made("EntityDefinitions", table())
    shown = customiser("GET", "EntityDefinitions(LogicalName='fab_thing')").json()
    assert (shown["EntitySetName"], shown["ChangeTrackingEnabled"], shown["IsManaged"]) == ("fab_things", False, False)
    customiser.made("fab_things", {"fab_name": "One"})
    assert [row["fab_name"] for row in customiser("GET", "fab_things").json()["value"]] == ["One"]
    assert "prvReadfab_Thing" in {row["name"] for row in simulator.rows("privilege")}
    assert "already exists" in customiser.refused("EntityDefinitions", table("fab_THING"))


@pytest.mark.parametrize("missing", ["DisplayName", "DisplayCollectionName", "OwnershipType", "HasNotes", "Attributes"])
def test_a_table_needs_all_that_the_page_lists(customiser: Customiser, missing: str) -> None:
    body = table()
    del body[missing]
    assert missing in customiser.refused("EntityDefinitions", body)


@pytest.mark.parametrize(
    "primary",
    [
        [],
        [text_column("fab_Name")],
        [text_column("fab_Name", IsPrimaryName=True), text_column("fab_Other")],
        [text_column("fab_Name", IsPrimaryName=True, FormatName={"Value": "Url"})],
    ],
)
def test_a_table_has_one_primary_text_column(customiser: Customiser, primary: list[Any]) -> None:
    customiser.refused("EntityDefinitions", table(Attributes=primary))


def test_a_relationship_brings_its_lookup(customiser: Customiser, simulator: DataverseSimulator) -> None:
    customiser.made("EntityDefinitions", table())
    customiser.made("RelationshipDefinitions", relationship())
    parent = simulator.insert("opportunity", {"name": "Parent"})
    customiser.made("fab_things", {"fab_name": "One", "fab_OpportunityId@odata.bind": f"/opportunities({parent})"})
    path = f"opportunities({parent})?$select=name&$expand=fab_opportunity_thing($select=fab_name)"
    assert [row["fab_name"] for row in customiser("GET", path).json()["fab_opportunity_thing"]] == ["One"]
    query = "ManyToOneRelationships?$filter=ReferencingAttribute eq 'fab_opportunityid'"
    (told,) = customiser("GET", f"EntityDefinitions(LogicalName='fab_thing')/{query}").json()["value"]
    assert (told["SchemaName"], told["ReferencedEntity"]) == ("fab_opportunity_thing", "opportunity")
    simulator.delete("opportunity", parent)
    assert simulator.rows("fab_thing") == []
    assert "already exists" in customiser.refused("RelationshipDefinitions", relationship())


@pytest.mark.parametrize(
    "changes",
    [
        {"ReferencedEntity": "nosuch"},
        {"ReferencingEntity": "nosuch"},
        {"SchemaName": "opportunity_thing"},
        {"CascadeConfiguration": {"Delete": "NoCascade"}},
        {"Lookup": text_column()},
        {"@odata.type": "Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata"},
    ],
)
def test_a_relationship_that_cannot_be_is_refused(customiser: Customiser, changes: dict[str, Any]) -> None:
    customiser.made("EntityDefinitions", table())
    customiser.refused("RelationshipDefinitions", relationship(**changes))


# Alternate keys


def key(*columns: str, name: str = "fab_Key") -> dict[str, Any]:
    return {"SchemaName": name, "DisplayName": label("Key"), "KeyAttributes": list(columns)}


def status(customiser: Customiser) -> str:
    (found,) = customiser("GET", f"{LEAD}/Keys").json()["value"]
    return str(found["EntityKeyIndexStatus"])


def test_a_key_is_built_after_a_while_and_holds_only_then(
    customiser: Customiser, simulator: DataverseSimulator
) -> None:
    customiser.made(f"{LEAD}/Attributes", text_column())
    customiser.made(f"{LEAD}/Keys", key("fab_code"))
    assert customiser("PATCH", "leads(fab_code='a')", {"lastname": "A"}).status_code == 400
    assert [status(customiser) for _ in range(3)] == ["In Progress", "In Progress", "Active"]
    assert customiser("PATCH", "leads(fab_code='a')", {"lastname": "A"}).status_code == 204
    assert customiser("POST", "leads", {"lastname": "B", "fab_code": "A"}).status_code == 412
    assert "already exists" in customiser.refused(f"{LEAD}/Keys", key("fab_code", name="fab_KEY"))
    assert simulator.metadata.components["Fabrikam"][-1] == "key fab_key of lead"


def test_duplicates_fail_the_index_until_they_are_gone_and_it_is_ordered_anew(
    customiser: Customiser, simulator: DataverseSimulator
) -> None:
    customiser.made(f"{LEAD}/Attributes", text_column())
    twice = [simulator.insert("lead", {"lastname": "Twice", "fab_code": code}) for code in ("a", "A")]
    customiser.made(f"{LEAD}/Keys", key("fab_code"))
    order = {"EntityLogicalName": "lead", "EntityKeyLogicalName": "fab_key"}
    assert "has failed" in customiser.refused("ReactivateEntityKey", order, {})
    assert [status(customiser) for _ in range(3)][-1] == "Failed"
    simulator.delete("lead", twice[0])
    customiser.made("ReactivateEntityKey", order, {})
    assert [status(customiser) for _ in range(3)][-1] == "Active"


def test_a_key_of_other_types_or_too_large_is_refused(customiser: Customiser) -> None:
    customiser.made(f"{LEAD}/Attributes", text_column("fab_Long", MaxLength=451))
    for columns in (["description"], ["nosuch"], [], ["donotemail"], ["fab_long"], ["revenue"]):
        customiser.refused(f"{LEAD}/Keys", key(*columns))


# Changes of a table, and publishing


def publish(*tables: str) -> dict[str, str]:
    names = "".join(f"<entity>{name}</entity>" for name in tables)
    return {"ParameterXml": f"<importexportxml><entities>{names}</entities></importexportxml>"}


def test_change_tracking_is_switched_on_by_a_put_and_in_force_once_published(customiser: Customiser) -> None:
    definition = customiser("GET", OPPORTUNITY).json()
    body = {"@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", **definition, "ChangeTrackingEnabled": True}
    tracked = {"Prefer": "odata.track-changes"}
    assert customiser("PUT", OPPORTUNITY, body, MERGED).status_code == 204
    assert customiser("GET", OPPORTUNITY).json()["ChangeTrackingEnabled"] is False
    assert customiser("GET", "opportunities?$select=name", headers=tracked).status_code == 400
    customiser.made("PublishXml", publish("lead"), {})
    assert customiser("GET", OPPORTUNITY).json()["ChangeTrackingEnabled"] is False
    customiser.made("PublishXml", publish("lead", "opportunity"), {})
    assert customiser("GET", OPPORTUNITY).json()["ChangeTrackingEnabled"] is True
    assert customiser("GET", "opportunities?$select=name", headers=tracked).status_code == 200
    assert "cannot be disabled" in customiser.refused(
        OPPORTUNITY, {**body, "ChangeTrackingEnabled": False}, MERGED, method="PUT"
    )


def test_a_put_replaces_everything_and_a_patch_is_not_known(customiser: Customiser) -> None:
    definition = customiser("GET", OPPORTUNITY).json()
    body = {"@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", **definition, "ChangeTrackingEnabled": True}
    assert customiser("PATCH", OPPORTUNITY, {"ChangeTrackingEnabled": True}).status_code == 405
    for name in ("DisplayName", "EntitySetName", "OwnershipType"):
        less = copy.deepcopy(body)
        del less[name]
        assert name in customiser.refused(OPPORTUNITY, less, MERGED, method="PUT")
    assert "labels in other languages" in customiser.refused(OPPORTUNITY, body, {}, method="PUT")


@pytest.mark.parametrize("xml", ["", "<entities/>", "<importexportxml><entities><entity>nosuch</entity></entities>"])
def test_what_is_published_must_be_named_properly(customiser: Customiser, xml: str) -> None:
    customiser.refused("PublishXml", {"ParameterXml": xml}, {})


def test_all_can_be_published_at_once(customiser: Customiser) -> None:
    definition = customiser("GET", LEAD).json()
    body = {"@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", **definition, "ChangeTrackingEnabled": True}
    assert customiser("PUT", LEAD, body, MERGED).status_code == 204
    customiser.made("PublishAllXml", {}, {})
    assert customiser("GET", LEAD).json()["ChangeTrackingEnabled"] is True


# Roles


@pytest.fixture
def role(customiser: Customiser) -> str:
    (unit,) = customiser("GET", "businessunits?$filter=_parentbusinessunitid_value eq null").json()["value"]
    bind = {"businessunitid@odata.bind": f"/businessunits({unit['businessunitid']})"}
    made = customiser.made("roles", {"name": "Reader", **bind})
    return made[made.index("(") + 1 : -1]


def privilege(customiser: Customiser, name: str) -> str:
    (row,) = customiser("GET", f"privileges?$select=privilegeid&$filter=name eq '{name}'").json()["value"]
    return str(row["privilegeid"])


def test_a_role_is_granted_privileges_and_given_to_a_user(
    customiser: Customiser, simulator: DataverseSimulator, role: str
) -> None:
    reads = privilege(customiser, "prvReadOpportunity")
    grant = f"roles({role})/Microsoft.Dynamics.CRM.AddPrivilegesRole"
    for wrong in ({}, {"Privileges": []}, {"Privileges": [{"PrivilegeId": reads}]}):
        assert customiser("POST", grant, wrong).status_code == 400
    unknown = {"PrivilegeId": "00000000-0000-0000-0000-000000000001", "Depth": "Global"}
    assert customiser("POST", grant, {"Privileges": [unknown]}).status_code == 400
    customiser.made(grant, {"Privileges": [{"PrivilegeId": reads, "Depth": "3"}]}, {})
    (held,) = customiser("GET", f"RetrieveRolePrivilegesRole(RoleId={role})").json()["RolePrivileges"]
    assert (held["PrivilegeId"], held["Depth"]) == (reads, "Global")

    path = f"systemusers({APPLICATION_USER_ID})/systemuserroles_association"
    assert customiser("POST", f"{path}/$ref", {"@odata.id": f"roles({role})"}).status_code == 400
    customiser.made(f"{path}/$ref", {"@odata.id": f"{customiser.root}roles({role})"}, {})
    assert [row["roleid"] for row in customiser("GET", f"{path}?$select=roleid").json()["value"]] == [role]

    simulator.enforce_privileges()
    assert customiser("GET", "opportunities?$select=name").status_code == 200
    for method, address, body in (
        ("GET", "leads", None),
        ("GET", "opportunities?$select=name&$expand=parentaccountid($select=name)", None),
        ("GET", OPPORTUNITY, None),
        ("POST", "opportunities", {"name": "x"}),
    ):
        assert customiser(method, address, body).status_code == 403


@pytest.mark.parametrize(("depth", "answer"), [("Basic", 403), ("Deep", 403), ("Global", 200)])
def test_rows_of_others_take_the_depth_of_the_organisation(
    customiser: Customiser, simulator: DataverseSimulator, role: str, depth: str, answer: int
) -> None:
    reads = privilege(customiser, "prvReadLead")
    grant = f"roles({role})/Microsoft.Dynamics.CRM.AddPrivilegesRole"
    customiser.made(grant, {"Privileges": [{"PrivilegeId": reads, "Depth": depth}]}, {})
    path = f"systemusers({APPLICATION_USER_ID})/systemuserroles_association/$ref"
    customiser.made(path, {"@odata.id": f"{customiser.root}roles({role})"}, {})
    simulator.enforce_privileges()
    assert customiser("GET", "leads?$select=subject").status_code == answer


# A client written by others


def test_microsofts_own_sdk_adds_columns_and_a_key(
    simulator: DataverseSimulator, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.root_file))
    columns = {"new_Code": "string", "new_Done": "bool", "new_Notes": "memo", "new_Count": "int"}
    with (
        Server(simulator.build, tls=certificates.server_context()) as server,
        DataverseClient(server.url, GoodCredential()) as sdk,
    ):
        assert sdk.tables.add_columns("opportunity", columns) == list(columns)
        sdk.tables.create_alternate_key("opportunity", "new_Key", ["new_code"])
        statuses = [sdk.tables.get_alternate_keys("opportunity")[0].status for _ in range(3)]
        assert statuses == ["In Progress", "In Progress", "Active"]
        sdk.records.create("opportunity", {"name": "x", "new_code": "a", "new_done": True, "new_count": 3})
    (row,) = simulator.rows("opportunity")
    assert (row["new_code"], row["new_done"], row["new_count"]) == ("a", True, 3)
