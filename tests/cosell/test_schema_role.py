"""The role of infra/dynamics365 lets the adapter do all it does, and nothing that it never does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sandbox.dataverse import APPLICATION_USER_ID
from sandbox.dataverse.schema import stable_id
from shared.crm.dynamics365.adapter import Dynamics365
from shared.crm.port import SolutionDetail
from shared.domain.errors import ConfigurationError, ConnectorError
from shared.domain.mapping import CrmMapping
from shared.domain.record import CrmStage, NewRecord, Record, RecordChange, RecordKind, StageChange
from shared.domain.values import Person
from tests.contract.deals import ANN, BACKUP, DEAL, VAULT, deal, read_mapping
from tests.contract.rigs import OTHER_USER, USER
from tests.cosell.environment import EmptyEnvironment, declared_schema, empty_environment

OPPORTUNITY, LEAD = RecordKind.OPPORTUNITY, RecordKind.LEAD
ACTIVE = StageChange(CrmStage.ACTIVE)
THIRD_USER = Person("Sam", "Okafor", "", "sam.okafor@contoso.com")


@dataclass
class Connector:
    """Everything that the adapter can be asked to do, by an application user whose privileges are enforced."""

    environment: EmptyEnvironment
    mapping: CrmMapping

    def __post_init__(self) -> None:
        self.crm = Dynamics365(self.environment.transport, self.environment.url, self.mapping)

    def lead(self, referral_id: str) -> Record:
        record = self.mapping.records[LEAD]
        names = ("name", "deal_value", "currency", "closing_date", "notes", "contacts", "customer_name")
        values = {record.field(name).crm: DEAL[name] for name in names} | {record.field("team").crm: (USER,)}
        columns = {record.columns.sync: True, record.columns.referral_id: referral_id}
        new = NewRecord(LEAD, referral_id, StageChange(CrmStage.ON_HOLD), {**columns, **values}, account=None)
        return self.crm.create(new, self.crm.prepare(new), None)

    def opportunity(self) -> Record:
        new = deal(self.mapping, team=(USER, OTHER_USER))
        return self.crm.create(new, self.crm.prepare(new), None)

    def change(self, record: Record, stage: StageChange | None = None, **values: Any) -> Record:
        by_path = {self.mapping.records[record.kind].field(name).crm: value for name, value in values.items()}
        self.crm.update(record, RecordChange(by_path, stage))
        return self.crm.get(record.kind, record.id)

    def do_everything(self) -> None:
        self.crm.diagnose()
        self.crm.save_solution_details([SolutionDetail("SOL-1", "One")])
        self.crm.save_solution_details([SolutionDetail("SOL-1", "Renamed")])
        record = self.opportunity()
        ann = Person("Ann", "Beck", "+49 30 5550199", ANN.email)
        record = self.change(record, ACTIVE, contacts=(ann,), customer_name="Fabrikam AG")
        record = self.change(record, solutions=(VAULT,), team=(THIRD_USER, USER))
        record = self.change(record, solutions=(replace(VAULT, quantity=7), BACKUP))
        record = self.change(record, StageChange(CrmStage.WON))
        record = self.change(record, ACTIVE)
        self.change(record, StageChange(CrmStage.LOST))
        for kind in RecordKind:
            list(self.crm.changes(kind, None))
        list(self.crm.solution_changes(None))
        self.change(self.lead("r-2"), StageChange(CrmStage.LOST))
        lead = self.lead("r-3")
        opportunity = deal(self.mapping, "r-3")
        made = self.crm.qualify(lead, self.crm.prepare(opportunity), None)
        assert made.kind is OPPORTUNITY


@pytest.fixture
def connector() -> Iterator[Connector]:
    with empty_environment() as environment:
        environment.install()
        environment.simulator.enforce_privileges()
        yield Connector(environment, read_mapping("dynamics365.toml"))


def test_the_role_is_enough_for_everything_and_holds_nothing_besides(connector: Connector) -> None:
    connector.do_everything()
    assert connector.environment.simulator.security.asked == set(declared_schema().role.privileges)


def test_without_the_role_nothing_can_be_done(connector: Connector) -> None:
    connector.environment.simulator.security.roles_of.clear()
    with pytest.raises(ConfigurationError, match="missing prvRead"):
        connector.crm.catalogue()


@pytest.mark.parametrize("name", ["prvAppendToContact", "prvDeletemsft_MicrosoftPartnerCenterSolution"])
def test_a_privilege_that_is_lacking_is_missed(connector: Connector, name: str) -> None:
    (held,) = connector.environment.simulator.security.granted.values()
    del held[stable_id("privilege", name)]
    with pytest.raises(ConnectorError, match=f"missing {name} privilege") as caught:
        connector.do_everything()
    assert f"security role with {name}" in caught.value.remedy


@pytest.mark.parametrize("depth", ["Basic", "Local", "Deep"])
def test_privileges_of_less_than_the_organisation_are_not_enough(connector: Connector, depth: str) -> None:
    (held,) = connector.environment.simulator.security.granted.values()
    held[stable_id("privilege", "prvReadOpportunity")] = depth
    with pytest.raises(ConnectorError, match="prvReadOpportunity"):
        connector.do_everything()
    assert APPLICATION_USER_ID in connector.environment.simulator.security.enforced
