"""The part of the mapping file that is for this adapter alone: where records and sets live in Dataverse."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.domain.errors import ConfigurationError
from shared.domain.mapping import CrmMapping, RecordMapping
from shared.domain.mapping_mistakes import describe_mistakes
from shared.domain.record import RecordKind


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str


class PersonColumns(BaseModel):
    """The columns in which a person is written down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_name: str
    last_name: str
    email: str
    phone: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.first_name, self.last_name, self.phone, self.email)


class RecordTable(_Table):
    """``alternate_key`` is the key over the referral identifier; blank or absent, nothing forbids a second record.

    ``lead`` is the lookup to the lead that the record was made of. ``contact`` are columns of the record itself that
    hold its contact.
    """

    alternate_key: str = ""
    lead: str = ""
    contact: PersonColumns | None = None


class LeadTable(RecordTable):
    """``status_reasons`` are the labels to set: of ``open``, ``qualified``, ``lost`` and ``declined`` leads."""

    status_reasons: Mapping[str, str] = Field(min_length=1)


class AccountTable(_Table):
    """``bind`` are the lookups of the record that point to the customer's account."""

    bind: tuple[str, ...]


class PeopleTable(_Table, PersonColumns):
    """One person behind ``lookup``; written through ``bind`` where that has another name (``ownerid``).

    ``parent`` is the lookup by which the person belongs to the account, blank where there is none.
    """

    lookup: str
    bind: str = ""
    parent: str = ""

    @property
    def written_as(self) -> str:
        return self.bind or self.lookup


class SalesTeamTable(_Table):
    """Connections of an opportunity to users, in roles of ``category``: ``collection`` from the record to them.

    ``parent``, ``member`` and ``role`` are lookups of a connection. ``roles`` is the entity set of roles, ``new_role``
    the name of the one that new members get. A blank ``table`` is as good as no section: the team is the owner then.
    """

    collection: str
    parent: str
    member: str
    role: str
    roles: str
    category: int
    new_role: str

    @property
    def lookups(self) -> tuple[str, ...]:
        return (self.parent, self.member, self.role)


class SolutionsTable(_Table):
    """Rows under the record: ``collection`` from the record to them, ``parent`` from a row to its record."""

    collection: str
    parent: str
    id: str
    name: str
    quantity: str
    price: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.id, self.name, self.quantity, self.price)


class SolutionDetailsTable(_Table):
    """*Microsoft Solution Details*; ``type`` and ``publisher`` are blank where the table has no such column."""

    id: str
    name: str
    type: str = ""
    publisher: str = ""


class Tables(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    opportunity: RecordTable
    lead: LeadTable | None = None
    account: AccountTable
    contacts: PeopleTable | None = None
    team: PeopleTable | None = None
    sales_team: SalesTeamTable | None = None
    solutions: SolutionsTable | None = None
    solution_details: SolutionDetailsTable | None = None

    def of(self, kind: RecordKind) -> RecordTable | None:
        return self.opportunity if kind is RecordKind.OPPORTUNITY else self.lead

    def around(self, definition: RecordTable, mapping: RecordMapping) -> Tables:
        """Only the tables that hold sets of records of this kind; leads have no sales team."""
        paths = mapping.crm_paths
        used = {"contacts": "@contacts" in paths and definition.contact is None}
        used |= {name: f"@{name}" in paths for name in ("team", "solutions")}
        used["sales_team"] = used["team"] and definition is self.opportunity
        return self.model_copy(update={name: None for name, is_used in used.items() if not is_used})


def read_tables(mapping: CrmMapping) -> Tables:
    """The ``adapter`` part of ``mapping``; raises ``ConfigurationError`` that lists every mistake in it."""
    try:
        tables = Tables.model_validate(mapping.adapter)
    except ValidationError as problem:
        mistakes = describe_mistakes(problem, mapping.adapter, mapping.lines, ("adapter",))
        raise _unusable(mapping.source, mistakes) from problem
    if tables.sales_team and not tables.sales_team.table:
        tables = tables.model_copy(update={"sales_team": None})
    sets = {"@contacts": tables.contacts, "@team": tables.team, "@solutions": tables.solutions}
    missing = [
        f"records.{kind} has {path}, but there is no adapter.{path[1:]}"
        for kind, record in mapping.records.items()
        for path in record.crm_paths
        if path.startswith("@") and sets.get(path) is None and not _is_own_contact(path, tables.of(kind))
    ]
    if tables.sales_team and tables.team is None:
        missing.append("there is adapter.sales_team, but no adapter.team")
    missing += [f"there is no adapter.{kind}" for kind in mapping.records if tables.of(kind) is None]
    if missing:
        raise _unusable(mapping.source, "; ".join(missing))
    return tables


def _is_own_contact(path: str, definition: RecordTable | None) -> bool:
    return path == "@contacts" and definition is not None and definition.contact is not None


def _unusable(source: str, mistakes: str) -> ConfigurationError:
    return ConfigurationError(
        f"The adapter part of the Dynamics 365 mapping in {source} cannot be used: {mistakes}",
        code="mapping",
        remedy="Mend the named entries and start again.",
        service="Dynamics 365",
    )
