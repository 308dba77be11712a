"""The declaration: nothing that the connector uses is missing in it, and mistakes in it are told with their line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.dataverse.schema import load_schema
from shared.crm.dynamics365.schema.declared import DeclaredSchema, read_declared
from shared.crm.dynamics365.tables import Tables, read_tables
from shared.domain.errors import ConfigurationError
from shared.domain.mapping import CrmMapping
from shared.domain.record import RecordKind
from tests.contract.deals import read_mapping
from tests.cosell.environment import FILE, PREFIX, declared_schema


@pytest.fixture(scope="module")
def declared() -> DeclaredSchema:
    return declared_schema()


@pytest.fixture(scope="module")
def mapping() -> CrmMapping:
    return read_mapping("dynamics365.toml")


@pytest.fixture(scope="module")
def tables(mapping: CrmMapping) -> Tables:
    return read_tables(mapping)


def used_columns(mapping: CrmMapping, tables: Tables) -> Iterator[tuple[str, str]]:
    """Table and column of everything that the mapping and the adapter name, lookups by their column."""
    for kind, record in mapping.records.items():
        definition = tables.of(kind)
        assert definition
        own = [path for path in record.crm_paths if "." not in path and not path.startswith("@")]
        for column in (*own, *record.columns.model_dump().values()):
            if column:
                yield definition.table, column
        yield from ((tables.account.table, path.partition(".")[2]) for path in record.crm_paths if "." in path)
        if definition.contact:
            yield from ((definition.table, column) for column in definition.contact.columns)
    yield tables.opportunity.table, tables.opportunity.lead
    for people in (tables.contacts, tables.team):
        assert people
        yield from ((people.table, column) for column in people.columns)
    assert tables.solutions
    assert tables.solution_details
    details = tables.solution_details
    for column in (*tables.solutions.columns, tables.solutions.parent.lower()):
        yield tables.solutions.table, column
    yield from ((details.table, column) for column in (details.id, details.name, details.type, details.publisher))


def declared_columns(declared: DeclaredSchema, table: str) -> set[str]:
    found = declared.tables.get(table)
    if found is None:
        return set()
    primary = {found.made_as.primary_name.logical_name} if found.made_as else set()
    return primary | {part.logical_name for part in found.columns + found.lookups}


def test_every_column_that_is_used_is_declared_or_a_standard_one(
    declared: DeclaredSchema, mapping: CrmMapping, tables: Tables
) -> None:
    standard = load_schema()
    standard.without_customizations(PREFIX)
    used = set(used_columns(mapping, tables))
    assert len(used) > 50
    for table, column in used:
        found = standard.tables.get(table)
        is_standard = found is not None and column in found.columns
        assert is_standard or column in declared_columns(declared, table), f"{column} of {table}"


def test_nothing_is_declared_that_is_not_used(declared: DeclaredSchema, mapping: CrmMapping, tables: Tables) -> None:
    used = set(used_columns(mapping, tables))
    for table in declared.tables:
        assert {(table, column) for column in declared_columns(declared, table)} <= used


def test_keys_relationships_and_options_are_those_of_the_mapping(
    declared: DeclaredSchema, mapping: CrmMapping, tables: Tables
) -> None:
    for kind in RecordKind:
        definition = tables.of(kind)
        assert definition
        (key,) = declared.tables[definition.table].keys
        columns = (mapping.records[kind].columns.referral_id,)
        assert (key.logical_name, key.columns) == (definition.alternate_key, columns)
    assert tables.solutions
    (lookup,) = declared.tables[tables.solutions.table].lookups
    assert (lookup.name, lookup.relationship) == (tables.solutions.parent, tables.solutions.collection)
    choices = mapping.records[RecordKind.OPPORTUNITY].field("help").choices
    (column,) = (one for one in declared.tables["opportunity"].columns if one.type == "Picklist")
    assert [option.label for option in column.options] == list(choices.values())
    least = declared.publisher.option_value_prefix * 10_000
    assert [option.value for option in column.options] == list(range(least, least + 6))


def test_tables_whose_changes_are_looked_for_are_tracked(declared: DeclaredSchema, tables: Tables) -> None:
    assert tables.solutions
    watched = {tables.opportunity.table, "lead", tables.solutions.table}
    assert {name for name, table in declared.tables.items() if table.track_changes} == watched


def changed(old: str, new: str) -> str:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("language = 1033", "language = ", "not valid TOML"),
        ('prefix = "msft"', 'prefix = "mscrm1"', r"line 15, publisher.prefix: it must not start with mscrm"),
        ('prefix = "msft"', 'prefix = "m"', "two to eight letters and digits"),
        ('prefix = "msft"', 'prefix = "con"', "must start with the publisher's prefix con_"),
        ('type = "Boolean"', 'type = "YesNo"', "msft_MicrosoftPartnerCenterReferralSync"),
        ('type = "Memo"', 'type = "Boolean"', "max_length belongs to String and Memo"),
        ("at_least = 36", "atleast = 36", "there is no such key"),
        ('["Read", "AppendTo"]', '["Look"]', "User"),
        ('name = "msft_MicrosoftSolutionDetail"', 'name = "msft_Detail"', "which is another name"),
        ('version = "1.0.0.0"', 'version = "1"', "solution.version"),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_declared(changed(old, new), "mine.toml")
    assert "mine.toml" in caught.value.message
