"""The field mapping as data: which field of a referral is which field of a CRM record, and how it travels.

A mapping file (``shared/mappings/*.toml``) is one table of rows per kind of record. This module knows the shape;
:mod:`shared.domain.overlay` puts the effective mapping together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.domain.converters import CONVERTERS, Converter
from shared.domain.patch import PATCHABLE_PATHS, patch_path
from shared.domain.record import RecordKind
from shared.domain.toml_lines import Place


class Travels(StrEnum):
    """When a field goes in one direction: with every change, only when the other side is created, or never."""

    ALWAYS = "always"
    CREATE = "create"
    NEVER = "never"


class ConflictPolicy(StrEnum):
    """Who wins when both sides changed a field since they last agreed."""

    NEWEST = "newest"
    PARTNER_CENTER = "partner_center"
    CRM = "crm"
    FILLED = "filled"
    HOLD = "hold"


class Required(StrEnum):
    """What must be there before an opportunity is shared as a referral, or a lead qualified."""

    NO = "no"
    ALWAYS = "always"
    WITH_HELP = "with_help"


class AccountPolicy(StrEnum):
    """What to do when several accounts match the customer of a new referral."""

    HOLD = "hold"
    OLDEST = "oldest"
    CREATE = "create"


MICROSOFT_CRM_ID_PATH = "trackingInfo.microsoftMsxId"
"""Microsoft's own id of the deal, there once Microsoft has accepted it."""


@dataclass(frozen=True)
class FieldLimits:
    """What the CRM can hold in one field. ``None`` is no limit.

    ``max_length`` in UTF-16 units, as both CRMs count; ``capacity`` is how many entries a set holds.
    """

    max_length: int | None = None
    decimals: int | None = None
    capacity: int | None = None
    options: tuple[str, ...] | None = None


NO_LIMITS = FieldLimits()


class FieldMapping(BaseModel):
    """One row. ``partner_center`` is a dotted path in the referral, ``crm`` the CRM's name of the field.

    A CRM path is a column (``estimatedvalue``), a column of a related record (``customerid_account.name``) or a set
    (``@contacts``, ``@team``, ``@solutions``). ``personal`` values stay out of audit and logs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    label: str
    partner_center: str = Field(pattern=r"^[A-Za-z@][\w.@]*$")
    crm: str = Field(pattern=r"^[A-Za-z_@][\w.]*$")
    converter: str
    choices: Mapping[str, str] = {}
    to_crm: Travels = Travels.ALWAYS
    to_partner_center: Travels = Travels.ALWAYS
    conflict: ConflictPolicy = ConflictPolicy.NEWEST
    required: Required = Required.NO
    remedy: str = ""
    personal: bool = False

    @field_validator("converter")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in CONVERTERS:
            raise ValueError(f"there is no converter {name!r}; there are {', '.join(sorted(CONVERTERS))}")
        return name

    @model_validator(mode="after")
    def _choices_are_total(self) -> FieldMapping:
        if (self.converter == "choice") != bool(self.choices):
            raise ValueError("choices belong to the converter 'choice', which needs them")
        if len(set(self.choices.values())) != len(self.choices):
            raise ValueError("two choices have the same CRM label, so the way back is not clear")
        return self

    @model_validator(mode="after")
    def _can_be_patched(self) -> FieldMapping:
        if self.to_partner_center is Travels.ALWAYS and patch_path(self.partner_center) not in PATCHABLE_PATHS:
            raise ValueError(
                f"Partner Center cannot change {self.partner_center} after creation; "
                'write to_partner_center = "create" or "never"'
            )
        return self

    @property
    def convert(self) -> Converter:
        return CONVERTERS[self.converter](self.choices)


class SystemColumns(BaseModel):
    """Columns the connector itself writes. A blank name is a column that this CRM does not have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sync: str
    referral_id: str
    referral_link: str = ""
    audit: str = ""
    microsoft_crm_id: str = ""
    referral_program: str = ""
    microsoft_status: str = ""
    microsoft_team: str = ""


