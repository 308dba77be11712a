"""What an environment lacks of the declared set-up, in an order in which it can be made. No I/O.

What is there is never changed, with two exceptions that take nothing away: change tracking is switched on, and the role
gets the privileges that it lacks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from shared.crm.dynamics365.schema import definitions
from shared.crm.dynamics365.schema.declared import AlternateKey, Column, DeclaredSchema, Depth, Lookup, Table
from shared.crm.dynamics365.schema.environment import Environment, FoundColumn, FoundKey, FoundTable

REACTIVATE = "ReactivateEntityKey"
_DEPTHS = ("Basic", "Local", "Deep", "Global")


class Stage(IntEnum):
    """Each stage needs what the ones before it made, and the environment is looked at again in between.

    The role comes last: while it is incomplete, whatever was changed before may not be published yet.
    """

    PUBLISHER = 1
    SOLUTION = 2
    TABLES = 3
    COLUMNS = 4
    TRACKING = 5
    KEYS = 6
    PUBLISHING = 7
    ROLE = 8
    PRIVILEGES = 9
    ASSIGNMENT = 10


@dataclass(frozen=True)
class Step:
    """One request. ``path`` is blank where it takes ids that only an earlier stage makes. ``replaces``: the definition
    at ``path`` is to be read, changed and put back. ``for_solution``: what is made goes into the solution."""

    stage: Stage
    what: str
    path: str = ""
    body: dict[str, Any] = field(default_factory=dict, repr=False)
    replaces: bool = False
    for_solution: bool = False


@dataclass(frozen=True)
class Difference:
    """``conflicts`` are in the way and for a person to mend; ``reused`` is there and came with somebody's managed
    solution; ``building`` are keys whose index is not built yet; ``by_hand`` is what no request can do."""

    steps: tuple[Step, ...]
    conflicts: tuple[str, ...]
    reused: tuple[str, ...] = ()
    building: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()

    def due(self, answered: Collection[str]) -> tuple[Step, ...]:
        """Steps of the first stage that has any, without those already ``answered`` with success.

        A stage is over when its steps are seen to be done, but for change tracking: that is seen once it is published.
        """
        unseen = [step for step in self.steps if step.stage is not Stage.TRACKING or step.what not in answered]
        first = min((step.stage for step in unseen), default=None)
        return tuple(step for step in unseen if step.stage == first and step.what not in answered and step.path)


def compare(
    declared: DeclaredSchema,
    found: Environment,
    solution: str,
    application_id: str = "",
    *,
    is_published: bool | None = None,
) -> Difference:
    """``application_id`` is the client id behind the application user that gets the role; blank, nobody gets it.

    ``is_published``: whether everything is that was changed; ``None`` where nobody knows, and an unfinished role says
    that a run before this one may have stopped in between.
    """
    tables = [_TableComparison(declared, name, table, found) for name, table in declared.tables.items()]
    role_steps = list(_role_steps(declared, found, application_id))
    changing = [step for one in tables for step in one.steps()]
    steps = [*_solution_steps(declared, found, solution), *changing]
    is_role_unfinished = any(step.stage is not Stage.ASSIGNMENT for step in role_steps)
    if is_published is False or (is_published is None and (changing or is_role_unfinished)):
        body = definitions.publish_body(declared.tables)
        steps.append(Step(Stage.PUBLISHING, "publish the changed tables", "PublishXml", body))
    steps += role_steps
    return Difference(
        steps=tuple(sorted(steps, key=lambda step: step.stage)),
        conflicts=(
            *_solution_conflicts(declared, found, solution),
            *(text for one in tables for text in one.conflicts()),
        ),
        reused=tuple(text for one in tables for text in one.reused()),
        building=tuple(text for one in tables for text in one.building()),
        by_hand=tuple(_by_hand(declared, found, application_id)),
    )


@dataclass(frozen=True)
class _TableComparison:
    declared: DeclaredSchema
    name: str
    table: Table
    environment: Environment

    @property
    def found(self) -> FoundTable | None:
        return self.environment.tables.get(self.name)

    @property
    def path(self) -> str:
        return f"EntityDefinitions(LogicalName='{self.name}')"

    def steps(self) -> Iterator[Step]:
        language, found = self.declared.language, self.found
        if found is None and self.table.made_as:
            body = definitions.table_body(self.table, self.table.made_as, language)
            yield Step(Stage.TABLES, f"table {self.name}", "EntityDefinitions", body, for_solution=True)
        elif found is None:
            return
        for column in self.table.columns:
            if found is None or column.logical_name not in found.columns:
                body = definitions.column_body(column, language)
                what = f"column {column.logical_name} of {self.name} ({kind_of(column)})"
                yield Step(Stage.COLUMNS, what, f"{self.path}/Attributes", body, for_solution=True)
        for lookup in self.table.lookups:
            if found is None or lookup.logical_name not in found.columns:
                body = definitions.relationship_body(self.name, lookup, language)
                what = f"lookup {lookup.logical_name} of {self.name} to {lookup.to}"
                yield Step(Stage.COLUMNS, what, "RelationshipDefinitions", body, for_solution=True)
        if found and self.table.track_changes and not found.tracks_changes and found.can_track_changes:
            yield Step(Stage.TRACKING, f"change tracking of {self.name}", self.path, replaces=True)
        for key in self.table.keys:
            yield from self._key_steps(key, found.keys.get(key.logical_name) if found else None)

    def _key_steps(self, key: AlternateKey, found: FoundKey | None) -> Iterator[Step]:
        if found is None:
            body = definitions.key_body(key, self.declared.language)
            what = f"alternate key {key.logical_name} of {self.name} over {', '.join(key.columns)}"
            yield Step(Stage.KEYS, what, f"{self.path}/Keys", body, for_solution=True)
        elif found.status == "Failed":
            what = f"index of alternate key {key.logical_name} of {self.name}, which failed, once more"
            body = {"EntityLogicalName": self.name, "EntityKeyLogicalName": key.logical_name}
            yield Step(Stage.KEYS, what, REACTIVATE, body)

    def conflicts(self) -> Iterator[str]:
        found = self.found
        if found is None:
            if self.table.made_as is None:
                yield f"There is no table {self.name}: this environment does not have Dynamics 365 Sales."
            return
        for column in self.table.columns:
            if there := found.columns.get(column.logical_name):
                yield from (f"Column {column.logical_name} of {self.name} {why}." for why in _misfits(column, there))
        for lookup in self.table.lookups:
            yield from self._lookup_conflicts(lookup, found)
        for key in self.table.keys:
            there_key = found.keys.get(key.logical_name)
            if there_key and there_key.columns != frozenset(key.columns):
                columns = ", ".join(sorted(there_key.columns))
                name = f"Alternate key {key.logical_name} of {self.name}"
                yield f"{name} is over {columns}, not {', '.join(key.columns)}."
        if self.table.track_changes and not found.tracks_changes and not found.can_track_changes:
            yield f"Change tracking of {self.name} cannot be switched on: its owner does not allow it."

    def _lookup_conflicts(self, lookup: Lookup, found: FoundTable) -> Iterator[str]:
        column, there = found.columns.get(lookup.logical_name), found.lookups.get(lookup.logical_name)
        name = f"Column {lookup.logical_name} of {self.name}"
        if column and (there is None or column.type != "Lookup"):
            yield f"{name} is a {column.type}, not a lookup to {lookup.to}."
        elif there and there.to != lookup.to:
            yield f"{name} leads to {there.to}, not to {lookup.to}."
        elif there and (there.navigation, there.collection) != (lookup.name, lookup.relationship):
            yield (
                f"{name} is called {there.navigation} and, from {lookup.to}, {there.collection} in requests, not "
                f"{lookup.name} and {lookup.relationship}: name these in customize.toml."
            )

    def reused(self) -> Iterator[str]:
        found = self.found
        if found is None:
            return
        if found.is_managed and self.table.made_as:
            yield f"table {self.name}"
        for part in self.table.columns + self.table.lookups:
            there = found.columns.get(part.logical_name)
            if there and there.is_managed:
                yield f"column {part.logical_name} of {self.name}"

    def building(self) -> Iterator[str]:
        for key in self.table.keys:
            there = self.found.keys.get(key.logical_name) if self.found else None
            if there and there.status not in ("Active", "Failed"):
                yield f"index of alternate key {key.logical_name} of {self.name}"


def _misfits(column: Column, found: FoundColumn) -> Iterator[str]:
    """A managed column's format is its vendor's affair: any format takes what the connector writes."""
    if found.type != column.type:
        yield f"is a {found.type}, not a {column.type}"
        return
    if column.max_length and found.max_length is not None and found.max_length < column.least_length:
        yield f"holds {found.max_length} characters, and needs at least {column.least_length}"
    if column.type == "String" and not found.is_managed and found.format not in ("", column.format):
        yield f"has the format {found.format}, not {column.format}"
    if absent := [one.label for one in column.options if one.label.casefold() not in found.option_labels]:
        yield f"has no option {', '.join(absent)}"


def kind_of(column: Column) -> str:
    return f"{column.type}, {column.max_length:,} characters" if column.max_length else column.type


def _solution_steps(declared: DeclaredSchema, found: Environment, solution: str) -> Iterator[Step]:
    if found.solution is not None:
        return
    if found.publisher_id is None:
        publisher = declared.publisher
        body = definitions.publisher_body(publisher)
        yield Step(
            Stage.PUBLISHER, f"publisher {publisher.unique_name} (prefix {publisher.prefix})", "publishers", body
        )
        yield Step(Stage.SOLUTION, f"solution {solution}")
    else:
        body = definitions.solution_body(declared.solution, solution, found.publisher_id)
        yield Step(Stage.SOLUTION, f"solution {solution}", "solutions", body)


def _solution_conflicts(declared: DeclaredSchema, found: Environment, solution: str) -> Iterator[str]:
    there = found.solution
    if there and there.is_managed:
        yield f"Solution {solution} is managed: nothing can be added to it. Name another with --solution."
    elif there and there.prefix != declared.publisher.prefix:
        yield (
            f"Solution {solution} is of publisher {there.publisher}, whose prefix is {there.prefix} and not "
            f"{declared.publisher.prefix}. Name another with --solution, or one that is not there yet."
        )


def _role_steps(declared: DeclaredSchema, found: Environment, application_id: str) -> Iterator[Step]:
    role = declared.role
    unit = f"/businessunits({found.root_business_unit_id})"
    if found.role is None:
        body = {"name": role.name, "businessunitid@odata.bind": unit}
        yield Step(Stage.ROLE, f"security role {role.name}", "roles", body, for_solution=True)
    held = found.role.depths if found.role else {}
    known = {name: found.privileges.get(name.lower()) for name in role.privileges}
    waiting = [] if _has_all_tables(declared, found) else [name for name in role.privileges if not known[name]]
    lacking = waiting + [name for name, id_ in known.items() if id_ and not _reaches(held.get(id_), role.depth)]
    if lacking:
        grants = [{"PrivilegeId": known[name], "Depth": role.depth} for name in lacking if known[name]]
        path = f"roles({found.role.id})/Microsoft.Dynamics.CRM.AddPrivilegesRole" if found.role and grants else ""
        what = f"{len(lacking)} privileges of role {role.name}"
        yield Step(Stage.PRIVILEGES, what, path, {"Privileges": grants})
    if application_id and found.user:
        own_role = found.roles.get(found.user.business_unit_id)
        if own_role is None or own_role.id not in found.user.role_ids:
            what = f"role {role.name} for application user {application_id}"
            path = f"systemusers({found.user.id})/systemuserroles_association/$ref" if own_role else ""
            # The installer completes the address: an @odata.id is absolute.
            yield Step(Stage.ASSIGNMENT, what, path, {"@odata.id": f"roles({own_role.id})" if own_role else ""})


def _has_all_tables(declared: DeclaredSchema, found: Environment) -> bool:
    """The privileges of a table come with it: one that is still unknown then is not to be had here."""
    return all(table in found.tables for table in declared.tables)


def _reaches(held: str | None, wanted: Depth) -> bool:
    return held in _DEPTHS and _DEPTHS.index(held) >= _DEPTHS.index(wanted)


def _by_hand(declared: DeclaredSchema, found: Environment, application_id: str) -> Iterator[str]:
    where = "Power Platform admin center, Environments, Settings, Application users"
    if _has_all_tables(declared, found):
        unknown = [name for name in declared.role.privileges if name.lower() not in found.privileges]
        if unknown:
            yield f"This environment has no privilege {', '.join(unknown)}; role {declared.role.name} goes without."
    if not application_id:
        who = f"Give the application user the role {declared.role.name} ({where})"
        yield f"{who}, or name its client id: --application-id."
    elif found.user is None:
        yield (
            f"Make an application user for {application_id} ({where}, New app user), then run this again: it gets the "
            f"role {declared.role.name}."
        )
