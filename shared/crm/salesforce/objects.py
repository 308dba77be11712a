"""The part of the mapping file that is for this adapter alone: where records and sets live in Salesforce."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.domain.errors import ConfigurationError
from shared.domain.mapping import CrmMapping, RecordMapping
from shared.domain.mapping_mistakes import describe_mistakes
from shared.domain.record import RecordKind


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Object(_Part):
    object: str


class PersonFields(_Part):
    """The fields in which a person is written down. ``phone`` may be blank, or hidden from the connector."""

    first_name: str
    last_name: str
    email: str
    phone: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.first_name, self.last_name, self.phone, self.email)


class Org(_Part):
    """``currency`` is that of an org with a single one, which it tells by no API.

    ``settles_after_s``: so long after its time stamp may a row still change without getting another stamp.
    """

    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")
    settles_after_s: int = Field(default=10, ge=0, le=600)


class RecordObject(_Object):
    """``person`` are fields of the record itself that hold its contact."""

    person: PersonFields | None = None


class LeadObject(RecordObject):
    """``statuses`` are the names to set: of ``open``, ``lost`` and ``declined`` leads."""

    statuses: Mapping[str, str] = Field(min_length=1)


class ContactsObject(_Object, PersonFields):
    """People behind the rows ``roles`` of the record, of which the primary one is its contact."""

    roles: str
    account: str


class TeamObject(_Object, PersonFields):
    """The record's owner and, where the org has teams, the users behind the rows ``members``; blank leaves them out."""

    members: str = ""


class SolutionsObject(_Object):
    """Rows under the record: ``rows`` is the relationship to them, ``parent`` leads from a row to its record.

    ``detail`` leads to the row of *Microsoft Solution Details*, which says what solution it is.
    """

    rows: str
    parent: str
    detail: str
    quantity: str
    price: str


class SolutionDetailsObject(_Object):
    """*Microsoft Solution Details*; ``type`` and ``publisher`` are blank where the object has no such field."""

    id: str
    name: str
    type: str = ""
    publisher: str = ""


class Objects(_Part):
    opportunity: RecordObject
    account: _Object
    org: Org = Org()
    lead: LeadObject | None = None
    contacts: ContactsObject | None = None
    team: TeamObject | None = None
    solutions: SolutionsObject | None = None
    solution_details: SolutionDetailsObject | None = None

    def of(self, kind: RecordKind) -> RecordObject | None:
        return self.opportunity if kind is RecordKind.OPPORTUNITY else self.lead

    def around(self, kind: RecordKind, mapping: RecordMapping) -> Objects:
        """Only the objects that hold sets of records of this kind; only opportunities have teams and solutions."""
        record, paths = self.of(kind), mapping.crm_paths
        changes: dict[str, object] = {}
        if "@contacts" not in paths or (record and record.person):
            changes["contacts"] = None
        if "@team" not in paths:
            changes["team"] = None
        elif self.team and kind is RecordKind.LEAD:
            changes["team"] = self.team.model_copy(update={"members": ""})
        if "@solutions" not in paths:
            changes["solutions"] = None
        return self.model_copy(update=changes)

    def names(self, kind: RecordKind) -> tuple[str, ...]:
        """Every object that a schema of records of this kind is read for."""
        record = self.of(kind)
        found = [record.object if record else "", self.account.object]
        found += [part.object for part in (self.contacts, self.team, self.solutions) if part]
        if self.solutions and self.solution_details:
            found.append(self.solution_details.object)
        return tuple(name for name in found if name)


def read_objects(mapping: CrmMapping) -> Objects:
    """The ``adapter`` part of ``mapping``; raises ``ConfigurationError`` that lists every mistake in it."""
    try:
        objects = Objects.model_validate(mapping.adapter)
    except ValidationError as problem:
        mistakes = describe_mistakes(problem, mapping.adapter, mapping.lines, ("adapter",))
        raise _unusable(mapping.source, mistakes) from problem
    missing = [line for kind, record in mapping.records.items() for line in _missing(kind, record, objects)]
    if missing:
        raise _unusable(mapping.source, "; ".join(dict.fromkeys(missing)))
    return objects


def _missing(kind: RecordKind, record: RecordMapping, objects: Objects) -> list[str]:
    own = objects.of(kind)
    if own is None:
        return [f"there is no adapter.{kind}"]
    needed = {"@contacts": own.person or objects.contacts, "@team": objects.team, "@solutions": objects.solutions}
    missing = [
        f"records.{kind} has {path}, but there is no adapter.{path[1:]}"
        for path in record.crm_paths
        if path.startswith("@") and needed.get(path) is None
    ]
    if "@solutions" in record.crm_paths and objects.solution_details is None:
        missing.append("there is no adapter.solution_details, which solution rows refer to")
    return missing


def _unusable(source: str, mistakes: str) -> ConfigurationError:
    return ConfigurationError(
        f"The adapter part of the Salesforce mapping in {source} cannot be used: {mistakes}",
        code="mapping",
        remedy="Mend the named entries and start again.",
        service="Salesforce",
    )
