"""What of the declared set-up an environment has: which reads tell it, and what their answers mean. No I/O.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from shared.answers import Response
from shared.crm.dynamics365.batch import Part
from shared.crm.dynamics365.schema.declared import DeclaredSchema

_CAST = "/Attributes/Microsoft.Dynamics.CRM."
_FACETS: Mapping[str, str] = {
    "definition": (
        "?$select=LogicalName,ChangeTrackingEnabled,CanChangeTrackingBeEnabled,IsManaged"
        "&$expand=Keys($select=LogicalName,KeyAttributes,EntityKeyIndexStatus)"
    ),
    "columns": "/Attributes?$select=LogicalName,AttributeType,IsManaged",
    "text": f"{_CAST}StringAttributeMetadata?$select=LogicalName,MaxLength,FormatName",
    "memo": f"{_CAST}MemoAttributeMetadata?$select=LogicalName,MaxLength",
    "choices": (
        f"{_CAST}PicklistAttributeMetadata?$select=LogicalName"
        "&$expand=OptionSet($select=Options),GlobalOptionSet($select=Options)"
    ),
    "lookups": (
        "/ManyToOneRelationships?$select=ReferencingAttribute,ReferencedEntity,"
        "ReferencedEntityNavigationPropertyName,ReferencingEntityNavigationPropertyName"
    ),
}
# Metadata are cached for half a minute; what the run itself has made a moment ago must be seen.
_STRONG = {"Consistency": "Strong"}


@dataclass(frozen=True)
class FoundColumn:
    """``is_managed``: it came with a solution of Microsoft's or of another vendor's."""

    type: str
    is_managed: bool = False
    max_length: int | None = None
    format: str = ""
    option_labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FoundLookup:
    to: str
    navigation: str
    collection: str


@dataclass(frozen=True)
class FoundKey:
    columns: frozenset[str]
    status: str


@dataclass(frozen=True)
class FoundTable:
    """Everything by logical name."""

    tracks_changes: bool
    can_track_changes: bool
    is_managed: bool
    columns: Mapping[str, FoundColumn]
    lookups: Mapping[str, FoundLookup]
    keys: Mapping[str, FoundKey]


@dataclass(frozen=True)
class FoundSolution:
    is_managed: bool
    prefix: str
    publisher: str


@dataclass(frozen=True)
class FoundRole:
    """``depths``: privilege id to depth."""

    id: str
    depths: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundUser:
    """``role_ids`` are those given to the user directly."""

    id: str
    business_unit_id: str
    role_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Environment:
    """``privileges``: name in lower case to id. ``roles``: business unit to the role of the declared name there."""

    tables: Mapping[str, FoundTable]
    solution: FoundSolution | None
    publisher_id: str | None
    root_business_unit_id: str
    roles: Mapping[str, FoundRole]
    privileges: Mapping[str, str]
    user: FoundUser | None

    @property
    def role(self) -> FoundRole | None:
        """The role as it is made: in the root business unit; those below inherit a copy."""
        return self.roles.get(self.root_business_unit_id)


@dataclass(frozen=True)
class Look:
    """One look at an environment: ``parts`` first, then ``detail_parts`` for what the first answers led to."""

    declared: DeclaredSchema
    solution: str
    application_id: str

    def parts(self) -> list[Part]:
        declared = self.declared
        tables = [
            Part("GET", f"EntityDefinitions(LogicalName='{table}'){query}", f"{table}.{facet}", headers=_STRONG)
            for table, facet, query in self._asked()
        ]
        names = ",".join(f'"{name}"' for name in declared.role.privileges)
        wanted = f"Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=[{names}])"
        solution = "$select=ismanaged,uniquename&$expand=publisherid($select=uniquename,customizationprefix)"
        rows = [
            _rows("solutions", f"{solution}&{_where(f'uniquename eq {_text(self.solution)}')}"),
            _rows(
                "publishers",
                f"$select=publisherid&{_where(f'uniquename eq {_text(declared.publisher.unique_name)}')}",
            ),
            _rows("businessunits", f"$select=businessunitid&{_where('_parentbusinessunitid_value eq null')}"),
            _rows("roles", f"$select=roleid,_businessunitid_value&{_where(f'name eq {_text(declared.role.name)}')}"),
            _rows("privileges", f"$select=privilegeid,name&{_where(wanted)}"),
        ]
        if self.application_id:
            user = "$select=systemuserid,_businessunitid_value"
            rows.append(_rows("systemusers", f"{user}&{_where(f'applicationid eq {self.application_id}')}"))
        return [*tables, *rows]

    def parse(self, answers: Sequence[Response]) -> Environment:
        """``answers`` in the order of ``parts``, each 200, or 404 for a table that is not there."""
        asked = list(self._asked())
        found: dict[str, dict[str, Response]] = {}
        for (table, facet, _), answer in zip(asked, answers[: len(asked)], strict=True):
            if answer.status != 404:
                found.setdefault(table, {})[facet] = answer
        rows = [_values(answer) for answer in answers[len(asked) :]]
        solutions, publishers, units, roles, privileges, *users = rows
        return Environment(
            tables={name: _table(facets) for name, facets in found.items() if "definition" in facets},
            solution=_solution(solutions[0]) if solutions else None,
            publisher_id=publishers[0]["publisherid"] if publishers else None,
            root_business_unit_id=units[0]["businessunitid"] if units else "",
            roles={row["_businessunitid_value"]: FoundRole(row["roleid"]) for row in roles},
            privileges={row["name"].lower(): row["privilegeid"] for row in privileges},
            user=_user(users[0][0]) if users and users[0] else None,
        )

    def detail_parts(self, found: Environment) -> list[Part]:
        """What the role holds, and which roles the application user has; nothing where there is neither."""
        parts = []
        if found.role:
            parts.append(Part("GET", f"RetrieveRolePrivilegesRole(RoleId={found.role.id})", "role.privileges"))
        if found.user:
            path = f"systemusers({found.user.id})/systemuserroles_association?$select=roleid"
            parts.append(Part("GET", path, "user.roles"))
        return parts

    def parse_details(self, found: Environment, answers: Sequence[Response]) -> Environment:
        left = list(answers)
        if found.role:
            held = left.pop(0).json_object().get("RolePrivileges") or ()
            role = replace(found.role, depths={row["PrivilegeId"]: str(row["Depth"]) for row in held})
            found = replace(found, roles={**found.roles, found.root_business_unit_id: role})
        if found.user:
            role_ids = frozenset(row["roleid"] for row in _values(left.pop(0)))
            found = replace(found, user=replace(found.user, role_ids=role_ids))
        return found

    def _asked(self) -> Iterator[tuple[str, str, str]]:
        for table in self.declared.tables:
            for facet, query in _FACETS.items():
                yield table, facet, query


def _rows(entity_set: str, query: str) -> Part:
    return Part("GET", f"{entity_set}?{query}", f"{entity_set}.list")


def _where(condition: str) -> str:
    return f"$filter={quote(condition, safe='()=,')}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _table(facets: Mapping[str, Response]) -> FoundTable:
    definition = facets["definition"].json_object()
    return FoundTable(
        tracks_changes=bool(definition.get("ChangeTrackingEnabled")),
        can_track_changes=bool((definition.get("CanChangeTrackingBeEnabled") or {}).get("Value", True)),
        is_managed=bool(definition.get("IsManaged")),
        columns=dict(_columns(facets)),
        lookups={
            row["ReferencingAttribute"]: FoundLookup(
                row["ReferencedEntity"],
                row["ReferencingEntityNavigationPropertyName"] or "",
                row["ReferencedEntityNavigationPropertyName"] or "",
            )
            for row in _values(facets["lookups"])
        },
        keys={
            str(key["LogicalName"]).lower(): FoundKey(
                frozenset(key["KeyAttributes"] or ()), str(key["EntityKeyIndexStatus"])
            )
            for key in definition.get("Keys") or ()
        },
    )


def _columns(facets: Mapping[str, Response]) -> Iterator[tuple[str, FoundColumn]]:
    details: dict[str, dict[str, Any]] = {}
    for facet in ("text", "memo"):
        for row in _values(facets[facet]):
            kind = (row.get("FormatName") or {}).get("Value") or ""
            details[row["LogicalName"]] = {"max_length": row.get("MaxLength"), "format": kind}
    for row in _values(facets["choices"]):
        options = (row.get("OptionSet") or row.get("GlobalOptionSet") or {}).get("Options") or ()
        details[row["LogicalName"]] = {"option_labels": frozenset(text for one in options for text in _labels(one))}
    for row in _values(facets["columns"]):
        name = row["LogicalName"]
        yield name, FoundColumn(row["AttributeType"] or "", bool(row.get("IsManaged")), **details.get(name, {}))


def _labels(option: Mapping[str, Any]) -> Iterator[str]:
    """In every language, without case."""
    for one in (option.get("Label") or {}).get("LocalizedLabels") or ():
        yield str(one.get("Label") or "").strip().casefold()


def _solution(row: Mapping[str, Any]) -> FoundSolution:
    publisher = row.get("publisherid") or {}
    return FoundSolution(
        bool(row.get("ismanaged")), publisher.get("customizationprefix") or "", publisher.get("uniquename") or ""
    )


def _user(row: Mapping[str, Any]) -> FoundUser:
    return FoundUser(row["systemuserid"], row["_businessunitid_value"])


def _values(answer: Response) -> list[dict[str, Any]]:
    rows = answer.json_object().get("value")
    if not isinstance(rows, list):
        raise answer.unreadable("JSON of another shape than documented")
    return rows