class AccountMatching(BaseModel):
    """``lookup`` is the CRM path of the customer account; ``match`` names the rows that must agree."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lookup: str
    match: tuple[str, ...] = Field(min_length=1)
    several: AccountPolicy = AccountPolicy.HOLD


class RecordMapping(BaseModel):
    """Everything about one kind of record. ``constants`` are set on every record the connector creates.

    Without ``account`` the customer is in columns of the record itself, as in a lead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: SystemColumns
    account: AccountMatching | None = None
    fields: tuple[FieldMapping, ...]
    constants: Mapping[str, Any] = {}

    @model_validator(mode="after")
    def _names_are_distinct(self) -> RecordMapping:
        names = [row.name for row in self.fields]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one field is named {', '.join(twice)}")
        if missing := [name for name in (self.account.match if self.account else ()) if name not in names]:
            raise ValueError(f"account.match names {', '.join(missing)}, which is no field")
        return self

    @model_validator(mode="after")
    def _no_two_write_one_place(self) -> RecordMapping:
        """Two rows that write one place would take turns there for ever, each undoing the other."""
        to_crm = [(row.crm, row.name) for row in self.fields if row.to_crm is not Travels.NEVER]
        to_crm += [(column, "the connector itself") for column in self.columns.model_dump().values() if column]
        sent = [row for row in self.fields if row.to_partner_center is not Travels.NEVER]
        for written in (to_crm, [(row.partner_center, row.name) for row in sent]):
            for place in dict(written):
                writers = [name for path, name in written if path == place]
                if len(writers) > 1:
                    raise ValueError(f"{place} is written by more than one: {', '.join(writers)}")
        return self

    def field(self, name: str) -> FieldMapping:
        """The row of that name; ``KeyError`` where there is none."""
        for row in self.fields:
            if row.name == name:
                return row
        raise KeyError(name)

    def has(self, name: str) -> bool:
        return any(row.name == name for row in self.fields)

    def account_column(self, row: FieldMapping) -> str | None:
        """The account column behind ``row``, or ``None`` when it is a field of the record itself."""
        if self.account is None:
            return None
        prefix = f"{self.account.lookup}."
        return row.crm.removeprefix(prefix) if row.crm.startswith(prefix) else None

    @property
    def all_fields(self) -> tuple[FieldMapping, ...]:
        """The rows of the file, and one for each column that shows something of the referral in the CRM."""
        columns = self.columns
        return (
            *self.fields,
            _shown("referral_id", "Referral identifier", "id", columns.referral_id),
            *(
                _shown(name, label, path, column)
                for name, label, path, column in (
                    ("referral_link", "Referral link", "@link", columns.referral_link),
                    ("microsoft_crm_id", "Microsoft CRM identifier", MICROSOFT_CRM_ID_PATH, columns.microsoft_crm_id),
                    ("referral_program", "Referral program", "referralProgram", columns.referral_program),
                    ("microsoft_status", "Microsoft's status", "@microsoft_status", columns.microsoft_status),
                    ("microsoft_team", "Microsoft's team", "@microsoft_team", columns.microsoft_team),
                )
                if column
            ),
        )

    @property
    def crm_paths(self) -> tuple[str, ...]:
        """Every CRM path that must be read to plan."""
        system = (value for value in self.columns.model_dump().values() if value)
        return tuple(dict.fromkeys((*system, *(row.crm for row in self.fields))))


def _shown(name: str, label: str, path: str, column: str) -> FieldMapping:
    return FieldMapping(
        name=name,
        label=label,
        partner_center=path,
        crm=column,
        converter="text",
        to_partner_center=Travels.NEVER,
        conflict=ConflictPolicy.PARTNER_CENTER,
        personal=name == "microsoft_team",
    )


class CrmMapping(BaseModel):
    """A whole mapping file. ``adapter`` is for the CRM's adapter alone: tables, keys, relationships.

    ``lines`` are those of the partner's own file, which is ``source``, for what is said of mistakes in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    records: Mapping[RecordKind, RecordMapping]
    adapter: Mapping[str, Any] = {}
    stages: Mapping[str, str] = {}
    lines: Mapping[Place, int] = Field(default={}, exclude=True, repr=False)
    source: str = Field(default="the mapping file", exclude=True)
