"""The adapter's own part of the mapping file."""

from __future__ import annotations

from typing import Any

import pytest

from shared.crm.dynamics365.tables import read_tables
from shared.domain.errors import ConfigurationError
from shared.domain.mapping import CrmMapping
from shared.domain.overlay import build_mapping
from shared.domain.record import RecordKind
from tests.contract.deals import read_mapping


def changed(**adapter: Any) -> CrmMapping:
    mapping = read_mapping("dynamics365.toml")
    return mapping.model_copy(update={"adapter": {**mapping.adapter, **adapter}})


def test_the_mapping_that_ships_is_good() -> None:
    tables = read_tables(read_mapping("dynamics365.toml"))
    assert tables.team is not None
    assert tables.team.written_as == "ownerid"
    assert tables.contacts is not None
    assert tables.contacts.written_as == "parentcontactid"


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_tables(changed(account={"table": "account"}, team={"tabel": "systemuser"}, mail={}))
    for place in ("account.bind", "team.lookup", "team.tabel", "mail"):
        assert place in refused.value.message


def test_a_set_that_is_mapped_needs_its_table() -> None:
    with pytest.raises(ConfigurationError, match=r"records\.opportunity has @solutions, but there is no adapter"):
        read_tables(changed(solutions=None))


def test_a_sales_team_needs_the_table_of_users() -> None:
    with pytest.raises(ConfigurationError, match=r"adapter\.sales_team, but no adapter\.team"):
        read_tables(changed(team=None))


def test_only_opportunities_have_a_sales_team() -> None:
    mapping = read_mapping("dynamics365.toml")
    tables = read_tables(mapping)
    assert tables.lead is not None
    assert tables.around(tables.opportunity, mapping.records[RecordKind.OPPORTUNITY]).sales_team == tables.sales_team
    assert tables.around(tables.lead, mapping.records[RecordKind.LEAD]).sales_team is None


def test_a_kind_of_record_needs_its_table() -> None:
    mapping = read_mapping("dynamics365.toml").model_dump(mode="json")
    del mapping["adapter"]["lead"]
    with pytest.raises(ConfigurationError, match=r"there is no adapter\.lead"):
        read_tables(build_mapping(mapping))
